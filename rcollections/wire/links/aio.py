"""``AsyncLink``: one connection of an event loop: the socket of a ``Link``, read whenever it is readable.

The loop calls the link when bytes came, and the link wakes its caller once, with all replies. In the same way the
link notices that the server closed an idle connection. It makes no task and no timeout object: one timer an exchange.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from ..clock import until as until_
from ..failures import Broken, Late, is_silence
from ..large import LARGE, LargeReplies
from .lent import Lent
from .link import INCOMPLETE, READ, reply_reader

if TYPE_CHECKING:
    import asyncio

    from .link import Link

__all__ = ["AsyncLink"]

WOULD_WAIT = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class AsyncLink(Lent):
    """Takes over a ``Link`` that is connected and logged in. The socket belongs to this loop from then on."""

    __slots__ = (
        "_buffer", "_came", "_count", "_fd", "_loop", "_moved", "_reader", "_replies", "_timed", "_timeout", "_timer",
        "_under", "_waiter", "idle", "opened", "server", "sock", "waited",
    )  # fmt: skip

    def __init__(self, link: Link, loop: asyncio.AbstractEventLoop) -> None:
        self._under = link
        self._loop = loop
        self.sock = link.sock
        super().__init__()
        self.server: bytes | None = None
        self.waited = False  # whether its caller had to wait for it: the reply has its own time then
        self.opened = link.opened
        self.idle = True  # False once bytes came that no caller asked for, or the connection ended
        self._reader = reply_reader()
        self._buffer = bytearray(READ)
        self._replies: list[object] = []
        self._count = 0
        self._came = 0  # bytes of this exchange
        self._moved = 0.0  # when bytes were last seen to move
        self._timed = 0
        self._timeout = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[list[object]] | None = None
        self.sock.setblocking(False)
        self._fd = self.sock.fileno()
        loop.add_reader(self._fd, self._readable)

    async def exchange(self, data: bytes, count: int, until: float, timeout: float) -> list[object]:
        """Send, and read that many replies: the first by ``until``, each further one within ``timeout`` seconds.

        Error replies stand in the list. After Late, OSError, Broken or a cancellation the link is useless.
        """
        self._moved = monotonic()
        if self.waited:
            self.waited = False
            until = max(until, until_(timeout))  # a deadline stays what it is
        left = until - self._moved
        if left <= 0:
            raise Late(silent=False)
        self._came = 0
        waiter: asyncio.Future[list[object]] = self._loop.create_future()
        self._waiter, self._replies, self._count, self._timed, self._timeout = waiter, [], count, 0, timeout
        self._timer = self._loop.call_later(left, self._late)
        try:
            await self._send(data)
            return await waiter
        finally:
            self._waiter = None
            self._timer.cancel()

    async def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except WOULD_WAIT:
                await self._writable()
                self._moved = monotonic()

    async def _writable(self) -> None:
        """Wait until the socket takes more bytes, or the exchange has ended: by its timer, or by a lost connection."""
        room: asyncio.Future[None] = self._loop.create_future()
        waiter = self._waiter
        self._loop.add_writer(self._fd, _finish, room)
        if waiter is not None:
            waiter.add_done_callback(lambda _: _finish(room))
        try:
            await room
        finally:
            with suppress(RuntimeError):  # the loop was closed
                self._loop.remove_writer(self._fd)
        if waiter is not None and waiter.done():
            waiter.result()  # raises

    def _readable(self) -> None:
        try:
            while True:
                size = self.sock.recv_into(self._buffer)
                if not size:
                    raise Broken("Connection closed by server.")
                self._came += size
                self._reader.feed(self._buffer, 0, size)
                if size < READ and not self._pending():
                    break
        except WOULD_WAIT:
            pass
        except Exception as error:  # after any error the connection is lost
            self._end(error)
            return
        self._take()

    def _pending(self) -> bool:
        return isinstance(self.sock, ssl.SSLSocket) and bool(self.sock.pending())

    def _take(self) -> None:
        """Take the complete replies, and wake the caller when all are there."""
        try:
            while (reply := self._reader.gets()) is not INCOMPLETE:
                if type(reply).__name__ == "PushNotification":
                    continue
                if self._waiter is None or len(self._replies) == self._count:
                    raise Broken("something came that nobody had asked for")
                self._replies.append(reply)
        except Exception as error:
            self._end(error)
            return
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if len(self._replies) == self._count:
            waiter.set_result(self._replies if self._came <= LARGE else LargeReplies(self._replies))
        else:
            self._moved = monotonic()

    def _late(self) -> None:
        if len(self._replies) > self._timed:  # a reply came meanwhile: the next reply has its own time
            self._timed = len(self._replies)
            left = until_(self._timeout) - monotonic()
            if left > 0:
                self._timer = self._loop.call_later(left, self._late)
                return
        if self._waiter is None or self._waiter.done():
            return
        quiet = is_silence(monotonic() - self._moved, self._timeout)
        before = self._came
        if self.idle:
            self._readable()  # the loop may have been late, and not the server: look once more
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Late(quiet and self._came == before, self._came))

    def _end(self, error: Exception) -> None:
        self.idle = False
        self._loop.remove_reader(self._fd)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def close(self) -> None:
        """Close the connection, in its loop or after the end of the loop."""
        self.idle = False
        if not self._loop.is_closed():
            self._loop.remove_reader(self._fd)
        self._under.close()


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
