"""The pytest plugin of rcollections: its fixtures are there as soon as the package is installed.

pytest imports this module in every run on the machine, so it imports nothing but pytest; a fixture imports
rcollections when a test asks for it. ``-p no:rcollections`` switches the plugin off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def fresh() -> Iterator[Any]:
    """An empty in-memory server for this test; gives its connection."""
    from rcollections.testing import isolated

    with isolated() as connection:
        yield connection
