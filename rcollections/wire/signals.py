"""``Signal``: threads wait for it; any thread may ``set`` it, once."""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from contextlib import suppress
from typing import Any

__all__ = ["Signal"]


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
        woken = False
        try:
            self._waiting.append(lock)
            if not self._set:  # else ``set`` came before this lock was in the deque
                woken = lock.acquire() if seconds is None else lock.acquire(True, max(0.0, seconds))
        finally:
            # A lock that stayed behind could be taken for a thread that hands the wake-up on. The lock is gone
            # already if a thread wakes us just now: then the signal is set, and the others wait for our wake-ups.
            if not woken:
                with suppress(ValueError):
                    self._waiting.remove(lock)
            was_set = self.is_set()
            if was_set:
                self._wake_two()
        return was_set

    def _wake_two(self) -> None:
        try:
            self._waiting.popleft().release()
            self._waiting.popleft().release()
        except IndexError:  # all are awake
            pass
