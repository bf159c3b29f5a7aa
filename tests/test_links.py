"""The quick try of a link, compiled and not: every split of every reply, time limits, signals, large requests."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import hiredis
import pytest

from rcollections.wire.failures import Broken, ErrorReply, Late
from rcollections.wire.large import LARGE, LargeReplies
from rcollections.wire.links import compiled
from rcollections.wire.links.link import Link
from rcollections.wire.links.marks import GONE, INCOMPLETE
from tests.roads import ROADS, pair_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT = 5.0
# Each twin, on each road that it goes, at once and in two halves.
TWINS = [
    (twin, road, way)
    for twin, roads in (("pure", ROADS), ("compiled", ("unix", "tcp") if compiled._line else ()))
    for road in roads
    for way in ("whole", "halves")
]

# Streams of replies, with how many there are: what the compiled reader knows, and what it leaves to hiredis.
STREAMS = {
    "text": (b"$5\r\nhello\r\n", 1), "empty": (b"$0\r\n\r\n", 1), "nil": (b"$-1\r\n", 1), "null": (b"_\r\n", 1),
    "lines": (b"$4\r\n\r\n\r\n\r\n", 1), "word": (b"+OK\r\n", 1), "number": (b":12\r\n", 1), "minus": (b":-7\r\n", 1),
    "largest": (b":9223372036854775807\r\n", 1), "smallest": (b":-9223372036854775808\r\n", 1),
    "list": (b"*3\r\n$1\r\na\r\n:1\r\n$-1\r\n", 1), "empty list": (b"*0\r\n", 1), "no list": (b"*-1\r\n", 1),
    "nested": (b"*2\r\n*2\r\n:1\r\n*1\r\n+x\r\n*0\r\n", 1),
    "error": (b"-WRONGTYPE Operation against a key\r\n", 1), "error inside": (b"*2\r\n:1\r\n-ERR no\r\n", 1),
    "double": (b",1.5\r\n", 1), "true": (b"#t\r\n", 1), "map": (b"%1\r\n+a\r\n:1\r\n", 1),
    "set": (b"~2\r\n:1\r\n:2\r\n", 1),
    "big": (b"(12345678901234567890123\r\n", 1), "verbatim": (b"=7\r\ntxt:abc\r\n", 1),
    "pushed before": (b">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n$1\r\nv\r\n", 1),
    "multi": (b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n", 4), "several": (b":1\r\n$2\r\nab\r\n_\r\n", 3),
    "pushed between": (b":1\r\n>1\r\n+x\r\n:2\r\n", 2),
}  # fmt: skip


halves: set[Any] = set()  # the links that are asked by ``put`` and ``get``


@pytest.fixture(params=TWINS, ids="-".join)
def twin(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    return request.param  # type: ignore[no-any-return]


@contextmanager
def linked(twin: tuple[str, str, str], timeout: float = TIMEOUT) -> Iterator[tuple[Any, socket.socket]]:
    """A link, and the socket of its server."""
    with pair_on(twin[1]) as (near, far):
        link: Any = Link(SimpleNamespace(disconnect=near.close), near)
        if twin[0] == "compiled":
            link = compiled.quickened(link, timeout)
            assert type(link) is compiled.CompiledLink
        halves.clear()
        if twin[2] == "halves":
            halves.add(link)
        far.settimeout(10)
        try:
            yield link, far
        finally:
            link.close()


def asked(link: Any, count: int, wait: float = TIMEOUT, timeout: float = TIMEOUT, data: bytes = b"PING\r\n") -> Any:
    """What a caller gets, who reads on where the quick try has stopped: always a list."""
    began = time.monotonic()
    if link in halves:
        link.put(data, wait, timeout)
        reply = link.get(count, wait)
    else:
        reply = link.ask(data, count, wait, timeout, False)
    if reply is INCOMPLETE:
        return link.rest(count, began + wait, timeout, began)
    return [reply] if count == 1 else reply


def expected(stream: bytes) -> list[Any]:
    reader: Any = hiredis.Reader(replyError=ErrorReply)
    reader.feed(stream)
    found = []
    while (reply := reader.gets()) is not False or b"#f" in stream:
        if type(reply) is not hiredis.PushNotification:
            found.append(reply)
    return found


def same(a: Any, b: Any) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (str(a) == str(b) if isinstance(a, Exception) else a == b)


def in_pieces(link: Any, far: socket.socket, pieces: list[bytes]) -> threading.Thread:
    """Send the first piece now, and each other one when the link has read the one before."""
    far.sendall(pieces[0])

    def run() -> None:
        for piece in pieces[1:]:
            end = time.monotonic() + 5
            while select.select([link.sock], [], [], 0)[0] and time.monotonic() < end:
                time.sleep(0)
            far.sendall(piece)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("name", STREAMS)
def test_every_split_of_a_reply(twin: tuple[str, str, str], name: str) -> None:
    """In one piece, in two pieces cut anywhere, byte by byte: the same replies, and the link serves the next caller."""
    stream, count = STREAMS[name]
    wanted = expected(stream)
    assert len(wanted) == count
    splits = [[stream], *([stream[:n], stream[n:]] for n in range(1, len(stream)))]
    splits.append([stream[n : n + 1] for n in range(len(stream))])
    with linked(twin) as (link, far):
        for pieces in splits:
            thread = in_pieces(link, far, pieces)
            found = asked(link, count)
            thread.join()
            assert same(found, wanted), pieces
            assert far.recv(100) == b"PING\r\n"
            assert link.idle


@pytest.mark.parametrize("size", [100, 65_530, 65_536, 70_000, 1 << 20])
def test_values_of_any_size(twin: tuple[str, str, str], size: int) -> None:
    """Larger than what is read at once, too."""
    value = os.urandom(size)
    with linked(twin) as (link, far):
        for _ in range(2):
            thread = threading.Thread(target=far.sendall, args=(b"$%d\r\n%b\r\n" % (size, value),))
            thread.start()
            assert asked(link, 1) == [value]
            thread.join()
        far.sendall(b":1\r\n")
        assert link.ask(b"PING\r\n", 1, TIMEOUT, TIMEOUT, False) == 1, "the quick way again"


def test_a_large_value_is_marked(twin: tuple[str, str, str]) -> None:
    with linked(twin) as (link, far):
        thread = threading.Thread(target=far.sendall, args=(b"$%d\r\n%b\r\n" % (LARGE, bytes(LARGE)),))
        thread.start()
        assert type(asked(link, 1)) is LargeReplies
        thread.join()


@pytest.mark.parametrize("junk", [b"HTTP/1.1 400 Bad Request\r\n", b"$x\r\n", b"*-5\r\n", b":1x\r\n"])
def test_bytes_that_are_no_reply(twin: tuple[str, str, str], junk: bytes) -> None:
    with linked(twin) as (link, far):
        far.sendall(junk + b"\r\n")
        with pytest.raises(Broken):
            asked(link, 1, 0.2)


def test_the_end_of_the_connection(twin: tuple[str, str, str]) -> None:
    """Before the reply, within it, and behind it: then an idle link that is looked at is not idle."""
    with linked(twin) as (link, far):
        far.shutdown(socket.SHUT_WR)
        with pytest.raises(Broken, match="closed"):
            asked(link, 1)
        assert not link.idle
    with linked(twin) as (link, far):
        far.sendall(b"$5\r\nhel")
        far.shutdown(socket.SHUT_WR)
        with pytest.raises(Broken, match="closed"):
            asked(link, 1)
    with linked(twin) as (link, far):
        far.close()
        with pytest.raises((BrokenPipeError, ConnectionResetError, Broken)):
            asked(link, 1)


def test_more_than_was_asked_for(twin: tuple[str, str, str]) -> None:
    """A second reply belongs to nobody: a link that is looked at is not idle."""
    with linked(twin) as (link, far):
        far.sendall(b":1\r\n")
        assert asked(link, 1) == [1]
        assert link.idle
        far.sendall(b":2\r\n")
        assert not link.idle
        assert link.ask(b"PING\r\n", 1, TIMEOUT, TIMEOUT, True) is GONE
    with linked(twin) as (link, far):
        far.sendall(b":1\r\n:2\r\n")
        assert asked(link, 1) == [1]
        assert not link.idle


@pytest.mark.parametrize(("wait", "timeout"), [(0.1, 0.1), (0.1, 5.0)])
@pytest.mark.parametrize("begun", [b"", b"$5\r\nhel"])
def test_time_limits(twin: tuple[str, str, str], wait: float, timeout: float, begun: bytes) -> None:
    """To some milliseconds, for the timeout of the connection and for a nearer deadline."""
    with linked(twin, timeout) as (link, far):
        far.sendall(begun)
        began = time.monotonic()
        with pytest.raises(Late) as caught:
            asked(link, 1, wait, timeout)
        assert wait - 0.001 <= time.monotonic() - began < wait + 0.05
        assert caught.value.size == len(begun)
        assert caught.value.silent == (timeout == wait), "no byte moved for all that time"


@contextmanager
def alarms(every: float, handler: Callable[..., object]) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, every, every)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_signals_run_while_a_call_waits_and_do_not_lengthen_it(twin: tuple[str, str, str]) -> None:
    runs: list[float] = []
    with linked(twin, 0.3) as (link, far), alarms(0.02, lambda *_: runs.append(time.monotonic())):
        began = time.monotonic()
        with pytest.raises(Late):
            asked(link, 1, 0.3, 0.3)
        assert 0.299 <= time.monotonic() - began < 0.4
    assert len(runs) > 5
    with linked(twin) as (link, far), alarms(0.005, lambda *_: None):
        for _ in range(3):
            timer = threading.Timer(0.05, far.sendall, (b"$2\r\nab\r\n",))
            timer.start()
            assert asked(link, 1) == [b"ab"]
            timer.join()


def test_a_signal_that_raises_ends_the_call_at_once(twin: tuple[str, str, str]) -> None:
    class Stop(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stop

    with linked(twin) as (link, _):
        began = time.monotonic()
        with pytest.raises(Stop), alarms(0.05, stop):
            asked(link, 1)
        assert time.monotonic() - began < 1


def test_a_request_that_is_taken_slowly(twin: tuple[str, str, str]) -> None:
    """The server takes a few bytes at a time, and signals interrupt the sending: all arrive, once."""
    data = os.urandom(60_000)
    with linked(twin) as (link, far), alarms(0.003, lambda *_: None):
        link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        taken = bytearray()

        def take() -> None:
            while len(taken) < len(data):
                taken.extend(far.recv(3000))
                time.sleep(0.001)
            far.sendall(b"+OK\r\n")

        thread = threading.Thread(target=take)
        thread.start()
        assert asked(link, 1, data=data) == [b"OK"]
        thread.join()
        assert bytes(taken) == data


def test_a_request_that_is_not_taken(twin: tuple[str, str, str]) -> None:
    with linked(twin, 0.2) as (link, _):
        link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        began = time.monotonic()
        with pytest.raises(Late) as caught:
            asked(link, 1, 0.2, 0.2, bytes(60_000))
        assert caught.value.silent
        assert 0.199 <= time.monotonic() - began < 0.45


def test_both_ways_in_turn(twin: tuple[str, str, str]) -> None:
    """The quick try and the long way use one socket, and one reader."""
    with linked(twin, 0.3) as (link, far):
        for _ in range(3):
            far.sendall(b":1\r\n")
            assert asked(link, 1, 0.3, 0.3) == [1]
            far.sendall(b":2\r\n:3\r\n")
            assert link.exchange(b"PING\r\n", 2, time.monotonic() + 0.3, 0.3) == [2, 3]
            far.sendall(b"*1\r\n:4\r\n")
            assert asked(link, 1, 0.2, 0.3) == [[4]]
        assert link.idle
        began = time.monotonic()
        with pytest.raises(Late):
            asked(link, 1, 0.3, 0.3)
        assert time.monotonic() - began < 0.4


def test_what_cannot_be_compiled() -> None:
    """A socket that is none of Python's own: its greenlets would wait for a call in the kernel."""

    class Patched(socket.socket):
        pass

    link = Link(SimpleNamespace(disconnect=lambda: None), Patched())
    assert compiled.quickened(link, 1.0) is link
    link.sock.close()
