"""``Flight``: the callers of one key at present, and who of them reads, drives or waits. See ``flights``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from .rounds import Round, Ticket

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..errors import CacheError
    from .rounds import Signal

__all__ = ["Flight"]

FIRST_GATHER, LAST_GATHER = 0.02, 0.1  # seconds in which callers come together for one look


class Table(Protocol):
    """Where a flight stands."""

    @property
    def lock(self) -> AbstractContextManager[object]: ...
    def signal(self) -> Signal: ...
    def leave(self, flight: Flight) -> None: ...


class Flight:
    """The callers of one key. Made and dropped by ``Flights``."""

    __slots__ = (
        "_flights", "current", "driven", "following", "gathers", "key", "landings", "last", "refreshing",
        "ticket", "users",
    )  # fmt: skip

    def __init__(self, flights: Table, key: str) -> None:
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

    # -- reading together --------------------------------------------------------------------------

    def join(self) -> tuple[Round, bool, Signal | None]:
        """A round whose read is not sent yet: the round, whether I lead it, and the signal to wait for before I may."""
        with self._flights.lock:
            ahead = None
            if self.current is None or not self.current.sent:
                chosen = self.current = self.current or Round()
            else:
                chosen = self.following = self.following or Round()
                ahead = self.current
            if chosen.led:
                self._wanted(chosen)
                return chosen, False, None
            chosen.led = True
            return chosen, True, None if ahead is None else self._wanted(ahead)

    def gather(self, turn: Round) -> tuple[Signal, float] | None:
        """While somebody drives: the signal of its end, and how long to wait for it and for more callers.

        That it is being computed is known, so looking can wait a little; longer each time.
        """
        with self._flights.lock:
            if not self.driven:
                return None
            seconds = min(LAST_GATHER, FIRST_GATHER * 2**self.gathers)
            self.gathers = min(self.gathers + 1, 10)
            turn.behind = self._queue()
            self._wanted(turn)  # by its leader too: the driver may read for it
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
            if self.current is ended:
                self.current, self.following = self.following, None
            elif self.following is ended:
                self.following = None
        if ended.done is not None:  # nobody can want it any more
            ended.done.set()

    # -- driving, and the queue behind the driver --------------------------------------------------

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

    # -- refreshing ahead ---------------------------------------------------------------------------

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

    def _queue(self) -> Ticket:
        if self.ticket is None:
            self.ticket = Ticket(self._flights.signal())
        return self.ticket

    def _wanted(self, turn: Round) -> Signal:
        """The signal of its end: only now somebody wants to wait for that."""
        if turn.done is None:
            turn.done = self._flights.signal()
        return turn.done
