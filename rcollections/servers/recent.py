"""What this process has invalidated lately, for a primary that may be followed by one that never heard of it (M7, K13).

A primary acknowledges an invalidation, and dies before a replica has it. The replica becomes the primary, and has the
old entry, which is a hit again. So the names are remembered for as long as a failover can take, and go into the journal
when there is a new primary: they are removed there before any other step of this process. Of a cluster there is one
``Recent`` for each primary.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..plans.purpose import Due, Whole

__all__ = ["MOST", "Recent"]

MOST = 10_000  # names
MARGIN = 5.0  # seconds that a failover takes beside the time after which a silent primary counts as dead
DOWN_AFTER = 30.0  # of servers that nobody has asked yet; more than the default of clusters, 15 s


class Recent:
    """The names of the last invalidations. Not safe for threads.

    They are forgotten by the time between them, not by the clock: a failover may take minutes, and nothing is
    acknowledged meanwhile.
    """

    def __init__(self) -> None:
        self.kept = 2 * (DOWN_AFTER + MARGIN)  # seconds
        self._sure = time.monotonic()  # when an invalidation was acknowledged by a primary that was well
        self._names: OrderedDict[str, tuple[Due, float]] = OrderedDict()
        self._wholes: dict[Whole, float] = {}

    def add(self, dues: Sequence[Due], whole: Whole | None, sure: bool) -> None:
        """These were acknowledged. ``sure``: by a server that was known to be the primary, and well."""
        now = time.monotonic()
        if sure:
            self._sure = now
        if whole is not None:
            self._wholes[whole] = now
        for due in dues:
            self._names[due.key] = due, now
            self._names.move_to_end(due.key)
        self._shorten(now)

    def _shorten(self, now: float) -> None:
        while self._names:
            key, (due, since) = next(iter(self._names.items()))
            full = len(self._names) > MOST
            old = since < self._sure - self.kept
            if not (full or old):
                return
            del self._names[key]
            if full and not old and due.whole is not None:  # coarser: all of its kind
                self._wholes[due.whole] = now

    def well(self) -> None:
        """The primary has shown just now that it is one."""
        self._sure = time.monotonic()

    def inherit(self, other: Recent) -> None:
        """This primary has taken the place of that one; what was remembered of it stays, since it may die as well."""
        mine = self._names
        self._names = OrderedDict(sorted({**other._names, **mine}.items(), key=lambda each: each[1][1]))
        self._wholes = {**other._wholes, **self._wholes}
        self._sure = min(self._sure, other._sure)

    def take(self, down_after: float) -> tuple[list[Due], list[Whole]]:
        """All that a new primary may not have heard of. It stays, since that one may be followed by another."""
        self.kept = 2 * (down_after + MARGIN)
        first = self._sure - self.kept
        self._wholes = {whole: since for whole, since in self._wholes.items() if since >= first}
        return [due for due, since in self._names.values() if since >= first], list(self._wholes)
