"""The breaker opens for silence: no answer and no byte in the whole timeout. Lateness is told as what it is."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CacheConnectionError,
    CacheError,
    CacheTimeout,
    DictCache,
    KeyCache,
    cached,
    connection,
    deadline,
)
from rcollections.testing import Proxy, Server, isolated, wait_until
from tests.kinds import one_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def own() -> Iterator[Server]:
    """A server that this test alone may break."""
    with Server(one_server(), tcp=True) as server:
        yield server


@pytest.fixture
def proxy(own: Server) -> Iterator[Proxy]:
    """A network that this test alone may break; the default connection leads through it."""
    with Proxy(own) as between, isolated(between.dsn + "?timeout=0.4&connect_timeout=0.4&l1=off"):
        yield between


def test_a_large_reply_that_is_arriving_is_no_silence(proxy: Proxy) -> None:
    """The call raises, and says how much had come; other calls go on, and functions store."""
    calls = []

    @cached(ttl=60)
    def f(n: int) -> int:
        calls.append(n)
        return n

    large = KeyCache[str]("large", data="x" * 3_000_000)
    proxy.drip(1_000_000)
    with pytest.raises(CacheTimeout, match="bytes of it had come, raise timeout"):
        large.get()
    assert not connection().breaker.is_open
    proxy.heal()
    assert [f(1), f(1)] == [1, 1]
    assert calls == [1]


def test_that_holds_in_event_loops_too(proxy: Proxy) -> None:
    """A function whose result arrives too late computes again, and the breaker stays closed."""

    @cached(ttl=60, key="large")
    async def f() -> str:
        return "x" * 3_000_000

    async def main() -> str:
        await f()
        proxy.drip(1_000_000)
        return await f()

    assert len(asyncio.run(main())) == 3_000_000
    assert not connection().breaker.is_open


def test_silence_opens_it_for_collections_too(own: Server) -> None:
    """The first call pays, the others raise the same at once; a probe finds out when the server is back."""
    with isolated(own.dsn + "?timeout=0.4&connect_timeout=0.4"):
        d = DictCache[str, int]("d", data={"a": 1})
        own.freeze()
        with pytest.raises(CacheTimeout):
            d["a"]
        began = time.monotonic()
        for call in (lambda: d["a"], lambda: d.update(a=1), lambda: list(d), lambda: KeyCache("k").set(1), d.clear):
            with pytest.raises(CacheTimeout):
                call()
        with pytest.raises(CacheTimeout), d.pipeline() as p:
            p["a"] = 2
        assert time.monotonic() - began < 0.3, "one short wait for the first probe, no timeout"
        own.thaw()
        wait_until(connection().breaker.allows)
        assert d["a"] == 1


def test_a_dead_network_costs_one_call_not_one_for_each_idle_connection(own: Server) -> None:
    """Idle connections are not trusted after the first has fallen silent; a new one answers at once."""
    with Proxy(own) as proxy, isolated(proxy.dsn + "?timeout=0.4&connect_timeout=0.4&l1=off"):
        d = DictCache[str, int]("d", data={"a": 1})
        threads = [threading.Thread(target=lambda: connection().raw("DEBUG", "SLEEP", "0.02")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert proxy.connections > 3
        proxy.freeze(which="data")
        with pytest.raises(CacheTimeout):
            d["a"]
        assert d["a"] == 1


def test_a_cut_connection_is_no_outage(proxy: Proxy) -> None:
    """The write raises, since nobody knows whether it took effect; the next call works."""
    k = KeyCache[int]("k", data=1)
    proxy.cut_after_request(1, "SET")
    with pytest.raises(CacheConnectionError):
        k.set(2)
    assert not connection().breaker.is_open
    assert k.get() == 2


def test_a_deadline_that_passes_is_no_silence(proxy: Proxy) -> None:
    """Unless the timeout passed as well."""
    k = KeyCache[int]("k", data=1)
    proxy.freeze("replies")
    with deadline(0.1), pytest.raises(CacheTimeout, match="little time was left"):
        k.get()
    assert not connection().breaker.is_open
    with deadline(0.8), pytest.raises(CacheTimeout):
        k.get()
    assert connection().breaker.is_open


def test_waiting_for_a_connection_is_no_silence(own: Server) -> None:
    """It has its own text, and counts against the call's time."""
    with isolated(own.dsn + "?timeout=0.3&max_connections=1&l1=off"):
        k = KeyCache[int]("k", data=1)

        def hold() -> None:
            with deadline(5):
                connection().raw("DEBUG", "SLEEP", "0.9")

        thread = threading.Thread(target=hold)
        thread.start()
        wait_until(lambda: connection().links.pool and not connection().links.pool._free)
        began = time.monotonic()
        with pytest.raises(CacheTimeout, match="are busy"):
            k.get()
        assert time.monotonic() - began < 0.8
        assert not connection().breaker.is_open
        thread.join()
        assert k.get() == 1


def test_a_blocked_event_loop_is_no_silence(own: Server) -> None:
    """Calls that were under way meanwhile get their answers, and results are stored."""
    calls = []

    @cached(ttl=60, l1=False)
    async def f(n: int) -> int:
        calls.append(n)
        return n

    async def main() -> None:
        await f(-1)
        tasks = [asyncio.ensure_future(f(n)) for n in range(5)]
        for _ in range(30):
            await asyncio.sleep(0)
            if len(calls) < 6:
                time.sleep(0.05)  # blocks the loop, all in all for longer than the timeout
        assert await asyncio.gather(*tasks) == list(range(5))
        assert not connection().breaker.is_open
        before = len(calls)
        assert await asyncio.gather(*map(f, range(5))) == list(range(5))
        assert len(calls) == before, "all were stored"

    with isolated(own.dsn + "?timeout=0.3"):
        asyncio.run(main())


def test_many_tasks_at_once_are_no_silence(own: Server, caplog: Any) -> None:
    """Far more than there are connections, each with several trips: all are stored."""

    @cached(ttl=60, l1=False)
    async def f(n: int) -> int:
        return n

    async def main() -> None:
        assert await asyncio.gather(*map(f, range(6000))) == list(range(6000))
        assert not connection().breaker.is_open
        assert f.cache_info().errors == 0
        assert f.cache_info().stores == 6000

    with isolated(own.dsn + "?timeout=1"):
        asyncio.run(main())
    assert not caplog.records


def test_a_black_hole_is_silence(own: Server) -> None:
    """A frozen server accepts connections and answers no login."""
    own.freeze()
    with isolated(own.dsn + "?timeout=0.3&connect_timeout=0.3"):
        with pytest.raises(CacheTimeout):
            KeyCache("k").get()
        assert connection().breaker.is_open
        with pytest.raises(CacheError):
            KeyCache("k").get()
    own.thaw()
