"""Watch every operation: before and after, with key, time taken, hit or miss, error. Off means free.

An observer is any object with ``before(event)``, ``after(event)`` or both; ``Observer`` is a base
with empty ones. With none added an operation pays one test. The observers are one of the four
places that hold state.

>>> from rcollections import KeyCache, observe
>>> class Print(observe.Observer):
...     def after(self, event):
...         print(event.name, event.operation, event.key, "hit" if event.hit else "miss")
>>> with observe.observing(Print()):
...     KeyCache("nothing", "here").get()
KeyCache get nothing.here miss
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from .. import l1

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

__all__ = ["Event", "Logged", "Observer", "Stats", "add", "collect", "observing", "remove", "stats"]

T = TypeVar("T")
log = logging.getLogger("rcollections")


class Event:
    """One operation: ``name`` of the class, ``operation``, ``key``; after it ``took``, ``hit``, ``error``.

    ``hit`` is True or False for an operation that reads something that can be missing, else None.
    ``took`` is in seconds. ``unreadable`` tells that bytes were there which nobody could read, and
    that this was treated as a miss. No event carries a value.
    """

    __slots__ = ("error", "hit", "key", "name", "operation", "part", "started", "took", "unreadable")

    def __init__(self, name: str, operation: str, key: str) -> None:
        self.name = name
        self.operation = operation
        self.key = key
        self.took = 0.0
        self.hit: bool | None = None
        self.error: BaseException | None = None
        self.unreadable = False
        self.part = False  # something that happened in a call of a function; the call is an event of its own
        self.started = perf_counter()

    def __repr__(self) -> str:
        return f"Event({self.name}.{self.operation} {self.key!r}, hit={self.hit}, took={self.took:.6f})"


class Observer:
    """Base of observers: override what you want to know. Errors of observers are logged, not raised."""

    def before(self, event: Event) -> None:
        """Called before the operation is sent."""

    def after(self, event: Event) -> None:
        """Called when it has ended, by an exception too (``event.error``)."""


class Logged(Observer):
    """Writes one line a finished operation to the logger ``rcollections``, at level DEBUG; never a value.

    >>> from rcollections import observe
    >>> observe.add(observe.Logged())
    """

    def after(self, event: Event) -> None:
        found = {True: " hit", False: " miss", None: ""}[event.hit]
        failed = f" {type(event.error).__name__}" if event.error is not None else ""
        log.debug("%s.%s %r %.6f s%s%s", event.name, event.operation, event.key, event.took, found, failed)


# A tuple that is replaced whole: reading it needs no lock, and an operation sees one state of it.
observers: tuple[Any, ...] = ()
_lock = threading.Lock()


def add(observer: Any) -> None:
    """Tell this observer of every operation from now on; observers are called in the order of adding."""
    global observers
    if not (callable(getattr(observer, "before", None)) or callable(getattr(observer, "after", None))):
        raise TypeError(f"an observer has before(event), after(event) or both; {type(observer).__name__} has neither")
    with _lock:
        observers = (*observers, observer)
        l1.watch(True)


def remove(observer: Any) -> None:
    """Stop telling this observer; unknown ones are ignored."""
    global observers
    with _lock:
        observers = tuple(each for each in observers if each is not observer)
        l1.watch(bool(observers))


@contextmanager
def observing(observer: Any) -> Iterator[Any]:
    """Add an observer for the length of a block."""
    add(observer)
    try:
        yield observer
    finally:
        remove(observer)


def watched(name: str, operation: str, key: str, run: Callable[[Event], T]) -> T:
    """Run one operation with all observers told. ``run`` may set ``hit`` and ``unreadable``."""
    event = Event(name, operation, key)
    told = observers
    _tell(told, "before", event)
    event.started = perf_counter()
    try:
        return run(event)
    except BaseException as error:
        event.error = error
        raise
    finally:
        event.took = perf_counter() - event.started
        _tell(told, "after", event)


async def awatched(name: str, operation: str, key: str, run: Awaitable[T]) -> T:
    """The same for what is awaited."""
    event = Event(name, operation, key)
    told = observers
    _tell(told, "before", event)
    event.started = perf_counter()
    try:
        return await run
    except BaseException as error:
        event.error = error
        raise
    finally:
        event.took = perf_counter() - event.started
        _tell(told, "after", event)


def _tell(told: tuple[Any, ...], moment: str, event: Event) -> None:
    for observer in told:
        call = getattr(observer, moment, None)
        if call is not None:
            try:
                call(event)
            except Exception:  # an observer must not break what it observes
                log.exception("observer %s failed in %s", type(observer).__name__, moment)


class Stats:
    """What one operation of one class (or all of them) did so far; times in seconds."""

    __slots__ = ("calls", "errors", "hits", "max", "min", "misses", "total", "unreadable")

    def __init__(self) -> None:
        self.calls = self.hits = self.misses = self.errors = self.unreadable = 0
        self.total = self.max = 0.0
        self.min = 0.0

    @property
    def ratio(self) -> float:
        """Hits among hits and misses, 0.0 when there were none."""
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
        """Add only whether something was found."""
        self.hits += event.hit is True
        self.misses += event.hit is False
        self.unreadable += event.unreadable

    def __repr__(self) -> str:
        return (
            f"Stats(calls={self.calls}, hits={self.hits}, misses={self.misses}, ratio={self.ratio:.3f}, "
            f"avg={self.avg:.6f}, min={self.min:.6f}, max={self.max:.6f}, errors={self.errors})"
        )


class _Collector(Observer):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.table: dict[tuple[str, str], Stats] = {}

    def after(self, event: Event) -> None:
        with self.lock:
            for slot in ((event.name, ""), (event.name, event.operation)):
                entry = self.table.get(slot)
                if entry is None:
                    entry = self.table[slot] = Stats()
                if event.part and not slot[1]:
                    entry.count_answer(event)
                else:
                    entry.count(event)


_collector: _Collector | None = None


def collect(on: bool = True) -> None:
    """Start counting for ``stats()`` (again from zero), or stop and forget."""
    global _collector
    with _lock:
        old, _collector = _collector, (_Collector() if on else None)
    if old is not None:
        remove(old)
    if _collector is not None:
        add(_collector)


def stats(name: str | type | Callable[..., Any] | None = None, operation: str = "") -> Any:
    """The counts since ``collect()``: a dict by class or function name, or the ``Stats`` of one of them.

    ``stats()["Profile"].ratio`` is the hit ratio of all reads of class ``Profile``;
    ``stats(Profile, "get").avg`` the mean time of its ``get``. Without ``collect()`` all is zero.
    """
    table = _collector.table if _collector is not None else {}
    if name is None:
        return {owner: entry for (owner, each), entry in table.copy().items() if each == operation}
    wanted = name if isinstance(name, str) else name.__name__ if isinstance(name, type) else name.__qualname__
    return table.get((wanted, operation)) or Stats()


def unreadable(name: str, key: str, error: BaseException) -> None:
    """Tell observers that bytes under ``key`` could not be read, which the operation takes for a miss."""
    event = Event(name, "unreadable", key)
    event.unreadable = True
    event.error = error
    event.hit = False
    _tell(observers, "after", event)


def reset() -> None:
    """Forget all observers and all counts."""
    global observers
    collect(False)
    with _lock:
        observers = ()
        l1.watch(False)


def noted(name: str, word: str, key: str, took: float = 0.0, error: BaseException | None = None) -> None:
    """Tell observers what happened in a call of a cached function: hit, miss, stale, wait, compute, …"""
    event = Event(name, word, key)
    event.hit = {"hit": True, "stale": True, "miss": False}.get(word)
    event.unreadable = word == "unreadable"
    event.part = True
    event.took, event.error = took, error
    _tell(observers, "after", event)
