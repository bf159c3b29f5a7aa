"""``durable=n``: a write counts as done when that many replicas have it. WAIT goes along, behind the steps.

The primary has carried the write out in any case. Where too few replicas have it in time, the reply becomes an error
that says so. Leases and results of functions are not waited for: they can be computed again.

In a cluster WAIT goes to each node that gets writes, all at once, and what the fewest replicas have counts (``Told``).
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from ..plans.effects import Script
from ..plans.steps import reads
from .failures import ErrorReply
from .packing import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..plans.effects import Step
    from .groups import Group
    from .routes import Hop

__all__ = ["Told", "durably", "judge", "waits"]

SHARE, MARGIN = 0.8, 0.15  # how much of the time that is left the server may wait; it looks ten times a second
_PASSING = ("entry_fetch", "entry_store", "entry_arm", "lease_", "settle_", "guard_open", "tag_stamp")


class Road(Protocol):
    """What of a connection this needs."""

    durable: int

    def lacks(self, replicas: int) -> str:
        """Why a write that so many replicas have does not count as done; "": it does."""


def durably(road: Road, steps: Sequence[Step]) -> bool:
    """Whether any of these steps has to reach replicas."""
    return bool(road.durable) and any(map(_lasts, steps))


def _lasts(step: Step) -> bool:
    return not reads(step) and not (isinstance(step, Script) and step.name.startswith(_PASSING))


def waits(road: Road, steps: Sequence[Step], until: float) -> bytes:
    """The command that goes behind these steps; b"" where nothing has to be waited for."""
    if not durably(road, steps):
        return b""
    left = until - monotonic()
    return pack(("WAIT", road.durable, max(1, round(1000 * min(SHARE * left, left - MARGIN)))))


class Told:
    """How many replicas have what the steps of one trip to a cluster have written, as the nodes have told.

    ``active``: whether it is asked at all.
    """

    def __init__(self, road: Road, *, active: bool = True) -> None:
        self.active = active
        self._road = road
        self._counts: dict[int, object] = {}  # by step; of one that is sent again what was told last counts
        self._waited: list[bool] = []  # by hop

    def behind(
        self, hops: Sequence[Hop], lots: Sequence[tuple[Any, Sequence[Group]]], steps: Sequence[Step], until: float
    ) -> tuple[Hop, ...]:
        """These hops, each with WAIT behind it where something has to be waited for."""
        found, self._waited = [], []
        if not self.active:
            return tuple(hops)
        for hop, (_, groups) in zip(hops, lots, strict=True):
            wait = waits(self._road, [steps[n] for each in groups for n in each.at], until)
            found.append(hop._replace(data=hop.data + wait, wanted=hop.wanted + 1) if wait else hop)
            self._waited.append(bool(wait))
        return tuple(found)

    def taken(self, n: int, groups: Sequence[Group], outcome: Any) -> Any:
        """What hop ``n`` gave, without the reply of its WAIT, which is noted for the steps of these groups."""
        if not self._waited or not self._waited[n] or isinstance(outcome, BaseException):
            return outcome
        self._counts.update((at, outcome[-1]) for each in groups for at in each.at)
        return outcome[:-1]

    def follow(self, pieces: Sequence[Told], at: Sequence[int]) -> None:
        """These steps were carried out in pieces, of which the others were told."""
        counts = [count for each in pieces for count in each._counts.values()]
        if counts:
            self._counts.update(dict.fromkeys(at, _fewest(counts)))

    def judge(self, steps: Sequence[Step], replies: list[Any]) -> None:
        """Put errors in the places of writes that too few replicas have."""
        lacking = [n for n, count in self._counts.items() if _lack(self._road, count)]
        if lacking:
            lack = _lack(self._road, _fewest(list(self._counts.values())))
            for n in lacking:
                replies[n] = _judged(lack, steps[n], replies[n])


def judge(road: Road, steps: Sequence[Step], replies: list[Any], replicas: object) -> list[Any]:
    """The replies; errors in the place of those that too few replicas have. ``replicas``: the reply of WAIT."""
    lack = _lack(road, replicas)
    if not lack:
        return replies
    return [_judged(lack, step, reply) for step, reply in zip(steps, replies, strict=True)]


def _fewest(counts: Sequence[object]) -> object:
    """What the fewest replicas have; or why that is not known."""
    numbers = [each for each in counts if isinstance(each, int)]
    return min(numbers) if len(numbers) == len(counts) else next(each for each in counts if not isinstance(each, int))


def _lack(road: Road, replicas: object) -> str:
    return road.lacks(replicas) if isinstance(replicas, int) else str(replicas)


def _judged(lack: str, step: Step, reply: object) -> object:
    return ErrorReply(f"NOTREPLICATED {lack}") if _lasts(step) and not isinstance(reply, Exception) else reply
