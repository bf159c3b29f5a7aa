"""A circuit breaker: while the server is down, calls fail at once instead of each waiting for the server.

While the breaker is closed, every call goes to the server. Silence opens the breaker (no connection, or no byte in the
whole timeout; not a reply that is only late): calls fail at once, and a background probe sends one PING a pause. The
first PING that the server answers closes the breaker. (M. Nygard, "Release It!", 2007.)

No caller waits for a probe, but for one: where a connection that had been open before fell silent, that may be the
connection's own death. Then a probe starts at once over a new one, and callers wait a moment for what it says.
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

FIRST_PAUSE, LAST_PAUSE = 0.25, 1.5
VERDICT = 0.1  # seconds in which callers wait for a probe that started at once
LOOK = 0.002  # seconds between their looks


class Breaker:
    """The breaker of one connection. Only errors that cost a caller time open it: no connection, no answer.

    ``start_probe(probe)`` runs ``probe`` in the background (False: there is no room). ``ping()`` asks the
    server and raises if the server does not answer.
    """

    def __init__(
        self,
        where: str,
        ping: Callable[[], object],
        start_probe: Callable[[Callable[[], None]], bool],
        clock: Callable[[], float] = time.monotonic,
        due: Callable[[], bool] = lambda: False,
    ) -> None:
        self._where = where
        self._ping = ping
        self._start_probe = start_probe
        self._clock = clock
        self._due = due  # whether changes wait to be sent: no answer closes the breaker before they were
        self._trying: object = None  # the turn of the one change on purpose that asks a server that seems away
        self._lock = threading.RLock()
        self.failure: CacheError | None = None  # what opened it; None: it is closed
        self._refused = False  # the log says that the server refuses a call (not that the server is away)
        self._probing = False
        self._pause = FIRST_PAUSE
        self._probe_at = 0.0
        self._verdict_by = 0.0
        self._late = False  # the log says that a call was late

    @property
    def is_open(self) -> bool:
        """Whether the breaker keeps calls from the server now."""
        return self.failure is not None

    def allows(self) -> bool:
        """Whether this call may ask the server. While calls may not, a probe is under way or comes soon."""
        if self.failure is None:
            return True
        with self._lock:
            if self._probing or self._clock() < self._probe_at:
                return False
            self._probing = True
        if not self._start_probe(self._probe):
            self._probing = False
        return False

    def undecided(self) -> float:
        """How long to wait before looking again, while a probe that started at once is under way; 0: do not wait."""
        return LOOK if self._probing and self.failure is not None and self._clock() < self._verdict_by else 0.0

    def may_try(self, turn: object) -> bool:
        """R1: whether a change on purpose may ask the server: always, but one at a time while the breaker is open.

        The caller says ``tried`` with the same object in the end.
        """
        if self.failure is None:
            return True
        with self._lock:
            if self._trying is None:
                self._trying = turn
            return self._trying is turn

    def tried(self, turn: object) -> None:
        """That change has ended; another one may ask."""
        if self._trying is turn:
            self._trying = None

    def _probe(self) -> None:
        try:
            self._ping()
        except CacheError as error:
            with self._lock:
                self._probing = False
                if error._about != "call":
                    self.failure = error
                self._pause = min(2 * self._pause, LAST_PAUSE)
                self._probe_at = self._clock() + self._pause
        except BaseException:
            self._probing = False
            raise
        else:
            self.worked()

    def failed(self, error: CacheError) -> None:
        """A call failed at the server. Logged once, until the server works again."""
        if error._about == "call":
            if not self._late:
                self._late = True
                log.warning("%s did not serve one call, a cached function computes instead: %s", self._where, error)
            return
        away = isinstance(error, (CacheConnectionError, CacheTimeout))
        probe = away and error._about == "link"
        with self._lock:
            if self.failure is not None or (self._refused and not away):
                return
            if away:
                self.failure, self._pause = error, FIRST_PAUSE
                self._probe_at = self._clock() + self._pause
                if probe:
                    self._probing, self._verdict_by = True, self._clock() + VERDICT
            else:
                self._refused = True
        log.warning(
            "%s failed, cached functions compute instead and collections raise until it works again: %s",
            self._where,
            error,
        )
        if probe and not self._start_probe(self._probe):
            self._probing = False

    def hurry(self) -> None:
        """The server is another one by now: probe it at once."""
        self._pause, self._probe_at = FIRST_PAUSE, 0.0
        self.allows()

    def worked(self) -> None:
        """The server answered. A refusal stays logged: reads may work while the server refuses writes."""
        if self.failure is None:
            return
        if self._due():  # J1: an answer to what was sent before them
            self._probing = False
            return
        with self._lock:
            said = self.failure is not None
            self.failure, self._probing = None, False
        if said:
            log.warning("%s is back", self._where)

    def stored(self) -> None:
        """The server took a value: as far as we know the server refuses no call any more."""
        self._late = False
        if self._refused:
            self._refused = False
            log.warning("%s works again", self._where)

    def renew_lock(self) -> None:
        """In the child of a fork: another thread may have held the lock, and the probe runs in the parent."""
        self._lock = threading.RLock()
        self._probing = False
        self._trying = None

    def error(self) -> CacheError:
        """The error for a call that was kept from the server."""
        failure = self.failure
        if failure is None:
            return CacheConnectionError(f"{self._where} did not answer a moment ago: try again")
        return type(failure)(str(failure))
