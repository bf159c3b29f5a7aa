"""``durable=n``: a write that too few replicas have is an error, which says that it was acknowledged."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import pytest

from rcollections import (
    AsyncDictCache,
    AsyncKeyCache,
    CacheError,
    ConfigError,
    CounterCache,
    DictCache,
    KeyCache,
    cached,
    connection,
    invalidate_tags,
)
from rcollections.testing import SentinelTrio, Server, isolated, wait_until
from rcollections.wire.dsn.dsn import parse
from tests.kinds import SERVERS, one_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here")

OPTIONS = "timeout=2&connect_timeout=5"


@pytest.fixture(scope="module", params=SERVERS)
def trio(request: pytest.FixtureRequest) -> Iterator[SentinelTrio]:
    with SentinelTrio(request.param, down_after=60) as running:
        yield running


def test_writes_that_replicas_have(trio: SentinelTrio) -> None:
    (replica,) = trio.replicas
    with isolated(f"{trio.dsn}?{OPTIONS}&durable=1"):
        wait_until(lambda: connection().topology.sure or KeyCache("x").get() or True)
        KeyCache("a").set(1)
        assert replica.ask("GET", "a") == b"1"
        with DictCache("d").pipeline() as many:
            many.set("x", 1)
            many.set("y", 2)
        assert replica.ask("HGET", "d", "y") == b"2"
        assert CounterCache("c").increment("n") == 1
        assert KeyCache("a").get() == 1

        @cached(ttl=60, tags=["t"])
        def f() -> int:
            return 1

        assert (f(), f()) == (1, 1)
        invalidate_tags("t")

        async def run() -> None:
            await AsyncKeyCache("b").set(2)
            assert await asyncio.to_thread(replica.ask, "GET", "b") == b"2"
            await asyncio.gather(*(AsyncDictCache("e").set(str(n), n) for n in range(10)))
            assert await AsyncDictCache("e").length() == 10

        asyncio.run(run())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_writes_that_too_few_have(trio: SentinelTrio, asynchronous: bool) -> None:
    """They are done, and the error says so. Reads, leases and results wait for nobody."""
    with isolated(f"{trio.dsn}?timeout=0.5&connect_timeout=5&durable=2") as there:
        with pytest.raises(CacheError, match=r"acknowledged the write \(key 'a'\), not replicated: 1 of 2 replicas"):
            asyncio.run(_set()) if asynchronous else KeyCache("a").set(7)
        assert KeyCache("a").get() == 7
        assert not there.breaker.is_open
        with pytest.raises(CacheError, match="not replicated"), DictCache("d").pipeline() as many:
            many.set("x", 1)
        assert DictCache("d")["x"] == 1

        @cached(ttl=60)
        def f() -> int:
            return 1

        began = time.monotonic()
        assert (f(), f(), f.peek()) == (1, 1, 1)
        assert time.monotonic() - began < 0.4


async def _set() -> None:
    await AsyncKeyCache("a").set(7)


def test_without_a_majority_nothing_is_durable(trio: SentinelTrio) -> None:
    with isolated(f"{trio.dsn}?{OPTIONS}&staleness=0.3&durable=1") as there:
        KeyCache("a").set(1)
        try:
            for each in trio.sentinels[:2]:
                each.kill()
            wait_until(lambda: not there.topology.sure, what="a question that a majority did not answer")
            with pytest.raises(CacheError, match="not replicated: no majority of the sentinels"):
                KeyCache("a").set(2)
            assert KeyCache("a").get() == 2
        finally:
            for each in trio.sentinels[:2]:
                each.start()
            trio.ready()


def test_a_single_server_without_replicas() -> None:
    with Server(one_server()) as server, isolated(f"{server.dsn}?timeout=0.3&durable=1"):
        with pytest.raises(CacheError, match="0 of 1 replicas have it so far"):
            KeyCache("a").set(1)
        assert KeyCache("a").get() == 1


def test_where_it_means_nothing() -> None:
    for scheme in ("memory://", "embedded:///tmp/x"):
        with pytest.raises(ConfigError, match="durable= waits for replicas"):
            parse(f"{scheme}?durable=1")
    assert parse("redis://h?durable=0").durable == 0
    with pytest.raises(ConfigError, match="durable"):
        parse("redis://h?durable=-1")
