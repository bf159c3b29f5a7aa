"""Background work: one bounded pool of threads per process, which ends with the process and loses no exception.

When the interpreter ends, the pool first finishes running and waiting tasks, like the pools of the standard
library. A task that comes later runs at once, on the thread of its caller.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from ..forks import at_fork
from ..plans.waiting import computing
from ..wire.clock import no_deadline

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Handle", "in_background", "report", "submit", "try_submit"]

T = TypeVar("T")
log = logging.getLogger("rcollections")

WORKERS = min(16, 4 + (os.cpu_count() or 1))
QUEUE = 256  # tasks that may wait or run at once; beyond that callers wait for room, and refreshes are left out


class Asked(Future[T]):
    """A future whose exception goes to the log if no caller ever asked for the result, as with tasks of asyncio."""

    _asked = False

    def result(self, timeout: float | None = None) -> T:
        self._asked = True
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._asked = True
        return super().exception(timeout)

    def __del__(self) -> None:
        if not self._asked and self.done():
            report(self)


class _Pool:
    def __init__(self) -> None:
        self.once: set[object] = set()  # the ``once`` of waiting and running tasks
        self.lock = threading.Lock()
        self.room = threading.Semaphore(QUEUE)
        self.threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="rcollections")
        self.inside = threading.local()  # marks the workers: a worker must not wait for room that workers make


_pool: _Pool | None = None
_lock = threading.Lock()


def _begin_anew() -> None:
    global _pool, _lock
    _pool, _lock = None, threading.Lock()  # in a child: the threads are in the parent, and one may have held the lock


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
    """Run in the background, in the caller's context; waits for room if too many tasks wait already."""
    pool = _current()
    if not pool.room.acquire(blocking=False):
        if getattr(pool.inside, "worker", False):
            return _at_once(fn)
        pool.room.acquire()
    return _start(pool, fn)


def in_background(fn: Callable[[], object], *, once: object = None, wait: bool = True) -> None:
    """Run in the background apart from the caller: not bounded by its deadline, no part of its computation.

    Does nothing if a task with the same ``once`` waits or runs already, or with ``wait=False`` if there is no room.
    """
    pool = _current()
    with pool.lock:
        if once in pool.once:
            return
        if once is not None:
            pool.once.add(once)

    def run() -> None:
        no_deadline()
        computing.set(frozenset())
        fn()

    future = submit(run) if wait else try_submit(run)
    if future is None:
        pool.once.discard(once)
    else:
        future.add_done_callback(lambda _: pool.once.discard(once))
        future.add_done_callback(report)


def try_submit(fn: Callable[[], T]) -> Future[T] | None:
    """Run in the background if there is room, else None."""
    pool = _current()
    return _start(pool, fn) if pool.room.acquire(blocking=False) else None


def _start(pool: _Pool, fn: Callable[[], T]) -> Future[T]:
    context = contextvars.copy_context()

    def run() -> T:
        pool.inside.worker = True
        return context.run(fn)

    future: Asked[T] = Asked()
    future.add_done_callback(lambda _: pool.room.release())
    try:
        pool.threads.submit(_Task(future, run))
    except RuntimeError:  # the interpreter is shutting down: run the task here and now, rather than never
        _Task(future, fn)()
    return future


def _at_once(fn: Callable[[], T]) -> Future[T]:
    future: Asked[T] = Asked()
    _Task(future, fn)()
    return future


class _Task:
    """Carries out a function for a future, and drops both: else the traceback of an exception would keep them alive."""

    __slots__ = ("given",)

    def __init__(self, future: Future[T], fn: Callable[[], T]) -> None:
        self.given: Any = future, fn

    def __call__(self) -> None:
        future, fn = self.given
        self.given = None
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = fn()
        except BaseException as error:  # the caller that asks for the result gets the exception
            future.set_exception(error)
            del future
        else:
            future.set_result(result)


class Handle:
    """The reply to ``Spawn``: ``done`` is set at the end, ``result()`` gives the result of the plan or raises."""

    def __init__(self, future: Any, signal: Any) -> None:
        self.done = signal
        self._future = future
        future.add_done_callback(lambda _: signal.set())

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
