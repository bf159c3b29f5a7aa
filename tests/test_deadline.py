"""``deadline()`` longer than the connection's timeout, on threads and in event loops; and where it ends."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheError, CacheTimeout, KeyCache, cached, connection, deadline
from rcollections.plans.effects import Command
from rcollections.servers.drivers.aio import adrive
from rcollections.testing import Proxy, isolated, wait_until
from tests.roads import ROADS, road_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rcollections.testing import Server

LATE = 0.6  # seconds after which the server answers
TIMEOUT = 0.15


@pytest.fixture(params=ROADS)
def proxy(request: pytest.FixtureRequest, server: Server) -> Iterator[Proxy]:
    """A server that can be made to answer late, and one connection to it, on each road."""
    options = f"timeout={TIMEOUT}&connect_timeout=5&max_connections=1&l1=off"
    with road_to(server, request.param) as (between, dsn), isolated(dsn + options):
        with deadline(10):
            KeyCache("k").set(1)
        yield between


def read() -> Any:
    return KeyCache("k").get()


def aread() -> Any:
    """The same read in an event loop, on a link that is open already."""

    def plan() -> Any:
        return (yield Command(("GET", "k")))

    async def main() -> Any:
        with deadline(10):
            assert await adrive(plan(), connection()) == b"1"
        late()
        return await adrive(plan(), connection())

    return asyncio.run(main())


late: Callable[[], None] = bool


def answers_late(proxy: Proxy) -> Callable[[], None]:
    def begin() -> None:
        proxy.freeze("replies")
        threading.Timer(LATE, proxy.heal).start()

    return begin


@pytest.mark.parametrize("world", [read, aread])
def test_it_lengthens_the_wait_for_a_reply(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, world: Any) -> None:
    """Without it the timeout counts."""
    begin = answers_late(proxy)
    if world is aread:
        monkeypatch.setattr(f"{__name__}.late", begin)
    else:
        begin()
    with pytest.raises(CacheTimeout):
        world()
    time.sleep(LATE)
    wait_until(connection().breaker.allows)
    if world is read:
        begin()
    began = time.monotonic()
    with deadline(20):
        assert world() in (1, b"1")
    assert time.monotonic() - began > LATE / 2


def test_it_lengthens_the_wait_for_a_free_connection(proxy: Proxy) -> None:
    """The only connection is in use by a call that is answered late."""
    answers_late(proxy)()
    found: list[Any] = []

    def call() -> None:
        with deadline(20):
            found.append(read())

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [1, 1, 1]


@pytest.mark.parametrize("world", ["thread", "loop"])
def test_it_does_not_lengthen_connecting(world: str) -> None:
    """A host that takes the connection and never answers costs ``connect_timeout``."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"redis://:pw@127.0.0.1:{silent.getsockname()[1]}?timeout=0.2&connect_timeout=0.3"
        with isolated(dsn):

            def plan() -> Any:
                return (yield Command(("GET", "k")))

            call = read if world == "thread" else lambda: asyncio.run(adrive(plan(), connection()))
            began = time.monotonic()
            with deadline(30), pytest.raises(CacheError):
                call()
            assert time.monotonic() - began < 10


def test_it_ends_with_its_block(fresh: Any) -> None:
    """A task or a future that was begun inside goes on without it."""

    @cached(ttl=60)
    async def f(n: int) -> int:
        return n

    @cached(ttl=60)
    def g(n: int) -> int:
        assert go.wait(10)
        return KeyCache("n").increment(n)  # type: ignore[no-any-return]

    go = threading.Event()

    async def later(ended: asyncio.Event) -> int:
        await ended.wait()
        with deadline(5):
            return await f(1)

    async def main() -> int:
        ended = asyncio.Event()
        with deadline(0):
            task = asyncio.create_task(later(ended))
            await asyncio.sleep(0)
        ended.set()
        return await task

    assert asyncio.run(main()) == 1
    with deadline(0):
        future = g.future()(2)
    go.set()
    assert future.result(10) == 2


def test_of_nested_ones_the_nearest_counts(proxy: Proxy) -> None:
    """Whichever stands inside."""
    for first, second in ((0, 30), (30, 0)):
        with deadline(first), deadline(second), pytest.raises(CacheTimeout):
            read()


def test_leases_do_not_inherit_it(store: Any) -> None:
    """A computation that takes longer than its caller's deadline is stored all the same if the caller waits for it."""

    @cached(ttl=60, lease=0.3)
    def f() -> int:
        time.sleep(0.5)
        return 1

    with deadline(20):
        assert f() == 1
    assert f.cache_info().stores == 1
    assert f.cache_info().refused == 0
