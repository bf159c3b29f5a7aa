"""The observers, and how an operation tells them: before and after, with key, time taken, hit or miss, error.

Each operation asks ``if not events.observers``: without observers the operation pays for nothing else.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from .. import l1

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

__all__ = [
    "Event",
    "add",
    "awatched",
    "count",
    "forget",
    "log",
    "noted",
    "observers",
    "observing",
    "remove",
    "unreadable",
    "watched",
    "watching",
]

T = TypeVar("T")
log = logging.getLogger("rcollections")

_TALLIES = {"hit": (1, 0), "stale": (1, 0), "miss": (0, 1)}  # of what happens in a call of a cached function


class Event:
    """One operation: ``name``, ``operation``, ``key``; after it also ``took``, ``hits``, ``misses``, ``error``.

    ``name`` is the class or function with its module. A read counts one hit or one miss, a read of several
    elements one for each of them. ``hit`` says whether there was any hit; None for an operation that reads nothing.
    ``took`` is in seconds. ``unreadable`` tells that the codec could not read the stored bytes, and
    that the operation took them for a miss. No event carries a value.
    """

    __slots__ = ("error", "hit", "hits", "key", "misses", "name", "operation", "part", "started", "took", "unreadable")

    def __init__(self, name: str, operation: str, key: str) -> None:
        self.name = name
        self.operation = operation
        self.key = key
        self.took = 0.0
        self.hit: bool | None = None
        self.hits = self.misses = 0
        self.error: BaseException | None = None
        self.unreadable = False
        self.part = False  # True: this happened inside a call of a function, and the call is an event of its own
        self.started = perf_counter()

    def __repr__(self) -> str:
        return f"Event({self.name}.{self.operation} {self.key!r}, hit={self.hit}, took={self.took:.6f})"


def count(event: Event, tally: tuple[int, int] | None) -> None:
    """Note hits and misses; None for an operation that reads nothing."""
    if tally is not None:
        event.hits, event.misses = tally
        event.hit = tally[0] > 0


_telling: ContextVar[bool] = ContextVar("rcollections_telling", default=False)

# A tuple that is replaced whole: a reader needs no lock, and an operation sees one state of the tuple.
observers: tuple[Any, ...] = ()
_lock = threading.RLock()


def add(observer: object) -> None:
    """Tell this observer of every operation from now on; observers are called in the order of adding."""
    global observers
    if not (callable(getattr(observer, "before", None)) or callable(getattr(observer, "after", None))):
        raise TypeError(f"an observer has before(event), after(event) or both; {type(observer).__name__} has neither")
    with _lock:
        observers = (*observers, observer)
        l1.watch(True)


def remove(observer: object) -> None:
    """Stop telling this observer; an unknown observer is ignored."""
    global observers
    with _lock:
        observers = tuple(each for each in observers if each is not observer)
        l1.watch(bool(observers))


@contextmanager
def observing(observer: object) -> Iterator[Any]:
    """Add an observer for the length of a block."""
    add(observer)
    try:
        yield observer
    finally:
        remove(observer)


@contextmanager
def watching(name: str, operation: str, key: str) -> Iterator[Event]:
    """Tell all observers of the operation that this block carries out; the block may count hits in the event."""
    event = Event(name, operation, key)
    told = observers
    _tell(told, "before", event)
    event.started = perf_counter()
    try:
        yield event
    except BaseException as error:
        event.error = error
        raise
    finally:
        event.took = perf_counter() - event.started
        _tell(told, "after", event)


def watched(name: str, operation: str, key: str, run: Callable[[Event], T]) -> T:
    """Run one operation, and tell all observers. ``run`` may set ``hit`` and ``unreadable`` of the event."""
    with watching(name, operation, key) as event:
        return run(event)


async def awatched(name: str, operation: str, key: str, run: Awaitable[T]) -> T:
    """Await one operation, and tell all observers."""
    with watching(name, operation, key):
        return await run


def _tell(told: tuple[Any, ...], moment: str, event: Event) -> None:
    if _telling.get():  # what an observer does itself is observed by nobody: else it would hear of itself for ever
        return
    token = _telling.set(True)
    try:
        for observer in told:
            call = getattr(observer, moment, None)
            if call is not None:
                try:
                    call(event)
                except Exception:  # an observer must not break the operation that it observes
                    log.exception("observer %s failed in %s", type(observer).__name__, moment)
    finally:
        _telling.reset(token)


def unreadable(name: str, key: str, error: BaseException) -> None:
    """Tell observers that bytes under ``key`` could not be read, which the operation takes for a miss."""
    event = Event(name, "unreadable", key)
    event.unreadable = True
    event.error = error
    event.hit = False  # the read counts the miss, in an event of its own
    event.part = True
    _tell(observers, "after", event)


def noted(name: str, word: str, key: str, took: float = 0.0, error: BaseException | None = None) -> None:
    """Tell observers what happened in a call of a cached function: hit, miss, stale, wait, compute, …"""
    event = Event(name, word, key)
    count(event, _TALLIES.get(word))
    event.unreadable = word == "unreadable"
    event.part = True
    event.took, event.error = took, error
    _tell(observers, "after", event)


def forget() -> None:
    """Remove all observers."""
    global observers
    with _lock:
        observers = ()
        l1.watch(False)
