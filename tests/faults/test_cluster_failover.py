"""Failovers of clusters: what was invalidated stays invalidated, and who was cut off is not believed."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    AsyncKeyCache,
    CacheConnectionError,
    CacheError,
    CacheMissError,
    KeyCache,
    ainvalidate_tags,
    cached,
    connection,
    invalidate_tags,
)
from rcollections.testing import Cluster, Process, isolated, wait_until
from rcollections.testing.network import Network
from tests.kits import TOGETHER
from tests.near import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rcollections.testing.nodes import Node

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here")

RECOVERY = 30.0  # seconds
OPTIONS = "?timeout=0.5&connect_timeout=0.5"


@pytest.fixture(scope="module", params=TOGETHER)
def running(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with Cluster(request.param, node_timeout=0.5, network=True) as cluster:
        yield cluster


@pytest.fixture
def torn(running: Cluster) -> Iterator[Cluster]:
    """It, whole and empty, as the default connection."""
    running.heal()
    with isolated(running.dsn + OPTIONS):
        yield running


def until_served(call: Callable[[], Any]) -> Any:
    """What the call gives as soon as it is served: until then it raises nothing but our errors."""
    end = time.monotonic() + RECOVERY
    while True:
        try:
            return call()
        except CacheError:
            assert time.monotonic() < end, "the connection does not recover"
            time.sleep(0.01)


def held(node: Node, key: str) -> Any:
    """What a node has under this key, a replica as well."""
    return node.ask_all([("READONLY",), ("DUMP", key)])[1]


def peeked(f: Any) -> Any:
    """What is stored; None: nothing that counts."""
    try:
        return f.peek()
    except CacheMissError:
        return None


class Places:
    """A function whose entry is on one node and its tag on another one, and the replica that will not hear of it."""

    def __init__(self, cluster: Cluster, by_tag: bool) -> None:
        self.cluster = cluster
        self.first, self.second, _ = cluster.primaries
        (self.replica,) = cluster.replicas_of(self.first)
        tagged, entered = (self.first, self.second) if by_tag else (self.second, self.first)
        tag_key = next(f"rc:t:t{n}" for n in range(1000) if cluster.owner(f"rc:t:t{n}") is tagged)
        self.tag = tag_key.removeprefix("rc:t:")
        self.entry = cluster.key_on(entered, "entry")
        self.lost = tag_key if by_tag else self.entry  # what the replica will have
        self.source = 1

    def begin(self) -> None:
        """Replication is stalled from here on."""
        wait_until(lambda: held(self.replica, self.lost) == held(self.first, self.lost), 10, "the copy")
        self.before = held(self.replica, self.lost)
        assert self.before is not None
        self.cluster.network.freeze(self.first, self.replica, "replication")
        self.source = 2

    def fail(self) -> None:
        assert held(self.first, self.lost) != self.before
        assert held(self.replica, self.lost) == self.before, "it was acknowledged, and the replica has not heard"
        self.first.kill()


@pytest.mark.parametrize("by_tag", [True, False])
def test_an_invalidation_that_no_replica_had_is_sent_again(torn: Cluster, by_tag: bool) -> None:
    """K13: the replica takes over with the old stamp, or the old entry; without the journal that is a hit."""
    places = Places(torn, by_tag)

    @cached(ttl=600, key=places.entry, tags=(places.tag,), l1=False)
    def f() -> int:
        return places.source

    assert f() == 1
    places.begin()
    if by_tag:
        invalidate_tags(places.tag)
    else:
        f.invalidate()
    places.fail()
    end = time.monotonic() + RECOVERY
    while not _promoted(places.replica):
        assert f() == 2
        assert time.monotonic() < end
    assert until_served(lambda: peeked(f)) in (2, None)
    assert until_served(f) == 2
    wait_until(lambda: held(places.replica, places.lost) != places.before, 5, "the new primary has heard of it")
    wait_until(lambda: (f(), until_served(lambda: peeked(f))) == (2, 2), 10, "it is stored again")


@pytest.mark.parametrize("by_tag", [True, False])
def test_the_same_in_an_event_loop(torn: Cluster, by_tag: bool) -> None:
    places = Places(torn, by_tag)

    @cached(ttl=600, key=places.entry, tags=(places.tag,), l1=False)
    async def f() -> int:
        return places.source

    async def main() -> None:
        assert await f() == 1
        await asyncio.to_thread(places.begin)
        await (ainvalidate_tags(places.tag) if by_tag else f.invalidate())
        await asyncio.to_thread(places.fail)
        end = time.monotonic() + RECOVERY
        while not await asyncio.to_thread(_promoted, places.replica):
            assert await f() == 2
            assert time.monotonic() < end
        while await asyncio.to_thread(held, places.replica, places.lost) == places.before:
            with suppress(CacheError):  # a miss, or its node is away
                assert await f.peek() == 2
            assert await f() == 2
            assert time.monotonic() < end
        assert await f() == 2

    asyncio.run(main())


OTHER = """
from rcollections import cached, CacheMissError
@cached(ttl=600, key={entry!r}, tags=({tag!r},), l1=False)
def f():
    return 3
