"""``Connection``: what ``connection(name)`` gives: one configured server, and what belongs to it, part by part."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..coherence.tiering import any_tiers, wrote, wrote_anything
from ..errors import CacheError
from ..forks import after_fork
from ..plans.effects import Command
from ..plans.flights import Flights
from ..plans.naming import tag
from ..plans.steps import written
from ..wire.clock import no_deadline
from ..wire.signals import Signal
from .background import try_submit
from .breaker import Breaker
from .codecs import Codecs
from .drivers.trips import many, one, read_to_hold
from .hearing import Hearing
from .links import Links

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..coherence.tiering import Tiering
    from ..coherence.wakeups import Wakeups
    from ..plans.effects import Arg, Seen, Step
    from ..values.signing import Keyring
    from ..wire.dsn.dsn import Dsn

__all__ = ["Connection"]


class Connection:
    """One configured server, safe for threads and forks. ``raw`` and ``close`` are for users, all else is ours."""

    def __init__(self, dsn: Dsn, keyring: Callable[[], Keyring | None]) -> None:
        self.dsn = dsn
        self.shown = dsn.shown
        self.timeout = dsn.timeout
        self.namespace = dsn.namespace
        self.disabled = os.environ.get("CACHES_DISABLE", "") == "1"
        self.known: set[str] = set()  # scripts of which the text was sent
        self.trips = 0  # round trips so far; counted without a lock, so threads may lose one
        self.links = Links(dsn)
        self.codec = Codecs(dsn, keyring)
        self.hearing = Hearing(self.links.place, lambda user: user.l1_prefixes(self))
        self.breaker = Breaker(dsn.shown, self._ping, _start)
        self.flights = Flights(Signal)  # of all threads; each event loop has its own
        self._tags = tag(dsn.namespace, "")
        after_fork(self._after_fork)

    def __repr__(self) -> str:
        return f"Connection({self.dsn.shown!r})"

    def _ping(self) -> None:
        self.one(Command(("PING",)))

    def _after_fork(self) -> None:
        self.flights.forget()  # whoever was computing here is a thread of the parent
        self.breaker.renew_lock()

    # -- round trips on this thread ----------------------------------------------------------------

    def raw(self, command: str, *args: Arg) -> Any:
        """Send one command as it is and give its raw reply (bytes, ints, lists): the way out.

        Nothing is encoded, namespaced, or repeated after a failure, except the reading commands.
        Errors are this library's. One round trip.

        >>> from rcollections import connection
        >>> connection().raw("ECHO", "hello")
        b'hello'
        """
        if not isinstance(command, str) or not command.strip():
            raise CacheError("raw() takes the name of a command first, then its arguments")
        return self.one(Command((*command.upper().split(), *args)))

    def one(self, step: Step) -> Any:
        """Carry out one step; its reply, or its error as one of ours."""
        return one(self, step)

    def many(self, steps: Sequence[Step], atomic: bool, keep_errors: bool) -> list[Any]:
        """Carry out several steps in one round trip; see ``Batch``."""
        return many(self, steps, atomic, keep_errors)

    def look(self, key: str, steps: Sequence[Step], keep_errors: bool = False) -> Seen:
        """Carry out reads whose replies may be held in the process; see ``Look`` and ``many``."""
        return read_to_hold(self, key, steps, keep_errors)

    def wrote(self, steps: Sequence[Step]) -> None:
        """These steps were sent, or may have been: what they wrote is held in this process no longer (F6)."""
        if not any_tiers():
            return
        for step in steps:
            keys = written(step, self._tags)
            if keys is None:
                wrote_anything()
            elif keys:
                wrote(keys)

    # -- what it hears -----------------------------------------------------------------------------

    @property
    def wakeups(self) -> Wakeups:
        """Who hears what is published on this server."""
        return self.hearing.wakeups

    @property
    def tiering(self) -> Tiering:
        """What this connection does about the in-process tier."""
        return self.hearing.tiering

    @property
    def has_tiering(self) -> bool:
        """Whether anybody asked for the tier yet."""
        return self.hearing.has_tiering

    def close(self) -> None:
        """Close the connections; the next use opens new ones. The last user stops an embedded server."""
        self.hearing.close()
        self.links.close()


def _start(probe: Callable[[], None]) -> bool:
    def run() -> None:
        no_deadline()  # of the caller that happened to start it
        probe()

    return try_submit(run) is not None
