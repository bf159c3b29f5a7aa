"""The quick try of a trip, for tasks: one write on the link that all share, no plan. It holds no policy.

Whatever is unusual is left to the one plan of ``wire/trips.py``, which is told what was seen (``Tried``): the link
broke, or a reply is late, large or an error. Where nothing was sent yet, the plan begins as always.
"""

from __future__ import annotations

from asyncio import get_running_loop
from time import monotonic
from typing import TYPE_CHECKING, Any

from ...wire.clock import around, instant
from ...wire.large import LARGE
from .aio_parts import ask_node

if TYPE_CHECKING:
    from asyncio import Future

    from .trips import Routed

__all__ = ["aask"]


def aask(road: Routed, data: bytes, count: int, key: str = "") -> Future[Any] | None:
    """Send these commands over the shared link; a future of their reply, or of the list of their ``count`` replies.

    Its result may be a ``Tried``: the plan has to go on with what was seen. None: nothing was sent. The commands of a
    caller that is cancelled have been sent, or will be. ``key``: of one of several servers, which has all their keys;
    see ``ask_node``.
    """
    pool = road.links.lately()
    if pool is None or pool.loop is not get_running_loop() or road.out or road.journal.holds:
        return ask_node(road, data, count, key) if key and road.clustered else None
    link = pool.first
    if link is None or not link.ready or len(data) > LARGE:
        return None
    began = monotonic()
    end = 0.0 if around() is None else instant()
    if 0.0 < end <= began:
        return None
    asked = link.ask(data, began, end, count)
    if asked is not None:
        road.trips += 1
    return asked
