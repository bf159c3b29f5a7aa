"""Background work: one pool of threads per process, which ends with the process and loses no exception.

When the interpreter ends, the pool first finishes running and waiting tasks, like the pools of the standard
library. A task that comes later runs at once, on the thread of its caller, in a copy of its context.
"""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import Future
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from ..forks import at_fork
from ..plans.waiting import apart, computing
from ..wire.clock import no_deadline
from ..wire.elsewhere import elsewhere
from ..wire.signals import Signal
from .workers import Task, Workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["Handle", "in_background", "is_here", "report", "submit", "try_submit", "unfinished", "waiting"]

T = TypeVar("T")
log = logging.getLogger("rcollections")

WORKERS = min(16, 4 + (os.cpu_count() or 1))
QUEUE = 256  # tasks that may wait: beyond that refreshes of stale values are left out; futures always find room


class _Condition(threading.Condition):
    """``with`` takes its lock in one step that no signal handler can come between: else the lock could stay taken."""

    __slots__ = ("__enter__", "__exit__")  # found on the object: methods of the lock, which are written in C

    def __init__(self) -> None:
        super().__init__()
        self.__enter__ = self._lock.__enter__  # type: ignore[attr-defined,method-assign]
        self.__exit__ = self._lock.__exit__  # type: ignore[attr-defined,method-assign]


class Asked(Future[T]):
    """A future whose exception goes to the log if no caller ever asked for the result, as with tasks of asyncio."""

    _asked = False
    _task: Task | None = None

    def __init__(self) -> None:
        super().__init__()
        self._condition: threading.Condition = _Condition()

    def result(self, timeout: float | None = None) -> T:
        self._asked = True
        self._wait(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._asked = True
        self._wait(timeout)
        return super().exception(0)

    def _wait(self, timeout: float | None) -> None:
        """Wait for the end on a signal: the lock of a ``Future`` stays taken if a signal handler raises beside it."""
        if not self.done():
            ended = Signal()
            elsewhere(lambda: self.add_done_callback(lambda _: ended.set()))
            with self._waited(timeout):
                ended.wait(timeout)

    def _waited(self, timeout: float | None) -> AbstractContextManager[None]:
        """Work that waits for other work without end does that work itself, if nobody has begun it."""
        task, pool = self._task, _pool
        if task is None or pool is None or self.done() or not _nested(pool.workers):
            return nullcontext()
        if timeout is None and task():
            return nullcontext()
        return pool.workers.waiting(task)

    def __del__(self) -> None:
        if not self._asked and hasattr(self, "_condition") and self.done():  # else a signal handler cut its making
            report(self)


class _Pool:
    def __init__(self) -> None:
        self.unfinished: set[Future[Any]] = set()
        self.once: set[object] = set()  # the ``once`` of waiting and running tasks
        self.lock = threading.RLock()
        self.workers = Workers(WORKERS)


_pool: _Pool | None = None
_lock = threading.RLock()


def _begin_anew() -> None:
    global _pool, _lock
    _pool, _lock = None, threading.RLock()  # in a child: the threads are in the parent, and one may have held the lock


at_fork(_begin_anew)


def _current() -> _Pool:
    global _pool
    pool = _pool
    if pool is None:
        with _lock:
            if _pool is None:
                _pool = _Pool()
            pool = _pool
    return pool


def submit(fn: Callable[[], T]) -> Future[T]:
    """Run in the background, in a copy of the caller's context. Never waits, however much waits already.

    What other work asks for goes before what waits: that work will wait for it.
    """
    workers = _current().workers
    return _start(fn, first=_nested(workers))


def in_background(fn: Callable[[], object], *, once: object = None, wait: bool = True) -> None:
    """Run in the background apart from the caller: not bounded by its deadline, no part of its computation.

    Does nothing if a task with the same ``once`` waits or runs already, or with ``wait=False`` if many tasks wait.
    """
    pool = _current()
    if once in pool.once or (not wait and not _has_room(pool.workers)):
        return

    def run() -> None:
        no_deadline()
        apart()
        fn()

    def begin() -> None:
        with pool.lock:
            if once in pool.once:
                return
            if once is not None:
                pool.once.add(once)
        _begin(future, first=False)
        future.add_done_callback(lambda _: pool.once.discard(once))
        future.add_done_callback(report)

    future = _made(run)
    elsewhere(begin)


def try_submit(fn: Callable[[], T]) -> Future[T] | None:
    """Run in the background, before what waits there: the caller may wait for it. None if many tasks wait."""
    workers = _current().workers
    return _start(fn, first=True) if _has_room(workers) else None


def unfinished() -> list[Future[Any]]:
    """What is not done of the work of this pool."""
    return [] if _pool is None else list(_pool.unfinished)


def is_here() -> bool:
    """Whether this thread does background work."""
    return _pool is not None and _pool.workers.here


def waiting(signal: object) -> AbstractContextManager[None]:
    """A block in which this thread waits for a signal; for that of background work one thread more may run."""
    pool = _pool
    return pool.workers.waiting() if pool is not None and type(signal) is _Done else nullcontext()


def _nested(workers: Workers) -> bool:
    """Whether this is background work, or the computation of a cached function: other work may wait for it."""
    return workers.here or bool(computing())


def _has_room(workers: Workers) -> bool:
    return len(workers.tasks) < QUEUE


def _start(fn: Callable[[], T], *, first: bool) -> Future[T]:
    future = _made(fn)
    elsewhere(lambda: _begin(future, first=first))
    return future


def _made(fn: Callable[[], T]) -> Asked[T]:
    """The future of this work, in the context of this caller. Nobody does the work yet."""
    future: Asked[T] = Asked()
    future._task = Task(future, fn)
    return future


def _begin(future: Asked[Any], *, first: bool) -> None:
    pool, task = _current(), future._task
    if task is not None:
        pool.unfinished.add(future)
        future.add_done_callback(pool.unfinished.discard)
        pool.workers.add(task, first=first)


class _Done(Signal):
    """The end of background work."""


class Handle:
    """The reply to ``Spawn``: ``done`` is set at the end, ``result()`` gives the result of the plan or raises."""

    def __init__(self, future: Any) -> None:
        self.done = signal = _Done()
        self._future = future
        elsewhere(lambda: future.add_done_callback(lambda _: signal.set()))

    def result(self) -> object:
        return self._future.result()

    def abandon(self) -> None:
        """The plan will not ask for the result: an exception goes to the log instead."""
        self._future.add_done_callback(report)


def report(future: Any) -> None:
    """Log the exception that a background task ended with."""
    if future.cancelled():
        return
    error = future.exception()
    if error is not None:
        cause = getattr(error, "error", error)
        log.error("a background computation failed: %s", type(cause).__name__, exc_info=cause)
