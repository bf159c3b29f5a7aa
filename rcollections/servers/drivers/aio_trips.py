"""Carries out trips in an event loop, over links of the loop: a direct try first, then the plan of ``wire/trips.py``.

The direct try is what nearly every trip is: one write, one reply. Whatever is unusual about it (an error reply, a
connection that broke, a reply that is late, a large value) goes to the plan, which is told what was sent and seen.
"""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from time import monotonic
from typing import TYPE_CHECKING, Any

from ...errors import CacheConnectionError, CacheTimeout
from ...plans.effects import Command, Script, Seen
from ...plans.steps import CHANGES_NOTHING, empty_reply
from ...wire.asked import Asked
from ...wire.clock import instant
from ...wire.failures import Broken, ErrorReply, Late
from ...wire.large import LARGE, LargeReplies
from ...wire.links.lane import Lane
from ...wire.packing import pack
from ...wire.trips import Acquire, Exchange, Heal, translated, trip
from ...wire.turns import in_turn
from ...wire.words import words
from ..loops import pool_of
from .trips import travel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plans.effects import Step
    from ...wire.links.aio import AsyncLink
    from ...wire.trips import Trip
    from .trips import Routed

__all__ = ["amany", "aone", "aone_afar", "aread_to_hold", "atravel", "aturns"]


async def atravel(road: Routed, plan: Trip, lane: Lane | None = None) -> list[object]:
    """Carry out a trip; an error of an effect, also a cancellation, is thrown into the plan at its ``yield``.

    ``lane``: what a direct try went over; the plan gets it for its first link.
    """
    if road.dsn.kind == "memory":
        return await _inside(road, plan)
    pool = pool_of(road.links)
    effect: Any
    try:
        effect = plan.send(None)
        while True:
            kind: Any = type(effect)
            reply: object = None
            try:
                if kind is Exchange:
                    reply = await effect.link.exchange(effect.data, effect.wanted, effect.until, road.timeout)
                elif kind is Acquire:
                    reply, lane = lane or await pool.acquire(effect.until), None
                elif kind is Heal:
                    await get_running_loop().run_in_executor(None, road.links.heal)
                else:
                    await asyncio.sleep(effect.seconds)
            except BaseException as error:
                effect = plan.throw(error)
            else:
                effect = plan.send(reply)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def _inside(road: Routed, plan: Trip) -> list[object]:
    """``memory://`` never waits: the trip is made at once, then the other tasks of the loop have their turn."""
    replies = travel(road, plan)
    await asyncio.sleep(0)
    return replies


def at_hand(road: Routed) -> AsyncLink | None:
    """The link for a direct try; None where the plan has to see to something first."""
    pool = road.links.lately()
    if pool is None or pool.loop is not get_running_loop() or road.out or road.journal.holds:
        return None
    link = pool.first
    return link if link is not None and link.ready else None


async def aone(road: Routed, step: Step) -> Any:
    """The reply of one step; an error reply is raised as one of our errors."""
    link = at_hand(road)
    if link is None or (type(step) is Script and step.name not in road.known) or road.durable:
        return (await _planned(road, (step,)))[0]
    data = pack(step.args if type(step) is Command else words(step, False))
    began, end = monotonic(), instant()
    if len(data) > LARGE or 0.0 < end <= began or (asked := link.ask(data, began, end)) is None:
        return (await _planned(road, (step,)))[0]
    try:
        found = await asked
    except (Late, Broken) as error:
        seen: object = error
    except BaseException:  # cancelled
        road.wrote((step,))
        raise
    else:
        kind = type(found)
        if kind is not ErrorReply and kind is not LargeReplies:
            road.trips += 1
            if type(step) is Script or step.args[0] not in CHANGES_NOTHING:
                road.wrote((step,))
            return found
        seen = [found] if kind is ErrorReply else found
    lane = Lane(link, seen=(data, seen))
    return (await _planned(road, (step,), lane, end or began + road.timeout))[0]


async def aone_afar(road: Any, step: Step) -> Any:
    """The reply of a replica to a read; of the primary where none answers. ``road``: the ``Replicas``."""
    if not road.rest:
        try:
            return await aone(road, step)
        except (CacheConnectionError, CacheTimeout) as error:
            road.failed(error)
    return await aone(road.primary, step)


async def _planned(road: Routed, steps: Sequence[Step], lane: Lane | None = None, until: float = 0.0) -> list[object]:
    if road.disabled:
        return [empty_reply(step) for step in steps]
    return translated(road, steps, await atravel(road, trip(road, steps, until=until), lane), keep_errors=False)


async def amany(road: Routed, steps: Sequence[Step], atomic: bool, keep_errors: bool) -> list[object]:
    """The replies of several steps in one round trip; see ``Batch``."""
    if not steps:
        return []
    if len(steps) == 1 and not atomic and not keep_errors:
        return [await aone(road, steps[0])]
    if road.disabled:
        return [empty_reply(step) for step in steps]
    return translated(road, steps, await atravel(road, trip(road, steps, atomic)), keep_errors)


async def aturns(road: Routed, steps: Sequence[Step]) -> list[object]:
    """The replies of steps that are sent one after another over one link; see ``InTurn``."""
    if road.disabled:
        return [empty_reply(step) for step in steps]
    return translated(road, steps, await atravel(road, in_turn(road, steps)), keep_errors=False)


async def aread_to_hold(road: Routed, key: str, steps: Sequence[Step], keep_errors: bool = False) -> Seen:
    """The replies of reads that may be held, the ttl that the key had before them, and the server that answered."""
    if road.disabled:
        return Seen([empty_reply(step) for step in steps], None, b"")
    asked = Asked(key)
    replies = translated(road, steps, await atravel(road, trip(road, steps, asked=asked)), keep_errors)
    return Seen(replies, asked.ms, asked.server)
