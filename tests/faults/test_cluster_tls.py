"""TLS to all nodes of a cluster, as a user with no other rights than the documentation asks for."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rcollections import (
    AsyncDictCache,
    AsyncKeyCache,
    CacheConnectionError,
    CacheError,
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    cached,
    invalidate_tags,
    l1_info,
)
from rcollections.cli.rights import missing_rights
from rcollections.testing import Cluster, isolated, wait_until
from tests.kits import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here")

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
LINES = re.findall(r"^ACL SETUSER (shop .+)$", PAGE.read_text(), re.M)
PATIENT = "timeout=5&connect_timeout=5&namespace=shop"


@pytest.fixture(scope="module", params=TOGETHER)
def nodes(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with Cluster(request.param, tls=True, password="root", node_timeout=2.0) as running:
        yield running


@pytest.fixture
def dsn(nodes: Cluster) -> str:
    """As the user of the page."""
    nodes.heal()
    for node in nodes.nodes:
        node.ask("ACL", "SETUSER", "shop", "reset")
        for line in LINES:
            node.ask("ACL", "SETUSER", *line.split())
    return nodes.dsn.replace("//:root@", "//shop:secret@") + "&" + PATIENT


class Held(KeyCache[int]):
    prefix = "held"
    l1 = True


def hit() -> bool:
    before = l1_info().hits
    return Held(1).get() is not None and l1_info().hits > before


def everything() -> None:
    """What the documented rights are for."""
    KeyCache.set_many({n: n for n in range(40)})
    assert KeyCache.get_many(range(40)) == {n: n for n in range(40)}
    one, other = SetCache("one", data={1, 2}), SetCache("other", data={2, 3})
    assert one & other == {2}
    one |= other
    assert one.to_set() == {1, 2, 3}
    CounterCache("c")["x"] += 2
    assert SortedSetCache("z", data={"m": 1.5}).score("m") == 1.5
    with DictCache("d").pipeline() as many:
        many["x"] = 1
        many(CounterCache("c"))["x"] += 1
    assert KeyCache("1").copy_to("copy").get() == 1
    assert KeyCache("copy").mutate(lambda value: value + 1) == 2
    with KeyCache("job").lock(lease=5) as held:
        assert held.token

    class Tagged(DictCache[str, int]):
        prefix = "tagged"
        tags = ("t", "u")

    Tagged(1)["x"] = 1
    assert Tagged(1)["x"] == 1
    invalidate_tags("t")
    assert "x" not in Tagged(1)

    @cached(ttl=60, tags=("a", "b", "c"))
    def f(n: int) -> int:
        return n

    assert [f(n) for n in range(10)] == [f(n) for n in range(10)]
    f.invalidate(1)
    f.clear()
    Held(1).set(1)
    wait_until(hit, what="a held value")
    Held(1).set(2)
    wait_until(lambda: hit() and Held(1).get() == 2, what="a held value")
    assert Held.clean() == 1


async def awaited() -> None:
    await AsyncKeyCache.set_many({n: n for n in range(40)})
    assert await AsyncKeyCache.get_many(range(40)) == {n: n for n in range(40)}
    assert await asyncio.gather(*(AsyncKeyCache(n).get() for n in range(40))) == list(range(40))
    await AsyncDictCache("d").set("y", 1)
    async with AsyncKeyCache("job").lock(lease=5):
        pass

    @cached(ttl=60, tags=("a", "b", "c"), l1=False)
    async def f(n: int) -> int:
        await asyncio.sleep(0.01)
        return n

    assert await asyncio.gather(*(f(n % 3) for n in range(30))) == [n % 3 for n in range(30)]


def test_the_rights_of_the_page_are_enough(dsn: str) -> None:
    """Types, functions, tags, locks and what is held, in both worlds; the doctor misses nothing."""
    with isolated(dsn) as there:
        everything()
        asyncio.run(awaited())
        assert missing_rights(there) == []


def test_replicas_and_durable_writes(dsn: str, nodes: Cluster) -> None:
    with isolated(dsn + "&read_from=replica&durable=1") as there:
        wait_until(lambda: KeyCache("1").get() is None and len(there.learner.map.known) == 6, 20, "the replicas")
        everything()
        asyncio.run(awaited())
        assert there.replicas.trips > 0
        assert not there.replicas.out
        told = [node.client().info("commandstats") for node in nodes.replicas]
        assert any("cmdstat_readonly" in each for each in told)


def test_what_else_it_may_not(dsn: str) -> None:
    """Keys beside the namespace are refused, and the message says what to do."""
    with isolated(dsn) as there, pytest.raises(CacheError, match="extend its ACL"):
        there.raw("SET", "other", 1)


def test_a_failover_and_slots_that_move(dsn: str, nodes: Cluster) -> None:
    """Other nodes are asked over TLS as well."""
    with isolated(dsn):
        KeyCache("a").set(1)
        old = nodes.owner("shop.a")
        new = nodes.failover(old)
        assert KeyCache("a").increment() == 2
        assert asyncio.run(AsyncKeyCache("a").increment()) == 3
        target = next(node for node in nodes.primaries if node is not new)
        nodes.reshard(nodes.slot("shop.a"), new, target)
        assert KeyCache("a").increment() == 4
        assert asyncio.run(AsyncKeyCache("a").increment()) == 5


def test_who_does_not_trust_them_is_told(dsn: str) -> None:
    bare = re.sub(r"ssl_ca_certs=[^&]*&", "", dsn).replace("timeout=5", "timeout=20", 1)
    with isolated(bare), pytest.raises(CacheConnectionError, match="certificate is not accepted"):
        KeyCache("a").get()
    plain = bare.replace("rediss+", "redis+").replace("timeout=20", "timeout=0.5")
    with isolated(plain), pytest.raises(CacheConnectionError):
        KeyCache("a").get()
