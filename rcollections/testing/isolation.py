"""For your tests: ``fresh`` is a pytest fixture that gives each test an empty server of its own.

In a ``conftest.py``: ``from rcollections.testing import fresh``. Needs ``rcollections[memory]``, pytest.
Without pytest, ``isolated()`` is the same as a context manager.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..observe import collector
from ..servers import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["fresh", "isolated"]


@contextmanager
def isolated(dsn: str = "memory://") -> Iterator[Any]:
    """An empty ``memory://`` server as the default connection, and everything as it was afterwards.

    Connections, memory servers, signing keys, observers and counts are forgotten on entry and on exit; the
    environment is read again afterwards. ``dsn`` may name another server, which is not emptied.

    >>> from rcollections import KeyCache
    >>> from rcollections.testing import isolated
    >>> with isolated():
    ...     KeyCache("greeting", data="hello").data
    'hello'
    """
    _forget()
    try:
        registry.ignore_environment()
        registry.configure(dsn)
        yield registry.connection()
    finally:
        _forget()


def _forget() -> None:
    registry.reset()
    collector.reset()


def _fixture() -> Any:
    """The fixture; a plain error for who imports it without pytest."""
    try:
        import pytest
    except ImportError:  # pragma: no cover - the package itself does not need pytest

        def missing() -> Any:
            raise RuntimeError("rcollections.testing.fresh is a pytest fixture: pip install pytest, or use isolated()")

        return missing

    @pytest.fixture(name="fresh")
    def fixture() -> Iterator[Any]:
        """An empty in-memory server for this test; gives its connection."""
        with isolated() as connection:
            yield connection

    return fixture


fresh = _fixture()
