"""What this process has invalidated lately, for a primary that may be followed by one that never heard of it (K13).

A primary acknowledges an invalidation, and dies before a replica has it. The replica becomes the primary, and has the
old entry, which is a hit again. So the names are remembered for as long as a failover can take, and go into the journal
when there is a new primary: they are removed there before any other step of this process.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..plans.purpose import Due, Whole

__all__ = ["MOST", "Recent"]

MOST = 10_000  # names
MARGIN = 5.0  # seconds that a failover takes beside the time after which a silent primary counts as dead
DOWN_AFTER = 30.0  # of sentinels that nobody has asked yet


class Recent:
    """The names of the last invalidations. Safe for threads: each step is one of the dict's own."""

    def __init__(self) -> None:
        self.kept = 2 * (DOWN_AFTER + MARGIN)  # seconds
        self._names: OrderedDict[str, tuple[Due, float]] = OrderedDict()
        self._wholes: dict[Whole, float] = {}

    def add(self, dues: Sequence[Due], whole: Whole | None = None) -> None:
        """These were acknowledged."""
        now = time.monotonic()
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
            if not full and now - since <= self.kept:
                return
            self._names.pop(key, None)
            if full and due.whole is not None:  # coarser: all of its kind
                self._wholes[due.whole] = now

    def take(self, down_after: float) -> tuple[list[Due], Iterable[Whole]]:
        """All that a new primary may not have heard of. It stays, since that one may be followed by another."""
        self.kept = 2 * (down_after + MARGIN)
        now = time.monotonic()
        names = [due for due, since in list(self._names.values()) if now - since <= self.kept]
        self._wholes = {whole: since for whole, since in list(self._wholes.items()) if now - since <= self.kept}
        return names, list(self._wholes)
