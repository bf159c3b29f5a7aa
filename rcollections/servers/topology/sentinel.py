"""A primary that sentinels name: what one connection does when it is another server by now (rule M4)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ...plans.effects import Command
from ...plans.naming import lease
from ...wire.sentinels.watches import watch_of
from .replicas import Replicas

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from ...plans.purpose import Due
    from ...wire.sentinels.watch import Watch
    from ...wire.sentinels.words import Verdict

__all__ = ["Followed"]


class Followed:
    """Tells its connection of the primary. ``connection`` is told by the thread that asks the sentinels."""

    follows = True
    remembers = True

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.watch: Watch = watch_of(connection.dsn)
        self.watch.keep(connection.dsn.staleness / 3)
        self.replicas = Replicas(connection)
        self.watch.followers.add(self)

    @property
    def trips(self) -> int:
        """How many trips the connection has made: what tells that it is used."""
        return int(self._connection.trips) + self.replicas.trips

    @property
    def sure(self) -> bool:
        """Whether a majority of the sentinels named it last, and nobody took it for dead."""
        verdict = self.watch.verdict
        return verdict is not None and verdict.proven and not verdict.down and self.watch.answered

    def primary(self) -> tuple[str, int] | None:
        """Where the sentinels said last that the primary is."""
        verdict = self.watch.verdict
        return None if verdict is None else verdict.address

    def parts(self, dues: Sequence[Due], everywhere: bool) -> Mapping[Hashable, Sequence[Due]]:
        """There is one primary."""
        del everywhere
        return {None: dues}

    def doubt(self) -> None:
        """Ask the sentinels at once (M3)."""
        self.watch.doubt()

    def moved(self, verdict: Verdict) -> None:
        """M4, before anybody can connect to the new primary: what nothing may overtake."""
        self._connection.kept.again(verdict.down_after)
        self._connection.hearing.left(verdict.address)

    def arrived(self) -> None:
        """M4, from now on connections lead to the new primary: the old ones go, and who waits looks for himself."""
        connection = self._connection
        connection.links.renew()
        verdict = self.watch.verdict
        if verdict is not None:  # what a trip has carried to the old primary meanwhile
            connection.kept.again(verdict.down_after)
            connection.kept.hurry()
        connection.known.clear()  # scripts: the new primary has not seen their texts
        connection.breaker.hurry()
        # Subscribing holds a lock while it waits for the primary, and the thread of this call is who finds it.
        threading.Thread(target=connection.hearing.renew_wakeups, name="rcollections-moved", daemon=True).start()

    def others(self) -> None:
        """Other servers are healthy replicas by now."""
        self.replicas.renew()

    def unwatched(self) -> None:
        """Nobody asks any more: the next call opens a new link, and with it the sentinels are asked."""
        self._connection.links.renew()
        self.replicas.links.renew()

    def probe(self, namespace: str) -> Command:
        """A write that changes nothing: an old primary that is cut off answers PINGs (M6)."""
        return Command(("UNLINK", lease(namespace, "rc:probe")))

    def close(self) -> None:
        """Follow no more."""
        self.watch.leave(self)
        self.replicas.close()
