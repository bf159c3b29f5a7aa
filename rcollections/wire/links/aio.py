"""``AsyncLink``: one connection of an event loop, shared by all its tasks: replies come in the order of the questions.

What one turn of the loop asks leaves in one write; at once where nothing is in flight, and the last turn had only one
question. The reply of a caller that went away (cancelled, or out of time) is read and dropped, so the link stays good.
One timer a link watches the time of all callers: a call makes no timeout object and no task.
"""

from __future__ import annotations

import ssl
from asyncio import Future, InvalidStateError
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

import hiredis

from ..failures import Broken, ErrorReply, Unsent
from ..large import LARGE, LargeReplies
from ..requests import Tried, has_error
from .lane import Lane
from .link import INCOMPLETE, reply_reader
from .outgoing import SMALL, WOULD_WAIT
from .watched import STILL, Watched

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .link import Link
    from .outgoing import Entry

__all__ = ["AsyncLink"]

PIECES = 16  # how many pieces are read a turn, so that a large reply does not hold up the loop
CLOGS = 1 << 18  # bytes of one reply from which on new callers take another link

_pushed: object = hiredis.PushNotification


class AsyncLink(Watched):
    """Takes over a ``Link`` that is connected and logged in. The socket belongs to this loop from then on.

    ``timeout``: seconds that a reply may take. ``buffer``: one for all links of the loop.
    ``left`` is called when the link takes no new callers any more.
    """

    __slots__ = (
        "_buffer", "_clogged", "_feed", "_gets", "_left", "_replies", "_tls", "open", "opened", "ready",
        "server",
    )  # fmt: skip

    def __init__(
        self,
        link: Link,
        loop: asyncio.AbstractEventLoop,
        timeout: float,
        buffer: bytearray,
        left: Callable[[AsyncLink], None],
    ) -> None:
        super().__init__(link.hand_over(), loop, timeout)
        self._buffer = buffer
        self._left = left
        self._tls = isinstance(self.sock, ssl.SSLSocket)
        self.server: bytes | None = None  # the run_id of the server; None: not asked yet
        self.opened = link.opened
        self.open = True  # whether it takes new callers
        self.ready = True  # whether new callers are served at once: if not, another link may be better
        reader = reply_reader()
        self._feed, self._gets = reader.feed, reader.gets
        self._replies: list[object] = []  # of the first caller in ``waiting``, if it waits for several
        self._clogged = False  # whether a large reply is arriving
        self.sock.setblocking(False)
        loop.add_reader(self._fd, self._readable)

    def ask(
        self, data: bytes, start: float, end: float = 0.0, count: int = 1, future: Any = None
    ) -> asyncio.Future[Any] | None:
        """Send, and give a future of the reply, or of the list of ``count`` replies; None if the connection has ended.

        ``future``: what takes the reply in its place, by ``set_result``, unless it is ``done``.

        The caller's time counts from ``start``, and is over at ``end``, or else (0.0) when the link's timeout has
        passed. Whatever is unusual is a ``Tried``: error replies, large ones, and in their place Late, Broken, Unsent.
        So a caller awaits the future itself, with nothing around it.
        """
        waiting = self.waiting
        if not waiting and start - self.moved > STILL:
            self._readable()
        if self.failure is not None:
            return None
        if future is None:
            future = Future(loop=self._loop)
        try:
            waiting.append((future, start, end, count))
            if self._alone and len(waiting) == 1 and not self._rest:
                self._push([data])
            else:
                self._out.append(data)
                if not self._scheduled:
                    self._scheduled, self._since = True, start
                    self._soon(self._flush)
                if len(data) > SMALL:
                    self._count(len(data))
        except BaseException:  # of a signal handler: nobody knows which bytes belong to whom
            self._interrupted()
            raise
        if self._timer is None or 0.0 < end < self._due:
            self._watch(end)
        return future  # type: ignore[no-any-return]

    def looks_open(self) -> bool:
        """Whether the connection is there, as far as its socket knows."""
        if not self.waiting and monotonic() - self.moved > STILL:
            self._readable()
        return self.failure is None

    @property
    def load(self) -> tuple[bool, int]:
        """The less, the better for a new caller."""
        return self._clogged or self.full, len(self.waiting)

    # -- reading -----------------------------------------------------------------------------------

    def _readable(self) -> None:
        sock, buffer = self.sock, self._buffer
        try:
            for _ in range(PIECES):
                size = sock.recv_into(buffer)
                if not size:
                    raise Broken("Connection closed by server.")
                self.moved = monotonic()
                self._size += size
                self._feed(buffer, 0, size)
                self._take()  # piece by piece: the reader moves all that it holds each time
                if self.failure is not None:
                    return
                if size < len(buffer) and not (self._tls and sock.pending()):
                    return
            if self._tls:  # TLS may hold more than the socket shows
                self._soon(self._more)
        except WOULD_WAIT:
            pass
        except (Broken, OSError) as error:  # after any error the connection is lost
            self._end(error)
        except BaseException:
            self._interrupted()
            raise

    def _more(self) -> None:
        if self.failure is None:
            self._readable()

    def _take(self) -> None:
        """Hand the complete replies to their callers."""
        waiting, gets, answered = self.waiting, self._gets, self.waiting.popleft
        sent = len(waiting) - self.unsent  # nobody can have answered the others
        size = self._size
        while (reply := gets()) is not INCOMPLETE:
            kind = type(reply)
            if kind is _pushed:
                continue
            if not sent:
                raise Broken("something came that nobody had asked for")
            entry = waiting[0]
            future, _, _, count = entry
            if count != 1:
                self._replies.append(reply)
                self._answered = self.moved
                if len(self._replies) < count:
                    continue
                reply, self._replies = self._replies, []
            if size > LARGE or kind is ErrorReply or count != 1:
                reply = _judged(self, entry, reply, size)
            size = 0
            try:  # noqa: SIM105 - quicker
                future.set_result(reply)
            except InvalidStateError:  # its caller has gone
                pass
            answered()  # behind that: a caller that a signal handler cut off from its reply is told
            sent -= 1
        if size != self._size:
            self._size, self._answered = size, self.moved
        clogged = self._size > CLOGS
        if clogged is not self._clogged or self._old:
            self._clogged, self._old = clogged, False
            self._assess()
        if not (self.open or waiting):
            self.close()

    def _assess(self) -> None:
        self.ready = self.open and not (self.full or self._clogged or self._old or self._rooms)

    # -- the end -----------------------------------------------------------------------------------

    def _end(self, error: Exception) -> None:
        """The connection is lost: whoever's bytes were not sent may try again."""
        if self.failure is not None:
            return
        self.failure = error
        waiting, sent = list(self.waiting), len(self.waiting) - self.unsent
        self.close()
        for n, entry in enumerate(waiting):
            if not entry[0].done():
                entry[0].set_result(self._told(entry, (Broken if n < sent else Unsent)(str(error))))

    def _told(self, entry: Entry, outcome: list[Any] | Exception) -> Tried:
        """What the plan of a trip has to judge, as it was with this caller."""
        _, start, end, _ = entry
        lane = Lane(self, left=isinstance(outcome, Exception))
        return Tried(lane, end or start + self._timeout, outcome)

    def retire(self) -> None:
        """Take no new callers; close the connection as soon as nobody waits for a reply."""
        if self.open:
            self.open = self.ready = False
            self._left(self)
        if all(each[0].done() for each in self.waiting):
            self.close()

    def close(self) -> None:
        """Close the connection, in its loop or after the end of the loop. Nobody is told."""
        if self.failure is None:
            self.failure = Broken("the connection was closed")
        if not self._loop.is_closed():
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            if self._timer is not None:
                self._timer.cancel()
            self._let_in()
        self.waiting.clear()
        self._out.clear()
        self._rest.clear()
        if self.open:
            self.open = self.ready = False
            self._left(self)
        with suppress(OSError):
            self.sock.close()


def _judged(link: AsyncLink, entry: Entry, reply: Any, size: int) -> Any:
    """One reply or several, as the caller gets them, which are large, or among which there may be an error."""
    replies: list[Any] = [reply] if entry[3] == 1 else reply
    if size > LARGE:
        return link._told(entry, LargeReplies(replies))
    return link._told(entry, replies) if has_error(replies) else reply
