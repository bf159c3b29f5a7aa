"""What the calls of one function did in this process, counted."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import CacheError
from ..observe import events
from ..plans.functions.lone import Tally
from .info import CacheInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..l1 import Owner

__all__ = ["Counts"]


class Counts:
    """The counts of one function. ``owner`` counts the hits of its quick calls in L1."""

    def __init__(self, name: str, owner: Owner) -> None:
        self.name = name
        self.owner = owner
        self._words: Counter[str] = Counter()
        self._lock = threading.RLock()
        self.alone = Tally()  # the hits of calls that were alone at their key

    def note(self, word: str, key: str, error: BaseException | None = None) -> None:
        """Count what happened to a call, and tell observers (of a computation they are told at its end)."""
        with self._lock:
            self._words[word] += 1
        if events.observers and word != "compute":
            events.noted(self.name, word, key, error=error)

    @contextmanager
    def failing(self, key: str) -> Iterator[None]:
        """A block around a change: an error of the server is counted, told to observers, and raised."""
        try:
            yield
        except CacheError as error:
            self.note("error", key, error)
            raise

    def info(self) -> CacheInfo:
        """The counts so far."""
        with self._lock:
            c = self._words.copy()
            c["hit"] += self.alone.hits
        return CacheInfo(
            c["hit"] + c["stale"] + self.owner.hits,
            c["miss"],
            stale=c["stale"],
            waits=c["wait"],
            computes=c["compute"],
            stores=c["store"],
            refused=c["refused"],
            errors=c["error"],
            invalidations=c["invalidate"],
            unstorable=c["unstorable"],
        )

    def forget(self) -> None:
        """Count from zero again."""
        with self._lock:
            self._words.clear()
            self.alone.forget()
            self.owner.hits = 0
