"""``Unserved``: a computation without the server, which the callers of one process share (rule W7).

While the server does not answer there is no lease, and nothing is stored. Then the first caller of a key computes.
Callers that come before it has ended wait for it and share what it gives, unless this process has changed something on
the server meanwhile, or has tried to.

The callers may be threads and tasks of any event loops. Each kind waits on a signal of its own. A computation in an
event loop goes on only while that loop turns, so who waits for it from elsewhere looks at the loop now and then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from types import TracebackType

    from .rounds import Signal

__all__ = ["Changes", "Home", "Unserved"]


class Home(Protocol):
    """The event loop in which a computation runs."""

    waits_for: Unserved | None  # a call that is no task waits for it, and the loop stands still meanwhile

    def is_stuck(self) -> bool:
        """Whether the loop has stopped, or has not turned for a while. The first look only begins to measure."""


class Kind(Protocol):
    """Callers that can wait on one signal: the threads, or the tasks of one event loop."""

    @property
    def home(self) -> Home | None: ...
    def signal(self) -> Signal: ...


class Changes:
    """How many changes this process has tried on the server while such a computation ran, and which ones run."""

    __slots__ = ("count", "running")

    def __init__(self) -> None:
        self.count = 0
        self.running: set[Unserved] = set()


class Unserved:
    """One computation. Exactly one of these is the end: a value, an error, ``alone``, or nothing (its caller left)."""

    __slots__ = (
        "_signals", "alone", "begun", "data", "error", "home", "joined", "over", "plain", "share", "trace", "value",
        "valued",
    )  # fmt: skip

    def __init__(self, begun: int, home: Home | None) -> None:
        self.begun = begun  # the number of changes when it began
        self.home = home  # None: it runs on a thread
        self.joined = False  # some other caller waits for it
        self.valued = False
        self.data = b""  # the bytes of its value, for each caller to decode
        self.value: Any = None  # the value itself, where one of these two says so
        self.plain = False  # no caller can change it, and it would be read back as it is
        self.share = False  # it is for all callers that take it so
        self.error: BaseException | None = None
        self.trace: TracebackType | None = None
        self.alone = False  # the value is not for others: each computes for itself
        self.over = False  # who waits for it goes on
        self._signals: dict[Kind, Signal] = {}

    def needs(self, home: Home) -> bool:
        """Whether it can go on only if that loop turns: it runs there, or in one that stands still for such a one."""
        seen: list[Home] = []
        mine = self.home
        while mine is not None and mine is not home and mine not in seen:
            seen.append(mine)
            ahead = mine.waits_for
            mine = None if ahead is None else ahead.home
        return mine is home

    def signal(self, kind: Kind) -> Signal:
        """Set when it has ended, or is given up: one signal for all waiting callers of this kind."""
        signal = self._signals.get(kind) or self._signals.setdefault(kind, kind.signal())  # one step in memory
        if self.over:  # perhaps before the signal was in the table
            signal.set()
        return signal

    def end(self) -> None:
        """Wake all who wait for it; a second call does what an interrupted one has left."""
        self.over = True
        for signal in list(self._signals.values()):
            signal.set()

    def give_up(self) -> None:
        """Its event loop does not go on: wake all who wait elsewhere. The tasks of that loop cannot do better."""
        for kind, signal in list(self._signals.items()):
            if kind.home is not self.home:
                signal.set()
