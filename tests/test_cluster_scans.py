"""SCAN over all primaries while slots move: what was there before and after is found, and ``clean`` misses nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import KeyCache, cached, connection, unsafe_clear
from rcollections.testing import Cluster, isolated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MANY = 600


class Item(KeyCache[int]):
    prefix = "item"


@pytest.fixture
def here(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster with some keys on each node, as the default connection."""
    with isolated(cluster.dsn + "?timeout=5&connect_timeout=5"):
        Item.set_many({n: n for n in range(MANY)})
        yield cluster


def in_order(cluster: Cluster) -> list[Any]:
    """The primaries as a scan visits them."""
    return sorted(cluster.primaries, key=lambda node: (node.host, node.port))


def slots_of(cluster: Cluster, node: Any) -> set[int]:
    """The slots with keys of this node."""
    return {cluster.slot(key) for key in connection().raw("KEYS", "item.*") if cluster.owner(key) is node}


def scan(at: int, event: Callable[[], Any], count: int = 20) -> set[bytes]:
    """All keys that a scan gives; the event comes behind that many pages."""
    cursor, found, pages = 0, set(), 0
    while True:
        cursor, some = connection().raw("SCAN", cursor, "COUNT", count, "MATCH", "item.*")
        found.update(some)
        pages += 1
        if pages == at:
            event()
        if int(cursor) == 0:
            return found


def bare(cluster: Cluster) -> Any:
    """The number of pages of one node's share."""
    return MANY // 3 // 20


def test_slots_that_moved_unseen(here: Cluster) -> None:
    """A SCAN is never redirected, so nobody tells the caller: it asks before it ends."""
    first, _, last = in_order(here)
    slots = list(slots_of(here, last))[:6]
    assert len(scan(bare(here) + 6, lambda: here.reshard(slots, last, first))) == MANY


def test_slots_that_are_on_their_way(here: Cluster) -> None:
    """Their keys are at a node that was done already; no map says so. The move is never ended."""
    first, _, last = in_order(here)
    moving = list(slots_of(here, last))[:6]
    begun: list[Any] = []

    def half() -> None:
        begun.append(here.resharding(moving, last, first))
        begun[0].move_keys(MANY)

    assert len(scan(bare(here) + 6, half)) == MANY
    assert len(scan(1, lambda: None)) == MANY
    assert Item.clean() == MANY
    begun[0].finish()
    assert connection().raw("DBSIZE") == 0


@pytest.mark.long
def test_a_node_that_nobody_knew(here: Cluster) -> None:
    """It gets slots of a node that is still to come."""
    _, _, last = in_order(here)
    slots = list(slots_of(here, last))[:6]
    new = here.add_node()
    found = scan(bare(here) + 6, lambda: here.reshard(slots, last, new))
    assert len(found) == MANY
    assert (new.host, new.port) in connection().primaries()  # type: ignore[attr-defined]


def test_a_graceful_failover(here: Cluster) -> None:
    """The scan goes on at the new primary, from its beginning."""
    last = in_order(here)[-1]
    assert len(scan(2 * bare(here) + 6, lambda: here.failover(last))) == MANY


@pytest.mark.long
def test_nothing_is_missed_under_resharding(here: Cluster) -> None:
    """clean(), clear() of a function, unsafe_clear()."""

    @cached(ttl=60, l1=False)
    def f(n: int) -> int:
        return n

    first, _, last = in_order(here)
    stop = threading.Event()
    slots = sorted(slots_of(here, last))[:8]

    def moves() -> None:
        source, target = last, first
        while not stop.is_set():
            for slot in slots:
                here.reshard(slot, source, target)
            source, target = target, source
            stop.wait(0.2)

    thread = threading.Thread(target=moves)
    thread.start()
    try:
        for _ in range(3):
            assert Item.clean() == MANY
            for n in range(150):
                f(n)
            f.clear()
            assert connection().raw("KEYS", "*") == []
            Item.set_many({n: n for n in range(MANY)})
            assert unsafe_clear("item.*") == MANY
            Item.set_many({n: n for n in range(MANY)})
    finally:
        stop.set()
        thread.join()


def test_a_whole_scan_costs_one_question_a_node(here: Cluster) -> None:
    """Before its end; nothing where nothing moves."""
    assert here.primaries
    trips = connection().trips
    pages = [0]
    scan(-1, lambda: None, 1000)
    cursor = 0
    while True:
        cursor, _ = connection().raw("SCAN", cursor, "COUNT", 1000)
        pages[0] += 1
        if int(cursor) == 0:
            break
    assert pages[0] == 3
    assert connection().trips - trips == 2 * (3 + 3)
