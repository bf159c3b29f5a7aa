"""Tagged collections in every order of their readers, writers and invalidators: the real plans, each step."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interleavings.catalog import APART
from tests.interleavings.collection_catalog import collection_pairs, collection_triples, collection_troubles, is_small


@pytest.mark.parametrize(
    "together", [False, pytest.param(True, marks=pytest.mark.long)], ids=["two processes", "one process"]
)
def test_two_actors(holds: Any, together: bool) -> None:
    """Read, fill with since, merge, add, replace, clear, invalidate: every pair, loading itself or not."""
    holds(collection_pairs(together))


@pytest.mark.long
def test_three_actors(holds: Any) -> None:
    """Two writers and an invalidation, a fill and two of them, and so on, each in a process of its own."""
    holds(filter(is_small, collection_triples(APART, ("look", "fill", "add", "bump"))))


@pytest.mark.long
def test_troubles(holds: Any) -> None:
    """Guards, tags, data and leases that are evicted, owners that die, are slow, fail or are cancelled."""
    holds(collection_troubles())
