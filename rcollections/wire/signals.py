"""Signals: set once, waited for by threads or by tasks; ``set`` may come from any thread."""

from __future__ import annotations

import asyncio
import threading

__all__ = ["AsyncSignal", "Signal"]


class Signal(threading.Event):
    """For threads."""

    deaf = False  # nobody will set it: whoever waits has to look for himself


class AsyncSignal:
    """An event of the running loop that other threads may set too."""

    __slots__ = ("__weakref__", "_event", "_loop", "_set", "deaf")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
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
            self._event.set()
        elif not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(self._event.set)
            except RuntimeError:  # it closed just now: nobody waits any more
                return

    def is_set(self) -> bool:
        return self._set

    async def wait(self, seconds: float | None) -> bool:
        """Whether it was set within that time."""
        if self._set:
            return True
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except (TimeoutError, asyncio.TimeoutError):
            return self._set
        return True
