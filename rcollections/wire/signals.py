"""``Signal``: threads wait for it; any thread may ``set`` it, once."""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import Any

__all__ = ["Signal"]

# Seconds after which a waiting thread looks by itself: a signal handler may stop a thread that hands wake-ups on.
LOOK = 1.0


class Signal:
    """For threads: an Event that hands its wake-up on.

    A thread that is woken first wakes two other threads. Woken all at once, hundreds of threads would
    queue for the interpreter, and each would wake a second time when its turn comes.
    """

    __slots__ = ("__weakref__", "_set", "_waiting", "deaf")

    def __init__(self) -> None:
        self._set = False
        self._waiting: deque[Any] = deque()  # a lock for each thread; every method of a deque is one atomic step
        self.deaf = False  # True: no message will set this signal, so a waiting caller has to look for itself

    def set(self) -> None:
        """Wake all waiting threads."""
        self._set = True
        self._wake_two()

    def is_set(self) -> bool:
        return self._set

    def wait(self, seconds: float | None = None) -> bool:
        """Whether the signal was set within that many seconds; None: no limit."""
        if self._set:
            return True
        lock = allocate_lock()
        lock.acquire()
        end = None if seconds is None else monotonic() + seconds
        try:
            self._waiting.append(lock)
            self._sleep(lock, end)
        finally:
            try:
                self._leave(lock)
            except BaseException:
                self._leave(lock)
                raise
        return self._set

    def _sleep(self, lock: Any, end: float | None) -> None:
        # A function of its own: of a loop between try and finally CPython 3.13.0 may leave out the end, see
        # ``wire/pool.py``.
        while not self._set:  # it may have come before this lock was in the deque
            left = LOOK if end is None else min(LOOK, end - monotonic())
            if left <= 0 or lock.acquire(True, left):
                break

    def _leave(self, lock: Any) -> None:
        """This thread waits no more. A lock that stayed could be taken for a thread that hands the wake-up on."""
        with suppress(ValueError):  # a thread that wakes us just now has taken it out
            self._waiting.remove(lock)
        if self._set:
            self._wake_two()

    def _wake_two(self) -> None:
        woken = 0
        with suppress(IndexError):  # all are awake
            while woken < 2:
                lock = self._waiting[0]
                # In this order: a thread that a signal handler stops in between has not taken out a lock that sleeps.
                try:
                    lock.release()
                    woken += 1
                except RuntimeError:  # another thread has woken it just now
                    pass
                with suppress(ValueError):
                    self._waiting.remove(lock)
