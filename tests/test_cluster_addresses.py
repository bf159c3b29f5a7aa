"""Where nodes say they are: announced addresses, no name at all (""), or a name that is not set ("?")."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import AsyncKeyCache, KeyCache, cached, invalidate_tags
from rcollections.testing import Cluster, isolated, wait_until
from tests.kits import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here"),
]

PATIENT = "?timeout=5&connect_timeout=5"
TOLD = {"": "unknown-endpoint", "?": "hostname"}  # what a node tells of its host: how it is set


@pytest.fixture(scope="module", params=[(kind, host) for kind in TOGETHER for host in TOLD])
def nameless(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster whose nodes have no host in CLUSTER SLOTS and in MOVED; the ports tell them apart."""
    kind, host = request.param
    with Cluster(kind, config={"cluster-preferred-endpoint-type": TOLD[host]}) as running:
        told = running.nodes[0].ask("CLUSTER", "SLOTS")
        assert {each[2][0] for each in told} == {host.encode() or None}
        yield running


def everything(there: Any) -> None:
    """Values in all slots, a function with tags, both worlds."""
    names = [str(n) for n in range(60)]
    KeyCache.set_many({name: name for name in names})
    assert KeyCache.get_many(names) == {name: name for name in names}

    @cached(ttl=60, tags=("a", "b"), l1=False)
    def f(n: int) -> int:
        return n

    assert [f(n) for n in range(10)] == [f(n) for n in range(10)]
    invalidate_tags("a")
    assert f(3) == 3

    async def run() -> None:
        assert await AsyncKeyCache.get_many(names) == {name: name for name in names}
        await asyncio.gather(*(AsyncKeyCache(name).set(n) for n, name in enumerate(names)))
        assert await AsyncKeyCache("7").get() == 7

    asyncio.run(run())
    assert len(there.primaries()) == 3


def test_nodes_without_a_host(nameless: Cluster) -> None:
    """They are where the asked one is, or where the metadata say."""
    with isolated(nameless.dsn + PATIENT) as there:
        everything(there)
    first = nameless.nodes[1]
    with isolated(f"redis+cluster://{first.host}:{first.port}{PATIENT}&read_from=replica") as there:
        everything(there)
        wait_until(lambda: KeyCache("1").get() and len(there.learner.map.known) == 6, 20, "the replicas in the map")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_moved_without_a_host(nameless: Cluster, asynchronous: bool) -> None:
    """A redirect that names a port only leads there all the same."""
    nameless.heal()
    with isolated(nameless.dsn + PATIENT) as there:
        source, target, _ = nameless.primaries
        key = nameless.key_on(source)
        KeyCache(key).set(1)
        nameless.reshard(nameless.slot(key), source, target)
        assert (asyncio.run(AsyncKeyCache(key).get()) if asynchronous else KeyCache(key).get()) == 1
        assert asyncio.run(AsyncKeyCache(key).increment()) == 2
        wait_until(lambda: there.learner.map.owner(nameless.slot(key)) == target.address, what="the new owner")


@pytest.mark.parametrize("kind", TOGETHER)
def test_announced_addresses(kind: str) -> None:
    """Nodes listen elsewhere than where they say they are, as behind NAT and in containers; a seed is one of these."""
    with Cluster(kind, network=True) as nodes:
        own = {(each.place.host, each.place.own_port) for each in nodes.nodes}
        first = nodes.nodes[2]
        with isolated(f"redis+cluster://{first.host}:{first.port}{PATIENT}") as there:
            everything(there)
            assert not own & set(there.learner.map.known)
            source, target, _ = nodes.primaries
            key = nodes.key_on(source)
            KeyCache(key).set(1)
            nodes.reshard(nodes.slot(key), source, target)
            assert KeyCache(key).get() == 1
            nodes.failover(target)
            assert KeyCache(key).get() == 1
            assert not own & set(there.learner.map.known)
