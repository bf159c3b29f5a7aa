"""asyncio's loops other than its own (uvloop), and anyio on top of them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheTimeout, cached, connection, deadline
from rcollections.plans.effects import Command, Plan
from rcollections.servers.drivers.aio import adrive
from rcollections.testing import Proxy, Server, isolated, wait_until
from tests.clients import NAME, named_on

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

LOOPS = ["asyncio", "uvloop"]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine in a loop of this kind."""
    if request.param == "asyncio":
        return asyncio.run
    uvloop = pytest.importorskip("uvloop")
    return uvloop.run  # type: ignore[no-any-return]


@pytest.fixture(params=LOOPS)
def back_end(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The arguments of ``anyio.run`` for such a loop."""
    pytest.importorskip("anyio")
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return {"backend": "asyncio", "backend_options": {"use_uvloop": request.param == "uvloop"}}


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A network that may fail, and the default connection through it."""
    with Proxy(server) as between, isolated(between.dsn + "?timeout=2&l1=off"):
        yield between
        connection().close()


async def ask(*words: Any) -> Any:
    def plan() -> Plan[Any]:
        return (yield Command(words))

    return await adrive(plan(), connection())


@cached(ttl=60, l1=False)
async def double(n: int) -> int:
    await asyncio.sleep(0)
    return 2 * n


def test_many_tasks(proxy: Proxy, run: Any) -> None:
    """Each gets its own answer, computed and from the server; large values too."""

    async def main() -> None:
        for _ in range(2):
            assert await asyncio.gather(*map(double, range(300))) == [2 * n for n in range(300)]
        large = [b"%d" % n * 300_000 for n in range(5)]
        await asyncio.gather(*(ask("SET", f"large{n}", value) for n, value in enumerate(large)))
        assert await asyncio.gather(*(ask("GET", f"large{n}") for n in range(5))) == large

    run(main())


def test_5000_calls_in_one_gather(server: Server, run: Any) -> None:
    """With the usual options none fails, be it a read, a computation or a hit."""

    async def main() -> None:
        asked = await asyncio.gather(*(ask("ECHO", f"word {n}") for n in range(5000)))
        assert asked == [f"word {n}".encode() for n in range(5000)]
        for _ in range(2):
            assert await asyncio.gather(*map(double, range(5000))) == [2 * n for n in range(5000)]
        assert double.cache_info().errors == errors

    errors = double.cache_info().errors
    run(main())


def test_cancelled_callers(proxy: Proxy, run: Any) -> None:
    """Their replies go to nobody else."""

    async def main() -> None:
        for n in range(100):
            tasks = [asyncio.ensure_future(ask("ECHO", f"{n}-{m}")) for m in range(10)]
            await asyncio.sleep(0 if n % 3 else 0.0005)
            for task in tasks[::2]:
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            for m, answer in enumerate(answers):
                assert answer == f"{n}-{m}".encode() or (m % 2 == 0 and isinstance(answer, asyncio.CancelledError))

    run(main())


def test_cuts_and_silence(proxy: Proxy, run: Any) -> None:
    """A read is repeated; a server that is silent costs the deadline."""

    async def main() -> None:
        await ask("SET", "k", "v")
        proxy.cut_after_request(1, "GET")
        assert await ask("GET", "k") == b"v"
        proxy.freeze("replies")
        began = time.monotonic()
        with deadline(0.1), pytest.raises(CacheTimeout):
            await ask("GET", "k")
        assert time.monotonic() - began < 1
        proxy.heal()
        await asyncio.to_thread(wait_until, connection().breaker.allows)
        assert await ask("GET", "k") == b"v"

    run(main())


def test_nothing_is_left_of_a_loop(server: Server, run: Any) -> None:
    """Its connections end with it."""

    async def main() -> None:
        assert await double(4) == 8

    with isolated(f"{server.dsn}?{NAME}"):
        for _ in range(3):
            run(main())
        connection().close()
    wait_until(lambda: named_on(server) == 0, what="the end of the connections")
