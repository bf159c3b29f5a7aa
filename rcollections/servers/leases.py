"""Keeps leases alive while their owners compute: one thread for each connection that has leases at present.

All renewals that are due on a connection go out in one trip, with what the server has to be told of orphans (rule L7).
A server that is silent holds up nobody but the leases that it has itself. A thread that has nothing to do for a while
ends. Leases of event loops are renewed by these threads too: so a task that blocks its loop loses no lease.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary, ref

from ..errors import CacheError
from ..forks import at_fork
from ..plans.effects import Script
from ..wire.clock import deadline, no_deadline
from ..wire.elsewhere import elsewhere

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..plans.effects import Step
    from ..plans.flights import Flights
    from ..plans.orphans import Orphan

__all__ = ["Held", "hold", "look"]

log = logging.getLogger("rcollections")

IDLE = 10.0  # seconds without any lease after which a thread ends
SOON = 0.05  # seconds: what is due so soon goes along
PAUSE = 0.25  # seconds between two looks at a server that does not answer


class Asked(Protocol):
    """Knows whether the server is worth asking at present."""

    def allows(self) -> bool: ...


class Renewing(Protocol):
    """The parts of a connection that renewals need."""

    @property
    def timeout(self) -> float: ...
    @property
    def breaker(self) -> Asked: ...
    @property
    def flights(self) -> Flights: ...
    def many(self, steps: Sequence[Step], atomic: bool, keep_errors: bool, /) -> list[Any]: ...


class Held:
    """A lease that is being renewed, until ``stop()``, until another owner has it, or until nobody refers to this.

    The thread knows it by a weak reference: an exception at any place ends the renewals.
    """

    __slots__ = ("__weakref__", "_seen", "lease", "lost", "ms", "silent", "stopped", "token", "until")

    def __init__(self, lease: str, token: bytes, ms: int) -> None:
        self.lease = lease
        self.token = token
        self.ms = ms
        self.stopped = False
        self.lost = False  # the server said that it is not ours any more
        self.silent = 0.0  # the longest time in seconds in which this process did not come to renew
        now = time.monotonic()
        self.until = now + ms / 1000  # when the lease runs out, as far as we know
        self._seen = now

    @property
    def silent_ms(self) -> int:
        """The longest time in which this process did not come to renew it."""
        return round(self.silent * 1000)

    @property
    def lapsed(self) -> bool:
        """Whether it has run out, by the clock of this process; after ``stop()``: whether it had by then."""
        return (self._seen if self.stopped else time.monotonic()) >= self.until

    def stop(self) -> None:
        """Renew no more. A renewal that is on its way compares the token, so it cannot harm a later owner."""
        if not self.stopped:
            self.stopped = True
            self.look(time.monotonic())

    def look(self, now: float, *, counts: bool = True) -> None:
        """This process comes to it now; ``counts=False``: it was waiting for the server, and not silent itself."""
        if counts:
            self.silent = max(self.silent, now - self._seen)
        self._seen = now

    def answered(self, sent: float, reply: object) -> None:
        """The reply to a renewal that was sent then; an error says nothing: the next one may be answered."""
        if isinstance(reply, list):
            if reply[0] == b"ok":
                self.until = sent + self.ms / 1000
            else:
                self.stopped = self.lost = True


class _Renewer:
    """The leases of one connection. Whoever adds to it may be interrupted anywhere, so it takes no lock."""

    def __init__(self) -> None:
        self.added: SimpleQueue[Held | None] = SimpleQueue()
        self.running: dict[str, int] = {}  # the one thread that is at work: "thread" and its ident
        self.due: list[tuple[float, int, ref[Held]]] = []
        self.numbers = itertools.count()
        self.tell_at = 0.0  # when orphans are due
        self.late: list[tuple[float, Orphan]] = []  # those that the server did not know, and when they are due again
        self.pause = PAUSE

    def add(self, connection: Renewing, held: Held | None) -> None:
        """One more lease to renew; None: there are orphans to see to."""
        self.added.put(held)
        if not self.running:
            elsewhere(lambda: self.start(connection))

    def start(self, connection: Renewing) -> None:
        """Begin to renew."""
        thread = threading.Thread(target=self.run, args=(connection,), name="rcollections-leases", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # in an exit handler, or too many threads: this lease ends by itself
            log.info("leases are not renewed: %s", error)

    def run(self, connection: Renewing) -> None:
        no_deadline()  # some builds of Python let a thread inherit the context of who starts it
        me = threading.get_ident()
        while self.running.setdefault("thread", me) == me:
            try:
                while self.turn(connection):
                    pass
            except BaseException:  # a bug must not end the renewal of all other leases
                log.exception("renewing leases failed")
                time.sleep(PAUSE)
                continue
            self.running.pop("thread", None)
            if self.added.empty():
                return

    def turn(self, connection: Renewing) -> bool:
        """Wait until something is due, and see to it. False: nothing came for a while."""
        orphans = connection.flights.orphans
        while self.due and _gone(self.due[0][2]):
            heapq.heappop(self.due)
        now = time.monotonic()
        at = min(self.due[0][0] if self.due else now + IDLE, self.tell_at if orphans else now + IDLE)
        at = min(at, self.late[0][0]) if self.late else at
        try:
            added = self.added.get(timeout=at - now) if at > now else self.added.get_nowait()
        except Empty:
            if not self.due and not orphans and not self.late:
                return False
            if at <= time.monotonic():
                self.trip(connection)
            return True
        if added is not None:
            self.push(added, time.monotonic() + added.ms / 3000)
        return True

    def push(self, held: Held, when: float) -> None:
        heapq.heappush(self.due, (when, next(self.numbers), ref(held)))

    def trip(self, connection: Renewing) -> None:
        """All renewals that are due, and all orphans, in one round trip."""
        began = time.monotonic()
        mine: list[Held] = []
        while self.due and self.due[0][0] <= began + SOON:
            held = heapq.heappop(self.due)[2]()
            if held is not None and not held.stopped:
                held.look(began)
                mine.append(held)
        orphans = self.orphans(connection, began) if self.tell_at <= began else []
        while self.late and self.late[0][0] <= began:
            orphans.append(self.late.pop(0)[1])
        if not mine and not orphans:
            return
        seconds = min([connection.timeout, *(held.ms / 3000 for held in mine)])
        replies = self.send(connection, mine, orphans, seconds)
        ended = time.monotonic()
        for n, held in enumerate(mine):
            held.look(ended, counts=ended - began > 2 * seconds)
            if replies is not None:
                held.answered(began, replies[n])
            if not held.stopped:
                self.push(held, ended + held.ms / 3000 if replies is not None else ended + min(PAUSE, held.ms / 6000))
        if replies is None:
            connection.flights.orphans.back(*orphans)
            self.tell_at, self.pause = ended + self.pause, min(2 * self.pause, 4 * PAUSE)
        else:
            self.tell_at, self.pause = 0.0, PAUSE
            for each, reply in zip(orphans, replies[len(mine) :], strict=True):
                if each.again and isinstance(reply, list) and reply[0] == b"refused":
                    each.again -= 1
                    self.late.append((ended + PAUSE, each))

    @staticmethod
    def orphans(connection: Renewing, now: float) -> list[Orphan]:
        """Those whose lease may still be there."""
        found = []
        for each in connection.flights.orphans.take():
            if each.until is None:
                each.until = now + each.ms / 1000
            if now <= each.until:
                found.append(each)
        return found

    @staticmethod
    def send(connection: Renewing, mine: list[Held], orphans: list[Orphan], seconds: float) -> list[Any] | None:
        """The replies; None: the server does not answer at present. While the breaker is open it is not asked."""
        if not connection.breaker.allows():
            return None
        steps = [Script("lease_renew", (held.lease,), (held.token, held.ms)) for held in mine]
        steps += [each.step for each in orphans]
        try:
            with deadline(seconds):
                return connection.many(steps, False, True)
        except CacheError:
            return None


def _gone(known: ref[Held]) -> bool:
    held = known()
    return held is None or held.stopped


_renewers: WeakKeyDictionary[Renewing, _Renewer] = WeakKeyDictionary()
at_fork(_renewers.clear)  # threads do not survive a fork


def _of(connection: Renewing) -> _Renewer:
    found = _renewers.get(connection)
    return _renewers.setdefault(connection, _Renewer()) if found is None else found


def hold(connection: Renewing, lease: str, token: bytes, ms: int) -> Held:
    """Renew this lease at a third of ``ms`` from now on, as long as somebody refers to what this gives."""
    held = Held(lease, token, ms)
    _of(connection).add(connection, held)
    return held


def look(connection: Renewing) -> None:
    """There are orphans on this connection: the background sees to them."""
    _of(connection).add(connection, None)
