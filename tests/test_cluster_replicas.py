"""Reads that replicas of a cluster answer (K10): plain reads, where a class or the DSN says so, in both worlds."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    AsyncKeyCache,
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    cached,
    connection,
    invalidate_tags,
    l1_info,
)
from rcollections.testing import Cluster, isolated, wait_until
from tests.kits import TOGETHER
from tests.trips import trips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rcollections.testing.nodes import Node

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here")

PATIENT = "?timeout=5&connect_timeout=5"


@pytest.fixture(scope="module", params=TOGETHER)
def nodes(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with Cluster(request.param, network=True, node_timeout=3.0) as running:
        yield running


@pytest.fixture
def there(nodes: Cluster) -> Iterator[Any]:
    """A connection that reads from replicas."""
    nodes.heal()
    with isolated(nodes.dsn + PATIENT + "&read_from=replica") as connection:
        known(connection)
        yield connection


def known(connection: Any) -> None:
    """Wait until the replicas are known: of a young one the nodes tell some time later."""

    def all_of_them() -> bool:
        KeyCache.get_many(range(100))
        return len(connection.learner.map.known) == 6

    wait_until(all_of_them, 20, "the replicas in the map")


@pytest.fixture(params=[False, True], ids=["threads", "asyncio"])
def get(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Gets the value of a ``KeyCache``, in one of the worlds."""
    return (lambda handle: asyncio.run(_awaited(handle))) if request.param else lambda handle: handle.get()


async def _awaited(handle: Any) -> Any:
    return await handle.aio.get()


def reads(node: Node) -> int:
    """How many reads of data this server has answered."""
    told = node.client().info("commandstats")
    return sum(each["calls"] for name, each in told.items() if name in ("cmdstat_get", "cmdstat_hget", "cmdstat_mget"))


def copied(nodes: Cluster) -> None:
    """Wait until all replicas have all."""
    wait_until(
        lambda: all(node.ask("WAIT", 1, 1000) >= 1 and _offsets(nodes, node) for node in nodes.primaries),
        what="replication",
    )


def _offsets(nodes: Cluster, primary: Node) -> bool:
    (replica,) = nodes.replicas_of(primary)
    return bool(primary.ask("ROLE")[1] == replica.ask("ROLE")[4])


def test_plain_reads_of_all_types(there: Any, nodes: Cluster) -> None:
    KeyCache("a").set(1)
    DictCache("d", data={"x": 1})
    SetCache("s", data={1})
    CounterCache("c").increment("x", 3)
    SortedSetCache("z", data={"m": 1.5})
    copied(nodes)
    before = [reads(node) for node in nodes.primaries]
    assert KeyCache("a").get() == 1
    assert DictCache("d")["x"] == 1
    assert DictCache("d").to_dict() == {"x": 1}
    assert 1 in SetCache("s")
    assert CounterCache("c")["x"] == 3
    assert SortedSetCache("z").score("m") == 1.5
    assert there.replicas.trips >= 6
    assert [reads(node) for node in nodes.primaries] == before
    assert sum(reads(node) for node in nodes.replicas) >= 3


def test_many_values_are_one_fan_out(there: Any, nodes: Cluster) -> None:
    names = [str(n) for n in range(40)]
    KeyCache.set_many({name: name for name in names})
    copied(nodes)
    before = [reads(node) for node in nodes.primaries]
    assert KeyCache.get_many(names) == {name: name for name in names}
    assert [reads(node) for node in nodes.primaries] == before

    async def run() -> None:
        assert await AsyncKeyCache.get_many(names) == {name: name for name in names}
        found = await asyncio.gather(*(AsyncKeyCache(name).get() for name in names))
        assert found == names

    asyncio.run(run())
    assert [reads(node) for node in nodes.primaries] == before
    asked = there.replicas.trips
    KeyCache.get_many(names)
    assert there.replicas.trips == asked + 1


def test_links_that_may_write_are_never_read_only(there: Any, nodes: Cluster) -> None:
    """And those to replicas carry no write."""
    KeyCache("a").set(1)
    copied(nodes)
    KeyCache("a").get()
    for node in nodes.primaries:
        assert "cmdstat_readonly" not in node.client().info("commandstats")
    for links in there.replicas.all_links():
        assert links is not there.links
    told = [node.client().info("commandstats") for node in nodes.replicas]
    assert sum("cmdstat_readonly" in each for each in told) >= 1


def test_a_class_says_so_or_otherwise(nodes: Cluster) -> None:
    class Near(KeyCache[int]):
        prefix = "near"
        read_from = "replica"

    class Exact(KeyCache[int]):
        prefix = "exact"
        read_from = "primary"

    nodes.heal()
    with isolated(nodes.dsn + PATIENT) as there:
        Near(1).set(1)
        copied(nodes)
        assert Near(1).get() == 1
        assert there.replicas.trips == 1
        assert KeyCache("near.1").get() == 1
        assert there.replicas.trips == 1, "not for others"
    with isolated(nodes.dsn + PATIENT + "&read_from=replica") as there:
        Exact(1).set(1)
        assert Exact(1).get() == 1
        assert there.replicas.trips == 0


