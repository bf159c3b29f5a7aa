"""``Connection``, the result of ``connection(name)``: one configured server, its links, codecs, breaker, hearing."""

from __future__ import annotations

import logging
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from ..coherence.places import Place, own_ids
from ..coherence.tiering import any_tiers, wrote, wrote_anything
from ..errors import CacheError
from ..forks import after_fork
from ..plans.effects import Command
from ..plans.flights import Flights
from ..plans.naming import beside, tags
from ..plans.op import UNSENT
from ..plans.orphans import Orphans
from ..plans.settling import Listeners
from ..plans.steps import written
from ..wire.clock import no_deadline, until
from ..wire.raw import check
from ..wire.signals import Signal
from .background import try_submit
from .breaker import Breaker
from .codecs import Codecs
from .drivers.quick import ask
from .drivers.trips import many, one, read_to_hold, turns
from .hearing import Hearing
from .links import Links
from .resending import Kept, sender_of
from .topology import topology_of
from .turning import turning_here

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..coherence.nodes import Nodes
    from ..coherence.tiering import Tiering
    from ..coherence.wakeups import Waking
    from ..plans.effects import Arg, Seen, Step
    from ..values.signing import Keyring
    from ..wire.dsn.dsn import Dsn

__all__ = ["Connection"]

log = logging.getLogger("rcollections")

DEMOTED = 1.0  # seconds in which a server that is a replica for good drops the links once


