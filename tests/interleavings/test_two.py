"""Every two actors in every order: what is promised holds at each step, and for a call afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interleavings.catalog import pairs


@pytest.mark.parametrize(
    "together", [False, pytest.param(True, marks=pytest.mark.long)], ids=["two processes", "one process"]
)
def test_two_actors(holds: Any, together: bool) -> None:
    """Readers, computers, invalidators and writers, cold and warm: every pair, every order."""
    holds(pairs(together))