def served():
    try:
        return f.peek()
    except CacheMissError:
        return None
"""


def test_it_is_sent_without_calls(torn: Cluster) -> None:
    """A process that asks nothing any more notices the failover by itself, so that others do not get the old value."""
    places = Places(torn, by_tag=True)

    @cached(ttl=600, key=places.entry, tags=(places.tag,), l1=False)
    def f() -> int:
        return places.source

    assert f() == 1
    places.begin()
    invalidate_tags(places.tag)
    places.fail()
    wait_until(lambda: _promoted(places.replica), RECOVERY, "the failover")
    wait_until(lambda: places.replica.ask("EXISTS", f"rc:t:{places.tag}") == 0, 5, "it was sent again")
    with Process(OTHER.format(entry=places.entry, tag=places.tag), torn.dsn + OPTIONS, quiet=False) as other:
        assert other("served()") is None


def test_slots_that_move_bring_nothing_up(torn: Cluster) -> None:
    """They take along what was acknowledged. Only a replica that becomes the primary may lack it."""
    first, second, _ = torn.primaries
    tag = next(f"t{n}" for n in range(1000) if torn.owner(f"rc:t:t{n}") is first)
    invalidate_tags(tag)
    handovers = connection().journal.handovers
    torn.reshard(torn.slot(f"rc:t:{tag}"), first, second)
    stamp = second.ask("GET", f"rc:t:{tag}")
    connection().raw("GET", f"rc:t:{tag}")
    con: Any = connection()
    rounds = con.learner.rounds
    con.learn_soon()
    wait_until(lambda: con.learner.rounds > rounds and con.node(torn.slot(f"rc:t:{tag}")).address[1] == second.port, 5)
    assert connection().journal.handovers == handovers
    assert second.ask("GET", f"rc:t:{tag}") == stamp


def _promoted(node: Node) -> bool:
    return node.role() == "primary"


@pytest.fixture(scope="module", params=TOGETHER)
def lenient(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Its nodes answer reads for as long as they are cut off."""
    config = {"cluster-allow-reads-when-down": "yes"}
    with Cluster(request.param, node_timeout=0.5, network=True, config=config) as cluster:
        yield cluster


def cut_off(cluster: Cluster) -> Node:
    """One primary and this process are alone; gives the replica that takes its place on the other side."""
    first = cluster.primaries[0]
    (replica,) = cluster.replicas_of(first)
    cluster.network.partition([first, "client"], [each for each in cluster.nodes if each is not first])
    wait_until(lambda: _promoted(replica), RECOVERY, "the failover on the other side")
    return replica


def test_reads_of_a_node_that_was_cut_off_do_not_count(lenient: Cluster) -> None:
    """K14: it serves old values without end. Functions compute, types raise, and soon without waiting."""
    lenient.heal()
    source = 1
    with isolated(lenient.dsn + OPTIONS):
        key = lenient.key_on(lenient.primaries[0], "entry")
        plain = lenient.key_on(lenient.primaries[0], "plain")

        @cached(ttl=600, key=key, l1=False)
        def f() -> int:
            return source

        assert f() == 1
        KeyCache(plain).set(1)
        assert [f(), KeyCache(plain).get()] == [1, 1]
        replica = cut_off(lenient)
        wait_until(lambda: replica.ask("SET", plain, 2) and replica.ask("UNLINK", key) == 1, 5, "changes there")
        source = 2
        cut = lenient.nodes[0]
        wait_until(lambda: b"cluster_state:fail" in cut.ask("CLUSTER", "INFO"), 10, "it knows that it is alone")
        assert cut.ask("GET", plain) == b"1", "it would answer"
        began = time.monotonic()
        wait_until(lambda: f() == 2, 2, "it computes")
        for _ in range(50):
            assert f() == 2
            with pytest.raises(CacheConnectionError):
                KeyCache(plain).get()
        assert time.monotonic() - began < 4, "nobody waits for it again and again"

        async def awaited() -> None:
            for _ in range(20):
                with pytest.raises(CacheConnectionError):
                    await AsyncKeyCache(plain).get()

        asyncio.run(awaited())
        lenient.network.heal()
        assert until_served(KeyCache(plain).get) == 2
        wait_until(lambda: (f(), peeked(f)) == (2, 2), 10, "it is stored again")