class Connection:
    """One configured server, safe for threads and forks. Only ``raw`` and ``close`` are for users."""

    clustered = False  # whether its steps go to several nodes

    def __init__(self, dsn: Dsn, keyring: Callable[[], Keyring | None]) -> None:
        self.dsn = dsn
        self.shown = dsn.shown
        self.timeout = dsn.timeout
        self.namespace = dsn.namespace
        self.durable = dsn.durable
        self.disabled = os.environ.get("CACHES_DISABLE", "") == "1"
        self.known: set[str] = set()  # scripts whose text was sent
        self.trips = 0  # round trips so far; counted without a lock, so threads may lose one
        self.out = False  # whether a trip has failed, and none was answered since
        self.emptied: dict[str, int] = {}  # by class: the calls that on_error="empty" answered for the server
        self.links = Links(dsn)
        self.codec = Codecs(dsn, keyring)
        self.hearing = Hearing(self.links.place, lambda user: user.l1_prefixes(self), self._renew, self._hears)
        self._sender = sender_of(dsn)
        self.journal = self._sender.journal
        self.breaker = Breaker(dsn.shown, self._ping, _start, due=self._waits)
        # Of all threads; each event loop has its own.
        self.flights = Flights(Signal, orphans=Orphans(self._left), listeners=self._listeners(), here=turning_here)
        self.topology = topology_of(self)
        self.follows = self.topology.follows
        self.replicas = self.topology.replicas
        self._demoted = -DEMOTED  # when a server was found to be a replica
        self._apart = tags(dsn.namespace), beside(dsn.namespace, "l")
        self.kept = Kept(self._sender, self)  # last: where something is kept, a thread sends over this at once
        after_fork(self._after_fork)

    def _listeners(self) -> Listeners | None:
        """Where the listeners of all processes are asked; None where there are no others."""
        dsn = self.dsn
        if dsn.kind == "memory" or self.disabled:
            return None
        place = Place(dsn.db, dsn.namespace)
        end = partial(until, float("inf"))
        return Listeners(place.key, place.channel.decode(), dsn.staleness, own_ids, end, {})

    def _renew(self) -> None:
        """The address leads to another server by now."""
        self.links.renew()

    def _hears(self) -> Nodes | None:
        """Who hears changes, if these are several."""
        return None

    def __repr__(self) -> str:
        return f"Connection({self.dsn.shown!r})"

    def _ping(self) -> None:
        failed: CacheError | None = None
        try:
            self.one(self.topology.probe(self.namespace))
        except CacheError as error:
            failed = error
        why = self.topology.probed(failed)
        if why is not None:
            raise why

    def _waits(self) -> bool:
        """Whether an answer does not close the breaker: changes are kept (J1), or the server was cut off (K14)."""
        return self.journal.due() or self.topology.cut

    def _left(self) -> None:
        from .leases import look  # with the first lease: `import rcollections` shall be quick

        look(self)

    def _after_fork(self) -> None:
        self.flights.forget()  # the threads that were computing are in the parent
        self.breaker.renew_lock()

    # -- round trips on this thread ----------------------------------------------------------------

    def raw(self, command: str, *args: Arg) -> Any:
        """Send one command as it is and give its raw reply (bytes, ints, lists): the way out.

        Nothing is encoded or namespaced, and after a failure only commands that read are repeated.
        Errors are this library's. One round trip. Commands that change the state of a connection (MULTI, WATCH,
        SELECT, SUBSCRIBE, CLIENT REPLY …) and commands that wait on the server (BLPOP, XREAD BLOCK, WAIT …) are a
        ValueError, and are not sent: all callers share the connections. The message says what to use instead.

        >>> from rcollections import connection
        >>> connection().raw("ECHO", "hello")
        b'hello'
        """
        if not isinstance(command, str) or not command.strip():
            raise CacheError("raw() takes the name of a command first, then its arguments")
        words = (*command.upper().split(), *args)
        check(words)
        return self.one(Command(words))

    ask = ask  # the quick try, for those who have the bytes of their commands

    def read_tagged(self, key: str, tags: tuple[str, ...]) -> Any:
        """The reply of an MGET of an entry and its tags, which a cluster has in several slots."""
        return self.one(Command(("MGET", key, *tags)))

    def one(self, step: Step, seen: object = UNSENT) -> Any:
        """Carry out one step and give its reply; an error reply is raised as one of our errors.

        ``seen``: what a quick try of this step gave.
        """
        return one(self, step, seen)

    def many(self, steps: Sequence[Step], atomic: bool, keep_errors: bool, seen: object = UNSENT) -> list[Any]:
        """Carry out several steps in one round trip; see ``Batch``. ``seen``: what a quick try of them gave."""
        return many(self, steps, atomic, keep_errors, seen)

    def read_to_hold(self, key: str, steps: Sequence[Step], keep_errors: bool = False) -> Seen:
        """Carry out reads whose replies may be held in the process; see ``ReadToHold`` and ``many``."""
        return read_to_hold(self, key, steps, keep_errors)

    def wrote(self, steps: Sequence[Step]) -> None:
        """These steps were sent, or may have been: tell the tiers of this process which keys they wrote (F6)."""
        changes = self.flights.changes
        if changes.running and any(written(step, self._apart) != () for step in steps):
            changes.count += 1
        if not any_tiers():
            return
        for step in steps:
            keys = written(step, self._apart)
            if keys is None:
                wrote_anything()
            elif keys:
                wrote(keys)

    def doubt(self) -> None:
        """A connection broke or fell silent: none that is idle now is used again."""
        self.topology.doubt()
        self.links.doubt()

    def failed(self, error: CacheError) -> None:
        """The server did not answer a trip at all: tell the breaker."""
        self.out = True
        self.breaker.failed(error)

    def answered(self) -> None:
        """The server answers again: tell the breaker, which may have to wait for changes that are kept."""
        self.breaker.worked()
        self.out = self.breaker.is_open

    def answered_empty(self, name: str, error: CacheError) -> None:
        """A call of this class was answered as by an empty server: counted, and logged the first time."""
        if name not in self.emptied:
            log.warning("%s: the server fails, so reads find nothing and plain writes are dropped: %s", name, error)
        self.emptied[name] = self.emptied.get(name, 0) + 1

    def turns(self, steps: Sequence[Step]) -> list[Any]:
        """Carry out steps over one link, each after the reply to the one before; see ``InTurn``."""
        return turns(self, steps)

    def lacks(self, replicas: int) -> str:
        """Why a write that so many replicas have does not count as done; "": it does. See ``durable=``."""
        if replicas < self.durable:
            return f"{replicas} of {self.durable} replicas have it so far (durable=)"
        return "" if self.topology.sure else "no majority of the sentinels says that it is the primary (durable=)"

    # -- hearing -----------------------------------------------------------------------------------

    def disagrees(self, link: Any) -> bool:
        """Whether this link, which has just told its server, is older than a listener that hears another server."""
        return self.hearing.disagrees(link.server, link.opened)

    def demoted(self) -> None:
        """A server of this connection is a replica by now: the other links and the listener may lead to it too."""
        if self.follows:  # the sentinels say who is the primary; what is open may lead elsewhere
            self.doubt()
            return
        now = time.monotonic()
        if now - self._demoted > DEMOTED:
            self._demoted = now
            self.hearing.demoted()

    @property
    def wakeups(self) -> Waking:
        """Wakes callers that wait for messages on this server."""
        return self.hearing.wakeups

    @property
    def tiering(self) -> Tiering:
        """The in-process tier of this connection, made on first use."""
        return self.hearing.tiering

    @property
    def has_tiering(self) -> bool:
        """Whether the tier was made already."""
        return self.hearing.has_tiering

    @property
    def moves(self) -> bool:
        """Whether slots have got other owners a moment ago: here are none."""
        return False

    def all_links(self) -> list[Links]:
        """The links of all servers of this connection."""
        return [self.links] if self.replicas is None else [*self.replicas.all_links(), self.links]

    def close(self) -> None:
        """Close the connections; the next use opens new ones. The last user stops an embedded server."""
        self._sender.left(self)
        self.topology.close()
        self.hearing.close()
        self.links.close()


def _start(probe: Callable[[], None]) -> bool:
    def run() -> None:
        no_deadline()  # the probe is not bounded by the deadline of the caller that started it
        probe()

    return try_submit(run) is not None
