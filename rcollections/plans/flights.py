"""Flights: what the callers of one key inside this process share, and what they must not share.

They share reads and wake-ups, never a result that was computed for a call that began earlier:
a read answers only those that began before it was sent. Of all callers that missed, one drives (talks to
the server about the lease, computes, or waits for another process); the others wait for it to end.
Every method is one atomic step in memory. Waiting itself is an effect, so this knows no threads and no loop.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .circles import Waits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import CacheError

__all__ = ["Flight", "Flights", "Round", "Ticket"]


FIRST_GATHER, LAST_GATHER = 0.02, 0.1  # seconds in which callers come together for one look


class Round:
    """One read for all that joined before it was sent."""

    __slots__ = ("behind", "done", "error", "led", "reply", "sent", "valid")

    def __init__(self, signal: Any) -> None:
        self.done = signal
        self.behind: Ticket | None = None  # its leader waits for this driver to end, or for more callers
        self.led = False
        self.sent = False
        self.valid = False  # False once done: its leader went away, join another one
        self.reply: Any = None
        self.error: CacheError | None = None


class Ticket:
    """A place in the queue behind the driver: ``signal`` is set when it has ended, and has read for the queue."""

    __slots__ = ("alone", "error", "failed", "number", "queued", "read", "reply", "signal", "trace", "turn")

    def __init__(self, signal: Any) -> None:
        self.signal = signal
        self.queued = False  # False: only wanted as a signal
        self.turn: Round | None = None  # the round that gathered meanwhile, for which the driver reads too
        self.number = 0  # of the landing that it is for
        self.read = False  # the driver has read for all in the queue: ``reply``, or what ``failed``
        self.reply: Any = None
        self.failed: CacheError | None = None
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
        self.last: Ticket | None = None  # of the last one that failed, or read for its queue
        self.refreshing = False
        self.ticket: Ticket | None = None

    def join(self) -> tuple[Round, bool, Any]:
        """A round whose read is not sent yet: the round, whether I lead it, and the signal to wait for before I may."""
        with self._flights.lock:
            if self.current is None or not self.current.sent:
                chosen = self.current = self.current or self._round()
            else:
                chosen = self.following = self.following or self._round()
            if chosen.led:
                return chosen, False, None
            chosen.led = True
            ahead = self.current.done if self.following is chosen and self.current is not None else None
            return chosen, True, ahead

    def gather(self, turn: Round) -> tuple[Any, float] | None:
        """While somebody drives: the signal of its end, and how long to wait for it and for more callers.

        That it is being computed is known, so looking can wait a little; longer each time.
        """
        with self._flights.lock:
            if not self.driven:
                return None
            seconds = min(LAST_GATHER, FIRST_GATHER * 2**self.gathers)
            self.gathers = min(self.gathers + 1, 10)
            turn.behind = self._queue()
            return turn.behind.signal, seconds

    def sending(self, turn: Round) -> bool:
        """The leader sends the read now: who begins from here on takes part in the next one. False: a driver has."""
        with self._flights.lock:
            mine = not turn.sent
            turn.sent = True
            return mine

    def end(self, ended: Round, reply: Any = None, error: CacheError | None = None, valid: bool = True) -> None:
        """The leader's read has ended (``valid=False``: it never will); the next round may begin."""
        with self._flights.lock:
            ended.reply, ended.error, ended.valid = reply, error, valid
            self._close(ended)
        ended.done.set()

    def drive_or_queue(self, begun: int | None = None) -> Ticket | None:
        """None: I drive now. Otherwise a ticket, to wait until the driver has ended.

        ``begun`` is how many drivers had ended when I began: of one that has failed or read since, I have the ticket.
        """
        with self._flights.lock:
            if self.last is not None and begun is not None and self.last.number > begun:
                return self.last
            if not self.driven:
                self.driven = True
                return None
            ticket = self._queue()
            ticket.queued = True
            return ticket

    def land(self, error: BaseException | None = None, *, alone: bool = False) -> None:
        """The driver has ended: wake the queue, with its error if there is one; else they read for themselves."""
        with self._flights.lock:
            if error is not None or alone:
                self.last = self._queue()  # for those too who have not queued yet
            ticket = self._landed()
            if ticket is None:
                return
            ticket.error, ticket.alone = error, alone
            if error is not None:
                ticket.trace = error.__traceback__
        ticket.signal.set()

    def land_reading(self) -> Ticket | None:
        """The driver has ended, and sends a read for the queue now; then it calls ``answer``, whatever happens.

        Who comes from here on has no part in this read. None: nobody is in the queue.
        """
        with self._flights.lock:
            ticket = self._landed()
            if ticket is None:
                return None
            if ticket.queued:
                turn, self.last = self.current, ticket
                if turn is not None and turn.behind is ticket and not turn.sent:
                    turn.sent, ticket.turn = True, turn
                return ticket
        ticket.signal.set()
        return None

    def answer(self, ticket: Ticket, reply: Any = None, error: CacheError | None = None, valid: bool = True) -> None:
        """The read for the queue has ended (``valid=False``: it never will); all are woken, with what it saw."""
        ticket.read, ticket.reply, ticket.failed = valid, reply, error
        if ticket.turn is not None:
            self.end(ticket.turn, reply, error, valid)
            ticket.turn = None
        ticket.signal.set()

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

    def _landed(self) -> Ticket | None:
        self.driven = False
        self.gathers = 0
        self.landings += 1
        ticket, self.ticket = self.ticket, None
        if ticket is not None:
            ticket.number = self.landings
        return ticket

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
    """All flights of one connection, among threads or among the tasks of one event loop; these share the ``waits``."""

    def __init__(self, signal: Callable[[], Any], waits: Waits | None = None) -> None:
        self.signal = signal
        self.lock = threading.Lock()
        self.table: dict[Any, Flight] = {}
        self.waits = waits or Waits()

    def forget(self) -> None:
        """In the child of a fork: whoever drives or waits here is in the parent."""
        self.lock = threading.Lock()
        self.table.clear()
        self.waits.forget()

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
