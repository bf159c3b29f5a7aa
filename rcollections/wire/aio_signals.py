"""``AsyncSignal``: tasks of one event loop wait for it; any thread may ``set`` it, once."""

from __future__ import annotations

import asyncio

__all__ = ["AsyncSignal"]


class AsyncSignal:
    """An event of the running loop that other threads may set too.

    Tasks wait for plain futures. ``asyncio.wait_for`` before Python 3.12 would lose a cancellation that meets
    the wake-up, and would make one more task for each waiting task.
    """

    __slots__ = ("__weakref__", "_loop", "_set", "_waiting", "deaf")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.Future[None], None] = {}  # in the order of ``wait``
        self._set = False
        self.deaf = False

    def set(self) -> None:
        """Wake all waiting tasks."""
        self._set = True
        try:
            inside = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            inside = False
        if inside:
            self._wake()
        elif not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(self._wake)
            except RuntimeError:  # the loop was closed just now: no task waits any more
                return

    def is_set(self) -> bool:
        return self._set

    async def wait(self, seconds: float | None) -> bool:
        """Whether the signal was set within that many seconds; None: no limit."""
        if self._set:
            return True
        future = self._loop.create_future()
        self._waiting[future] = None
        timer = None if seconds is None else self._loop.call_later(max(0.0, seconds), _finish, future)
        try:
            await future
        finally:
            self._waiting.pop(future, None)
            if timer is not None:
                timer.cancel()
        return self.is_set()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in waiting:
            _finish(future)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
