"""Waits for what another thread, process or server will do soon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["wait_until"]

T = TypeVar("T")


def wait_until(condition: Callable[[], T], seconds: float = 10.0, what: str = "the condition") -> T:
    """Call ``condition`` every 2 milliseconds until its answer is true, and return that answer.

    After ``seconds`` it is an ``AssertionError`` that names ``what`` was waited for: the test fails.
    Exceptions of ``condition`` pass.

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
