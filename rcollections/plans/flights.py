"""Flights: what the callers of one key inside this process share, and what they must not share.

They share reads and wake-ups, never a result that was computed for a call that began earlier:
a read answers only those that began before it was sent. Of all callers that missed, one drives (talks to
the server about the lease, computes, or waits for another process); the others wait for it to end.
Every method is one atomic step in memory. Waiting itself is an effect, so this knows no threads and no loop.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..errors import CacheError

__all__ = ["CircleError", "Flight", "Flights", "Round", "Ticket"]


FIRST_GATHER, LAST_GATHER = 0.02, 0.1  # seconds in which callers come together for one look


class CircleError(Exception):
    """Waiting would never end: the driver waits for the caller."""


class Round:
    """One read for all that joined before it was sent."""

    __slots__ = ("done", "error", "led", "reply", "sent", "valid")

    def __init__(self, signal: Any) -> None:
        self.done = signal
        self.led = False
        self.sent = False
        self.valid = False  # False once done: its leader went away, join another one
        self.reply: Any = None
        self.error: CacheError | None = None


class Ticket:
    """A place in the queue behind the driver: ``signal`` is set when it has ended."""

    __slots__ = ("alone", "error", "number", "round", "signal", "trace")

    def __init__(self, signal: Any) -> None:
        self.signal = signal
        self.number = 0  # of the landing that it is for
        self.round: Round | None = None  # all that are woken together read together
        self.error: BaseException | None = None  # what the driver's computation raised
        self.trace: Any = None  # where
        self.alone = False  # its result is not to be kept: everybody computes for himself


class Flight:
    """The callers of one key. Made and dropped by ``Flights``."""

    __slots__ = (
        "_flights", "current", "driven", "following", "gathers", "key", "landings", "last", "refreshing",
        "ticket", "users",
    )  # fmt: skip

    def __init__(self, flights: Flights, key: Any) -> None:
        self._flights = flights
        self.key = key
        self.users = 0
        self.current: Round | None = None  # being read now
        self.following: Round | None = None  # to be read when the current one has ended
        self.driven = False
        self.gathers = 0  # since somebody drives
        self.landings = 0  # drivers that have ended
        self.last: Ticket | None = None  # of the last one that failed
        self.refreshing = False
        self.ticket: Ticket | None = None

    def join(self, wanted: Round | None = None) -> tuple[Round, bool, Any]:
        """A round to take part in: the round, whether I lead it, and the signal to wait for before I may.

        ``wanted`` is the round that a ticket named. Without it: a round whose read is not sent yet.
        """
        with self._flights.lock:
            if wanted is not None and (wanted is self.current or wanted is self.following or wanted.led):
                chosen = wanted
            elif self.current is None or not self.current.sent:
                chosen = self.current = self.current or self._round()
            else:
                chosen = self.following = self.following or self._round()
            if chosen.led:
                return chosen, False, None
            chosen.led = True
            ahead = self.current.done if self.following is chosen and self.current is not None else None
            return chosen, True, ahead

    def gather(self) -> tuple[Any, float] | None:
        """While somebody drives: the signal of its end, and how long to wait for it and for more callers.

        That it is being computed is known, so looking can wait a little; longer each time.
        """
        with self._flights.lock:
            if not self.driven:
                return None
            seconds = min(LAST_GATHER, FIRST_GATHER * 2**self.gathers)
            self.gathers = min(self.gathers + 1, 10)
            return self._queue().signal, seconds

    def sending(self, turn: Round) -> None:
        """The leader sends the read now: who begins from here on takes part in the next one."""
        with self._flights.lock:
            turn.sent = True

    def end(self, ended: Round, reply: Any = None, error: CacheError | None = None, valid: bool = True) -> None:
        """The leader's read has ended (``valid=False``: it never will); the next round may begin."""
        with self._flights.lock:
            ended.reply, ended.error, ended.valid = reply, error, valid
            self._close(ended)
        ended.done.set()

    def drive_or_queue(self, computing: Sequence[Any] = (), begun: int | None = None) -> Ticket | None:
        """None: I drive now. Otherwise a ticket, to wait until the driver has ended; then call ``waited``.

        ``begun`` is how many drivers had ended when I began: of one that failed since, I have the ticket.
        ``computing`` are the keys that wait with me, since I am called by their computations. CircleError
        if one of them is what the driver waits for.
        """
        with self._flights.lock:
            failed = self.last is not None and begun is not None and self.last.number > begun
            if not self.driven and not failed:
                self.driven = True
                return None
            if computing:
                if not failed:
                    self._flights.refuse_circle(self.key, computing)
                for key in computing:
                    self._flights.waits.setdefault(key, []).append(self.key)
            return self.last if failed else self._queue()

    def waited(self, computing: Sequence[Any]) -> None:
        """The wait has ended, well or not."""
        with self._flights.lock:
            for key in computing:
                self._flights.waits[key].remove(self.key)
                if not self._flights.waits[key]:
                    del self._flights.waits[key]

    def land(self, error: BaseException | None = None, *, alone: bool = False) -> Round | None:
        """The driver has ended: wake the queue, which reads once, together; gives the round that it reads."""
        with self._flights.lock:
            self.driven = False
            self.gathers = 0
            self.landings += 1
            if error is not None or alone:
                self.last = self._queue()  # for those too who have not queued yet
            ticket, self.ticket = self.ticket, None
            if ticket is None:
                return None
            ticket.error, ticket.alone, ticket.number = error, alone, self.landings
            if error is not None:
                ticket.trace = error.__traceback__
            elif not alone:
                if self.current is None or not self.current.sent:
                    ticket.round = self.current = self.current or self._round()
                else:
                    self.following = self.following or self._round()
                    ticket.round = self.following
        ticket.signal.set()
        return ticket.round

    def start_refresh(self) -> bool:
        """Whether I may refresh this key in the background: one at a time in a process."""
        with self._flights.lock:
            if self.refreshing or self.driven:
                return False
            self.refreshing = True
            self.users += 1
            return True

    def end_refresh(self) -> None:
        """The background refresh has ended."""
        with self._flights.lock:
            self.refreshing = False
        self.leave()

    def leave(self) -> None:
        """One caller has its answer."""
        self._flights.leave(self)

    def _close(self, turn: Round) -> None:
        if self.current is turn:
            self.current, self.following = self.following, None
        elif self.following is turn:
            self.following = None

    def _queue(self) -> Ticket:
        if self.ticket is None:
            self.ticket = Ticket(self._flights.signal())
        return self.ticket

    def _round(self) -> Round:
        return Round(self._flights.signal())


