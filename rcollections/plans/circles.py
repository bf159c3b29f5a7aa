"""Circles: computations that would wait for each other for ever, over any number of threads, tasks and keys.

Only circles inside one process and connection are seen, over its threads and event loops. A circle over several
processes is not: such a wait ends by ``deadline()``, or when the process of an owner ends.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["CircleError", "Mark", "Waits"]


class Mark:
    """One computation that runs, as its thread or task carries it about. ``over``: it has ended.

    What was started inside the computation (a task, a timer, a thread with a copied context) keeps the mark, and may
    outlive the computation. An ended mark counts for nothing: nobody waits for that computation any more.
    """

    __slots__ = ("key", "over", "waits")

    def __init__(self, waits: Waits, key: str) -> None:
        self.waits = waits  # the table of waits in which ``key`` stands
        self.key = key
        self.over = False


class CircleError(Exception):
    """The wait would never end: the computation of ``wanted`` waits for the caller."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted


class Waits:
    """Which keys wait for which other keys: the computation of a key waits for all keys that it asks for."""

    __slots__ = ("_for", "_lock")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # A key that is being computed: which of its computations waits for which keys.
        self._for: dict[str, list[tuple[Mark, str]]] = {}

    def begin(self, computing: Sequence[Mark], wanted: Collection[str]) -> None:
        """Note that the computations of ``computing`` wait for ``wanted``, until ``end``. One step in memory.

        Raises CircleError, and notes nothing, if a wanted key waits for a key of ``computing``.
        """
        if not computing:
            return
        callers = {mark.key for mark in computing}
        noting = False
        try:
            with self._lock:
                self._check(callers, wanted)
                noting = True
                for mark in computing:
                    self._for.setdefault(mark.key, []).extend((mark, each) for each in wanted)
        except BaseException:
            if noting:  # the exception of a signal handler came between
                self.end(computing, wanted)
            raise

    def _check(self, callers: set[str], wanted: Collection[str]) -> None:
        seen: set[str] = set()
        for root in wanted:
            ahead = [root]
            while ahead:
                key = ahead.pop()
                if key in callers:
                    raise CircleError(root)
                if key not in seen:
                    seen.add(key)
                    ahead += (each for mark, each in self._for.get(key, ()) if not mark.over)

    def end(self, computing: Sequence[Mark], wanted: Collection[str]) -> None:
        """Note that this wait has ended, well or not."""
        if not computing:
            return
        with self._lock:
            self._ended(computing, wanted)  # a loop of its own: see ``wire/pool.py``

    def _ended(self, computing: Sequence[Mark], wanted: Collection[str]) -> None:
        for mark in computing:
            waiting = self._for.get(mark.key, [])
            for each in wanted:
                with suppress(ValueError):  # a signal handler came while they were noted
                    waiting.remove((mark, each))
            if not waiting:
                self._for.pop(mark.key, None)

    def forget(self) -> None:
        """Forget all waits, in the child of a fork: the threads that wait are the parent's."""
        self._lock = threading.RLock()
        self._for.clear()
