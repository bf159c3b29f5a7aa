"""``durable=n``: a write counts as done when that many replicas have it. WAIT goes along, behind the steps.

The primary has carried the write out in any case. Where too few replicas have it in time, the reply becomes an error
that says so. Leases and results of functions are not waited for: they can be computed again.
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

__all__ = ["durably", "judge", "waits"]

SHARE, MARGIN = 0.8, 0.15  # how much of the time that is left the server may wait; it looks ten times a second
_PASSING = ("entry_fetch", "entry_store", "entry_arm", "lease_", "settle_", "guard_open")


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


def judge(road: Road, steps: Sequence[Step], replies: list[Any], replicas: object) -> list[Any]:
    """The replies; errors in the place of those that too few replicas have. ``replicas``: the reply of WAIT."""
    lack = road.lacks(replicas) if isinstance(replicas, int) else str(replicas)
    if not lack:
        return replies
    return [
        ErrorReply(f"NOTREPLICATED {lack}") if _lasts(step) and not isinstance(reply, Exception) else reply
        for step, reply in zip(steps, replies, strict=True)
    ]
