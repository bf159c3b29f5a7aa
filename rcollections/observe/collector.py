"""Counts by class and operation: an observer that adds up, and ``stats()``, which gives its counts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, overload

from . import events
from .names import name_of
from .observer import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .events import Event

__all__ = ["Stats", "collect", "reset", "stats"]


class Stats:
    """Counts and times of one operation of one class, or of all its operations; times in seconds."""

    __slots__ = ("calls", "errors", "hits", "max", "min", "misses", "total", "unreadable")

    def __init__(self) -> None:
        self.calls = self.hits = self.misses = self.errors = self.unreadable = 0
        self.total = self.max = 0.0
        self.min = 0.0

    @property
    def ratio(self) -> float:
        """Hits among hits and misses, 0.0 before the first of either."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0

    @property
    def avg(self) -> float:
        """Mean time of a call."""
        return self.total / self.calls if self.calls else 0.0

    def count(self, event: Event) -> None:
        """Add one operation."""
        self.min = event.took if not self.calls else min(self.min, event.took)
        self.max = max(self.max, event.took)
        self.total += event.took
        self.calls += 1
        self.errors += event.error is not None
        self.count_answer(event)

    def count_answer(self, event: Event) -> None:
        """Add only hit, miss and unreadable: an event inside a call is no call of its own."""
        self.hits += event.hits
        self.misses += event.misses
        self.unreadable += event.unreadable

    def __repr__(self) -> str:
        return (
            f"Stats(calls={self.calls}, hits={self.hits}, misses={self.misses}, ratio={self.ratio:.3f}, "
            f"avg={self.avg:.6f}, min={self.min:.6f}, max={self.max:.6f}, errors={self.errors})"
        )


class _Collector(Observer):
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.table: dict[tuple[str, str], Stats] = {}

    def after(self, event: Event) -> None:
        with self.lock:
            for operation in ("", event.operation):
                self._count(event, operation)

    def _count(self, event: Event, operation: str) -> None:
        slot = event.name, operation
        entry = self.table.get(slot)
        if entry is None:
            entry = self.table[slot] = Stats()
        if event.part and not operation:
            entry.count_answer(event)
        else:
            entry.count(event)


_collector: _Collector | None = None
_lock = threading.RLock()


def collect(on: bool = True) -> None:
    """Start counting for ``stats()`` (again from zero), or stop and forget."""
    global _collector
    with _lock:
        old, _collector = _collector, (new := _Collector() if on else None)
        if old is not None:
            events.remove(old)
        if new is not None:
            events.add(new)


@overload
def stats(name: None = None, operation: str = "") -> dict[str, Stats]: ...
@overload
def stats(name: str | type | Callable[..., Any], operation: str = "") -> Stats: ...
def stats(name: str | type | Callable[..., Any] | None = None, operation: str = "") -> dict[str, Stats] | Stats:
    """The counts since ``collect()``: a dict by name, or the ``Stats`` of one class, function or name.

    Names have their module: ``stats()["shop.Profile"].ratio`` is the hit ratio of all reads of class ``Profile``;
    ``stats(Profile, "get").avg`` the mean time of its ``get``. Without ``collect()`` all counts are zero.
    """
    table = _collector.table if _collector is not None else {}
    if name is None:
        return {owner: entry for (owner, each), entry in table.copy().items() if each == operation}
    wanted = name if isinstance(name, str) else name_of(name)
    return table.get((wanted, operation)) or Stats()


def reset() -> None:
    """Forget all observers and all counts."""
    collect(False)
    events.forget()
