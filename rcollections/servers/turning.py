"""``Turning``: whether an event loop turns, as other threads see it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING
from weakref import ref

if TYPE_CHECKING:
    import asyncio

    from ..plans.unserved import Unserved

__all__ = ["Turning"]

STUCK = 2.0  # seconds without an answer of the loop


class Turning:
    """One event loop, which this object does not keep alive."""

    __slots__ = ("_asked", "_loop", "waits_for")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)
        self.waits_for: Unserved | None = None
        self._asked: float | None = None  # since when the loop owes an answer

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
