"""Reads of several nodes at once, before any plan: where each key is, what comes back, and what is left to the plan."""

from __future__ import annotations

import asyncio
import time
from array import array
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcollections import (
    AsyncKeyCache,
    CacheError,
    DictCache,
    KeyCache,
    cached,
    configure,
    connection,
    deadline,
    invalidate_tags,
)
from rcollections.plans.slots import SLOTS, slot_of
from rcollections.servers.topology.spread import Stamps, laid_out, lots_of_keys
from rcollections.testing import Cluster, isolated
from rcollections.wire.slotmap import SlotMap
from tests.trips import trips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NODES = (("a", 1), ("b", 2), ("c", 3))
MAP = SlotMap(array("h", [slot % 3 for slot in range(SLOTS)]), NODES, {})

KEYS = st.one_of(
    st.text(max_size=6),
    st.binary(max_size=6),
    st.integers(-9, 9),
    st.builds("{{{}}}{}".format, st.sampled_from("abcd"), st.text("xyz", max_size=2)),
)


def place(address: Any) -> Any:
    """In the place of a node."""
    return address


def commands(data: bytes) -> list[tuple[bytes, ...]]:
    """The commands in some bytes."""
    import hiredis

    reader = hiredis.Reader()
    reader.feed(data)
    found = []
    while (words := reader.gets()) is not False:
        found.append(tuple(words))
    return found


def answered(asks: Sequence[tuple[Any, bytes, int]]) -> list[list[Any]]:
    """What nodes answer that hold each key's own name under it. Each command has keys of one slot, which they own."""
    found = []
    for node, data, count in asks:
        sent = commands(data)
        assert len(sent) == count
        for words in sent:
            (slot,) = {slot_of(key) for key in words[1:]}
            assert MAP.owner(slot) == node
        found.append([words[1] if words[0] == b"GET" else list(words[1:]) for words in sent])
    return found


def named(key: Any) -> bytes:
    return key if isinstance(key, bytes) else str(key).encode()


@settings(deadline=None)
@given(st.lists(KEYS, min_size=1, max_size=30))
def test_the_words_are_those_of_one_mget(keys: list[Any]) -> None:
    """In their order, whatever shares a slot or a node, or comes twice. Keys of one slot stay in one command."""
    made = lots_of_keys(keys, MAP, place)
    assert made is not None
    asks, words = laid_out(*made)
    assert len({node for node, _, _ in asks}) == len(asks) <= 3
    assert sum(count for _, _, count in asks) == len({slot_of(key) for key in keys})
    assert words(answered(asks)) == [named(key) for key in keys]


@settings(deadline=None)
@given(st.text(max_size=6), st.lists(KEYS.map(str), min_size=1, max_size=6, unique=True))
def test_an_entry_and_its_tags(key: str, tags: list[str]) -> None:
    """The entry is the first word; for another entry nothing is made anew."""
    made = lots_of_keys(tags, MAP, place)
    assert made is not None
    stamps = Stamps(MAP, *made)
    for each in (key, key + "x", key):
        asks, words = stamps.and_entry(each, MAP.owner(slot_of(each)))
        assert words(answered(asks)) == [named(word) for word in (each, *tags)]


def test_a_slot_that_nobody_owns() -> None:
    owners = array("h", [slot % 3 for slot in range(SLOTS)])
    owners[slot_of("a")] = -1
    found = SlotMap(owners, NODES, {})
    assert lots_of_keys(["b", "c"], found, place) is not None
    assert lots_of_keys(["b", "a", "c"], found, place) is None


# -- on a cluster ---------------------------------------------------------------------------------------------


