"""The threads of background work: some that run, more of them while some wait for others, and a queue without an end.

A task that waits for another task holds its thread. So that tasks which wait for each other always come to an end,
a thread that waits counts as none: another one takes its place, or the waiting thread carries out itself what it
waits for, if nobody has begun that. Where tasks wait in a way that this file cannot see (a lock, a
``concurrent.futures.wait``), nothing begins for a second: then one thread more may run, for each such second.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor, thread
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ..wire.elsewhere import elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

__all__ = ["STALL", "Task", "Workers"]

T = TypeVar("T")

STALL = 1.0  # seconds without a beginning after which one thread more may run
MOST = 10_000  # threads; beyond that runners wait in the queue of the executor


class Task:
    """A function and the future of its result, carried out once, in the context in which it was made.

    It drops both then: else the traceback of an exception would keep them alive.
    """

    __slots__ = ("_by", "_given")

    def __init__(self, future: Future[T], fn: Callable[[], T]) -> None:
        self._given: Any = future, fn, contextvars.copy_context()
        self._by: dict[str, object] = {}  # which call carries it out; entered in one step in memory

    @property
    def begun(self) -> bool:
        """Whether some thread has begun it."""
        return bool(self._by)

    def __call__(self) -> bool:
        """Carry it out on this thread, unless a thread has begun it already: then False."""
        given, mine = self._given, object()
        if given is None:
            return False
        try:
            if self._by.setdefault("by", mine) is not mine:
                return False
            self._given = None
            future, fn, context = given
            if future.set_running_or_notify_cancel():
                future.set_result(context.run(fn))
        except BaseException as error:  # the caller that asks for the result gets the exception
            if self._by.get("by") is not mine:
                raise
            future = given[0]
            if not future.done():
                future.set_exception(error)
            del future, given
        return True


class Workers:
    """At most ``limit`` threads that run at once, those not counted that wait for other tasks."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.lock = threading.RLock()
        self.tasks: deque[Task] = deque()
        self._mine = threading.local()  # marks the threads of this pool
        self._runners = self._waiting = self._extra = self._begun = 0
        self._watched = False
        # Its threads end with the process, after the work that waits, as those of the standard library do.
        self._threads = ThreadPoolExecutor(MOST, thread_name_prefix="rcollections")

    @property
    def here(self) -> bool:
        """Whether this thread is one of these."""
        return getattr(self._mine, "here", False)

    def add(self, task: Task, *, first: bool) -> None:
        """Let a thread carry out this task; ``first``: before those that wait already. Never waits.

        Called where no signal handler runs: it counts, and starts threads.
        Where no thread runs and none can be started (the interpreter ends), the task is carried out here and now.
        So is what other threads ask for while the interpreter waits for this pool to end: it would wait for ever.
        """
        if not self.here and getattr(thread, "_shutdown", False):
            task()
            return
        with self.lock:
            if first:
                self.tasks.appendleft(task)
            else:
                self.tasks.append(task)
        if not self._grow() and not self._runners:
            task()

    @contextmanager
    def waiting(self, task: Task | None = None) -> Iterator[None]:
        """A block in which this thread waits, for ``task`` or for something else: another thread takes its place."""
        turn = _Turn()
        try:
            if not elsewhere(lambda: self._away(turn)) and task is not None:
                task()
            yield
        finally:
            elsewhere(lambda: self._back(turn))

    def close(self) -> None:
        """Let the threads end, after the tasks that wait."""
        self._threads.shutdown()

    # -- runners ---------------------------------------------------------------------------------
    # No thread that a signal handler can stop has the lock: the handler may start work, too.

    def _away(self, turn: _Turn) -> bool:
        """A thread begins to wait; gives what ``_grow`` gives."""
        with self.lock:
            if turn.began:  # it was stopped, and waits no more
                return True
            turn.counts = True
            self._waiting += 1
        return self._grow()

    def _back(self, turn: _Turn) -> None:
        with self.lock:
            turn.began = True
            self._waiting -= turn.counts
            turn.counts = False

    def _grow(self) -> bool:
        """Let one thread more take tasks, if some wait and one more may run; False if none can be started."""
        runner = _Turn()
        with self.lock:
            if not self.tasks:
                return True
            if self._full():
                watch, self._watched = not self._watched, True
            else:
                watch, runner.counts = False, True
                self._runners += 1
        try:
            if runner.counts:
                self._threads.submit(self._run, runner)
            elif watch:
                threading.Thread(target=self._watch, name="rcollections-watch", daemon=True).start()
        except RuntimeError:  # the interpreter ends, or there are too many threads
            return self._failed(runner, watch)
        return True

    def _failed(self, runner: _Turn, watch: bool) -> bool:
        with self.lock:
            if watch:
                self._watched = False
            if runner.counts and not runner.began:  # the executor may still hand it to a thread later
                runner.counts = False
                self._runners -= 1
                return False
        return not runner.counts or runner.began

    def _full(self) -> bool:
        return self._runners >= self.limit + self._waiting + self._extra

    def _run(self, runner: _Turn) -> None:
        self._mine.here = True
        while True:
            with self.lock:
                if not runner.counts:
                    return
                over = runner.began and self._runners > self.limit + self._waiting + self._extra
                runner.began = True
                self._drop_begun()
                if over or not self.tasks:
                    self._runners -= 1
                    if not self.tasks:
                        self._extra = 0
                    return
                task = self.tasks.popleft()
                self._begun += 1
            task()
            del task

    def _drop_begun(self) -> None:  # a loop of its own: see ``wire/pool.py``
        while self.tasks and self.tasks[0].begun:
            self.tasks.popleft()

    def _watch(self) -> None:
        """While tasks wait: let one thread more run for each ``STALL`` in which no task began."""
        begun = -1
        never = threading.Event()
        while True:
            with self.lock:
                if not self.tasks:
                    self._watched = False
                    return
                stalled, begun = self._begun == begun, self._begun
                self._extra += stalled
            if stalled:
                self._grow()
            never.wait(STALL)


class _Turn:
    """Of a thread that takes tasks until there is none, or of one that waits for a task."""

    __slots__ = ("began", "counts")

    def __init__(self) -> None:
        self.began = False
        self.counts = False  # among those of its kind in the pool
