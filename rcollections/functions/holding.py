"""What is held of a function in this process: whether, under what, and which keys have to be listened to for it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..l1 import ABSENT, PLAIN, SKIP, TOLD, bypassed, users
from ..observe import events
from ..plans.functions.held import held
from ..servers import registry

if TYPE_CHECKING:
    from ..coherence.tiering import Tiering
    from ..l1 import Owner
    from ..plans.functions.job import Job
    from ..servers.connection import Connection
    from .counts import Counts
    from .keys import Keys

__all__ = ["Holding"]


class Holding:
    """The part of one function in the tier. ``owner`` is what the tier knows of the function."""

    def __init__(self, keys: Keys, owner: Owner, counts: Counts) -> None:
        self.keys = keys
        self.owner = owner
        self.counts = counts
        if self._wanted() is not False:
            users.register(self)

    def _wanted(self) -> bool | None:
        own = self.keys.options.l1
        return self.keys.cls.l1 if own is None else own

    def l1_prefixes(self, connection: Connection) -> list[str] | None:
        """What the keys begin with that are held in the process on this connection; None: none are."""
        wanted = self._wanted()
        if connection.disabled or not (connection.dsn.l1 if wanted is None else wanted):
            return None
        with suppress(ConfigError):  # there is no such connection, yet
            if registry.connection(self.keys.cls.connection_name) is connection:
                return self.keys.common(connection.namespace, asked=wanted is True)
        return None

    def arm(self, connection: Connection) -> Tiering | None:
        """Let calls be looked up in the process from now on, if that is wanted; gives the tiering, or None."""
        prefixes = self.l1_prefixes(connection)
        if prefixes is None:
            self.owner.arm(None, PLAIN)
            return None
        tiering = connection.tiering
        tiering.want(prefixes, now=self._wanted() is True)
        # A ``key=`` function may look at more than the arguments: what it gives is asked for in each call.
        if not callable(self.keys.options.key):
            arguments = self.keys.arguments
            self.owner.arm(tiering.tier, (SKIP if arguments.ignore_self else TOLD) if arguments.method else PLAIN)
        return tiering

    def under(
        self, key: str, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[int, tuple[object, ...]] | None:
        """Under what the result of this call is held in the process; None: it is not, inside of ``no_l1()``."""
        if bypassed.get():
            return None
        if not callable(self.keys.options.key):
            exact = self.owner.arguments(args, kwargs)
            if exact is not None:
                return self.owner.number, exact
        return self.owner.by_key, (key,)

    def held(self, job: Job[object]) -> Any:
        """What is held in this process for a call that went the long way, or ABSENT; counted as a hit."""
        under = job.held_as
        if under is None or (under[0] == self.owner.number and not events.observers):
            return ABSENT  # the quick way has looked already
        value = held(job)
        if value is not ABSENT:
            self.counts.note("hit", job.key)
        return value