@pytest.mark.long
def test_a_cluster_without_replicas() -> None:
    """The primaries answer, in both worlds."""
    for kind in TOGETHER[:1]:
        with Cluster(kind, replicas=0) as alone, isolated(alone.dsn + PATIENT + "&read_from=replica"):
            KeyCache("a").set(1)
            assert KeyCache("a").get() == 1
            assert asyncio.run(_awaited(KeyCache("a"))) == 1


class Tagged(KeyCache[int]):
    prefix = "tagged"
    tags = ("t", "u")


def stalled(nodes: Cluster) -> None:
    """Replicas hear nothing from now on, and do not know it."""
    for primary in nodes.primaries:
        (replica,) = nodes.replicas_of(primary)
        nodes.network.freeze(primary, replica, "replication")


def test_stamps_are_those_of_the_primaries(there: Any, nodes: Cluster, get: Any) -> None:
    """A replica that is behind gives entries that an invalidation has ended; the stamps tell."""
    Tagged(1).set(1)
    copied(nodes)
    before = sum(map(reads, nodes.replicas))
    assert get(Tagged(1)) == 1
    assert sum(map(reads, nodes.replicas)) == before + 1
    stalled(nodes)
    Tagged(2).set(2)
    assert get(Tagged(1)) == 1
    assert get(Tagged(2)) is None, "replicas are behind, which this class has allowed"
    invalidate_tags("u")
    assert get(Tagged(1)) is None


@pytest.mark.parametrize("asynchronous", [False, True])
def test_functions_with_tags_and_without(there: Any, nodes: Cluster, asynchronous: bool) -> None:
    """Entries come from replicas, stamps from primaries, in one fan-out; what replicas lack is at the primary."""
    calls: list[int] = []

    def made(**options: Any) -> Any:
        if asynchronous:

            @cached(ttl=60, l1=False, **options)
            async def f(n: int) -> int:
                calls.append(n)
                return n

            return lambda n: asyncio.run(f(n))

        @cached(ttl=60, l1=False, **options)
        def g(n: int) -> int:
            calls.append(n)
            return n

        return g

    f = made(tags=("a", "b", "c"))
    plain = made(prefix="plain")
    for each in (f, plain):
        calls.clear()
        assert [each(n) for n in range(5)] == list(range(5))
        copied(nodes)
        asked = there.replicas.trips
        assert [each(n) for n in range(5)] == list(range(5))
        assert calls == list(range(5))
        assert there.replicas.trips == asked + 5
    stalled(nodes)
    calls.clear()
    assert f(7) == 7
    assert f(7) == 7
    assert calls == [7], "what replicas do not have yet is looked for at the primary"
    invalidate_tags("b")
    assert f(1) == 1
    assert calls == [7, 1]


def test_a_hit_with_tags_is_one_fan_out(there: Any, nodes: Cluster) -> None:
    @cached(ttl=60, l1=False, tags=("a", "b", "c"))
    def f(n: int) -> int:
        return n

    f(1)
    copied(nodes)
    assert trips(None, lambda: f(1)) == 1
    asked, own = there.replicas.trips, there.trips
    f(1)
    assert (there.replicas.trips, there.trips) == (asked + 1, own)


def test_nothing_is_held_of_a_replica(there: Any, nodes: Cluster) -> None:
    class Held(KeyCache[int]):
        prefix = "held"
        l1 = True

    def hit() -> bool:
        before = l1_info().hits
        return Held(1).get() is not None and l1_info().hits > before

    Held(1).set(1)
    wait_until(hit, what="a held value")
    stalled(nodes)
    Held(1).set(2)
    wait_until(lambda: hit() and Held(1).get() == 2, what="a held value")
    for replica in nodes.replicas:
        assert not [each for each in replica.client().client_list() if int(each["sub"])]


def test_what_a_later_step_compares_is_read_at_the_primary(there: Any, nodes: Cluster) -> None:
    stalled(nodes)
    KeyCache("a").set(1)
    value, token = KeyCache("a").gets()
    assert value == 1
    assert KeyCache("a").cas(2, token)
    assert KeyCache("a").mutate(lambda value: (value or 0) + 1) == 3
    assert nodes.owner("a").client().get("a") == b"3"


def test_a_replica_that_dies_costs_nothing(there: Any, nodes: Cluster, get: Any) -> None:
    """It is passed over, and asked again when it is back."""
    KeyCache("a").set(1)
    copied(nodes)
    assert get(KeyCache("a")) == 1
    (replica,) = nodes.replicas_of(nodes.owner("a"))
    replica.kill()
    began = time.monotonic()
    for _ in range(20):
        assert get(KeyCache("a")) == 1
    assert time.monotonic() - began < 2
    wait_until(lambda: there.replicas.out, 10, "a look at the replica")
    assert not there.breaker.is_open
    replica.start()
    wait_until(lambda: not there.replicas.out, 30, "a look at the replica")
    wait_until(lambda: get(KeyCache("a")) == 1 and reads(replica) > 0, 30, "an answer of the replica")


