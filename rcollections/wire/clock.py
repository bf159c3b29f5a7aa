"""``deadline(seconds)``: one instant by which every call inside must have ended."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["deadline", "no_deadline", "passed", "until"]

_deadline: ContextVar[float | None] = ContextVar("rcollections_deadline", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Bound all calls inside the block: together they may take ``seconds``, then CacheTimeout is raised.

    A deadline never lengthens the ``timeout`` of a connection, and of nested deadlines the nearest counts. It
    belongs to the current thread or task. The idea comes from gRPC: all steps share one instant, where a
    duration would have to be shortened at each step.

    >>> from rcollections import KeyCache, deadline
    >>> with deadline(0.2):
    ...     KeyCache("greeting").get("none yet")
    'none yet'
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not isfinite(seconds) or seconds < 0:
        raise ValueError(f"deadline takes seconds, 0 or more, not {seconds!r}")
    mine = time.monotonic() + seconds
    outer = _deadline.get()
    token = _deadline.set(mine if outer is None else min(mine, outer))
    try:
        yield
    finally:
        _deadline.reset(token)


def until(timeout: float) -> float:
    """The instant (monotonic) by which an answer that may take ``timeout`` seconds must be there."""
    mine = time.monotonic() + timeout
    outer = _deadline.get()
    return mine if outer is None or mine < outer else outer


def passed() -> bool:
    """Whether the deadline around this call has passed."""
    outer = _deadline.get()
    return outer is not None and time.monotonic() >= outer


def no_deadline() -> None:
    """End the deadline of this context: work that goes on after its call is not bounded by the call's deadline."""
    _deadline.set(None)
