"""The model tells a listening connection what real servers tell it: which keys changed, and nothing of reads."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import hiredis
import pytest

from rcollections.coherence.proof import CHANNEL
from rcollections.plans.effects import Command, Script
from rcollections.servers import registry
from rcollections.testing import wait_until
from tests.interleavings.model import Model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rcollections.testing import Server

ENTRY, LEASE, TAG, WAKE = "f", "rc:l:{f}", "rc:t:a", "rc:w:f"


class Line:
    """A connection that listens to all keys, as an ear does."""

    def __init__(self, server: Server) -> None:
        family = socket.AF_INET if isinstance(server.address, tuple) else socket.AF_UNIX
        self.sock = socket.socket(family)
        self.sock.settimeout(10)
        self.sock.connect(server.address)
        self.reader = hiredis.Reader()
        own = self.ask("CLIENT", "ID")
        self.ask("CLIENT", "TRACKING", "ON", "REDIRECT", own, "BCAST")
        self.ask("SUBSCRIBE", CHANNEL)
        self.client = server.client()
        self.markers = 0

    def ask(self, *words: Any) -> Any:
        self.sock.sendall(hiredis.pack_command(words))
        return self.next()

    def next(self) -> Any:
        while (reply := self.reader.gets()) is False:
            self.reader.feed(self.sock.recv(65536))
        assert not isinstance(reply, Exception), reply
        return reply

    def heard(self) -> set[bytes | None]:
        """What was told since the last time; None is everything."""
        self.markers += 1
        marker = b"marker %d" % self.markers
        self.client.set(marker, 1)
        told: set[bytes | None] = set()
        while marker not in told:
            message = self.next()
            assert message[:2] == [b"message", CHANNEL]
            told |= {None} if message[2] is None else set(message[2])
        return {key for key in told if key is None or not key.startswith(b"marker")}

    def pong(self) -> Any:
        return self.ask("PING", b"17")


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    line = Line(server)
    yield line
    line.sock.close()


def entry(ttl: int) -> tuple[Any, ...]:
    return ("token-01", b"value", ttl, WAKE)


STEPS: list[tuple[Any, set[bytes | None]]] = [
    (Command(("SET", ENTRY, "1")), {b"f"}),
    (Command(("SET", ENTRY, "1", "PX", 90_000)), {b"f"}),
    (Command(("SET", ENTRY, "2", "NX")), set()),
    (Command(("SET", TAG, "12345678")), {b"rc:t:a"}),
    (Command(("SET", TAG, "x", "NX", "PX", 1000)), set()),
    (Command(("GET", ENTRY)), set()),
    (Command(("MGET", ENTRY, TAG, "missing")), set()),
    (Command(("PTTL", ENTRY)), set()),
    (Command(("EXISTS", ENTRY)), set()),
    (Command(("PEXPIRE", ENTRY, 80_000)), {b"f"}),
    (Command(("PEXPIRE", "missing", 80_000)), set()),
    (Command(("PERSIST", ENTRY)), {b"f"}),
    (Command(("PERSIST", ENTRY)), set()),
    (Command(("UNLINK", ENTRY, "missing", TAG)), {b"f", b"rc:t:a"}),
    (Command(("DEL", ENTRY)), set()),
    (Script("entry_fetch", (ENTRY, LEASE, TAG), ("token-01", 70_000, 0, "miss", -1, 0, b"stamp-01")),
     {b"rc:l:{f}", b"rc:t:a"}),
    (Script("entry_fetch", (ENTRY, LEASE, TAG), ("token-02", 70_000, 0, "miss", -1, 0, b"stamp-02")), set()),
    (Script("entry_store", (ENTRY, LEASE), ("nobody's", b"value", 0, WAKE)), set()),
    (Script("entry_store", (ENTRY, LEASE), entry(90_000)), {b"f", b"rc:l:{f}"}),
    (Script("entry_store", (ENTRY, LEASE), entry(0)), set()),
    (Script("tag_bump", (TAG,), (80_000, b"stamp-03")), {b"rc:t:a"}),
    (Script("entry_put", (ENTRY, LEASE), (b"", b"put", 0, 0, WAKE)), {b"f"}),
    (Script("entry_expire", (ENTRY, LEASE), (WAKE,)), {b"f"}),
    (Script("entry_delete", (ENTRY, LEASE), (WAKE,)), set()),
    (Script("lease_free", (LEASE,), ("nobody's", WAKE)), set()),
]  # fmt: skip


def test_the_model_tells_what_servers_tell(server: Server, line: Line) -> None:
    """Each step of those that plans send: the same keys from both."""
    model, told = Model(), set()
    model.announce = told.add
    connection = registry.connection("")
    line.heard()
    for step, expected in STEPS:
        told.clear()
        model.run(step)
        if isinstance(step, Command):
            connection.raw(*step.args)
        else:
            connection.one(step)
        assert line.heard() == told == expected, step


def test_a_ping_is_answered_with_its_number(line: Line) -> None:
    """What ``Proof`` goes by."""
    assert line.pong() == [b"pong", b"17"]


def test_everything_may_change_at_once(line: Line) -> None:
    """FLUSHDB and FLUSHALL: a message without keys."""
    model, told = Model(), set()
    model.announce = told.add
    model.run(Command(("FLUSHDB",)))
    line.client.set("f", 1)
    for command in ("FLUSHDB", "FLUSHALL"):
        line.heard()
        line.client.execute_command(command)
        assert None in line.heard()
    assert told == {None}


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("RENAME f g", {"f", "g"}),
        ("COPY f g", {"g"}),
        ("APPEND f x", {"f"}),
        ("HSET h a 1", {"h"}),
        ("HSET d a 1", {"d"}),
        ("HDEL d a", {"d"}),
        ("HGETALL d", set()),
        ("SADD s 1", {"s"}),
        ("ZADD z 1 a", {"z"}),
        ("INCR n", {"n"}),
        ("GETDEL f", {"f"}),
        ("GETEX f PX 1000", {"f"}),
        ("EXPIRE f 0", {"f"}),
        ("OBJECT ENCODING f", set()),
        ("SCAN 0", set()),
        ("EVAL return(redis.call('set','f','2')) 0", {"f"}),
        ("EVAL return(redis.call('get','f')) 0", set()),
    ],
)
def test_what_others_do_is_told_too(line: Line, words: str, keys: set[str]) -> None:
    """By hand, or by other programs."""
    line.client.set("f", 1)
    line.client.hset("d", "a", 1)
    line.heard()
    line.client.execute_command(*words.split())
    assert line.heard() == {key.encode() for key in keys}


def test_an_end_is_told_some_time(line: Line) -> None:
    """When the server finds time, or when somebody looks: the tier does not rely on it."""
    model, expected = Model(), set()
    model.run(Command(("SET", "f", "1", "PX", 10)))
    model.announce = expected.add
    model.advance(10)
    line.client.set("f", 1, px=10)
    told: set[bytes | None] = set()
    wait_until(lambda: line.client.get("f") is None)
    wait_until(lambda: told.update(line.heard()) or told)
    assert told == expected == {b"f"}


def test_evictions_are_told(line: Line) -> None:
    names = {b"e%d" % n for n in range(300)}
    for name in names:
        line.client.set(name, b"x" * 3000)
    line.heard()
    line.client.config_set("maxmemory-policy", "allkeys-random")
    try:
        line.client.config_set("maxmemory", line.client.info("memory")["used_memory"] - 300_000)
        told: set[bytes | None] = set()
        wait_until(lambda: told.update(line.heard()) or len(told) > 20)
    finally:
        line.client.config_set("maxmemory", 0)
    told |= line.heard()
    assert told >= names - set(line.client.keys("e*"))
