"""Rounds, tickets and landings: what the callers of one key hold while they wait for each other. See ``flights``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types import TracebackType

    from ..errors import CacheError
    from .marks import Mark

__all__ = ["Caller", "Landing", "Round", "Signal", "Ticket"]


class Signal(Protocol):
    """The callers of one key wake each other with signals; waiting for a signal is an effect."""

    def set(self) -> None: ...


class Round:
    """One read for all callers that joined before it was sent."""

    __slots__ = ("behind", "done", "error", "leader", "over", "reply", "sent", "valid")

    def __init__(self, sent: bool = False, leader: object = None) -> None:
        self.done: Signal | None = None  # made when a second caller wants to wait for the round's end
        self.behind: Ticket | None = None  # its leader waits for more callers, or for this driving caller to end
        self.leader = leader  # the caller that reads, or None
        self.sent = sent
        self.over = False
        self.valid = False  # False once done: the leader gave the read up, so callers join another round
        self.reply: Any = None
        self.error: CacheError | None = None


class Ticket:
    """A place in the queue behind the driving caller.

    ``signal`` is set when the driving caller has ended, and has read for the queue.
    """

    __slots__ = (
        "alone", "cool", "error", "failed", "mark", "number", "queued", "read", "reply", "signal", "trace", "turn",
    )  # fmt: skip

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.queued = False  # False: no caller has queued, the ticket serves as a signal only
        self.turn: Round | None = None  # the round that gathered meanwhile: the driving caller reads for it, too
        self.number = 0  # the number of ``landings`` when the driving caller has ended, 0 before that
        self.read = False  # whether the driving caller has read for the queue: ``reply``, or an error in ``failed``
        self.reply: Any = None
        self.failed: CacheError | None = None
        self.error: BaseException | None = None  # that the driving caller's computation raised
        self.trace: TracebackType | None = None  # the traceback of ``error``
        self.mark: Mark | None = None  # of the computation in another process that was waited for: it has no result
        self.cool = False  # the source is not to be asked again yet, so a stale value serves
        self.alone = False  # the result is not to be stored: each caller computes for itself


class Caller(Protocol):
    """One caller, as its flight knows it."""

    owes: Ticket | None  # the ticket of its queue, from the moment when it ends driving until it has woken the queue


class Landing:
    """The end of one driving caller."""

    __slots__ = ("caller", "cool", "landed", "over", "storing", "ticket")

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.landed = False  # the queue is woken, or is about to be by somebody who sees to that
        self.over = False  # the driving caller has gone
        self.cool = False  # the source is not to be asked again yet, so a stale value serves
        self.ticket: Ticket | None = None  # of the queue whose computation has failed
        self.storing: Ticket | None = None  # of those for whom the value that is being stored will be
