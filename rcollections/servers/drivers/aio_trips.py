"""Carries out trips (the plan of ``wire/trips.py``) in an event loop, over links of the loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...plans.effects import Seen
from ...plans.steps import empty_reply
from ...wire.asked import Asked
from ...wire.trips import Acquire, Exchange, Heal, translated, trip
from ...wire.turns import in_turn
from ..loops import pool_of
from .trips import travel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plans.effects import Step
    from ...wire.trips import Trip
    from .trips import Routed

__all__ = ["amany", "aread_to_hold", "atravel", "aturns"]


async def atravel(road: Routed, plan: Trip) -> list[object]:
    """Carry out a trip; an error of an effect, also a cancellation, is thrown into the plan at its ``yield``."""
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
                    reply = await pool.acquire(effect.until, effect.first)
                elif kind is Heal:
                    await asyncio.get_running_loop().run_in_executor(None, road.links.heal)
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


async def amany(road: Routed, steps: Sequence[Step], atomic: bool, keep_errors: bool) -> list[object]:
    """The replies of several steps in one round trip; see ``Batch``."""
    if not steps:
        return []
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
