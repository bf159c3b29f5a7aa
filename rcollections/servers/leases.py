"""Keeps leases alive while their owners compute: one thread per process renews all of them."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from typing import TYPE_CHECKING

from ..errors import CacheError
from ..forks import at_fork
from ..plans.effects import Script
from ..wire.clock import no_deadline
from ..wire.elsewhere import elsewhere

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["Held", "hold"]

log = logging.getLogger("rcollections")


class Held:
    """A lease that is being renewed, until ``stop()`` or until another owner has it."""

    __slots__ = ("connection", "lease", "ms", "stopped", "token")

    def __init__(self, connection: Connection, lease: str, token: bytes, ms: int) -> None:
        self.connection = connection
        self.lease = lease
        self.token = token
        self.ms = ms
        self.stopped = False

    def stop(self) -> None:
        """Renew no more. A renewal that is on its way compares the token, so it cannot harm a later owner."""
        self.stopped = True

    def renew(self) -> None:
        """Send one renewal. A server that cannot be reached now may answer the next renewal."""
        try:
            reply = self.connection.one(Script("lease_renew", (self.lease,), (self.token, self.ms)))
        except CacheError:
            return
        except Exception:  # a bug must not end the renewal of all other leases
            log.exception("renewing the lease %r failed", self.lease)
            return
        if reply[0] != b"ok":
            self.stopped = True


class _Renewer:
    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.due: list[tuple[float, int, Held]] = []
        self.numbers = itertools.count()
        self.thread: threading.Thread | None = None

    def add(self, held: Held) -> None:
        with self.changed:
            if self.thread is None:
                thread = threading.Thread(target=self.run, name="rcollections-leases", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # in an exit handler, or too many threads: this lease ends by itself
                    log.info("the lease %r is not renewed: %s", held.lease, error)
                    return
                self.thread = thread
            when = time.monotonic() + held.ms / 3000
            heapq.heappush(self.due, (when, next(self.numbers), held))
            if self.due[0][2] is held:
                self.changed.notify()

    def run(self) -> None:
        no_deadline()  # some builds of Python let a thread inherit the context of who starts it
        while True:
            with self.changed:
                while self.due and self.due[0][2].stopped:
                    heapq.heappop(self.due)
                pause = self.due[0][0] - time.monotonic() if self.due else None
                if pause is None and not self.changed.wait(10):
                    if not self.due:
                        self.thread = None
                        return
                    continue
                if pause is None or (pause > 0 and self.changed.wait(pause)) or not self.due:
                    continue
                if self.due[0][0] > time.monotonic():
                    continue
                held = heapq.heappop(self.due)[2]
            if not held.stopped:
                held.renew()
                self.add(held)


_renewer = _Renewer()


def _begin_anew() -> None:
    global _renewer
    _renewer = _Renewer()  # threads do not survive a fork


at_fork(_begin_anew)


def hold(connection: Connection, lease: str, token: bytes, ms: int) -> Held:
    """Renew this lease at a third of ``ms`` from now on."""
    held = Held(connection, lease, token, ms)
    elsewhere(lambda: _renewer.add(held))
    return held