@pytest.fixture
def here(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster as the default connection."""
    with isolated(cluster.dsn + "?timeout=5&connect_timeout=5&l1=off"):
        yield cluster


@pytest.fixture(params=[False, True], ids=["threads", "asyncio"])
def world(request: pytest.FixtureRequest) -> Iterator[Callable[[Any], Any]]:
    """Carries out what ``ask`` gives: it is awaited, always in one loop, or is there already."""
    if not request.param:
        yield lambda found: found
        return
    with asyncio.Runner() as runner:

        async def waited(found: Any) -> Any:
            return await found

        yield lambda found: runner.run(waited(found))


def function(world_is_asyncio: bool, tags: tuple[str, ...], computed: list[int]) -> Any:
    """A cached function of one of the worlds, with these tags."""

    def compute(n: int) -> int:
        computed.append(n)
        return n

    async def acompute(n: int) -> int:
        return compute(n)

    fn: Any = acompute if world_is_asyncio else compute
    return cached(ttl=60, tags=tags)(fn)


def is_asyncio(request: pytest.FixtureRequest) -> bool:
    return "asyncio" in request.node.callspec.id


def test_hits_with_tags(here: Cluster, world: Any, request: pytest.FixtureRequest) -> None:
    """An invalidation of each tag counts, whatever node it is on; a tag that is gone too."""
    tags = tuple(f"t{n}" for n in range(7))
    computed: list[int] = []
    f = function(is_asyncio(request), tags, computed)
    for n in range(12):
        assert [world(f(n)) for _ in range(2)] == [n, n]
    assert computed == list(range(12))
    for tag in tags:
        invalidate_tags(tag)
        computed.clear()
        assert [world(f(n)) for n in range(3)] == [0, 1, 2]
        assert [world(f(n)) for n in range(3)] == [0, 1, 2]
        assert computed == [0, 1, 2]
    connection().raw("DEL", "rc:t:t3")
    assert world(f(1)) == 1
    assert computed == [0, 1, 2, 1]


def test_keys_that_hold_something_else(here: Cluster, world: Any, request: pytest.FixtureRequest) -> None:
    """They count as missing, as with one MGET."""
    KeyCache.set_many({str(n): n for n in range(30)})
    connection().raw("DEL", "7")
    DictCache("7", data={"a": 1})
    names = [str(n) for n in range(30)]
    many: Any = AsyncKeyCache.get_many if is_asyncio(request) else KeyCache.get_many
    for _ in range(2):
        assert world(many(names)) == {str(n): n for n in range(30) if n != 7}
    assert connection().raw("MGET", "3", "7", "zz") == [connection().raw("GET", "3"), None, None]


def test_links_that_have_died_meanwhile(here: Cluster, world: Any, request: pytest.FixtureRequest) -> None:
    """Each node drops its clients: reads are sent again, and no caller hears of it."""
    computed: list[int] = []
    f = function(is_asyncio(request), ("a", "b", "c"), computed)
    names = [str(n) for n in range(40)]
    KeyCache.set_many({name: name for name in names})
    many: Any = AsyncKeyCache.get_many if is_asyncio(request) else KeyCache.get_many
    for pause in (0.0, 0.15):
        world(f(1)), world(many(names))
        for node in here.primaries[:2]:
            node.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        time.sleep(pause)  # idle for so long, a link is looked at before it is used
        assert world(f(1)) == 1
        assert world(many(names)) == {name: name for name in names}
    assert computed == [1]


def test_a_frozen_node_costs_one_timeout(here: Cluster, world: Any, request: pytest.FixtureRequest) -> None:
    """Then its breaker is open: calls that need it fail or compute at once, the others are served."""
    nodes = here.primaries
    configure(here.dsn + "?timeout=0.5&connect_timeout=5&l1=off")
    tag = next(str(n) for n in range(1000) if here.owner(f"rc:t:{n}") is nodes[1])
    computed: list[int] = []
    f = function(is_asyncio(request), (tag,), computed)
    own = here.key_on(nodes[0], "k")
    KeyCache(own).set(5)
    n = next(n for n in range(1000) if here.owner(f.key(n)) is nodes[0])
    assert (world(f(n)), world(f(n)), computed) == (n, n, [n])
    nodes[1].freeze()
    try:
        began = time.monotonic()
        assert world(f(n)) == n
        took = time.monotonic() - began
        assert 0.45 < took < 1.2, "one timeout, for the reads at all nodes together"
        assert computed == [n, n]
        began = time.monotonic()
        for _ in range(5):
            assert world(f(n)) == n
        assert time.monotonic() - began < 0.4
        handle: Any = AsyncKeyCache(own) if is_asyncio(request) else KeyCache(own)
        assert world(handle.get()) == 5
    finally:
        nodes[1].thaw()


def test_a_deadline_bounds_all_nodes_together(here: Cluster) -> None:
    names = [here.key_on(node, "d") for node in here.primaries]
    KeyCache.set_many(dict.fromkeys(names, 1))
    assert KeyCache.get_many(names) == dict.fromkeys(names, 1)
    frozen = here.primaries[1:]
    for node in frozen:
        node.freeze()
    try:
        began = time.monotonic()
        with deadline(0.2), pytest.raises(CacheError):
            KeyCache.get_many(names)
        assert 0.19 < time.monotonic() - began < 0.4
    finally:
        for node in frozen:
            node.thaw()
    with deadline(5):
        assert KeyCache.get_many(names) == dict.fromkeys(names, 1)


def test_tasks_that_ask_at_the_same_time(here: Cluster) -> None:
    """Each gets its own, also beside one that is cancelled; and one fan-out is one trip."""

    @cached(ttl=60, tags=("a", "b", "c"))
    async def f(n: int) -> int:
        return n

    async def main() -> None:
        assert await asyncio.gather(*(f(n) for n in range(50))) == list(range(50))
        tasks = [asyncio.ensure_future(f(n)) for n in range(50)]
        await asyncio.sleep(0)
        for task in tasks[::7]:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        for n, each in enumerate(found):
            assert each == n or (n % 7 == 0 and isinstance(each, asyncio.CancelledError))
        assert await asyncio.gather(*(f(n) for n in range(50))) == list(range(50))

    asyncio.run(main())
    assert f.cache_info().computes == 50

    @cached(ttl=60, tags=("a", "b", "c"))
    def g(n: int) -> int:
        return n

    assert trips(None, lambda: g(1)) == 1
