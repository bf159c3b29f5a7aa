"""TLS, for threads, for event loops and for the listener: the same answers, and the same ends."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CacheConnectionError,
    CacheTimeout,
    DictCache,
    KeyCache,
    cached,
    configure,
    connection,
    deadline,
    l1_info,
)
from rcollections.plans.effects import Batch, Command, Plan
from rcollections.servers.drivers.aio import adrive
from rcollections.servers.drivers.sync import drive
from rcollections.servers.loops import pool_of
from rcollections.testing import Server, isolated, wait_until
from tests.clients import NAME, named_on
from tests.near import settle
from tests.tls import Tls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
LARGE = b"x" * 3_000_000  # many records of TLS, and more than a socket takes at once


@pytest.fixture(params=VERSIONS)
def tls(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Iterator[Tls]:
    """TLS before a real server, as the default connection."""
    with Tls(server, tmp_path, version=VERSIONS[request.param]) as front, isolated(f"{front.dsn}&timeout=5&{NAME}"):
        yield front
        connection().close()


@pytest.fixture(params=["threads", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[[Plan[Any]], Any]:
    """Carries out a plan in one of the worlds."""
    if request.param == "threads":
        return lambda plan: drive(plan, connection())
    return lambda plan: asyncio.run(adrive(plan, connection()))


def test_replies_small_large_and_many(tls: Tls, run: Any) -> None:
    """A reply over many records arrives whole, and a thousand in one record one by one."""

    def plan() -> Plan[Any]:
        yield Command(("SET", "large", LARGE))
        large = yield Command(("GET", "large"))
        many = yield Batch([Command(("INCR", "n"))] * 1000)
        return large, many, (yield Command(("PING",)))

    large, many, pong = run(plan())
    assert large == LARGE
    assert many == list(range(1, 1001))
    assert pong == b"PONG"


def test_a_link_stays_in_use(tls: Tls, server: Server) -> None:
    """What TLS sends by itself (session tickets) is not taken for the end of an idle connection."""
    for n in range(5):
        KeyCache("k").set(n)
    assert named_on(server) == 1


def test_idle_links_that_ended_are_replaced(tls: Tls) -> None:
    """A write must not find out."""
    k = KeyCache[int]("n", data=0)
    tls.cut()
    assert k.increment() == 1


def test_idle_links_of_a_loop_that_ended_are_replaced(tls: Tls) -> None:
    """The loop is told by the socket."""

    def increment() -> Plan[Any]:
        return (yield Command(("INCR", "n")))

    async def main() -> None:
        assert await adrive(increment(), connection()) == 1
        (link,) = pool_of(connection().links).links
        assert link.ready
        tls.cut()
        async with asyncio.timeout(5):
            while link.failure is None:  # until the loop has read the end of the connection
                await asyncio.sleep(0)
        assert await adrive(increment(), connection()) == 2

    asyncio.run(main())


def test_deadlines_end_the_wait(tls: Tls, server: Server, run: Any) -> None:
    """In the middle of a record, too."""

    def plan() -> Plan[Any]:
        return (yield Command(("GET", "k")))

    run(plan())
    server.freeze()
    try:
        with pytest.raises(CacheTimeout), deadline(0.1):
            run(plan())
    finally:
        server.thaw()


def test_the_listener_hears(tls: Tls, server: Server) -> None:
    """What is held is dropped when another client changes it."""

    class Settings(DictCache[str, str]):
        prefix = "settings"
        l1 = True

    Settings()["colour"] = "red"
    settle(lambda: Settings()["colour"])
    assert l1_info().state == "live"
    with server.client() as bare:
        bare.hset("settings", "colour", "blue")
    wait_until(lambda: Settings()["colour"] == "blue", what="the change")


def test_waiters_are_woken(tls: Tls) -> None:
    """A function computed by one task, and waited for by others."""

    @cached(l1=False)
    async def slow(n: int) -> int:
        await asyncio.sleep(0.05)
        return n

    async def main() -> list[int]:
        return list(await asyncio.gather(*(slow(1) for _ in range(20))))

    assert asyncio.run(main()) == [1] * 20
    assert slow.cache_info().computes == 1


def test_a_certificate_that_is_not_trusted(server: Server, tmp_path: Path, run: Any) -> None:
    """A clear error, and nothing is sent."""

    def plan() -> Plan[Any]:
        return (yield Command(("PING",)))

    with (
        Tls(server, tmp_path) as front,
        isolated(f"rediss://localhost:{front.port}/0?timeout=2"),
        pytest.raises(CacheConnectionError, match="certificate is not accepted"),
    ):
        run(plan())


def test_further_links_share_what_the_first_one_read(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading the authorities of the system takes longer than all the rest of a connection."""
    made: list[int] = []
    make = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda *args, **kwargs: made.append(1) or make(*args, **kwargs))
    with Tls(server, tmp_path) as front, isolated(f"{front.dsn}&timeout=5"):
        for n in range(4):
            KeyCache("k").set(n)
            front.cut()
        assert made == [1]
        with Tls(server, tmp_path) as other:  # another authority, in the same file
            with pytest.raises(CacheConnectionError, match="certificate is not accepted"):
                KeyCache("k").get()
            configure(f"{other.dsn}&timeout=5")
            assert KeyCache("k").get() == 3
            connection().close()
