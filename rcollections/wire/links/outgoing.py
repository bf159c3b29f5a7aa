"""``Outgoing``: the sending half of a link of an event loop. What one turn of the loop asks leaves in one write."""

from __future__ import annotations

import ssl
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from ..failures import Broken, Unsent

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

__all__ = ["WOULD_WAIT", "Entry", "Outgoing"]

Entry: TypeAlias = "tuple[asyncio.Future[Any], float, float, int]"  # see ``Outgoing``

WOULD_WAIT = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
SMALL = 1 << 12  # bytes of one caller up to which nobody counts them before they are sent
HIGH, LOW = 1 << 20, 1 << 18  # bytes to be sent: from HIGH on callers wait, until there are fewer than LOW
PIECE = 1 << 18  # bytes that are joined for one write, where the socket takes no more at once
WRITES = 16  # how many writes a turn, so that a large value does not hold up the loop
LATE = 0.01  # seconds by which a turn of the loop is late


class Outgoing:
    """Sends the bytes of callers in their order. ``waiting`` has one entry for each, as long as its reply is missing.

    An entry is the caller's future, the instant from which its time counts, its deadline (0.0: none), and how many
    replies it waits for.
    """

    __slots__ = (
        "_alone", "_fd", "_held", "_loop", "_out", "_partly", "_rest", "_rooms", "_scheduled", "_since", "_soon",
        "failure", "full", "moved", "sock", "waiting",
    )  # fmt: skip

    def __init__(self, sock: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.sock = sock
        self._loop = loop
        self._soon: Callable[[Callable[[], None]], object] = loop.call_soon
        self._fd: int = sock.fileno()
        self.waiting: deque[Entry] = deque()
        self.failure: Exception | None = None  # why the connection ended
        self.full = False  # whether callers have to wait for ``room``
        self.moved = monotonic()  # when bytes were last seen to move
        self._out: list[bytes] = []  # what this turn of the loop asks, a piece for each caller
        self._alone = True  # whether the last turn asked one thing: then the next question is not kept for others
        self._scheduled = False
        self._since = 0.0
        self._rest: deque[bytes | memoryview] = deque()  # what the socket did not take yet, a piece for each caller
        self._partly = False  # whether the socket took a part of the first piece
        self._held = 0  # bytes that are not sent
        self._rooms: deque[tuple[asyncio.Future[None], float, float]] = deque()  # callers that wait for room

    @property
    def unsent(self) -> int:
        """How many callers there are of whose bytes nothing was sent: the last ones in ``waiting``."""
        return len(self._out) + len(self._rest) - self._partly

    def _count(self, size: int) -> None:
        """So many bytes more are held until the end of the turn: too many are too many."""
        self._held += size
        if self._held > HIGH and not self.full:
            self._fill()

    def _flush(self) -> None:
        try:
            self._send_out()
        except BaseException:
            self._interrupted()
            raise

    def _send_out(self) -> None:
        self._scheduled = False
        out, self._out = self._out, []
        if not out:
            return
        self._alone = len(out) == 1
        late = monotonic() - self._since
        if late > LATE:  # something blocked the loop: the server has its whole time all the same
            last = [self.waiting.pop() for _ in out]
            self.waiting.extend((future, start + late, end, count) for future, start, end, count in reversed(last))
        if self._rest:
            self._rest.extend(out)
            self._held = sum(map(len, self._rest))
        else:
            self._push(out)

    def _push(self, out: list[bytes]) -> None:
        data = out[0] if len(out) == 1 else b"".join(out)
        try:
            sent = self.sock.send(data)
        except WOULD_WAIT:
            sent = 0
        except OSError as error:
            self._rest.extend(out)
            self._end(error)
            return
        if sent == len(data):
            self._held = 0
            if self.full:
                self._empty()
            return
        self._held = len(data) - sent
        for piece in out:
            if sent >= len(piece):
                sent -= len(piece)
            else:
                self._rest.append(memoryview(piece)[sent:] if sent else piece)
                self._partly, sent = self._partly or sent > 0, 0
        self._loop.add_writer(self._fd, self._writable)
        if self._held > HIGH:
            self._fill()

    def _writable(self) -> None:
        try:
            self._send_rest()
        except BaseException:
            self._interrupted()
            raise

    def _send_rest(self) -> None:
        rest = self._rest
        for _ in range(WRITES):
            try:
                sent = self.sock.send(self._joined())
            except WOULD_WAIT:
                return
            except OSError as error:
                self._end(error)
                return
            self.moved = monotonic()
            self._held -= sent
            while sent:
                first = rest[0]
                if sent < len(first):
                    rest[0], self._partly, sent = memoryview(first)[sent:], True, 0
                else:
                    sent -= len(first)
                    rest.popleft()
                    self._partly = False
            if self.full and self._held < LOW:
                self._empty()
            if not rest:
                self._loop.remove_writer(self._fd)
                return

    def _joined(self) -> bytes | memoryview:
        """As much as one write may take. TLS wants to see at least what it saw the last time."""
        if len(self._rest[0]) >= PIECE or len(self._rest) == 1:
            return self._rest[0]
        some: list[bytes | memoryview] = []
        size = 0
        for piece in self._rest:
            some.append(piece)
            size += len(piece)
            if size >= PIECE:
                break
        return b"".join(some)

    def _fill(self) -> None:
        self.full = True
        self._assess()

    def _empty(self) -> None:
        self.full = False
        self._assess()
        self._let_in()

    def _let_in(self) -> None:
        """Wake the first that waits for room, if there is some; all of them if the connection has ended."""
        for future, _, _ in self._rooms:
            if self.full and self.failure is None:
                return
            if not future.done():
                future.set_result(None)
            if self.failure is None:
                return  # the next one when this one has asked

    async def room(self, start: float, end: float) -> None:
        """Wait in turn until there is room for more bytes. Unsent if the connection ended."""
        if self.failure is None and (self.full or self._rooms):
            future: asyncio.Future[None] = self._loop.create_future()
            here = future, start, end
            self._rooms.append(here)
            self._watch(end)
            try:
                await future
            finally:
                self._rooms.remove(here)
                if not self._rooms:
                    self._assess()
                elif not self._loop.is_closed():
                    self._soon(self._let_in)
        if self.failure is not None:
            raise Unsent(str(self.failure))

    def _interrupted(self) -> None:
        """The exception of a signal handler came in the middle: a reply could go to the wrong caller."""
        self._end(Broken("interrupted while bytes were sent or read"))

    # -- of the receiving half ---------------------------------------------------------------------

    def _assess(self) -> None:
        raise NotImplementedError

    def _watch(self, end: float) -> None:
        raise NotImplementedError

    def _end(self, error: Exception) -> None:
        raise NotImplementedError