@pytest.mark.long
def test_a_replica_that_does_not_hear_its_primary_is_passed_over(there: Any, nodes: Cluster, get: Any) -> None:
    KeyCache("a").set(1)
    copied(nodes)
    assert get(KeyCache("a")) == 1
    primary = nodes.owner("a")
    (replica,) = nodes.replicas_of(primary)
    nodes.network.refuse(primary, replica, "replication")
    KeyCache("a").set(2)
    wait_until(lambda: get(KeyCache("a")) == 2, 10, "a look at the replica")
    before = reads(replica)
    for _ in range(5):
        assert get(KeyCache("a")) == 2
    assert reads(replica) == before
    nodes.network.heal()
    wait_until(lambda: get(KeyCache("a")) == 2 and reads(replica) > before, 30, "an answer of the replica")


@pytest.mark.long
def test_a_frozen_replica_costs_one_timeout(nodes: Cluster, get: Any) -> None:
    nodes.heal()
    with isolated(nodes.dsn + "?timeout=0.5&connect_timeout=5&read_from=replica") as there:
        known(there)
        KeyCache("a").set(1)
        copied(nodes)
        assert get(KeyCache("a")) == 1
        (replica,) = nodes.replicas_of(nodes.owner("a"))
        replica.freeze()
        try:
            began = time.monotonic()
            for _ in range(10):
                assert get(KeyCache("a")) == 1
            assert time.monotonic() - began < 2.5
        finally:
            replica.thaw()


@pytest.mark.long
def test_a_replica_that_follows_another_primary_is_passed_over(there: Any, nodes: Cluster, get: Any) -> None:
    """It says MOVED, and the owner answers in the same call; then the map is learned again."""
    KeyCache("a").set(1)
    copied(nodes)
    assert get(KeyCache("a")) == 1
    primary = nodes.owner("a")
    (replica,) = nodes.replicas_of(primary)
    other = next(node for node in nodes.primaries if node is not primary)
    replica.ask("CLUSTER", "REPLICATE", other.id)
    for _ in range(10):
        assert get(KeyCache("a")) == 1
    wait_until(lambda: len(nodes.replicas_of(other)) == 2 and replica.linked(), 20, "the copy")
    key = nodes.key_on(other)
    KeyCache(key).set(2)

    def answers() -> bool:
        return get(KeyCache(key)) in (2, None) and reads(replica) > 0

    wait_until(answers, 30, "an answer of the replica")
    assert get(KeyCache("a")) == 1


@pytest.mark.long
def test_while_a_primary_is_dead_its_replica_answers(nodes: Cluster, get: Any) -> None:
    """Until the cluster says that it is down, and again when the replica has taken over."""
    nodes.heal()
    with isolated(nodes.dsn + "?timeout=0.5&connect_timeout=5&read_from=replica") as there:
        known(there)
        KeyCache("a").set(1)
        copied(nodes)
        assert get(KeyCache("a")) == 1
        primary = nodes.owner("a")
        primary.kill()
        wait_until(lambda: there.replicas.deaf or get(KeyCache("a")) != 1, what="a look at the replica")
        for _ in range(5):
            assert get(KeyCache("a")) == 1
        nodes.wait_for_failover(primary)
        wait_until(lambda: _written("a"), 20, "a write at the new primary")
        wait_until(lambda: get(KeyCache("a")) == 2, 20, "what was written")


def _written(key: str) -> bool:
    try:
        KeyCache(key).set(2)
    except Exception:
        return False
    return True


@pytest.mark.long
def test_replicas_that_come_are_found(there: Any, nodes: Cluster) -> None:
    """After a failover the former primary is a replica that answers."""
    KeyCache("a").set(1)
    copied(nodes)
    old = nodes.owner("a")
    nodes.failover(old)
    before = reads(old)
    wait_until(lambda: KeyCache("a").get() == 1 and reads(old) > before, 30, "an answer of the former primary")
    assert connection() is there


@pytest.mark.parametrize("words", [("-readonly",), ("-@all", "+cluster|slots", "+cluster|info", "+get", "+role")])
def test_who_may_not_read_replicas_reads_primaries(nodes: Cluster, get: Any, words: Any, caplog: Any) -> None:
    """A right that is missing at replicas costs nothing, and the log says which."""
    nodes.heal()
    key = nodes.key_on(nodes.primaries[0])
    nodes.primaries[0].client().set(key, 1)
    for node in nodes.nodes:
        node.ask("ACL", "SETUSER", "few", "reset", "on", "nopass", "~*", "&*", "+@all", *words)
    with isolated(nodes.dsn.replace("//", "//few:x@", 1) + PATIENT + "&read_from=replica"):
        wait_until(lambda: get(KeyCache(key)) == 1 and "may not do READONLY" in caplog.text, 20, "a line in the log")
        assert get(KeyCache(key)) == 1
