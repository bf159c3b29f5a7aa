"""A circuit breaker: while the server is down, calls do not each pay for finding out.

Closed, every call goes to the server. After a failure it is open: calls are told at once, except one
probe in each pause. The first that works closes it again. (M. Nygard, "Release It!", 2007.)
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from ..errors import CacheConnectionError, CacheError, CacheTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Breaker"]

log = logging.getLogger("rcollections")

FIRST_PAUSE, LAST_PAUSE = 0.25, 5.0


class Breaker:
    """One per connection. Only errors that cost a caller time open it: no connection, no answer."""

    def __init__(self, where: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._where = where
        self._clock = clock
        self._lock = threading.Lock()
        self._failure: CacheError | None = None
        self._pause = FIRST_PAUSE
        self._probe_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are kept from the server at present."""
        return self._failure is not None

    def allows(self) -> bool:
        """Whether this call may ask the server; while open, one call in each pause may."""
        if self._failure is None:
            return True
        with self._lock:
            now = self._clock()
            if now < self._probe_at:
                return False
            self._probe_at = now + self._pause
            return True

    def failed(self, error: CacheError) -> None:
        """The server failed. Said once in the log, until it works again."""
        if not isinstance(error, (CacheConnectionError, CacheTimeout)):
            if self._failure is None:
                log.warning("%s failed, cached functions compute instead: %s", self._where, error)
            return
        with self._lock:
            if self._failure is None:
                log.warning("%s failed, cached functions compute instead until it is back: %s", self._where, error)
                self._pause = FIRST_PAUSE
            else:
                self._pause = min(2 * self._pause, LAST_PAUSE)
            self._failure = error
            self._probe_at = self._clock() + self._pause

    def worked(self) -> None:
        """The server answered."""
        if self._failure is not None:
            with self._lock:
                self._failure = None
            log.warning("%s is back", self._where)

    def error(self) -> CacheError:
        """The error for a call that was kept from the server."""
        failure = self._failure
        return (
            CacheConnectionError(f"{self._where} does not answer at present; the next probe comes soon")
            if (failure is None)
            else type(failure)(str(failure))
        )
