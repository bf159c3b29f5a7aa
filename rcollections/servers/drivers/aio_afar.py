"""Reads that replicas answer, in an event loop: the form for tasks of ``Replicas.one`` and ``ClusterReplicas.one``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import CacheConnectionError, CacheTimeout
from ...plans.cluster.splits import together
from ...plans.op import UNSENT
from ...wire.clock import passed
from ...wire.packing import pack
from ...wire.routing import route
from ...wire.trips import translated
from .aio_fans import atour
from .aio_quick import aask
from .aio_trips import aone

if TYPE_CHECKING:
    from ...plans.effects import Command, Step

__all__ = ["aone_afar"]

TRIES = (1, 2)  # the second one where a replica is left that does not hear its dead primary


async def aone_afar(road: Any, step: Step) -> Any:
    """The reply of a replica to a read, stamps of tags from the primary; of this alone where none answers."""
    far, near = road.halves(step)
    for _ in TRIES if far is not None else ():
        if road.rest:
            break
        try:
            return await (aone(road, far) if near is None else _both(road, far, near))
        except (CacheConnectionError, CacheTimeout) as error:
            road.failed(error)
            if not road.deaf or passed():
                break
    return await aone(road.primary, step)


async def _both(road: Any, far: Command, near: Command) -> list[Any]:
    """The replies of both, asked at the same time."""
    if road.clustered:
        parts = together(far, near)
        replies = await atour(route(road, parts.steps, owned=parts.second), road.timeout)
        return parts.fold(translated(road, parts.steps, replies, keep_errors=False))
    asks = [(each, step, aask(each, pack(step.args), 1)) for each, step in ((road, far), (road.primary, near))]
    found: list[Any] = []
    for each, step, asked in asks:
        seen = UNSENT if asked is None else await asked
        found += await aone(each, step, seen)
    return found
