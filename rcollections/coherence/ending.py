"""How an ear is told to end, by other threads."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

__all__ = ["Ending"]


class Ending:
    """The part of an ear that others end. Not an ear of its own."""

    _link: Any

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self.reason: Exception | None = None  # why it was told to break off

    @property
    def stopped(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Let ``run`` end soon, from another thread."""
        self._stopping.set()
        with contextlib.suppress(Exception):
            self._link.wake()

    def stop_telling(self) -> None:
        """Let ``run`` end with what it reads next."""
        self._stopping.set()

    def break_off(self, reason: Exception) -> None:
        """End this connection, from another thread: ``run`` raises."""
        self.reason = reason
        with contextlib.suppress(Exception):
            self._link.wake()

    def rest(self, seconds: float) -> None:
        """Wait that many seconds, or until ``stop``."""
        self._stopping.wait(seconds)
