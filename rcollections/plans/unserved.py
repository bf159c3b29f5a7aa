"""``Unserved``: a computation without the server, which the callers of one process share (rule W7).

While the server does not answer there is no lease, and nothing is stored. Then the first caller of a key computes.
Callers that come before it has ended wait for it and share what it gives, unless this process has changed something on
the server meanwhile, or has tried to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from .rounds import Signal

__all__ = ["Changes", "Unserved"]


class Changes:
    """How many changes this process has tried on the server while such a computation ran, and which ones run."""

    __slots__ = ("count", "running")

    def __init__(self) -> None:
        self.count = 0
        self.running: set[Unserved] = set()


class Unserved:
    """One computation. Exactly one of these is the end: a value, an error, ``alone``, or nothing (its caller left)."""

    __slots__ = ("alone", "begun", "data", "error", "joined", "signal", "trace", "value", "valued")

    def __init__(self, signal: Signal, begun: int) -> None:
        self.signal = signal  # set when it has ended
        self.begun = begun  # the number of changes when it began
        self.joined = False  # some other caller waits for it
        self.valued = False
        self.value: Any = None  # if no caller can change it
        self.data: bytes | None = None  # else its bytes, for each caller to decode
        self.error: BaseException | None = None
        self.trace: TracebackType | None = None
        self.alone = False  # the value is not for others: each computes for itself
