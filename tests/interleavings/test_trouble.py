"""Crashes, cancellations, slow owners, evictions, late and lost messages: the promises hold all the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interleavings.trouble import stale_ones, troubles


@pytest.mark.parametrize("part", [pytest.param(0, marks=pytest.mark.long), *range(1, 6)])
def test_troubles(holds: Any, part: int) -> None:
    """Whatever goes wrong, nobody gets what is too old, and nobody waits for ever."""
    holds(list(troubles())[part::6])


def test_stale_values(holds: Any) -> None:
    """A stale value is served inside the reader's own window only, and never past its hard end."""
    holds(stale_ones())
