"""Reads that replicas answer: where a class or the DSN says so, and only plain reads."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    AsyncKeyCache,
    ConfigError,
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    cached,
    invalidate_tags,
    l1_info,
)
from rcollections.testing import SentinelTrio, isolated, wait_until
from rcollections.wire.dsn.dsn import parse
from tests.kinds import SERVERS, one_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rcollections.testing.nodes import Node

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here")

PATIENT = "timeout=5&connect_timeout=5"


@pytest.fixture(scope="module", params=SERVERS)
def trio(request: pytest.FixtureRequest) -> Iterator[SentinelTrio]:
    with SentinelTrio(request.param, down_after=60) as running:
        yield running


@pytest.fixture
def there(trio: SentinelTrio) -> Iterator[Any]:
    trio.flush()
    with isolated(f"{trio.dsn}?{PATIENT}&read_from=replica") as connection:
        yield connection


def gets(node: Node) -> int:
    """How many reads of data this server has answered."""
    told = node.client().info("commandstats")
    return sum(each["calls"] for name, each in told.items() if name in ("cmdstat_get", "cmdstat_hget", "cmdstat_mget"))


def copied(trio: SentinelTrio, key: str) -> None:
    (replica,) = trio.replicas
    wait_until(lambda: replica.ask("EXISTS", key), what="replication")


def test_plain_reads_of_all_types(there: Any, trio: SentinelTrio) -> None:
    (replica,) = trio.replicas
    KeyCache("a").set(1)
    DictCache("d", data={"x": 1})
    SetCache("s", data={1})
    CounterCache("c").increment("x", 3)
    SortedSetCache("z", data={"m": 1.5})
    for key in "adscz":
        copied(trio, key)
    primary, before = gets(trio.primary), gets(replica)
    assert KeyCache("a").get() == 1
    assert KeyCache("a").data == 1
    assert DictCache("d")["x"] == 1
    assert DictCache("d").to_dict() == {"x": 1}
    assert 1 in SetCache("s")
    assert CounterCache("c")["x"] == 3
    assert SortedSetCache("z").score("m") == 1.5
    assert gets(trio.primary) == primary
    assert gets(replica) >= before + 4
    assert there.trips > 0
    assert there.replicas.trips >= 7


def test_in_event_loops(there: Any, trio: SentinelTrio) -> None:
    (replica,) = trio.replicas

    async def run() -> None:
        await AsyncKeyCache("a").set(1)
        await asyncio.to_thread(copied, trio, "a")
        before = gets(replica)
        assert await asyncio.gather(*(AsyncKeyCache("a").get() for _ in range(10))) == [1] * 10
        assert gets(replica) == before + 10

    asyncio.run(run())


def test_a_class_says_otherwise(there: Any, trio: SentinelTrio) -> None:
    class Exact(KeyCache[int]):
        prefix = "exact"
        read_from = "primary"

    (replica,) = trio.replicas
    Exact(1).set(1)
    before = gets(replica)
    assert Exact(1).get() == 1
    assert KeyCache("exact.1", read_from="primary").get() == 1
    assert gets(replica) == before


def test_a_class_says_so_where_the_dsn_does_not(trio: SentinelTrio) -> None:
    class Near(KeyCache[int]):
        prefix = "near"
        read_from = "replica"

    with isolated(f"{trio.dsn}?{PATIENT}") as there:
        Near(1).set(1)
        copied(trio, "near.1")
        assert Near(1).get() == 1
        assert there.replicas.trips == 1
        assert KeyCache("near.1").get() == 1
        assert there.replicas.trips == 1
    with isolated():  # no replicas: the primary
        Near(1).set(1)
        assert Near(1).get() == 1
    with pytest.raises(ConfigError, match="read_from is None, 'primary' or 'replica', not 'both'"):
        KeyCache("a", read_from="both")


def test_what_a_later_step_compares_is_read_at_the_primary(there: Any, trio: SentinelTrio) -> None:
    (replica,) = trio.replicas
    replica.ask("REPLICAOF", "NO", "ONE")  # it hears nothing any more
    try:
        KeyCache("a").set(1)
        value, token = KeyCache("a").gets()
        assert value == 1
        assert KeyCache("a").cas(2, token)
        assert KeyCache("a").mutate(lambda value: (value or 0) + 1) == 3
        assert trio.primary.ask("GET", "a") == b"3"

        class Tagged(KeyCache[int]):
            prefix = "tagged"
            tags = ("t",)

        Tagged(1).set(1)
        assert Tagged(1).get() == 1, "stamps are the primary's"
        invalidate_tags("t")
        assert Tagged(1).get() is None
    finally:
        primary = trio.primary
        replica.ask("REPLICAOF", primary.host, primary.port)
        trio.ready()


def test_nothing_is_held_of_a_replica(there: Any, trio: SentinelTrio) -> None:
    class Held(KeyCache[int]):
        prefix = "held"
        l1 = True

    def hit() -> bool:
        before = l1_info().hits
        return Held(1).get() is not None and l1_info().hits > before

    Held(1).set(1)
    before = there.replicas.trips
    wait_until(hit, what="a held value")
    assert there.replicas.trips - before <= 8, "reads of before the listener was there"
    (replica,) = trio.replicas
    ears = [each for each in replica.client().client_list() if int(each["sub"]) and "sentinel" not in each["name"]]
    assert not ears

    @cached(ttl=60, tags=["u"])
    def f() -> int:
        return 1

    f()
    asked = there.replicas.trips
    assert f() == 1
    assert there.replicas.trips == asked


@pytest.mark.parametrize("asynchronous", [False, True])
def test_stamps_are_those_of_the_primary(asynchronous: bool) -> None:
    """A replica that is behind gives values that an invalidation has ended; the stamps tell. One fan-out."""

    class Tagged(KeyCache[int]):
        prefix = "tagged"
        tags = ("t", "u")

    def got(handle: Any) -> Any:
        return asyncio.run(_got(handle)) if asynchronous else handle.get()

    with SentinelTrio(one_server(), down_after=60, network=True) as trio:
        (replica,) = trio.replicas
        with isolated(f"{trio.dsn}?{PATIENT}&read_from=replica") as there:

            @cached(ttl=60, tags=("v",), l1=False)
            def f() -> int:
                return len(calls)

            calls: list[int] = []
            Tagged(1).set(1)
            assert f() == 0
            wait_until(lambda: replica.ask("DBSIZE") == 5, what="replication")
            before = gets(replica)
            assert got(Tagged(1)) == 1
            assert f() == 0
            assert gets(replica) == before + 2
            trio.network.freeze(trio.primary, replica, "replication")
            Tagged(2).set(2)
            assert got(Tagged(2)) is None, "the replica is behind, which this class has allowed"
            assert got(Tagged(1)) == 1
            invalidate_tags("u", "v")
            assert got(Tagged(1)) is None
            calls.append(1)
            assert f() == 1
            assert there.replicas.trips >= 6


async def _got(handle: Any) -> Any:
    return await handle.aio.get()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_functions_without_tags(there: Any, trio: SentinelTrio, asynchronous: bool) -> None:
    """What a replica does not have yet is looked for at the primary, so nothing is computed twice."""
    calls: list[int] = []

    if asynchronous:

        @cached(ttl=60, l1=False)
        async def g(n: int) -> int:
            calls.append(n)
            return n

        def f(n: int) -> int:
            return asyncio.run(g(n))
    else:

        @cached(ttl=60, l1=False)
        def f(n: int) -> int:
            calls.append(n)
            return n

    (replica,) = trio.replicas
    assert [f(n) for n in range(5)] == list(range(5))
    asked = there.replicas.trips
    assert [f(n) for n in range(5)] == list(range(5))
    assert calls == list(range(5))
    assert there.replicas.trips == asked + 5
    replica.ask("REPLICAOF", "NO", "ONE")
    try:
        assert f(7) == 7
        assert f(7) == 7
        assert calls.count(7) == 1
    finally:
        primary = trio.primary
        replica.ask("REPLICAOF", primary.host, primary.port)
        trio.ready()


def test_a_replica_that_dies_costs_nothing_but_time(there: Any, trio: SentinelTrio) -> None:
    (replica,) = trio.replicas
    KeyCache("a").set(1)
    copied(trio, "a")
    assert KeyCache("a").get() == 1
    replica.kill()
    try:
        for _ in range(20):
            assert KeyCache("a").get() == 1
        assert there.replicas.out
        assert not there.breaker.is_open
        asyncio.run(_get())
    finally:
        replica.start()
        trio.ready()
    before = gets(replica)

    def answers() -> bool:
        return KeyCache("a").get() == 1 and gets(replica) > before

    wait_until(answers, 30, "an answer of the replica")


async def _get() -> None:
    assert await AsyncKeyCache("a").get() == 1


def test_a_single_server_has_no_replicas() -> None:
    with pytest.raises(ConfigError, match="read_from=replica is for redis\\+sentinel:// and redis\\+cluster://"):
        parse("redis://h?read_from=replica")
    assert parse("redis://h?read_from=primary").read_from == "primary"
