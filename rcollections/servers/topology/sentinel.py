"""A primary that sentinels name: what one connection does when it is another server by now (rule M4)."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from ...errors import CacheConnectionError, CacheError
from ...plans.effects import Command
from ...plans.naming import lease
from ...plans.refusals import is_cut_off
from ...wire.clock import no_deadline
from ...wire.packing import pack
from ...wire.routes import Hop
from ...wire.sentinels.watches import watch_of
from ..background import try_submit
from ..drivers.fans import fan
from .replicas import Replicas

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from ...plans.purpose import Due
    from ...wire.sentinels.watch import Watch
    from ...wire.sentinels.words import Verdict

__all__ = ["Followed"]

PATIENCE = 0.25  # seconds for an answer to the question whether the primary takes writes


class Followed:
    """Tells its connection of the primary. ``connection`` is told by the thread that asks the sentinels."""

    follows = True
    remembers = True

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.watch: Watch = watch_of(connection.dsn)
        self.watch.keep(connection.dsn.staleness / 3)
        self.replicas = Replicas(connection)
        self.cut = False
        self._down_after = 0.0  # seconds after which the sentinels take a silent primary for dead
        self._asking = False  # whether the primary takes writes
        self._asked = 0  # the trips of the connection by then
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
        self._down_after = verdict.down_after
        self._connection.kept.again(verdict.down_after)
        self._connection.hearing.left(verdict.address)

    def arrived(self) -> None:
        """M4, from now on connections lead to the new primary: the old ones go, and who waits looks for himself."""
        connection = self._connection
        try:
            connection.links.renew()
        finally:  # what a trip has carried to the old primary meanwhile goes there too
            connection.kept.again(self._down_after, begins=False)
        connection.kept.hurry()
        connection.known.clear()  # scripts: the new primary has not seen their texts
        connection.breaker.hurry()
        # Subscribing holds a lock while it waits for the primary, and the thread of this call is who finds it.
        threading.Thread(target=connection.hearing.renew_wakeups, name="rcollections-moved", daemon=True).start()

    def others(self) -> None:
        """Other servers are healthy replicas by now."""
        self.replicas.renew()

    def looked(self) -> None:
        """K14: the sentinels were asked, and no majority names the primary: does it take writes, while it is used?"""
        connection = self._connection
        if self.sure or self.cut or self._asking or connection.dsn.reads_when_down or self._asked == connection.trips:
            return
        self._asking = True
        if try_submit(self._ask) is None:
            self._asking = False

    def _ask(self) -> None:
        """Over a link that is open: a new one would wait for the sentinels."""
        no_deadline()
        connection = self._connection
        hop = Hop(connection, pack(self.probe(connection.namespace).args), 1, safe=True)
        try:
            (outcome,) = fan((hop,), time.monotonic() + min(connection.timeout, PATIENCE), connection.timeout)
            if isinstance(outcome, list) and str(outcome[0]).startswith("NOREPLICAS") and not self.sure:
                self.cut = True
                connection.failed(self._cut_off())
        finally:
            self._asked, self._asking = connection.trips, False

    def _cut_off(self) -> CacheError:
        return CacheConnectionError(
            f"{self._connection.shown} was cut off, as it seems: it has too few replicas to take writes, and no "
            "majority of the sentinels names it (with reads_when_down=on its reads count all the same)"
        )

    def probed(self, error: CacheError | None) -> CacheError | None:
        """A primary of which a majority is sure serves, however few replicas it has."""
        if error is None or (is_cut_off(error) and self.sure):
            self.cut = False
            return None
        return self._cut_off() if self.cut and is_cut_off(error) else error

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
