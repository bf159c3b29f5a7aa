"""``flush()``: wait until the background work of this process is done."""

from __future__ import annotations

import sys
import time
from concurrent.futures import wait
from contextlib import nullcontext
from typing import Any

from ..errors import CacheError
from ..wire.clock import deadline
from . import background, resending

__all__ = ["flush"]

_PAUSE = 0.005  # seconds between two looks at tasks of event loops
_RETRY = 0.1  # seconds between two tries to send what is kept


def flush(timeout: float | None = None) -> bool:
    """Wait until all background work of this process is done: refreshes, ``f.bg()`` and ``f.future()``.

    Invalidations that failed and are kept are work too: they are sent first, which needs the server. While it is down
    only ``timeout`` ends the wait.

    For processes that end without the end of the interpreter (``os._exit``, as RQ's work horses do; a container that is
    frozen after an answer): what runs in the background then would be lost. An interpreter that ends in order waits by
    itself. ``timeout`` is in seconds; None: as long as it takes. Gives True if all is done, also what was begun
    meanwhile; False if the time was up. Exceptions of the work go where they always go. No round trip of its own
    where nothing is kept.

    Of event loops that run on other threads the background tasks count too. In an event loop it would block: await
    ``asyncio.to_thread(flush, 5)`` there. Called as it is, it answers False while tasks of that loop are not done.
    CacheError inside of background work, which would wait for itself.

    >>> from rcollections import cached, flush
    >>> @cached(ttl=60)
    ... def square(n: int) -> int:
    ...     return n * n
    >>> square.bg().refresh(7)
    >>> flush(timeout=5)
    True
    >>> square.peek(7)
    49
    """
    until = None if timeout is None else time.monotonic() + timeout
    if background.is_here():
        raise CacheError("flush() inside of background work would wait for itself: call it outside of that")
    while True:
        left = None if until is None else max(0.0, until - time.monotonic())
        work = background.unfinished()
        if work:
            if wait(work, left).not_done:
                return False
            continue
        tasks, mine = _tasks()
        kept = not tasks and not _sent(left)
        if not tasks and not kept:
            return not mine and not background.unfinished()
        if left == 0:
            return False
        pause = _RETRY if kept else _PAUSE
        time.sleep(pause if left is None else min(pause, left))


def _sent(seconds: float | None) -> bool:
    """Try once to send the invalidations that are kept; gives whether none is left."""
    for each in resending.unsent():
        with nullcontext() if seconds is None else deadline(seconds):
            each.flush()
    return not resending.unsent()


def _tasks() -> tuple[list[Any], bool]:
    """Background tasks of loops on other threads that are not done, and whether this thread's loop has any."""
    aio = sys.modules.get(f"{__package__}.aio_background")  # asyncio is imported with the first async def
    if aio is None:
        return [], False
    asyncio: Any = sys.modules["asyncio"]
    try:
        here: object = asyncio.get_running_loop()
    except RuntimeError:
        here = None
    tasks = [task for task in aio.unfinished() if task.get_loop().is_running()]
    others = [task for task in tasks if task.get_loop() is not here]
    return others, len(others) < len(tasks)
