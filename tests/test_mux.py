"""One connection for all tasks of a loop: replies keep their order, whoever goes away, and whatever is on its way."""

from __future__ import annotations

import asyncio
import importlib.util
import random
import re
import ssl
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheConnectionError, CacheTimeout, WrongTypeError, connection, deadline
from rcollections.plans.effects import Batch, Command, InTurn, Plan, ReadToHold, Script
from rcollections.servers.drivers.aio import adrive
from rcollections.servers.drivers.aio_quick import aask
from rcollections.servers.drivers.aio_trips import aone
from rcollections.servers.links import Links
from rcollections.servers.loops import pool_of
from rcollections.testing import Proxy, Server, isolated, wait_until
from rcollections.wire.dsn.dsn import parse
from rcollections.wire.links.aio import AsyncLink
from tests.clients import NAME, named
from tests.kinds import one_server
from tests.tls import Tls

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from rcollections.wire.aio_pool import AsyncPool

LOOPS = ("asyncio", "uvloop") if importlib.util.find_spec("uvloop") else ("asyncio",)


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """``asyncio.run``, with each kind of loop there is."""
    if request.param == "asyncio":
        return asyncio.run
    import uvloop

    return uvloop.run  # type: ignore[no-any-return, unused-ignore]


@pytest.fixture(params=["unix", pytest.param("tls", marks=pytest.mark.long)])
def road(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(road: str, server: Server, tmp_path: Path) -> Iterator[Server]:
    """The default connection has a name, by which its connections are counted."""
    with ExitStack() as stack:
        dsn = server.dsn + "?"
        if road == "tls":
            dsn = stack.enter_context(Tls(server, tmp_path)).dsn + "&"
        stack.enter_context(isolated(f"{dsn}timeout=5&connect_timeout=5&{NAME}"))
        yield server


@pytest.fixture
def own() -> Iterator[Server]:
    """A server that this test alone may break, as the default connection."""
    with Server(one_server(), tcp=True) as server, isolated(server.dsn + "?timeout=1&connect_timeout=1"):
        yield server


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A network that this test alone may break; the default connection leads through it."""
    with Proxy(server) as between, isolated(between.dsn + "?timeout=1&connect_timeout=1"):
        yield between


def ask(*words: Any) -> Coroutine[Any, Any, Any]:
    return aone(connection(), Command(words))


def one(effect: Any) -> Plan[Any]:
    return (yield effect)


def do(effect: Any) -> Coroutine[Any, Any, Any]:
    return adrive(one(effect), connection())


def links() -> list[AsyncLink]:
    return pool_of(connection().links).links


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


# -- the order of replies ------------------------------------------------------------------------------


def test_tasks_share_a_connection_and_each_gets_its_own_reply(server: Server, run: Any) -> None:
    """What they ask in one turn of the loop leaves in one write."""

    async def main() -> None:
        await ask("PING")
        with server.client() as bare:
            before = bare.info("stats")["total_reads_processed"]
            words = [f"word {n}" for n in range(2000)]
            assert await asyncio.gather(*(ask("ECHO", word) for word in words)) == [word.encode() for word in words]
            assert bare.info("stats")["total_reads_processed"] - before < 50
            assert named(bare) == 1
        assert len(links()) == 1

    run(main())


def test_all_kinds_of_trips_at_once(server: Server, run: Any) -> None:
    """Transactions, batches, scripts, reads that may be held and steps in turn keep out of each other's replies."""

    async def each(n: int) -> None:
        key, value = f"k{n}", f"v{n}".encode()
        assert await ask("SET", key, value) == b"OK"
        steps = (Command(("GET", key)), Command(("INCR", f"n{n}")), Command(("STRLEN", key)))
        assert await do(Batch(steps, atomic=True)) == [value, 1, len(value)]
        assert await do(Batch(steps)) == [value, 2, len(value)]
        assert await do(Script("hash_set", (f"h{n}",), (0, "last", "f", value))) == [b"ok", 1]
        seen = await do(ReadToHold(key, (Command(("GET", key)), Command(("MGET", key, key)))))
        assert seen.replies == [value, [value, value]]
        assert seen.ms == -1
        assert seen.server
        assert await do(InTurn((Command(("PING",)), Command(("GET", key))))) == [b"PONG", value]
        with pytest.raises(WrongTypeError, match=key):
            await ask("HGET", key, "f")
        assert await do(Batch((Command(("LPOP", key)), Command(("GET", key))), keep_errors=True)) == [
            _Wrong(), value
        ]  # fmt: skip

    async def main() -> None:
        await asyncio.gather(*map(each, range(60)))
        assert len(links()) == 1

    run(main())


class _Wrong:
    """Equal to a WrongTypeError."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WrongTypeError)

    __hash__ = None  # type: ignore[assignment]


def test_the_usual_trip_is_counted_once(store: Any) -> None:
    """Whether a plan made it or not."""

    async def main() -> None:
        await ask("PING")
        before = store.trips
        await ask("GET", "k")
        assert store.trips == before + 1
        with pytest.raises(WrongTypeError):
            await do(Batch((Command(("SET", "text", "x")), Command(("LPOP", "text")))))
        assert store.trips == before + 2
        with pytest.raises(WrongTypeError):
            await ask("LPOP", "text")
        assert store.trips == before + 3

    asyncio.run(main())


def test_a_script_that_the_server_forgot(server: Server, run: Any) -> None:
    """Its text follows; all who asked at the same time get their replies."""
    step = Script("hash_incr", ("h",), (0, "last", "f", "int", "1"))

    async def main() -> None:
        await do(step)
        await ask("SCRIPT", "FLUSH")
        await asyncio.gather(*(do(step) for _ in range(20)))
        assert await ask("HGET", "h", "f") == b"21"

    run(main())


# -- callers that go away ------------------------------------------------------------------------------


def test_the_reply_to_a_cancelled_caller_is_dropped(server: Server, run: Any) -> None:
    """Whether its bytes have left or not; the connection stays, and the next caller gets its own reply."""

    async def main() -> None:
        me = await ask("CLIENT", "ID")
        for turns in range(6):
            tasks = [asyncio.ensure_future(ask("ECHO", str(n))) for n in range(10)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert found[1::2] == [str(n).encode() for n in range(1, 10, 2)]
            assert all(type(each) in (asyncio.CancelledError, bytes) for each in found[::2])
            assert await ask("ECHO", "next") == b"next"
        assert await ask("CLIENT", "ID") == me
        assert len(links()) == 1

    run(main())


def test_a_write_of_a_cancelled_caller_is_told_to_the_process(store: Any) -> None:
    """It may have been carried out: what counts changes must see it."""
    told: list[Any] = []

    async def main() -> None:
        await ask("PING")
        wrote = store.wrote
        store.wrote = told.extend
        try:
            task = asyncio.ensure_future(ask("SET", "k", "v"))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        finally:
            store.wrote = wrote

    asyncio.run(main())
    assert told == [Command(("SET", "k", "v"))]


def test_replies_never_cross(server: Server, run: Any) -> None:
    """Distinct words under random cancellation, near deadlines and killed connections: no reply goes astray."""
    dice = random.Random(3)

    async def get(word: str) -> None:
        seconds = dice.choice((0.0, 0.0005, 0.002, 5.0, 5.0, 5.0))
        try:
            with deadline(seconds):
                assert await ask("GET", word) == b"value of " + word.encode()
        except (CacheTimeout, CacheConnectionError):  # what has time is sent again
            assert seconds < 5

    async def main() -> None:
        with server.client() as bare:
            bare.mset({f"{n}": f"value of {n}" for n in range(2000)})
            for turn in range(40):
                tasks = [asyncio.ensure_future(get(f"{dice.randrange(2000)}")) for _ in range(200)]
                await asyncio.sleep(dice.choice((0, 0, 0.0005, 0.001)))
                for task in dice.sample(tasks, 60):
                    task.cancel()
                if turn % 8 == 5:
                    await asyncio.to_thread(bare.execute_command, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                found = await asyncio.gather(*tasks, return_exceptions=True)
                wrong = [each for each in found if each is not None and type(each) is not asyncio.CancelledError]
                assert not wrong, wrong[:3]
            await until(lambda: named(bare) <= 1)

    run(main())


# -- time ----------------------------------------------------------------------------------------------


def test_each_deadline_is_kept(own: Server, run: Any) -> None:
    """Of callers that share a connection, in whatever order their deadlines are; it stays in use behind them."""

    async def late(seconds: float) -> float:
        began = time.monotonic()
        with deadline(seconds), pytest.raises(CacheTimeout):
            await ask("ECHO", "late")
        return time.monotonic() - began

    async def main() -> None:
        me = await ask("CLIENT", "ID")
        own.freeze()
        try:
            given = (0.2, 0.05, 0.1, 0.3, 0.15)
            took = await asyncio.gather(*map(late, given))
        finally:
            own.thaw()
        assert all(wanted <= each + 0.001 for wanted, each in zip(given, took, strict=True)), took
        assert min(each - wanted for wanted, each in zip(given, took, strict=True)) < 0.02, took
        assert await ask("ECHO", "next") == b"next"
        assert await ask("CLIENT", "ID") == me

    run(main())


def test_a_silent_connection_is_given_up(proxy: Proxy, run: Any) -> None:
    """After the whole timeout: the next caller gets another one, and nobody waits for the old replies."""

    async def main() -> None:
        await ask("PING")
        (link,) = links()
        proxy.freeze("replies", "data")
        with pytest.raises(CacheTimeout):
            await ask("ECHO", "lost")
        assert link.failure is not None
        assert await ask("ECHO", "next") == b"next"
        assert links() != [link]

    run(main())


def test_new_callers_do_not_queue_behind_a_silent_connection(proxy: Proxy, run: Any) -> None:
    """A fraction of the timeout is enough to try another one."""

    async def main() -> None:
        await ask("PING")
        proxy.freeze("replies", "data")
        lost = asyncio.ensure_future(ask("ECHO", "lost"))
        await asyncio.sleep(0)
        await until(lambda: not links()[0].ready)
        assert not lost.done()
        assert await ask("ECHO", "next") == b"next"
        with pytest.raises(CacheTimeout):
            await lost

    run(main())


def test_a_loop_that_was_blocked_finds_its_replies(own: Server, run: Any) -> None:
    """For longer than the timeout, with questions that were sent, and some that were not yet."""

    async def main() -> None:
        await ask("PING")
        tasks = [asyncio.ensure_future(ask("ECHO", str(n))) for n in range(50)]
        asyncio.get_running_loop().call_soon(time.sleep, 1.3)
        await asyncio.sleep(0)
        assert await asyncio.gather(*tasks) == [str(n).encode() for n in range(50)]
        tasks = [asyncio.ensure_future(ask("ECHO", str(n))) for n in range(50)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(1.3)
        assert await asyncio.gather(*tasks) == [str(n).encode() for n in range(50)]
        assert len(links()) == 1

    run(main())


def test_thousands_of_calls_at_once_are_a_long_queue_and_no_failure(own: Server, run: Any) -> None:
    """With a timeout that their replies together take longer than, cold and warm."""

    async def main() -> None:
        for _ in range(2):
            found = await asyncio.gather(*(ask("ECHO", "x" * (n % 3000)) for n in range(5000)))
            assert [len(each) for each in found] == [n % 3000 for n in range(5000)]
        sleeps = [ask("DEBUG", "SLEEP", "0.08") for _ in range(10)]
        with isolated(own.dsn + "?timeout=0.3"):
            assert await asyncio.gather(*sleeps) == [b"OK"] * 10

    run(main())


# -- connections that break ----------------------------------------------------------------------------


def test_what_was_in_flight_is_told_the_truth(proxy: Proxy, run: Any) -> None:
    """The connection is cut before the reply to one of them: reads are sent again, writes raise."""

    async def main() -> None:
        await ask("SET", "k", "v")
        proxy.cut_after_request(3, "GET")
        asked = [ask("GET", "k") if n % 2 else ask("INCR", "n") for n in range(10)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert found[1::2] == [b"v"] * 5
        told = [each for each in found[::2] if isinstance(each, int)]
        lost = [each for each in found[::2] if isinstance(each, CacheConnectionError)]
        assert len(told) + len(lost) == 5
        assert lost
        assert len(told) <= int(await ask("GET", "n")) <= 5, "each at most once"

    run(main())


def test_what_was_not_sent_is_sent_again(run: Any) -> None:
    """A write too: it waited behind a large value in this process when its connection broke."""
    with Server(one_server()) as server, isolated(server.dsn + "?timeout=10"):

        async def main() -> None:
            await ask("PING")
            server.freeze()
            large = asyncio.ensure_future(ask("SET", "large", b"x" * 6_000_000))
            await until(lambda: links()[0].full)
            link = links()[0]
            sent = link.ask(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n", time.monotonic())
            assert sent is not None
            await asyncio.sleep(0)
            assert link.unsent == 1
            server.kill()
            server.start()
            with pytest.raises(CacheConnectionError):
                await large
            told = await sent
            assert type(told.outcome).__name__ == "Unsent"
            assert re.search("reset|Broken pipe|closed", str(told.outcome))
            assert await ask("INCR", "n") == 1

        run(main())


def test_an_idle_connection_that_ended_is_not_used(server: Server, run: Any) -> None:
    """The loop had no time to notice: a write goes over another one all the same."""

    async def main() -> None:
        assert await ask("INCR", "n") == 1
        with server.client() as bare:
            bare.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        time.sleep(0.15)
        assert await ask("INCR", "n") == 2

    run(main())


def test_a_server_that_comes_back_is_found(own: Server, run: Any) -> None:
    """Callers during the outage fail in time, later ones do not."""

    async def main() -> None:
        await ask("PING")
        own.kill()
        found = await asyncio.gather(*(ask("GET", "k") for _ in range(300)), return_exceptions=True)
        # In time, all of them: on a loaded machine that may be before the refusal of the connection is seen.
        assert {type(each) for each in found} <= {CacheConnectionError, CacheTimeout}, found[:3]
        own.start()
        assert await asyncio.gather(*(ask("ECHO", str(n)) for n in range(300))) == [b"%d" % n for n in range(300)]

    run(main())


# -- large values --------------------------------------------------------------------------------------


def test_whoever_sends_much_waits_for_room(run: Any) -> None:
    """Where the server takes nothing, this process holds a bounded number of bytes; later all arrive."""
    with Server(one_server()) as server, isolated(server.dsn + "?timeout=20&max_connections=1"):

        async def main() -> None:
            await ask("PING")
            (link,) = links()
            server.freeze()
            tasks = [asyncio.ensure_future(ask("SET", f"k{n}", b"%d" % n * 30_000)) for n in range(400)]
            await until(lambda: link.full)
            for _ in range(100):
                await asyncio.sleep(0)
            assert link._held < 3 << 20
            tasks[-1].cancel()
            server.thaw()
            assert await asyncio.gather(*tasks[:-1]) == [b"OK"] * 399
            assert await ask("GET", "k7") == b"7" * 30_000
            assert not link.full
            assert links() == [link]

        run(main())


def test_who_waits_for_room_is_not_overtaken(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the moment in which there is room again, nobody has asked yet: who comes now stands behind all who wait."""
    with Server(one_server()) as server, isolated(server.dsn + "?timeout=20&max_connections=1"):
        served: list[str] = []

        async def call(name: str, size: int) -> None:
            await ask("SET", name, b"x" * size)
            served.append(name)

        async def main() -> None:
            await ask("PING")
            (link,) = links()
            server.freeze()
            tasks = [asyncio.ensure_future(call("large", 6_000_000))]
            await until(lambda: link.full)
            tasks += [asyncio.ensure_future(call(name, 900_000)) for name in "abcde"]
            await until(lambda: len(link._rooms) == 5)
            empty = AsyncLink._empty

            def emptied(this: AsyncLink) -> None:
                empty(this)
                if len(tasks) == 6:  # a task that runs in this very moment, by the quick try and in all
                    assert aask(connection(), b"*1\r\n$4\r\nPING\r\n", 1) is None
                    tasks.append(asyncio.ensure_future(call("new", 10)))

            monkeypatch.setattr(AsyncLink, "_empty", emptied)
            server.thaw()
            await asyncio.gather(*tasks[:6])
            await tasks[6]

        run(main())
    assert served == ["large", *"abcde", "new"]


def test_waiting_for_room_ends_in_time(run: Any) -> None:
    """By the deadline, or by the timeout."""
    with Server(one_server()) as server, isolated(server.dsn + "?timeout=1.5&connect_timeout=1&max_connections=1"):

        async def main() -> None:
            await ask("PING")
            server.freeze()
            try:
                large = asyncio.ensure_future(ask("SET", "large", b"x" * 6_000_000))
                await until(lambda: links()[0].full)
                began = time.monotonic()
                with deadline(0.1), pytest.raises(CacheTimeout):
                    await ask("GET", "k")
                assert 0.1 <= time.monotonic() - began < 1
                with pytest.raises(CacheTimeout):
                    await ask("GET", "k")
                with pytest.raises(CacheTimeout):
                    await large
            finally:
                server.thaw()

        run(main())


def test_a_large_reply_holds_up_nobody(proxy: Proxy, run: Any) -> None:
    """While it arrives, others are answered over another connection; afterwards one is enough."""
    large = b"x" * 4_000_000

    async def main() -> None:
        with deadline(20):
            await ask("SET", "large", large)
            proxy.drip(4_000_000)
            slow = asyncio.ensure_future(ask("GET", "large"))
            await until(lambda: not links()[0].ready)
            for n in range(20):
                assert await ask("ECHO", str(n)) == b"%d" % n
            assert not slow.done()
            assert len(links()) == 2
            assert await slow == large
            assert links()[0].ready

    run(main())


def test_one_connection_may_have_to_do(server: Server, run: Any) -> None:
    """``max_connections`` is kept also where large replies travel: then callers wait for each other."""

    async def main() -> None:
        with isolated(server.dsn + "?max_connections=1&timeout=10"):
            await ask("SET", "large", b"x" * 3_000_000)
            asked = [ask("GET", "large") if n % 20 == 0 else ask("ECHO", str(n)) for n in range(100)]
            found = await asyncio.gather(*asked)
            assert [len(each) for each in found[::20]] == [3_000_000] * 5
            assert found[1] == b"1"
            assert len(links()) == 1

    run(main())


# -- other roads ---------------------------------------------------------------------------------------


def test_messages_that_the_server_pushes_are_no_replies(server: Server, run: Any) -> None:
    """In RESP3 they come between replies."""

    async def main() -> None:
        with isolated(server.dsn + "?protocol=3"):
            await ask("GET", "k")
            (link,) = links()
            asked = link.ask(b"*4\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n$5\r\nBCAST\r\n", time.monotonic())
            assert asked is not None
            assert await asked == b"OK"
            for n in range(50):
                found = await asyncio.gather(*(ask("SET", f"k{each}", str(n)) for each in range(5)), ask("GET", "k1"))
                assert found == [b"OK"] * 5 + [b"%d" % n]
            assert links() == [link]

    run(main())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_it_is_the_same_over_tls(server: Server, tmp_path: Path, run: Any, version: ssl.TLSVersion) -> None:
    """Large values both ways, cancelled callers, and many at once."""
    large = b"x" * 3_000_000

    async def main() -> None:
        for turn in range(5):
            tasks = [asyncio.ensure_future(ask("ECHO", f"{turn}/{n}")) for n in range(200)]
            stored = [asyncio.ensure_future(ask("SET", f"large{n}", large)) for n in range(3)]
            await asyncio.sleep(0)
            for task in tasks[::3]:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(found[n] == f"{turn}/{n}".encode() for n in range(200) if n % 3)
            assert await asyncio.gather(*stored) == [b"OK"] * 3
            assert [len(each) for each in await ask("MGET", "large0", "large1", "large2")] == [len(large)] * 3

    with Tls(server, tmp_path, version=version) as front, isolated(front.dsn + "&timeout=10"):
        run(main())
        connection().close()


def test_each_loop_has_connections_of_its_own(server: Server, run: Any) -> None:
    """Several threads with a loop each, beside threads without one."""
    wrong: list[Any] = []

    async def main(name: int) -> None:
        for n in range(100):
            found = await asyncio.gather(*(ask("ECHO", f"{name}/{n}/{each}") for each in range(5)))
            if found != [f"{name}/{n}/{each}".encode() for each in range(5)]:
                wrong.append(found)

    def plain(name: int) -> None:
        found = [connection().raw("ECHO", f"{name}/{n}") for n in range(200)]
        wrong.extend(each for n, each in enumerate(found) if each != f"{name}/{n}".encode())

    threads = [threading.Thread(target=lambda n=n: run(main(n))) for n in range(4)]
    threads += [threading.Thread(target=plain, args=(n,)) for n in range(4, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong
    with server.client() as bare:
        wait_until(lambda: named(bare) <= 2, 5, "the loops' connections are closed")


def test_a_loop_that_ends_in_the_middle_leaves_nothing(server: Server, run: Any, recwarn: Any) -> None:
    """Calls in flight, and a connection that is being opened."""

    async def main(turns: int) -> None:
        tasks = [asyncio.ensure_future(ask("ECHO", str(n))) for n in range(20)]
        for _ in range(turns):
            await asyncio.sleep(0)
        assert tasks

    for turns in (0, 1, 2, 5, 20, 100):
        run(main(turns))
    with server.client() as bare:
        wait_until(lambda: named(bare) == 0, 5, "the connections are closed")
    assert not [each for each in recwarn if "rcollections" in str(each)]


def test_what_was_renewed_while_calls_are_in_flight(server: Server, run: Any) -> None:
    """They get their replies over the old connection, which is closed behind them."""

    async def main() -> None:
        await ask("PING")
        tasks = [asyncio.ensure_future(ask("ECHO", str(n))) for n in range(50)]
        await asyncio.sleep(0)
        connection().links.renew()
        assert await asyncio.gather(*tasks) == [b"%d" % n for n in range(50)]
        assert await ask("ECHO", "next") == b"next"
        with server.client() as bare:
            await until(lambda: named(bare) == 1)

    run(main())


def test_a_pool_that_a_loop_opens_while_all_are_renewed(run: Any) -> None:
    """It is renewed the next time: else its links would lead for ever to what was the primary then."""

    async def main() -> None:
        links = Links(parse("redis://localhost"))
        first, second = links.open_async_pool(bytearray(8)), links.open_async_pool(bytearray(8))
        opened: list[AsyncPool] = []
        for each in (first, second):
            close = each.close_soon

            def and_another(close: Callable[[], None] = close) -> None:
                close()
                opened.append(links.open_async_pool(bytearray(8)))  # as the thread of the loop does at that moment

            each.close_soon = and_another  # type: ignore[method-assign]
        links.renew()
        assert first.closed
        assert second.closed
        links.renew()
        assert [each.closed for each in opened] == [True, True]

    run(main())
