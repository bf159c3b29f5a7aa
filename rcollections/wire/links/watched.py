"""``Watched``: the time of all callers of a link, kept by one timer."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ..failures import Late, is_silence
from .outgoing import Outgoing

if TYPE_CHECKING:
    import asyncio

    from .outgoing import Entry

__all__ = ["STILL", "Watched"]

STILL = 0.1  # seconds without a byte after which an idle link is looked at before it is used
LAST_LOOK = 0.05  # seconds that callers whose time is up wait for a loop that was late
LONGEST = 10  # how many times its time a caller waits at most while replies to others keep coming
SOON = 0.0005  # seconds by which a timer may come early


class Watched(Outgoing):
    """Tells callers that their time is over; their replies are still to come, and are dropped.

    Without a deadline a caller's time begins anew with each reply to a caller before it: then the queue is long, and
    the server answers. A link on which the server is silent for the whole timeout is given up.
    """

    __slots__ = ("_answered", "_due", "_looked", "_old", "_size", "_timeout", "_timer")

    def __init__(self, sock: Any, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        super().__init__(sock, loop)
        self._timeout = timeout
        self._answered = 0.0  # when a reply was last complete
        self._size = 0  # bytes of the first caller's reply, as far as they are known
        self._due = 0.0
        self._looked = False  # whether a late loop has got its last look
        self._old = False  # whether the server has owed a reply for long
        self._timer: asyncio.TimerHandle | None = None

    def _watch(self, end: float = 0.0) -> None:
        """Let the timer ring at ``end``, or else when it is time to look whether the link is alive."""
        now = monotonic()
        due = now + min(max(self._timeout / 10, LAST_LOOK), 5 * STILL)
        if 0.0 < end < due:
            due = end
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_later(max(0.0, due - now), self._tick)

    def _tick(self) -> None:
        self._timer = None
        late = monotonic() - self._due > LAST_LOOK
        if self.failure is None and (self.waiting or self._rooms):
            self._readable()  # the loop may have been late, and not the server: what is here comes first
        if self.failure is not None or not (self.waiting or self._rooms):
            return
        now = monotonic()
        self._looked = late and not self._looked  # once: what is under way to a loop that was late shall arrive
        ends = self._fail_late(now)
        if self.failure is None and (self.waiting or self._rooms):
            if not self._old and self._idles(now) >= min(self._timeout / 10, 5 * STILL):
                self._old = True
                self._assess()
            self._watch(ends)

    def _idles(self, now: float) -> float:
        """How long the server has owed a reply without sending a byte, in seconds."""
        return now - max(self.moved, self.waiting[0][1]) if self.waiting else 0.0

    def _fail_late(self, now: float) -> float:
        """Tell the callers whose time is over; gives the instant at which the time of the next one is."""
        nearest, silent, first = 0.0, False, True
        rooms: list[Entry] = [(*room, 0) for room in self._rooms]  # of these the future raises
        for entry in (*self.waiting, *rooms):
            future, start, end, count = entry
            size, first = self._size if first else 0, False
            if future.done():
                continue
            over = end or min(max(start, self._answered), start + (LONGEST - 1) * self._timeout) + self._timeout
            if over > now + SOON or (self._looked and not end):
                over = max(over, now + LAST_LOOK) if self._looked and not end else over
                nearest = min(nearest or over, over)
                continue
            quiet = is_silence(now - max(self.moved, start), self._timeout)
            silent = silent or quiet
            if count:
                future.set_result(self._told(entry, Late(quiet, size)))
            else:
                future.set_exception(Late(quiet, size))
        if silent or (self.waiting and self.waiting[0][0].done() and self._idles(now) > self._timeout):
            self.retire()
        return nearest

    def _readable(self) -> None:
        raise NotImplementedError

    def _told(self, entry: Entry, outcome: list[Any] | Exception) -> object:
        """What the caller is told in the place of a usual reply."""
        raise NotImplementedError

    def retire(self) -> None:
        """Take no new callers; close the connection as soon as nobody waits for a reply."""
        raise NotImplementedError
