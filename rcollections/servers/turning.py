"""``Turning``: whether an event loop turns, as other threads see it."""

from __future__ import annotations

import asyncio
from time import monotonic
from weakref import ref

__all__ = ["Turning"]

STUCK = 2.0  # seconds without an answer of the loop


class Turning:
    """One event loop, which this object does not keep alive."""

    __slots__ = ("_asked", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)
        self._asked: float | None = None  # since when the loop owes an answer

    def is_here(self) -> bool:
        """Whether the calling thread runs this loop."""
        try:
            return asyncio.get_running_loop() is self._loop()
        except RuntimeError:
            return False

    def is_stuck(self) -> bool:
        """Whether the loop does not run, or has owed an answer for ``STUCK`` seconds. Asks it for one."""
        loop = self._loop()
        if loop is None or not loop.is_running():
            return True
        asked, now = self._asked, monotonic()
        if asked is None:
            self._asked = now
        try:
            loop.call_soon_threadsafe(self._answer)  # each time: a signal handler may have come between
        except RuntimeError:  # it was closed just now
            return True
        return asked is not None and now - asked >= STUCK

    def _answer(self) -> None:
        self._asked = None
