"""Tells of a source that fails while stale values are served: a line at the beginning, one a minute, one at the end."""

from __future__ import annotations

import threading
import time

from ..observe import events
from ..plans.functions.recipe import Trouble

__all__ = ["SourceTrouble"]

EVERY = 60.0  # seconds between two lines
MOST = 1000  # keys that are remembered as failing


class SourceTrouble(Trouble):
    """Of one function in this process. It is over when every key that failed has a fresh value again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.RLock()  # a signal handler may call the function while the thread is inside
        self._forget()

    def _forget(self) -> None:
        self.open = False
        self._keys: set[str] = set()
        self._failures = self._served = 0
        self._began = self._last = self._line = time.monotonic()

    def failed(self, key: str, error: BaseException) -> None:
        self._heard(key, error)

    def served(self, key: str) -> None:
        self._heard(key, None)

    def _heard(self, key: str, error: BaseException | None) -> None:
        with self._lock:
            now = time.monotonic()
            if self.open and now - self._last > EVERY:  # nobody has called for so long: this is another story
                self._forget()
            begins, self._last = not self.open, now
            if begins:
                self._began = self._line = now
            self.open = True
            if len(self._keys) < MOST:
                self._keys.add(key)
            if error is None:
                self._served += 1
            else:
                self._failures += 1
            due = not begins and now - self._line >= EVERY
            if due:
                self._line = now
            told = self._name, now - self._began, self._failures, self._served
        if begins:
            events.log.warning(
                "refreshing %s fails (%s): older values are served, and the source is asked again now and then",
                self._name, "as another caller found" if error is None else type(error).__name__, exc_info=error,
            )  # fmt: skip
        elif due:
            events.log.warning(
                "refreshing %s still fails, since %.0f s: %d failures, %d answers without asking the source", *told
            )

    def worked(self, key: str) -> None:
        with self._lock:
            self._keys.discard(key)
            if self._keys or not self.open:
                return
            told = self._name, time.monotonic() - self._began, self._failures, self._served
            self._forget()
        events.log.warning(
            "refreshing %s works again, after %.0f s: %d failures, %d answers without asking the source", *told
        )
