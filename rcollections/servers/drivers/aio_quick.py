"""The quick try of a trip, for tasks: one write on the link that all share, no plan. It holds no policy.

Whatever is unusual is left to the one plan of ``wire/trips.py``, which is told what was seen (``Tried``): the link
broke, or a reply is late, large or an error. Where nothing was sent yet, the plan begins as always.
"""

from __future__ import annotations

from asyncio import get_running_loop
from time import monotonic
from typing import TYPE_CHECKING, Any

from ...plans.op import UNSENT
from ...wire.clock import instant
from ...wire.failures import Broken, Late
from ...wire.large import LARGE, LargeReplies
from ...wire.links.lane import Lane
from ...wire.requests import Tried
from .quick import failed

if TYPE_CHECKING:
    from ...wire.links.aio import AsyncLink
    from .trips import Routed

__all__ = ["aask", "at_hand"]


def at_hand(road: Routed) -> AsyncLink | None:
    """The link for a quick try; None where the plan has to see to something first."""
    pool = road.links.lately()
    if pool is None or pool.loop is not get_running_loop() or road.out or road.journal.holds:
        return None
    link = pool.first
    return link if link is not None and link.ready else None


async def aask(road: Routed, data: bytes, count: int) -> Any:
    """Send these commands over the shared link, and give their reply, or the list of their ``count`` replies.

    UNSENT: nothing was sent. A ``Tried``: the plan has to go on with what was seen. A cancelled caller's commands may
    have been sent.
    """
    link = at_hand(road)
    if link is None or len(data) > LARGE:
        return UNSENT
    began, end = monotonic(), instant()
    if 0.0 < end <= began or (asked := link.ask(data, began, end, count)) is None:
        return UNSENT
    road.trips += 1
    try:
        found = await asked
    except (Late, Broken) as error:
        return Tried(Lane(link, left=True), end or began + road.timeout, error)
    kind = type(found)
    if kind is bytes:
        return found
    replies: list[Any] = found if count != 1 or kind is LargeReplies else [found]
    if kind is LargeReplies or failed(replies):
        return Tried(Lane(link), end or began + road.timeout, replies)
    return found
