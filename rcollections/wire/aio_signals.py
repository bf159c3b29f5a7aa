"""``AsyncSignal``: set once, waited for by tasks of one event loop; ``set`` may come from any thread."""

from __future__ import annotations

import asyncio

__all__ = ["AsyncSignal"]


class AsyncSignal:
    """An event of the running loop that other threads may set too.

    Tasks wait for plain futures: a cancellation that meets the wake-up is not lost, as it would be in
    ``asyncio.wait_for`` before Python 3.12, and no task is made for each that waits.
    """

    __slots__ = ("__weakref__", "_loop", "_set", "_waiting", "deaf")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.Future[None], None] = {}  # in the order in which they came
        self._set = False
        self.deaf = False

    def set(self) -> None:
        """Wake all that wait."""
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
            except RuntimeError:  # it closed just now: nobody waits any more
                return

    def is_set(self) -> bool:
        return self._set

    async def wait(self, seconds: float | None) -> bool:
        """Whether it was set within that time."""
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
