"""``Flight``: the callers of one key at present, and which of them read, drive or wait. See ``flights``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .rounds import Round, Ticket

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..errors import CacheError
    from .rounds import Caller, Landing, Signal

__all__ = ["Flight"]

REFRESH = "refresh"
FIRST_GATHER, LAST_GATHER = 0.02, 0.1  # seconds in which callers come together for one read
NET = 1.0  # the same for callers to whom only a value is of use that somebody puts by hand meanwhile


class Table(Protocol):
    """The table in which a flight stands."""

    @property
    def lock(self) -> AbstractContextManager[object]: ...
    def signal(self) -> Signal: ...
    def leave(self, flight: Flight, caller: object) -> None: ...


class Flight:
    """The callers of one key. ``Flights`` makes flights and drops them."""

    __slots__ = (
        "_flights", "current", "driver", "following", "gathers", "key", "landings", "last", "refreshing", "ticket",
        "users",
    )  # fmt: skip

    def __init__(self, flights: Table, key: str) -> None:
        self._flights = flights
        self.key = key
        self.users: set[object] = set()  # the callers, and the refresh in the background
        self.current: Round | None = None  # the round that gathers callers, or whose read is sent
        self.following: Round | None = None  # the round that reads when the current one has ended
        self.driver: Caller | None = None
        self.gathers = 0  # how often rounds have gathered callers while the present caller drives
        self.landings = 0  # how many callers have ended driving
        self.last: Ticket | None = None  # of the last driving caller that failed, or read for its queue
        self.refreshing: object = None  # the caller that began it
        self.ticket: Ticket | None = None

    # -- reading together --------------------------------------------------------------------------

    def join(self, caller: object) -> tuple[Round, bool, Signal | None]:
        """Join a round whose read is not sent yet.

        Gives the round, whether the caller leads it, and the signal that a leader has to wait for first, or None.
        """
        with self._flights.lock:
            ahead = None
            if self.current is None or not self.current.sent:
                chosen = self.current = self.current or Round()
            else:
                chosen = self.following = self.following or Round()
                ahead = self.current
            if chosen.leader is not None:
                self._wanted(chosen)
                return chosen, False, None
            chosen.leader = caller
            return chosen, True, None if ahead is None else self._wanted(ahead)

    def gather(self, turn: Round, *, stale: bool = True) -> tuple[Signal, float] | None:
        """While a caller drives: the signal of its end, and how many seconds to wait for it and for more callers.

        The value is being computed then, so the read can wait a little, and longer each time. Who takes no stale
        value (``stale=False``) waits for the driving caller, and looks only in case a value has come another way.
        """
        with self._flights.lock:
            if self.driver is None:
                return None
            seconds = min(LAST_GATHER, FIRST_GATHER * 2**self.gathers) if stale else NET
            self.gathers = min(self.gathers + 1, 10)
            turn.behind = self._queue()
            self._wanted(turn)  # its leader waits for its end, too: the driving caller may read for this round
            return turn.behind.signal, seconds

    def sending(self, turn: Round) -> bool:
        """Whether the leader sends the read now; False: a driving caller has sent it.

        A caller that begins from here on takes part in the next round.
        """
        with self._flights.lock:
            mine = not turn.sent
            turn.sent = True
            return mine

    def end(self, ended: Round, reply: object = None, error: CacheError | None = None, valid: bool = True) -> None:
        """The leader's read has ended (``valid=False``: the leader gave it up); the next round may begin.

        A second call, by a leader that was interrupted in the first one, only carries that one to its end.
        """
        with self._flights.lock:
            if not ended.over:
                ended.reply, ended.error, ended.valid, ended.over = reply, error, valid, True
            if self.current is ended:
                self.current, self.following = self.following, None
            elif self.following is ended:
                self.following = None
        if ended.done is not None:  # no further caller can find this round
            ended.done.set()

    # -- driving, and the queue behind the driving caller ------------------------------------------

    def drive_or_queue(self, caller: Caller, begun: int | None = None) -> Ticket | None:
        """None: the caller drives now. Otherwise a ticket, to wait until the driving caller has ended.

        ``begun`` is the number of ``landings`` when the caller began. If a driving caller has failed since then, or
        has read for its queue, the answer is its ticket.
        """
        with self._flights.lock:
            if self.last is not None and begun is not None and self.last.number > begun:
                return self.last
            if self.driver is None:
                self.driver = caller
                return None
            ticket = self._queue()
            ticket.queued = True
            return ticket

    def land(self, *, alone: bool = False, cool: bool = False, failed: CacheError | None = None) -> None:
        """The driving caller has ended: the callers in the queue read for themselves.

        ``alone``: they compute for themselves. ``cool``: they serve a stale value, if they have one.
        """
        with self._flights.lock:
            if alone or cool or failed is not None:
                self.last = self._queue()  # also for callers that have not queued yet
            caller = self.driver
            ticket = self._landed()
            if ticket is None:
                return
            ticket.alone, ticket.cool, ticket.failed = alone, cool, failed
        ticket.signal.set()
        if caller is not None:
            caller.owes = None

    def land_reading(self, *, always: bool = False) -> Ticket | None:
        """The driving caller has ended, and sends a read for the queue now. Then it calls ``answer``, in any case.

        A caller that comes from here on has no part in this read. None: no caller is in the queue. ``always``: the
        driving caller needs the read itself, so the ticket is for those as well who have not queued yet.
        """
        with self._flights.lock:
            caller = self.driver
            if always:
                self._queue().queued = True
            ticket = self._landed()
            if ticket is None:
                return None
            if ticket.queued:
                self._take(ticket, caller)
                return ticket
        ticket.signal.set()
        if caller is not None:
            caller.owes = None
        return None

    def storing(self, landing: Landing) -> None:
        """The driving caller stores its value now. What the server takes answers all that are here, like a read.

        A caller that comes from here on has no part in this. ``stored`` or ``unstored`` follows.
        """
        with self._flights.lock:
            caller = landing.caller
            if landing.over or landing.storing is not None or self.driver is not caller or len(self.users) == 1:
                return
            ticket = landing.storing = self._queue()
            ticket.queued = True  # also for callers that have not queued yet
            self._landed()
            self.driver = caller
            self._take(ticket, caller)

    def stored(self, landing: Landing, reply: object) -> None:
        """The server has the value: wake those for whom it is."""
        ticket = landing.storing
        if ticket is not None:
            self.answer(landing.caller, ticket, reply)
            landing.storing = None

    def unstored(self, landing: Landing, error: CacheError | None = None) -> None:
        """The value was not stored, or nobody knows: they look for themselves, or get the error."""
        ticket = landing.storing
        if ticket is not None:
            self.answer(landing.caller, ticket, error=error, valid=error is not None)
            landing.storing = None

    def land_failing(self, landing: Landing) -> None:
        """The computation has failed. The driving caller asks the server now whether callers in the queue may have its
        error, and then calls ``fail``, in any case. A caller that comes from here on has no part in this.
        """
        with self._flights.lock:
            if not landing.over and landing.ticket is None and self.driver is landing.caller:
                self.last = self._queue()  # also for callers that have not queued yet
                landing.ticket = self._landed()

    def fail(self, landing: Landing, error: BaseException | None = None) -> None:
        """Wake the queue of a computation that failed, with its error if they may have it (W3')."""
        ticket = landing.ticket
        if ticket is None:
            return
        ticket.error = error
        if error is not None:
            ticket.trace = error.__traceback__
        ticket.signal.set()
        landing.caller.owes = None

    def close(self, landing: Landing) -> None:
        """The driving caller goes; what it began in the background speaks for no queue any more."""
        with self._flights.lock:
            landing.over = True

    def answer(
        self, caller: Caller, ticket: Ticket, reply: object = None, error: CacheError | None = None, valid: bool = True
    ) -> None:
        """The read for the queue has ended: wake the queue with the reply or the error.

        ``valid=False``: the driving caller gave the read up, so the callers in the queue read for themselves.
        """
        ticket.read, ticket.reply, ticket.failed = valid, reply, error
        if ticket.turn is not None:
            self.end(ticket.turn, reply, error, valid)
            ticket.turn = None
        ticket.signal.set()
        caller.owes = None

    # -- refreshing ahead ---------------------------------------------------------------------------

    def start_refresh(self, caller: object) -> bool:
        """Whether the caller may refresh this key in the background: one refresh at a time in a process."""
        with self._flights.lock:
            if self.refreshing is not None or self.driver is not None:
                return False
            self.refreshing = caller
            self.users.add(REFRESH)
            return True

    def end_refresh(self) -> None:
        """The background refresh has ended."""
        self.refreshing = None
        self._flights.leave(self, REFRESH)

    # -- going away ---------------------------------------------------------------------------------

    def leave(self, caller: object) -> None:
        """This caller has its answer."""
        self._flights.leave(self, caller)

    def forsake(self, caller: Caller) -> None:
        """This caller goes away, wherever it was stopped: what others wait for is given to them, or given up.

        May be called again, if the first call was interrupted.
        """
        with self._flights.lock:
            self._end_turns(caller)  # a loop of its own: see ``wire/pool.py``
            if self.driver is caller:
                if caller.owes is not None:  # it was storing
                    self.answer(caller, caller.owes, valid=False)
                self.land()
            if caller.owes is not None:
                self.answer(caller, caller.owes, valid=False)
            if self.refreshing is caller:
                self.end_refresh()

    def _end_turns(self, caller: Caller) -> None:
        for turn in (self.current, self.following):
            if turn is not None and turn.leader is caller:
                self.end(turn, valid=False)

    def _take(self, ticket: Ticket, caller: object) -> None:
        """What the driving caller sends now is for its queue, and for the round that gathers meanwhile."""
        turn, self.last = self.current, ticket
        if turn is not None and turn.behind is ticket and not turn.sent:
            turn.sent, turn.leader, ticket.turn = True, caller, turn

    def _landed(self) -> Ticket | None:
        # No call lies between these lines: a signal handler runs before or after all of them.
        ticket, driver = self.ticket, self.driver
        if driver is not None:
            driver.owes = ticket
        self.landings += 1
        if ticket is not None:
            ticket.number = self.landings
        self.driver = self.ticket = None
        self.gathers = 0
        return ticket

    def _queue(self) -> Ticket:
        if self.ticket is None:
            self.ticket = Ticket(self._flights.signal())
        return self.ticket

    def _wanted(self, turn: Round) -> Signal:
        """The signal of the round's end, made when the first caller wants to wait for it."""
        if turn.done is None:
            turn.done = self._flights.signal()
        return turn.done
