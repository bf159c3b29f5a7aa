"""For your tests: ``fresh`` is a pytest fixture that gives each test an empty server of its own.

In a ``conftest.py``: ``from rcollections.testing import fresh``. Needs ``rcollections[memory]``, pytest.
Without pytest, ``isolated()`` is the same as a context manager.
"""

from __future__ import annotations

from .isolation import fresh, isolated

__all__ = ["fresh", "isolated"]
