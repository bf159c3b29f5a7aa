"""``Signal``: set once, waited for by threads; ``set`` may come from any thread."""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from contextlib import suppress
from typing import Any

__all__ = ["Signal"]


class Signal:
    """For threads: an Event that hands its wake-up on.

    Whoever is woken wakes two others before anything else. Woken all at once, hundreds of threads would
    queue for the interpreter, and each would wake a second time when its turn comes.
    """

    __slots__ = ("__weakref__", "_set", "_waiting", "deaf")

    def __init__(self) -> None:
        self._set = False
        self._waiting: deque[Any] = deque()  # a lock of each; every method of a deque is one atomic step
        self.deaf = False  # nobody will set it: whoever waits has to look for himself

    def set(self) -> None:
        """Wake all that wait."""
        self._set = True
        self._wake_two()

    def is_set(self) -> bool:
        return self._set

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it was set within that time."""
        if self._set:
            return True
        lock = allocate_lock()
        lock.acquire()
        woken = False
        try:
            self._waiting.append(lock)
            if not self._set:  # else it was set before it could see this lock
                woken = lock.acquire() if seconds is None else lock.acquire(True, max(0.0, seconds))
        finally:
            # A lock that stayed behind could be taken for a thread that hands on. It is not there any more
            # if somebody wakes us just now; it is set then, and the others wait for us to go on with it.
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
