"""Waits until another thread, process or server has done its work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["wait_until"]

T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = 10.0, what: str = "the condition") -> T:
    """Call ``condition`` every 2 milliseconds until its answer is true, and return that answer.

    After ``seconds`` it raises an ``AssertionError`` that names ``what`` it waited for: the test fails.
    Exceptions of ``condition`` pass through.

    >>> from rcollections.testing import wait_until
    >>> left = [1, 2, 3]
    >>> wait_until(lambda: left.pop() == 1, what="the last one")
    True
    """
    end = time.monotonic() + seconds
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.002)
