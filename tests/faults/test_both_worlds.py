"""The same faults for threads and for event loops: both carry out one plan, so both end alike."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheConnectionError, CacheError, cached, configure, connection
from rcollections.plans.effects import Batch, Command, Plan, Script
from rcollections.servers.drivers.aio import adrive
from rcollections.servers.drivers.sync import drive
from rcollections.testing import Proxy, Server, isolated, wait_until
from tests.embedded_users import valkey_missing
from tests.roads import ROADS, road_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WORLDS = ("threads", "asyncio")


@pytest.fixture(params=WORLDS)
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """``run(step, ...)``: carry steps out, in one loop per call, or on this thread."""

    def plan(steps: Any) -> Plan[Any]:
        replies = []
        for step in steps:
            replies.append((yield step))  # noqa: PERF401 - a plan yields
        return replies

    def both(*steps: Any) -> Any:
        if request.param == "threads":
            return drive(plan(steps), connection())
        return asyncio.run(adrive(plan(steps), connection()))

    return both


@pytest.fixture(params=ROADS)
def proxy(request: pytest.FixtureRequest, server: Server) -> Iterator[Proxy]:
    """A proxy before a real server, and the default connection through it, on each road."""
    with road_to(server, request.param) as (between, dsn), isolated(dsn + "timeout=2"):
        yield between
        connection().close()


def test_a_write_that_could_not_even_connect_is_tried_again(server: Server, run: Any) -> None:
    """The server comes up while the caller is between two tries: nobody notices."""
    with Proxy(server) as between, isolated(between.dsn + "?timeout=2"):
        between.refuse()
        tries = threading.Event()
        links = connection().links
        opened = links.open

        def open_(until: float) -> Any:
            try:
                return opened(until)
            finally:
                if not tries.is_set():
                    between.heal()
                    tries.set()

        links.open = open_  # type: ignore[method-assign]
        assert run(Command(("INCR", "n"))) == [1]
        assert tries.is_set()
        connection().close()


@pytest.mark.parametrize("step", [Command(("INCR", "n")), Script("hash_incr", ("h",), (0, "last", "f", "int", "1"))])
def test_a_write_whose_reply_was_cut_counts_once(proxy: Proxy, run: Any, step: Any) -> None:
    """It raises, and is not sent again."""
    run(step)
    proxy.cut_after_request(1, "EVALSHA" if isinstance(step, Script) else "INCR")
    with pytest.raises(CacheConnectionError):
        run(step)
    read = Command(("HGET", "h", "f")) if isinstance(step, Script) else Command(("GET", "n"))
    assert run(read) == [b"2"]


def test_a_read_is_repeated_when_its_connection_breaks(proxy: Proxy, run: Any) -> None:
    """The caller does not notice."""
    run(Command(("SET", "k", "v")))
    proxy.cut_after_request(1, "GET")
    assert run(Command(("GET", "k"))) == [b"v"]
    assert proxy.cuts == 1


def test_a_forgotten_script_gets_its_text_on_the_same_connection(proxy: Proxy, run: Any) -> None:
    """No other connection is opened for it."""
    step = Script("hash_set", ("h",), (0, "last", "f", "v"))
    run(step, Command(("SCRIPT", "FLUSH")))
    before = proxy.connections
    assert run(step) == [[b"ok", 0]]
    assert proxy.connections <= before + 1  # a new event loop has links of its own


def test_a_second_exchange_that_breaks(proxy: Proxy, run: Any) -> None:
    """The text of a script is on its way when the connection ends: an error of ours, so that functions compute."""
    step = Script("hash_set", ("h",), (0, "last", "f", "v"))
    run(step, Command(("SCRIPT", "FLUSH")))
    proxy.cut_after_request(1, "EVAL")
    with pytest.raises(CacheConnectionError):
        run(step)


class Odd:
    """Listens, answers the first commands by ``first`` and everything after by ``then``."""

    def __init__(self, directory: Path, first: list[bytes], then: bytes) -> None:
        self.path = str(directory / "odd.sock")
        self._first, self._then = first, then
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.path)
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                answers = [*self._first]
                while client.recv(65536):
                    client.sendall(answers.pop(0) if answers else self._then)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        ([], b"HTTP/1.1 400 Bad Request\r\n\r\n", "no connection"),  # InvalidResponse in redis-py
        ([], b"-ERR strange\r\n", "answered with an error"),
        ([], b"$-9\r\n", "no connection"),
    ],
)
def test_a_server_that_speaks_something_else(tmp_path: Path, run: Any, first: Any, then: bytes, said: str) -> None:
    """Bytes that are no reply, and errors nobody knows, come out as ours."""
    odd = Odd(tmp_path, first, then)
    try:
        with isolated(f"unix://{odd.path}?timeout=1"), pytest.raises(CacheError, match=said):
            run(Command(("INCR", "n")))
    finally:
        odd.close()


@pytest.mark.parametrize("dsn", ["unix://:secret@{}", "unix://{}?db=3", "unix://{}?client_name=me"])
@pytest.mark.parametrize("answer", [b"-ERR DB index is out of range\r\n", b"-ERR unknown\r\n", b"HTTP/1.1 400\r\n\r\n"])
def test_a_handshake_that_is_refused_lets_functions_compute(tmp_path: Path, dsn: str, answer: bytes) -> None:
    """Whatever redis-py raises while it connects: with ``on_error="compute"`` the caller has its answer."""
    odd = Odd(tmp_path, [answer], answer)
    try:
        with isolated((dsn + ("&" if "?" in dsn else "?") + "timeout=1").format(odd.path)):

            @cached(l1=False)
            def double(n: int) -> int:
                return 2 * n

            @cached(l1=False)
            async def adouble(n: int) -> int:
                return 2 * n

            assert double(4) == 8
            assert asyncio.run(adouble(4)) == 8  # type: ignore[arg-type]
    finally:
        odd.close()


@pytest.mark.skipif(valkey_missing(), reason="needs the Valkey binary")
def test_an_embedded_server_is_healed(tmp_path: Path, run: Any) -> None:
    """It was killed between two calls: the next one starts it again and is answered."""
    with isolated(f"embedded://{tmp_path}/data?timeout=5"):
        assert run(Command(("INCR", "n"))) == [1]
        pid = int((tmp_path / "data" / "server.pid").read_text())
        os.kill(pid, 9)
        wait_until(lambda: _refuses(str(tmp_path / "data" / "server.sock")), what="the server's death")
        assert run(Command(("INCR", "n"))) == [2]
        connection().close()


def _refuses(path: str) -> bool:
    """Whether nobody listens there any more: not before the last thread of the server has ended."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) != 0


