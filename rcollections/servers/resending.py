"""Sends what the journal keeps, without calls: after 0.25 s first, and after 5 s at most (rule J1)."""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import CacheError
from ..forks import at_fork
from ..plans.draws import draw, spread
from ..plans.effects import Command, Script
from ..plans.naming import channel, lease
from ..plans.purpose import sweep
from ..wire.clock import no_deadline
from ..wire.elsewhere import elsewhere
from .journal import Journal

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from ..plans.effects import Step
    from ..plans.purpose import Due, Whole
    from ..wire.dsn.dsn import Dsn

__all__ = ["Kept", "Sender", "sender_of", "unsent"]

log = logging.getLogger("rcollections")

FIRST_PAUSE, LAST_PAUSE = 0.25, 5.0
SWEEPING_MS = 60_000  # how long one process has the right to sweep


class Worker(Protocol):
    """What of a breaker the journal calls."""

    def worked(self) -> None: ...


class Road(Protocol):
    """A connection over which the journal can send."""

    shown: str
    namespace: str

    @property
    def breaker(self) -> Worker: ...
    def one(self, step: Step) -> Any: ...


class Sender:
    """The journal of one server, the connections over which it can be sent, and a thread while it holds anything."""

    def __init__(self, shown: str) -> None:
        self.journal = Journal(shown)
        self.roads: weakref.WeakSet[Any] = weakref.WeakSet()
        self.forget()

    def forget(self) -> None:
        """Begin anew, in the child of a fork."""
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._hurried = threading.Event()
        self.journal.forget()

    def hurry(self) -> None:
        """The next try is due now: another server has become the primary."""
        self._hurried.set()
        self.start()

    def start(self) -> None:
        """Have a thread send what is kept, unless one does."""
        with self._lock:
            if self._thread is not None or not self.journal.holds or not self.roads:
                return
            _at_exit()
            thread = threading.Thread(target=self._run, name="rcollections-journal", daemon=True)
            self._thread = thread
            try:
                thread.start()
            except RuntimeError:  # in an exit handler, or too many threads: the next call sends it
                self._thread = None

    def _run(self) -> None:
        no_deadline()
        me, pause, hurried = threading.current_thread(), FIRST_PAUSE, self._hurried
        while True:
            hurried.wait(pause * spread.uniform(0.6, 0.9))  # spreads processes; never beyond the pause
            hurried.clear()
            with self._lock:
                if self._thread is not me or not self.journal.holds or not self.roads:
                    if self._thread is me:
                        self._thread = None
                    return
            pause = FIRST_PAUSE if self.flush() else min(2 * pause, LAST_PAUSE)

    def flush(self) -> bool:
        """Try once to send all that is kept; gives whether the server answered. Raises nothing."""
        if not any(self._sent_over(road) for road in list(self.roads)):
            return False
        for each in list(self.roads):
            each.breaker.worked()
        return True

    def _sent_over(self, road: Road) -> bool:
        try:
            before = -1
            while self.journal.due() and len(self.journal) != before:
                before = len(self.journal)
                road.one(Command(("PING",)))  # a trip, so what is kept goes ahead of it
            self._sweep(road)
        except CacheError:
            return False
        except Exception:  # a bug must not end the thread
            log.exception("sending failed invalidations again to %s failed", self.journal.shown)
            return False
        return True

    def _sweep(self, road: Road) -> None:
        wholes = self.journal.wholes()
        if not wholes:
            return
        space, token = road.namespace, draw()
        right = lease(space, "rc:journal")
        if road.one(Command(("SET", right, token, "NX", "PX", SWEEPING_MS))) is None:
            return  # another process sweeps: later
        try:
            for whole, number in wholes:
                plan = sweep(whole)
                reply = None
                while True:
                    try:
                        reply = road.one(plan.send(reply))
                    except StopIteration:
                        break
                self.journal.swept(whole, number)
        finally:
            road.one(Script("lease_free", (right,), (token, channel(space, "rc:journal"))))

    def left(self, road: object) -> None:
        """A connection is closed: try once over it. What is kept after that waits for another connection there."""
        if self.journal.holds and road in self.roads:
            self.flush()
        with self._lock:
            self.roads.discard(road)


class Kept:
    """The journal as the plans of one connection see it: what they keep may be sent over that connection."""

    __slots__ = ("_journal", "_remembers", "_road", "_sender")

    def __init__(self, sender: Sender, road: Any) -> None:
        self._sender = sender
        self._journal = journal = sender.journal
        self._road = weakref.ref(road)
        self._remembers: bool = road.topology.remembers
        journal.remembers = self._remembers
        if journal.holds:  # of a connection to this server that was closed
            self._joins()

    @property
    def number(self) -> int:
        """How much was kept so far."""
        return self._journal.number

    def keep(self, dues: Sequence[Due]) -> None:
        """See ``Journal``."""
        self._journal.keep(dues)
        self._joins()

    def keep_whole(self, whole: Whole) -> None:
        """See ``Journal``."""
        self._journal.keep_whole(whole)
        self._joins()

    def stored(self, key: str, before: int) -> None:
        """See ``Journal``."""
        self._journal.stored(key, before)

    @property
    def handovers(self) -> int:
        """How often another server has become a primary so far."""
        return self._journal.handovers

    def done(self, dues: Sequence[Due], whole: Whole | None, since: int) -> None:
        """See ``Journal``."""
        road = self._road() if self._remembers else None
        if road is not None:
            topology, journal = road.topology, self._journal
            journal.done(dues, whole, since, topology.sure, topology.parts(dues, whole is not None))
            if journal.handovers != since and journal.holds:
                self._joins()

    def well(self, place: object) -> None:
        """See ``Journal``."""
        self._journal.well(place)

    def again(
        self,
        down_after: float,
        slots: Container[int] | None = None,
        heirs: Mapping[Any, Any] = {},
        *,
        begins: bool = True,
    ) -> None:
        """See ``Journal``."""
        self._journal.again(down_after, slots, heirs, begins=begins)
        if self._journal.holds:
            self._joins()

    def hurry(self) -> None:
        """Send what is kept now, also without calls."""
        if self._journal.holds:
            elsewhere(self._sender.hurry)

    def _joins(self) -> None:
        road = self._road()
        if road is not None:
            self._sender.roads.add(road)
            elsewhere(self._sender.start)


_senders: dict[tuple[object, ...], Sender] = {}
_lock = threading.RLock()
_exit_known = False


def sender_of(dsn: Dsn) -> Sender:
    """The journal, and who sends it, of this server and database: one for all connections of one address and login."""
    place = (dsn.kind, dsn.host, dsn.port, dsn.hosts, dsn.master, dsn.path, dsn.db, dsn.user, dsn.credentials)
    with _lock:
        found = _senders.get(place)
        if found is None:
            found = _senders[place] = Sender(dsn.shown)
        return found


def unsent() -> list[Sender]:
    """Those that keep something, and have a connection to send it over."""
    return [each for each in list(_senders.values()) if each.journal.holds and each.roads]


def _begin_anew() -> None:
    global _lock
    _lock = threading.RLock()
    for each in _senders.values():
        each.forget()


at_fork(_begin_anew)


def _at_exit() -> None:
    global _exit_known
    if not _exit_known:
        _exit_known = True
        atexit.register(_last_try)


def _last_try() -> None:
    """The process ends: try once."""
    for each in list(_senders.values()):
        journal = each.journal
        if journal.holds and each.roads:
            each.flush()
            if journal.holds:
                log.warning("%s: %d failed invalidations end with this process", journal.shown, len(journal))
