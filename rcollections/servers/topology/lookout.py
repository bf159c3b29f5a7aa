"""``Lookout``: asks the nodes that are in use, from time to time, by a write that changes nothing (K14).

A node that was cut off from the others answers reads for as long as it is cut off, where the server allows that
(``cluster-allow-reads-when-down``). Only writes are refused. So a thread asks each node of a connection that is used,
each third of ``staleness`` and at least once a second. What a call costs does not change. The same answers tell that a
primary is well (K13), and where one does not answer, the map is learned, also while nobody calls.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from ...forks import after_fork
from ...plans.draws import spread
from ...wire.clock import no_deadline
from ...wire.elsewhere import elsewhere
from ..drivers.fans import fan

if TYPE_CHECKING:
    from ...wire.dsn.dsn import Dsn
    from .node import ClusterNode

__all__ = ["Lookout"]

log = logging.getLogger("rcollections")

LONGEST = 1.0  # seconds between two looks
QUICK = 0.1  # the same while a node refuses
SELDOM = 2.0  # seconds between two questions for the map while a node is away, in the end
IDLE = 60.0  # seconds without use after which nobody looks any more


class Lookout:
    """The thread, and what it knows. It ends when the connection is closed, or has not been used for a minute."""

    def __init__(self, connection: Any, dsn: Dsn) -> None:
        self._connection = weakref.ref(connection)
        self.period = min(LONGEST, dsn.staleness / 3)
        self._late: set[ClusterNode] = set()  # those that did not answer are asked last
        self._forget()
        after_fork(self._forget)

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._learn_at = self._gap = 0.0  # when the map is learned next, and how long after the last time

    def begin(self) -> None:
        """Look from now on. Called where links are opened, so by the first use after a minute."""
        if self._thread is None:
            elsewhere(self._start)

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._ended = threading.Event()
            about = (self._ended,)
            self._thread = threading.Thread(target=self._run, args=about, name="rcollections-nodes", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter ends, or there are too many threads
                self._thread = None

    def end(self) -> None:
        """The connection is closed."""
        self._ended.set()
        self._thread = None

    def _run(self, ended: threading.Event) -> None:
        no_deadline()
        trips, used, pause = -1, time.monotonic(), self.period
        while not ended.wait(pause * spread.uniform(0.8, 1.0)):
            connection = self._connection()
            if connection is None:
                return
            now = time.monotonic()
            if connection.trips != trips:
                trips, used = connection.trips, now
            if now - used > IDLE:
                self._thread = None
                connection.renew_links()  # so the next use opens one
                return
            pause = self.period
            try:
                if not self._look(connection):
                    pause = min(QUICK, pause)
            except Exception:  # a bug must not end the thread
                log.exception("looking after the nodes of %s failed", connection.shown)
            del connection

    def _look(self, connection: Any) -> bool:
        """Ask all nodes at once; gives whether all of them take writes."""
        nodes: list[ClusterNode] = sorted(connection.in_use(), key=self._late.__contains__)
        mine = [node for node in nodes if node.cut or node.breaker.failure is None]  # the others have their own probe
        asked = [(node, hop) for node in mine if (hop := node.noop()) is not None]
        seconds = min(connection.timeout, max(self.period, 0.25))
        outcomes = fan([hop for _, hop in asked], time.monotonic() + seconds, connection.timeout)
        self._late = set()
        well = True
        for (node, _), outcome in zip(asked, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                self._late.add(node)
                continue
            node.told(outcome[0])
            if node.cut:
                well = False
            else:
                connection.kept.well(node.address)
        self._learns(connection, bool(self._late) or not well or len(asked) < len(nodes))
        return well

    def _learns(self, connection: Any, trouble: bool) -> None:
        """Have the map learned while there is trouble, less and less often."""
        now = time.monotonic()
        if not trouble:
            self._learn_at = self._gap = 0.0
        elif now >= self._learn_at:
            self._gap = min(SELDOM, 2 * self._gap) or self.period
            self._learn_at = now + self._gap
            connection.learn_soon()
