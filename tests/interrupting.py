"""Stopping a call at each of its steps: what an exception of a signal handler leaves behind.

Python runs signal handlers where a function begins or goes on, and behind calls of what is written in C. Real signals
find one window in a thousand. Here a profiler raises at the n-th such place of a call, for n = 0, 1, 2 … until the call
comes to its end undisturbed.
"""

from __future__ import annotations

import os
import sys
from opcode import opmap
from typing import TYPE_CHECKING

import rcollections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["TimeLimit", "interrupted", "stopped_at"]

RESUME = opmap["RESUME"]
_HOME = os.path.dirname(rcollections.__file__) + os.sep
_SWALLOWED = frozenset(("__del__", "_remove", "remove"))  # finalizers and callbacks: what is raised there goes nowhere


class TimeLimit(Exception):
    """What the signal handler of a worker raises."""


class _Stop:
    """Raises at place ``n``, once."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.place = ""

    def profile(self, frame: FrameType, event: str, arg: object) -> None:
        del arg
        if event not in ("call", "c_return") or self.place:
            return
        code = frame.f_code
        if code is stopped_at.__code__ or code.co_name in _SWALLOWED or "importlib" in code.co_filename:
            return
        if event == "call" and _delegates(frame):
            return
        self.n -= 1
        if self.n < 0:
            self.place = f"{os.path.relpath(code.co_filename, _HOME)}:{frame.f_lineno} {event} {code.co_name}"
            sys.setprofile(None)
            raise TimeLimit


def _delegates(frame: FrameType) -> bool:
    """Whether a generator goes on inside of ``yield from`` or ``await``: Python looks for no signals there."""
    code, at = frame.f_code.co_code, frame.f_lasti
    return any(code[n] == RESUME and code[n + 1] & 3 >= 2 for n in (at, at + 2) if 0 <= n < len(code))


def stopped_at(n: int, call: Callable[[], object]) -> str:
    """Make the call, and stop it at that place; gives the place, or "" if the call has fewer. Only on this thread."""
    stop = _Stop(n)
    try:
        sys.setprofile(stop.profile)
        call()
    except TimeLimit:
        pass
    finally:
        sys.setprofile(None)
    return stop.place


def interrupted(call: Callable[[], object], before: Callable[[], object], step: int = 1) -> Iterator[str]:
    """Make the call again and again, stopped at one place after the other; ``before`` each time. Gives the places."""
    n = 0
    while True:
        before()
        place = stopped_at(n, call)
        if not place:
            return
        yield place
        n += step
