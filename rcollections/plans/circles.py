"""Circles: computations that would wait for each other for ever, over any number of threads, tasks and keys.

Seen are those of one process and connection, whether they run in threads or in event loops. What another process
computes is not: there a wait ends by its deadline.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["CircleError", "Waits"]


class CircleError(Exception):
    """Waiting would never end: what is ``wanted`` waits for the caller."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted


class Waits:
    """Which keys wait for which others, since their computations call for them."""

    __slots__ = ("_for", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._for: dict[str, list[str]] = {}  # a key that is being computed -> those that its computation waits for

    def begin(self, computing: Sequence[str], wanted: Collection[str]) -> None:
        """The computations of these wait for what is wanted from now on, until ``end``. One step in memory.

        CircleError, with nothing noted, if one of the wanted waits for one of them.
        """
        if not computing:
            return
        with self._lock:
            seen: set[str] = set()
            for root in wanted:
                ahead = [root]
                while ahead:
                    key = ahead.pop()
                    if key in computing:
                        raise CircleError(root)
                    if key not in seen:
                        seen.add(key)
                        ahead += self._for.get(key, ())
            for key in computing:
                self._for.setdefault(key, []).extend(wanted)

    def end(self, computing: Sequence[str], wanted: Collection[str]) -> None:
        """That wait has ended, well or not."""
        if not computing:
            return
        with self._lock:
            for key in computing:
                waiting = self._for[key]
                for each in wanted:
                    waiting.remove(each)
                if not waiting:
                    del self._for[key]

    def forget(self) -> None:
        """In the child of a fork: whoever waits is a thread of the parent."""
        self._lock = threading.Lock()
        self._for.clear()
