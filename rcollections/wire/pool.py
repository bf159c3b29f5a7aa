"""A bounded free list of links to one server: safe for threads, sound after fork and in signal handlers.

The exception of a signal handler (a time limit, Ctrl-C) may come between any two steps of a caller. So the pool counts
nothing that such a caller could leave wrong: how many links there are is how many *seats* live. Each link holds its
seat, and the pool knows seats weakly. A link that nobody refers to any more has given its seat back, whoever lost it.
"""

from __future__ import annotations

from _thread import RLock, allocate_lock
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import ref

from ..errors import CacheTimeout
from ..forks import after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pool", "busy"]

# Seconds after which a waiting caller looks again: one that was interrupted may have left its place in the queue.
LOOK = 0.25


def busy(limit: int, where: str) -> CacheTimeout:
    """The error of a caller for whom no link came back in time."""
    error = CacheTimeout(f"all {limit} connections to {where} are busy: raise max_connections, or use fewer threads")
    error._about = "call"  # waiting for a connection tells nothing of the server
    return error


class _Seat:
    """The right to one link, as long as ``taken`` is True and somebody refers to it."""

    __slots__ = ("__weakref__", "taken")

    def __init__(self) -> None:
        self.taken = False


def _taken(seats: list[ref[_Seat]]) -> list[ref[_Seat]]:
    # Not where the lock is held: CPython 3.13.0 leaves a `with` block without its end when a signal handler raises
    # as a loop in it goes on after a condition.
    return [each for each in seats if (one := each()) is not None and one.taken]


class Pool:
    """At most ``limit`` links. A caller that finds no link waits until its instant, then gets CacheTimeout.

    Who waits is served in turn: no caller that comes later gets a link before, however quick it is.

    The pool gives out the link that was used last, so that idle links age at the bottom. It notices a link that
    the server closed meanwhile (the socket is readable) and replaces it: a write that met a closed link would fail.
    """

    def __init__(self, connect: Callable[[float], Any], limit: int, where: str) -> None:
        self._connect = connect
        self._limit = limit
        self._where = where
        self._reset()
        after_fork(self._after_fork)

    def _reset(self) -> None:
        self._free: list[Any] = []
        self._seats: list[ref[_Seat]] = []
        self._lock = RLock()  # of ``_seats``
        self._waiting: deque[Any] = deque()  # a lock for each caller that waits; it is released to wake the first one
        self._closed = False

    def _after_fork(self) -> None:
        # The sockets belong to the parent. Closing the child's copies sends nothing to the server.
        free = self._free
        self._reset()
        for link in free:
            link.close()

    @property
    def links(self) -> int:
        """How many links there are, idle and lent."""
        return sum(seat is not None and seat.taken for seat in [each() for each in self._seats])

    @property
    def idle(self) -> int:
        """How many links wait for a caller."""
        return len(self._free)

    def acquire(self, until: float, first: bool = False) -> object:
        """A link that is open and idle. The caller gives it back by its ``release`` or ``discard``.

        Callers that have to wait are served in the order in which they came; ``first``: before all others.
        """
        link: Any = None
        try:
            link = None if self._waiting else self._take()
            if link is None:
                link = self._in_turn(until, first)
            if type(link) is _Seat:
                link = self._new(link, until)
            link.lent = True
            return link
        except BaseException:
            if link is not None:
                self._drop(link)
            raise

    def _take(self) -> Any:
        """A link that is open and idle, or the seat of a new one; None if there is neither."""
        link: Any = None
        try:
            while True:
                try:
                    link = self._free.pop()
                except IndexError:
                    link = _Seat()
                    return link if self._seated(link) else None
                if link.idle:
                    return link
                self._drop(link)
        except BaseException:
            if link is not None:
                self._drop(link)
            raise

    def _in_turn(self, until: float, first: bool) -> Any:
        """Wait in the queue for a link, or for a seat."""
        turn = allocate_lock()
        turn.acquire()
        found = suspect = None
        try:
            try:
                (self._waiting.appendleft if first else self._waiting.append)(turn)
                while True:
                    ahead = self._ahead(turn)
                    if ahead is None:
                        found = self._take()
                        if found is not None:
                            return found
                    left = until - monotonic()
                    if left <= 0:
                        raise busy(self._limit, self._where)
                    if not turn.acquire(True, min(left, LOOK)):
                        suspect = self._look(ahead, suspect)
            finally:
                self._leave(turn)
        except BaseException:
            if found is not None:
                self._drop(found)
            raise

    def _ahead(self, turn: Any) -> Any:
        """The first in the queue, if this is another one."""
        try:
            ahead = self._waiting[0]
        except IndexError:
            return None
        if ahead is turn:
            return None
        if turn not in self._waiting:  # this one was first, and was taken for dead
            self._waiting.appendleft(turn)
            return None
        return ahead

    def _look(self, ahead: Any, suspect: Any) -> Any:
        """The first one, if it was waked and did not come; at the second look it is taken for dead."""
        if ahead is None or ahead.locked():
            return None
        if ahead is not suspect:
            return ahead
        self._leave(ahead)
        return None

    def _leave(self, turn: Any) -> None:
        """This caller is served, or goes away; the next one looks whether there is something for it too."""
        try:
            with suppress(ValueError):
                self._waiting.remove(turn)
        finally:
            self._wake()

    def release(self, link: Any) -> None:
        """Give back a link with no reply outstanding; nothing to do if it is back already."""
        if not link.lent:
            return
        # Two steps that no call lies between: a signal handler runs before or after both. And if not, the link is lost
        # with its caller, and the seat comes back.
        link.lent = False
        self._free += (link,)
        self.returned()

    def returned(self) -> None:
        """A link came back: nobody keeps it if the pool is closed, and who waits for one has to know."""
        if self._closed:  # asked after the append: ``close`` in another thread may have emptied the list just before
            self.drop_idle()
        elif self._waiting:
            self._wake()

    def discard(self, link: Any) -> None:
        """Give back a link whose replies cannot be trusted any more: it is closed. Nothing to do if it is back."""
        if link.lent:
            link.lent = False
            self._drop(link)

    def _drop(self, link: Any) -> None:
        if type(link) is _Seat:
            link.taken = False
            self._wake()
            return
        seat, link.seat = link.seat, None
        try:
            link.close()
        finally:
            if seat is not None:
                seat.taken = False
            self._wake()

    def _new(self, seat: _Seat, until: float) -> Any:
        """A new link for this seat."""
        try:
            link = self._connect(until)
            link.seat, link.home = seat, self
            return link
        except BaseException:
            seat.taken = False  # at once, although the traceback refers to it
            self._wake()
            raise

    def _seated(self, seat: _Seat) -> bool:
        with self._lock:
            live = _taken(self._seats)
            if len(live) < self._limit:
                live.append(ref(seat))
                seat.taken = True
            self._seats = live
        return seat.taken

    def _wake(self) -> None:
        """Let the first one in the queue look. It stays there until it is served, so that nobody overtakes it."""
        with suppress(IndexError, RuntimeError):  # nobody waits, or it is awake already
            self._waiting[0].release()

    def close(self) -> None:
        """Close idle links now, and used links when they come back."""
        self._closed = True
        self.drop_idle()

    def drop_idle(self) -> None:
        """Close idle links now; the links that are in use stay. From any thread."""
        with suppress(IndexError):  # another thread may have taken the last one
            while True:
                self._drop(self._free.pop())