def test_a_batch_in_one_write(server: Server, run: Any) -> None:
    """Several steps, in MULTI or not, are one round trip in both worlds."""
    before = connection().trips
    steps = tuple(Command(("INCR", "n")) for _ in range(5))
    assert run(Batch(steps)) == [[1, 2, 3, 4, 5]]
    assert run(Batch(steps, atomic=True)) == [[6, 7, 8, 9, 10]]
    assert connection().trips - before == 2


# -- what event loops open -----------------------------------------------------------------------------


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_200_loops_that_end_without_ceremony_leave_no_descriptor(server: Server) -> None:
    """Each is closed as it is, with nobody to await anything: what it had opened is closed in that moment."""

    @cached(l1=False)
    async def double(n: int) -> int:
        return 2 * n

    asyncio.run(double(1))  # type: ignore[arg-type]
    gc.collect()
    gc.disable()  # nothing may hang on when the collector comes
    try:
        before = _descriptors()
        for n in range(200):
            loop = asyncio.new_event_loop()
            assert loop.run_until_complete(double(n % 7)) == 2 * (n % 7)
            loop.close()
        assert _descriptors() == before
    finally:
        gc.enable()


def test_configure_and_close_close_what_a_loop_opened(server: Server) -> None:
    """From inside the loop, and from another thread while it runs."""

    async def main() -> None:
        await adrive(_ping(), connection())
        with server.client() as bare:
            # By name: threads that look after leases of earlier calls have connections to this server for a while.
            def mine() -> int:
                return sum(each["name"] == "loop" for each in bare.client_list())

            assert mine() == 1
            configure(server.dsn + "?timeout=3&client_name=loop")
            await asyncio.to_thread(wait_until, lambda: mine() == 0, 5, "the closed connection")
            await adrive(_ping(), connection())
            assert mine() == 1
            await asyncio.to_thread(connection().close)
            await asyncio.to_thread(wait_until, lambda: mine() == 0, 5, "the closed connection")
            await adrive(_ping(), connection())  # the next use opens new ones

    configure(server.dsn + "?client_name=loop")
    asyncio.run(main())


def _ping() -> Plan[Any]:
    return (yield Command(("PING",)))


def test_tasks_wait_their_turn_for_a_link(server: Server) -> None:
    """Two links for fifty tasks: each gets its own reply, and no more links are opened."""
    configure(server.dsn + "?max_connections=2&timeout=10")

    async def echo(word: str) -> bytes:
        def plan() -> Plan[Any]:
            return (yield Command(("ECHO", word)))

        return bytes(await adrive(plan(), connection()))

    async def main() -> None:
        words = [f"word {n}" for n in range(50)]
        assert await asyncio.gather(*map(echo, words)) == [word.encode() for word in words]
        with server.client() as bare:
            assert len(bare.client_list()) <= 3

    asyncio.run(main())
