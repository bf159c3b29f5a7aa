"""Rounds and tickets: what the callers of one key hold while they wait for each other. See ``flights``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types import TracebackType

    from ..errors import CacheError

__all__ = ["Round", "Signal", "Ticket"]


class Signal(Protocol):
    """What the callers of one key wake each other with; waiting for one is an effect."""

    def set(self) -> None: ...


class Round:
    """One read for all that joined before it was sent."""

    __slots__ = ("behind", "done", "error", "led", "reply", "sent", "valid")

    def __init__(self, sent: bool = False) -> None:
        self.done: Signal | None = None  # made when a second caller wants to wait for its end
        self.behind: Ticket | None = None  # its leader waits for this driver to end, or for more callers
        self.led = sent
        self.sent = sent
        self.valid = False  # False once done: its leader went away, join another one
        self.reply: Any = None
        self.error: CacheError | None = None


class Ticket:
    """A place in the queue behind the driver: ``signal`` is set when it has ended, and has read for the queue."""

    __slots__ = ("alone", "error", "failed", "number", "queued", "read", "reply", "signal", "trace", "turn")

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.queued = False  # False: only wanted as a signal
        self.turn: Round | None = None  # the round that gathered meanwhile, for which the driver reads too
        self.number = 0  # of the landing that it is for
        self.read = False  # the driver has read for all in the queue: ``reply``, or what ``failed``
        self.reply: Any = None
        self.failed: CacheError | None = None
        self.error: BaseException | None = None  # what the driver's computation raised
        self.trace: TracebackType | None = None  # where
        self.alone = False  # its result is not to be kept: everybody computes for himself