@pytest.mark.long
def test_the_option_keeps_such_reads(lenient: Cluster) -> None:
    """reads_when_down=on: old values are better than none."""
    lenient.heal()
    with isolated(lenient.dsn + OPTIONS + "&reads_when_down=on"):
        plain = lenient.key_on(lenient.primaries[0], "plain")
        KeyCache(plain).set(1)
        wait_until(lambda: held(lenient.replicas_of(lenient.primaries[0])[0], plain), 5, "replication")
        replica = cut_off(lenient)
        wait_until(lambda: replica.ask("SET", plain, 2), 5, "a change there")
        cut = lenient.nodes[0]
        wait_until(lambda: b"cluster_state:fail" in cut.ask("CLUSTER", "INFO"), 10, "it knows that it is alone")
        with pytest.raises(CacheError):
            KeyCache(plain).set(3)
        for _ in range(20):
            assert KeyCache(plain).get() == 1


@pytest.mark.long
def test_all_nodes_down_and_up_again(torn: Cluster) -> None:
    """The map is learned again by the names of the DSN, wherever they lead by then; one question in 100 ms at most."""
    nodes = torn.nodes
    doors = [Network(("127.0.0.1", 0), (node.host, node.port)) for node in nodes[:2]]
    try:
        dsn = "redis+cluster://" + ",".join(f"localhost:{each.address[1]}" for each in doors) + OPTIONS
        with isolated(dsn), Cluster(torn.kind, node_timeout=0.5) as second:
            KeyCache("a").set(1)
            learner = connection().learner  # type: ignore[attr-defined]
            began, rounds = time.monotonic(), learner.rounds
            for node in nodes:
                node.kill()

            def refused() -> bool:
                with suppress(CacheError):
                    KeyCache("a").get()
                return learner.failures > 2

            wait_until(refused, 10, "nobody is there")
            for door, node in zip(doors, second.nodes, strict=False):
                door.target = node.host, node.port
            until_served(lambda: KeyCache("a").set(2))
            assert KeyCache("a").get() == 2
            assert second.owner("a").ask("EXISTS", "a") == 1
            assert learner.rounds - rounds <= (time.monotonic() - began) / 0.1 + 2
    finally:
        for each in doors:
            each.end()


@pytest.mark.long
def test_a_frozen_primary_that_goes_on_later(torn: Cluster) -> None:
    """It has the old values, and takes what was queued; nobody believes it for longer than it takes to find out."""
    first = torn.primaries[0]
    (replica,) = torn.replicas_of(first)
    key = torn.key_on(first, "plain")
    KeyCache(key).set("old")
    first.freeze()
    try:
        wait_until(lambda: _promoted(replica), RECOVERY, "the failover")
        until_served(lambda: KeyCache(key).set("new"))
    finally:
        first.thaw()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        assert KeyCache(key).get() == "new"
        connection()._renew()  # also over new connections


class Held(KeyCache[int]):
    prefix = "held"
    l1 = True


def test_this_process_is_cut_off_together_with_a_primary(running: Cluster) -> None:
    """What it holds is served no longer than the node proves that it takes writes; then calls raise."""
    running.heal()
    with isolated(running.dsn + OPTIONS + "&staleness=0.4"):
        first = running.primaries[0]
        name = running.key_on(first, "held.").removeprefix("held.")
        Held(name).set(1)
        settle(Held(name).get)
        cut_off(running)
        wait_until(lambda: b"cluster_state:fail" in first.ask("CLUSTER", "INFO"), 10, "it knows that it is alone")
        end = time.monotonic() + 0.4 + 0.3
        while time.monotonic() < end:
            with suppress(CacheError):
                Held(name).get()
        for _ in range(10):
            with pytest.raises(CacheError):
                Held(name).get()


@pytest.mark.long
def test_nodes_come_and_go(torn: Cluster) -> None:
    """A slot goes to a new node and back; nobody notices."""
    first = torn.primaries[0]
    key = torn.key_on(first, "plain")
    with isolated(torn.dsn + "?timeout=5&connect_timeout=5"):
        KeyCache(key).set(1)
        new = torn.add_node()
        torn.reshard(torn.slot(key), first, new)
        assert KeyCache(key).get() == 1
        KeyCache(key).set(2)
        torn.remove_node(new)
        assert KeyCache(key).get() == 2
        KeyCache(key).set(3)
