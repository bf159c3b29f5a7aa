"""``Lines``: the callers of one process that wait for locks, in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .rounds import Signal

__all__ = ["Lines"]


class Lines:
    """The callers of this process that wait for locks, by lock and in order."""

    __slots__ = ("_lines", "_lock")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget them, in the child of a fork: they wait in the parent."""
        self._lock = threading.RLock()
        self._lines: dict[str, deque[Signal]] = {}

    def enter(self, lock: str, mine: Signal) -> bool:
        """Whether this caller is the first; otherwise ``mine`` is set when it is."""
        with self._lock:
            line = self._lines.setdefault(lock, deque())
            line.append(mine)
            return line[0] is mine

    def leave(self, lock: str, mine: Signal) -> None:
        """This caller waits no more: the next one is first, if this one was."""
        with self._lock:
            line = self._lines.get(lock)
            if line is None or mine not in line:
                return
            first = line[0] is mine
            line.remove(mine)
            after = line[0] if line else None
            if after is None:
                del self._lines[lock]
        if first and after is not None:
            after.set()
