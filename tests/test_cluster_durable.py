"""``durable=n`` on a cluster: WAIT at each node that gets writes; what the fewest replicas have counts."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    AsyncKeyCache,
    CacheError,
    CacheMissError,
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    cached,
    invalidate_tags,
)
from rcollections.testing import isolated
from tests.trips import sent, trips

if TYPE_CHECKING:
    from collections.abc import Callable

    from rcollections.testing import Cluster

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here")


@pytest.fixture(params=[False, True], ids=["threads", "asyncio"])
def put(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Sets values of ``KeyCache``, in one of the worlds."""
    if request.param:
        return lambda values: asyncio.run(AsyncKeyCache.set_many(values))
    return KeyCache.set_many


def spread(cluster: Cluster) -> list[str]:
    """A key on each primary."""
    return [cluster.key_on(node) for node in cluster.primaries]


def test_writes_that_replicas_have(cluster: Cluster) -> None:
    """One trip each, as without; reads, leases and results wait for nobody."""
    with isolated(cluster.dsn + "?timeout=5&connect_timeout=5&durable=1"):
        keys = spread(cluster)
        for key in keys:
            KeyCache(key).set(1)
            (replica,) = cluster.replicas_of(cluster.owner(key))
            assert replica.ask_all([("READONLY",), ("GET", key), ("READWRITE",)])[1] == b"1"
        assert trips(None, lambda: KeyCache.set_many(dict.fromkeys(keys, 2))) == 1
        with sent() as seen:
            KeyCache.set_many(dict.fromkeys(keys, 2))
        assert seen[0].count("WAIT") == 3
        with sent() as seen, CounterCache("c").pipeline() as many:
            many["x"] += 1
            many["y"] += 1
        assert seen[0][-2:] == ["EXEC", "WAIT"]
        assert CounterCache("c")["x"] == 1

        @cached(ttl=60, tags=["t"], l1=False)
        def f() -> int:
            return 1

        with sent() as seen:
            assert (f(), f()) == (1, 1)
        assert not any("WAIT" in each for each in seen)
        with sent() as seen:
            invalidate_tags("t", "u", "v")
        assert "WAIT" in seen[0]

        async def run() -> None:
            await AsyncKeyCache("b").set(2)
            assert await AsyncKeyCache("b").get() == 2
            await asyncio.gather(*(AsyncKeyCache(key).set(3) for key in keys))
            assert await AsyncKeyCache.get_many(keys) == dict.fromkeys(keys, 3)

        asyncio.run(run())


def test_writes_that_too_few_have(cluster: Cluster, put: Any) -> None:
    """They are done, and the error says so. Reads wait for nobody."""
    with isolated(cluster.dsn + "?timeout=0.5&connect_timeout=5&durable=2") as there:
        with pytest.raises(CacheError, match=r"acknowledged the write \(key 'a'\), not replicated: 1 of 2 replicas"):
            put({"a": 7})
        began = time.monotonic()
        assert KeyCache("a").get() == 7
        assert time.monotonic() - began < 0.4
        assert not there.breaker.is_open
        assert not any(there.node(cluster.slot(key)).breaker.is_open for key in spread(cluster))
        with pytest.raises(CacheError, match="not replicated"), DictCache("d").pipeline() as many:
            many.set("x", 1)
        assert DictCache("d")["x"] == 1


def test_of_several_nodes_the_fewest_count(cluster: Cluster, put: Any) -> None:
    """The node whose replica is gone decides."""
    keys = spread(cluster)
    (replica,) = cluster.replicas_of(cluster.owner(keys[1]))
    replica.kill()
    with isolated(cluster.dsn + "?timeout=1&connect_timeout=5&durable=1"):
        put({keys[0]: 1, keys[2]: 1})
        with pytest.raises(CacheError, match="not replicated: 0 of 1 replicas have it so far"):
            put(dict.fromkeys(keys, 2))
        assert KeyCache.get_many(keys) == dict.fromkeys(keys, 2)
    with isolated(cluster.dsn + "?timeout=1&connect_timeout=5&durable=2"):
        with pytest.raises(CacheError, match="not replicated: 0 of 2 replicas have it so far"):
            put(dict.fromkeys(keys, 3))
        with pytest.raises(CacheError, match="not replicated: 0 of 2"):
            invalidate_tags(*(cluster.key_on(node, "rc:t:")[5:] for node in cluster.primaries))


def test_an_invalidation_by_hand_and_functions(cluster: Cluster) -> None:
    """Results are computed again where they are lost, so they wait for nobody; an invalidation does."""
    with isolated(cluster.dsn + "?timeout=0.6&connect_timeout=5&durable=2"):

        @cached(ttl=60, tags=["t", "u"], l1=False)
        def f(n: int) -> int:
            return n

        began = time.monotonic()
        assert [f(n) for n in range(10)] == list(range(10))
        assert time.monotonic() - began < 0.5
        with pytest.raises(CacheError, match="not replicated: 1 of 2"):
            f.invalidate(3)
        with pytest.raises(CacheMissError):
            f.peek(3)


def test_operands_of_other_slots(cluster: Cluster) -> None:
    """The copies that travel are in the same MULTI."""
    a, b, _ = spread(cluster)
    with isolated(cluster.dsn + "?timeout=2&connect_timeout=5&durable=1"):
        one, other = SetCache(a, data={1, 2}), SetCache(b, data={2, 3})
        one |= other
        assert one.to_set() == {1, 2, 3}


def test_slots_that_move(cluster: Cluster) -> None:
    """What is sent again at the new owner waits there."""
    with isolated(cluster.dsn + "?timeout=5&connect_timeout=5&durable=1"):
        source, target, _ = cluster.primaries
        key = cluster.key_on(source)
        KeyCache(key).set(1)
        move = cluster.resharding(cluster.slot(key), source, target)
        move.move_keys(1)
        KeyCache(key).set(2)  # value and lease are on two nodes: key by key in the end
        move.finish()
        KeyCache(key).set(3)
        assert KeyCache(key).get() == 3
        assert cluster.owner(key) is target