class Flights:
    """All flights of one connection, among threads (or among the tasks of one event loop)."""

    def __init__(self, signal: Callable[[], Any]) -> None:
        self.signal = signal
        self.lock = threading.Lock()
        self.table: dict[Any, Flight] = {}
        self.waits: dict[Any, list[Any]] = {}  # key that is being computed -> keys that its computation waits for

    def forget(self) -> None:
        """In the child of a fork: whoever drives or waits here is in the parent."""
        self.lock = threading.Lock()
        self.table.clear()
        self.waits.clear()

    def refuse_circle(self, wanted: Any, computing: Sequence[Any]) -> None:
        """Whoever computes what is wanted must not wait, over any number of others, for us."""
        seen, ahead = set(), [wanted]
        while ahead:
            key = ahead.pop()
            if key in computing:
                raise CircleError(key)
            if key not in seen:
                seen.add(key)
                ahead += self.waits.get(key, ())

    def enter(self, key: Any) -> Flight:
        """The flight of this key; every ``enter`` needs a ``leave``."""
        with self.lock:
            flight = self.table.get(key)
            if flight is None:
                flight = self.table[key] = Flight(self, key)
            flight.users += 1
            return flight

    def leave(self, flight: Flight) -> None:
        """Drop the flight with its last user."""
        with self.lock:
            flight.users -= 1
            if not flight.users and self.table.get(flight.key) is flight:
                del self.table[flight.key]
