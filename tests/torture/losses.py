"""What a failover may lose: when, of which slots, and what the history checker makes of it.

Replication is asynchronous. What a primary has acknowledged shortly before it died, or while its replica did not hear
it, or after another one was promoted without its knowledge, is gone later. Meanwhile it may answer what is old. All
that is acknowledged at other times, or by other primaries, has to stay.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from rcollections.testing.clusters import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Loss", "Losses"]

SECOND = 1_000_000_000
AGAIN = 2 * SECOND  # from the end of a loss until its process has sent an invalidation again (M7), on a busy machine

slot_of = lru_cache(4096)(Cluster.slot)


class Loss(NamedTuple):
    """From when to when (monotonic ns) what is acknowledged may be lost: of these slots (None: of all).

    ``workers``: those that were cut off together with the primary (None: whoever calls). ``two``: two primaries were
    alive, so what is read in that time may be as old as its beginning.
    """

    began: int
    ended: int
    slots: frozenset[int] | None = None
    workers: frozenset[str] | None = None
    two: bool = True
    why: str = ""


class Losses:
    """All of a run. ``again``: whether processes send invalidations again that a failover may have lost."""

    def __init__(self, found: Sequence[Loss] = (), staleness: int = 0, *, again: bool = False) -> None:
        self._all = sorted(found)
        self._staleness = staleness
        self._again = again

    def lost(self, worker: str, began: int, ended: int, keys: Iterable[str]) -> Loss | None:
        """The last loss that what this worker had acknowledged between these instants may have met."""
        met = [each for each in self._met(worker, keys) if each.began <= ended and began <= each.ended]
        return max(met, key=lambda each: each.ended, default=None)

    def counts_from(self, worker: str, began: int, told: int, keys: Iterable[str], lives: bool) -> int | None:
        """From when on an invalidation counts that was told then; None: it may be lost for good.

        A process that lives on sends it again to the new primary.
        """
        keys = list(keys)
        counts = told
        while (loss := self.lost(worker, began, counts, keys)) is not None:
            if not self._again or not lives:
                return None
            if counts >= loss.ended + AGAIN:
                break
            counts = loss.ended + AGAIN
        return counts

    def looked_back(self, worker: str, began: int, ended: int, keys: Iterable[str], held: bool) -> int:
        """The instant by which an answer is judged: that of the call, or the beginning of a time with two primaries.

        What was read then, and is held, is served for ``staleness`` longer.
        """
        more = self._staleness if held else 0
        two = [
            each.began
            for each in self._met(worker, keys)
            if each.two and each.began <= ended and began <= each.ended + more
        ]
        return min([began, *two])

    def _met(self, worker: str, keys: Iterable[str]) -> list[Loss]:
        slots = {slot_of(key) for key in keys}
        return [
            each
            for each in self._all
            if (each.workers is None or worker in each.workers)
            and (each.slots is None or not each.slots.isdisjoint(slots))
        ]
