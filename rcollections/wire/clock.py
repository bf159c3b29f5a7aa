"""``deadline(seconds)``: one instant by which every call inside must have ended."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["around", "deadline", "instant", "no_deadline", "passed", "until"]

_deadline: ContextVar[_Bound | None] = ContextVar("rcollections_deadline", default=None)

around = _deadline.get  # None where no deadline() is around the call: the quickest question


class _Bound:
    """The instant of one ``deadline()`` block. A task that outlives the block is not bounded by it any more."""

    __slots__ = ("instant", "outer", "over")

    def __init__(self, instant: float, outer: _Bound | None) -> None:
        self.instant = instant
        self.outer = outer
        self.over = False


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Bound all calls inside the block: together they may take ``seconds``, then CacheTimeout is raised.

    Inside, the deadline takes the place of the connection's ``timeout``: for a reply and for a free connection a
    call waits until the deadline, be it sooner or later. Connecting has its own ``connect_timeout`` all the same. Of
    nested deadlines the nearest counts. A deadline belongs to the current thread or task and to its block: work in
    the background is not bounded by it, nor a task that goes on after the block. The idea comes from gRPC: all
    steps share one instant, where a duration would have to be shortened at each step.

    >>> from rcollections import KeyCache, deadline
    >>> with deadline(0.2):
    ...     KeyCache("greeting").get("none yet")
    'none yet'
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not isfinite(seconds) or seconds < 0:
        raise ValueError(f"deadline takes seconds, 0 or more, not {seconds!r}")
    bound = _Bound(time.monotonic() + seconds, _deadline.get())
    try:
        _deadline.set(bound)  # inside: a signal handler may raise behind it
        yield
    finally:
        bound.over = True
        if _deadline.get() is bound:
            _deadline.set(bound.outer)


def _instant() -> float | None:
    """The nearest instant of the blocks around this call; None: there is no block."""
    bound, nearest = _deadline.get(), None
    while bound is not None:
        if not bound.over and (nearest is None or bound.instant < nearest):
            nearest = bound.instant
        bound = bound.outer
    return nearest


def instant() -> float:
    """The deadline around this call (monotonic); 0.0: there is none."""
    return 0.0 if _deadline.get() is None else _instant() or 0.0


def until(timeout: float) -> float:
    """The instant (monotonic) by which an answer must be there: in ``timeout`` seconds, or the deadline around."""
    if around() is None:
        return time.monotonic() + timeout
    instant = _instant()
    return time.monotonic() + timeout if instant is None else instant


def passed() -> bool:
    """Whether the deadline around this call has passed."""
    instant = _instant()
    return instant is not None and time.monotonic() >= instant


def no_deadline() -> None:
    """End the deadline of this context: work that goes on after its call is not bounded by the call's deadline."""
    _deadline.set(None)
