"""The bytes between two servers, or a client and a server: they flow, wait, or come later."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections import deque
from typing import Literal, NamedTuple

__all__ = ["Flow", "Kind", "Line", "Rule"]

Kind = Literal["clients", "replication", "bus"]

HELD = 1 << 20  # bytes that wait here; the others wait in the kernel
PIECE = 1 << 16
WOULD_WAIT = BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError


class Rule(NamedTuple):
    """A fault between names: what goes from ``one`` to ``other``, and back unless it is ``one_way``."""

    one: frozenset[str]
    other: frozenset[str]
    kinds: frozenset[str]
    one_way: bool = False
    frozen: bool = False
    refused: bool = False
    delay: float = 0.0

    def holds(self, source: str, target: str, kind: Kind) -> bool:
        """Whether it is for what goes from ``source`` to ``target``."""
        if kind not in self.kinds:
            return False
        there = source in self.one and target in self.other
        return there or (not self.one_way and source in self.other and target in self.one)


class Flow:
    """One direction of a line."""

    def __init__(self, reader: socket.socket, writer: socket.socket) -> None:
        self.reader = reader
        self.writer = writer
        self.frozen = False
        self.delay = 0.0
        self.ended = False  # nothing more comes
        self.passed_on = False  # the other side knows that
        self._queue: deque[tuple[float, bytes]] = deque()
        self._size = 0

    @property
    def wants_to_read(self) -> bool:
        """Whether bytes may come in."""
        return not self.frozen and not self.ended and self._size < HELD

    @property
    def hides(self) -> bool:
        """Whether bytes have come that the socket does not show any more."""
        return isinstance(self.reader, ssl.SSLSocket) and self.reader.pending() > 0

    def wants_to_write(self, now: float) -> bool:
        """Whether bytes wait that may go on now."""
        return bool(self._queue) and not self.frozen and self._queue[0][0] <= now

    def due(self) -> float | None:
        """When the next bytes may go on; None: none wait for a time."""
        return self._queue[0][0] if self._queue and not self.frozen else None

    def hurry(self) -> None:
        """What waits need not wait any longer."""
        self._queue = deque((0.0, data) for _, data in self._queue)

    def read(self, now: float) -> None:
        """Take what is there; OSError: the connection broke."""
        while self.wants_to_read:
            try:
                data = self.reader.recv(PIECE)
            except WOULD_WAIT:
                return
            if not data:
                self.ended = True
                return
            self._queue.append((now + self.delay if self.delay else 0.0, data))
            self._size += len(data)
            if len(data) < PIECE and not self.hides:
                return

    def write(self, now: float) -> None:
        """Hand on what may go; OSError: the connection broke."""
        while self.wants_to_write(now):
            due, data = self._queue.popleft()
            try:
                sent = self.writer.send(data)
            except WOULD_WAIT:
                sent = 0
            self._size -= sent
            if sent < len(data):
                self._queue.appendleft((due, data[sent:]))
                return
        if self.ended and not self._queue and not self.passed_on and not self.frozen:
            self.passed_on = True
            with contextlib.suppress(OSError):
                self.writer.shutdown(socket.SHUT_WR)


class Line:
    """A connection from ``source`` to ``target``, with the proxy in its middle."""

    def __init__(self, source: str, target: str, kind: Kind, near: socket.socket, far: socket.socket) -> None:
        self.source = source
        self.target = target
        self.kind: Kind = kind
        self.ends = near, far
        self.there = Flow(near, far)
        self.back = Flow(far, near)

    def obey(self, rules: list[Rule]) -> None:
        """Have the faults of these rules, and no others."""
        for flow, names in (self.there, (self.source, self.target)), (self.back, (self.target, self.source)):
            mine = [rule for rule in rules if rule.holds(*names, self.kind)]
            flow.frozen = any(rule.frozen for rule in mine)
            delay = max((rule.delay for rule in mine), default=0.0)
            if delay < flow.delay:
                flow.hurry()
            flow.delay = delay

    def is_late(self, now: float) -> bool:
        """Whether bytes wait for a time that has not come."""
        return self.due(now) is not None

    def due(self, now: float) -> float | None:
        """When the next bytes that wait for a time may go on."""
        times = [due for flow in (self.there, self.back) if (due := flow.due()) is not None and due > now]
        return min(times, default=None)

    @property
    def over(self) -> bool:
        """Whether both directions have ended."""
        return self.there.passed_on and self.back.passed_on

    def carry(self, now: float) -> None:
        """Move all that can be moved; OSError: the connection broke."""
        for flow in (self.there, self.back):
            flow.read(now)
            flow.write(now)
            while flow.hides and flow.wants_to_read:  # TLS holds more than the socket shows
                flow.read(now)
                flow.write(now)

    def close(self) -> None:
        """Break the connection, on both sides."""
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
