"""``Turning``: whether an event loop turns, as other threads see it."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

if TYPE_CHECKING:
    import asyncio

    from ..plans.unserved import Unserved

__all__ = ["Turning", "turning_here", "turning_of"]

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


_turning: WeakKeyDictionary[asyncio.AbstractEventLoop, Turning] = WeakKeyDictionary()


def turning_of(loop: asyncio.AbstractEventLoop) -> Turning:
    """The one object for this loop."""
    turning = _turning.get(loop)
    return _turning.setdefault(loop, Turning(loop)) if turning is None else turning


def turning_here() -> Turning | None:
    """The event loop that the calling thread runs, if any: it stands still while the thread waits."""
    loops = sys.modules.get("asyncio")  # without it no thread runs one
    try:
        return None if loops is None else turning_of(loops.get_running_loop())
    except (RuntimeError, AttributeError):  # no loop; or another thread imports asyncio at this moment
        return None
