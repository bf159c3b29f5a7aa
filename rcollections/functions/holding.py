"""What L1 holds of a function: whether it holds results, under which words, and which keys it has to hear of."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..l1 import ABSENT, PLAIN, SKIP, TOLD, bypassed, users
from ..observe import events
from ..plans.functions.held import held
from ..plans.naming import heard, namespaced
from ..servers import registry

if TYPE_CHECKING:
    from ..coherence.tiering import Tiering
    from ..l1 import Owner
    from ..plans.functions.job import Job
    from ..servers.connection import Connection
    from .callkeys import Keys
    from .counts import Counts

__all__ = ["Holding"]


class Holding:
    """The part of one function in L1. ``owner`` is what L1 knows of the function."""

    def __init__(self, keys: Keys, owner: Owner, counts: Counts) -> None:
        self.keys = keys
        self.owner = owner
        self.counts = counts
        self._asked: set[str] = set()  # beginnings of keys that were asked for, where there are no others
        self._unheard: tuple[Tiering, str] | None = None  # where each key tells what to listen to
        if self._wanted() is not False:
            users.register(self)

    def _wanted(self) -> bool | None:
        wanted: bool | None = self.keys.options.of(self.keys.cls, "l1")
        return wanted

    def l1_prefixes(self, connection: Connection) -> list[str] | None:
        """The beginnings of the keys that L1 holds on this connection; None: it holds none."""
        wanted = self._wanted()
        if connection.disabled or not (connection.dsn.l1 if wanted is None else wanted):
            return None
        with suppress(ConfigError):  # the connection of this class is not configured yet
            if registry.connection(self.keys.options.of(self.keys.cls, "connection_name")) is connection:
                return self.keys.common(connection.namespace, asked=wanted is True)
        return None

    def arm(self, connection: Connection) -> Tiering | None:
        """Let L1 answer calls from now on, if the options want it; gives the tiering, or None."""
        prefixes = self.l1_prefixes(connection)
        self._unheard = None
        if prefixes is None:
            self.owner.arm(None, PLAIN)
            return None
        tiering = connection.tiering
        tiering.want(prefixes, now=self._wanted() is True)
        if self.keys.without_beginning:
            self._asked = set()
            self._unheard = tiering, connection.namespace
        if self.keys.by_arguments:
            arguments = self.keys.arguments
            self.owner.arm(tiering.tier, (SKIP if arguments.ignore_self else TOLD) if arguments.method else PLAIN)
        return tiering

    def under(
        self, key: str, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[int, tuple[object, ...]] | None:
        """The words under which L1 holds the result of this call; None inside of ``no_l1()``."""
        if bypassed.get():
            return None
        if self._unheard is not None:
            tiering, space = self._unheard
            beginning = key.removeprefix(namespaced(space, ""))[:2]
            if beginning not in self._asked:
                self._asked.add(beginning)
                tiering.want(heard(space, beginning), now=self._wanted() is True)
        if self.keys.by_arguments:
            exact = self.owner.arguments(args, kwargs)
            if exact is not None:
                return self.owner.number, exact
        return self.owner.by_key, (key,)

    def held(self, job: Job[object]) -> Any:
        """The value that L1 holds for a call that went the long way, counted as a hit; or ABSENT."""
        under = job.held_as
        if under is None or (under[0] == self.owner.number and not events.observers):
            return ABSENT  # the quick call has looked already
        value = held(job)
        if value is not ABSENT:
            self.counts.note("hit", job.key)
        return value
