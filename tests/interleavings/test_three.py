"""Three actors in every order, up to swapping steps that nobody else could tell apart."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interleavings.catalog import APART, TOGETHER, TWO_AND_ONE, triples


@pytest.mark.long
@pytest.mark.parametrize("part", range(2))
def test_three_processes(holds: Any, part: int) -> None:
    """Each in a process of its own."""
    holds(list(triples(APART, start="cold"))[part::2])


@pytest.mark.long
@pytest.mark.parametrize("layout", [TWO_AND_ONE, TOGETHER], ids=["two and one", "one process"])
def test_some_share_a_process(holds: Any, layout: Any) -> None:
    """Callers of one process share reads and wake-ups, and nothing that would be too old."""
    holds(triples(layout, ("call", "delete"), start="cold"))
