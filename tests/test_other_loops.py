"""asyncio's loops other than its own (uvloop), and anyio on top of them."""

from __future__ import annotations

import asyncio
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheTimeout, KeyCache, cached, connection, deadline
from rcollections.plans.effects import Command, Plan
from rcollections.servers.drivers.aio import adrive
from rcollections.testing import Proxy, Server, isolated, wait_until

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

    for _ in range(3):
        run(main())
    connection().close()
    with server.client() as bare:
        wait_until(lambda: len(bare.client_list()) == 1, what="the end of the connections")


def test_in_task_groups_of_anyio(proxy: Proxy, back_end: dict[str, Any]) -> None:
    """A group's tasks share one computation; a sync call is made on one of anyio's threads."""
    import anyio

    calls = []

    @cached(ttl=60, l1=False)
    async def slow(n: int) -> int:
        calls.append(n)
        await anyio.sleep(0.05)
        return n

    async def main() -> None:
        answers = []

        async def one() -> None:
            answers.append(await slow(7))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
        assert answers == [7] * 20
        assert calls == [7]
        assert await anyio.to_thread.run_sync(KeyCache("k", data="v").get) == "v"

    anyio.run(main, **back_end)


def test_under_cancel_scopes_of_anyio(proxy: Proxy, back_end: dict[str, Any]) -> None:
    """A scope that ends cancels the call, and only it: the connection's next reply is for its own caller."""
    import anyio

    async def main() -> None:
        await ask("SET", "k", "v")
        proxy.freeze("replies")
        with anyio.move_on_after(0.05) as scope:
            await ask("ECHO", "given up")
        assert scope.cancelled_caught
        proxy.heal()
        with anyio.fail_after(10):
            assert await ask("GET", "k") == b"v"
            for n in range(50):
                with anyio.move_on_after(0.00002 * n):
                    await ask("ECHO", f"given up {n}")
                assert await ask("ECHO", f"wanted {n}") == f"wanted {n}".encode()
        with anyio.CancelScope(shield=True):
            assert await double(21) == 42

    anyio.run(main, **back_end)


@pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not installed")
def test_two_kinds_of_loops_at_once(proxy: Proxy) -> None:
    """Each in its thread, with connections of its own."""
    import threading

    import uvloop

    answers: list[Any] = []

    async def main() -> None:
        answers.append(await asyncio.gather(*map(double, range(100))))

    threads = [threading.Thread(target=lambda go=go: go(main())) for go in (asyncio.run, uvloop.run)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == [[2 * n for n in range(100)]] * 2
