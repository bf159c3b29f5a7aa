"""Carries out trips in an event loop, over links of the loop: a quick try first, then the plan of ``wire/trips.py``."""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from typing import TYPE_CHECKING, Any

from ...plans.effects import Command, Script, Seen
from ...plans.op import UNSENT
from ...plans.steps import CHANGES_NOTHING, empty_reply
from ...wire.asked import Asked
from ...wire.packing import pack
from ...wire.requests import Tried, packed
from ...wire.trips import Acquire, Exchange, Heal, translated, trip
from ...wire.turns import in_turn
from ..loops import pool_of
from . import aio_fans
from .aio_quick import aask
from .trips import travel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plans.effects import Step
    from ...wire.trips import Trip
    from .trips import Routed

__all__ = ["amany", "aone", "aread_to_hold", "atravel", "aturns", "awrote"]


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
                    reply = await pool.acquire(effect.until)
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


async def aone(road: Routed, step: Step, seen: Any = UNSENT) -> Any:
    """The reply of one step; an error reply is raised as one of our errors. ``seen``: a quick try gave that."""
    if road.disabled:
        return empty_reply(step)
    if road.clustered:  # such a road has no link at hand
        return await aio_fans.aone(road, step, seen)
    if seen is UNSENT:
        if type(step) is Command:
            data = pack(step.args)
            if step.args[0] in CHANGES_NOTHING:
                asked = aask(road, data, 1)
                seen = UNSENT if asked is None else await asked
            else:
                seen = await awrote(road, (step,), data, 1)
        else:
            seen = await awrote(road, (step,), *packed(road.known, (step,)))
    if type(seen) is not Tried and seen is not UNSENT:
        return seen
    return translated(road, (step,), await _way(road, (step,), False, seen), keep_errors=False)[0]


async def amany(
    road: Routed, steps: Sequence[Step], atomic: bool, keep_errors: bool, seen: Any = UNSENT
) -> list[object]:
    """The replies of several steps in one round trip; see ``Batch``. ``seen``: a quick try gave that."""
    if not steps:
        return []
    if road.disabled:
        return [empty_reply(step) for step in steps]
    if road.clustered:
        return await aio_fans.amany(road, steps, atomic, keep_errors, seen)
    if len(steps) == 1 and not atomic and not keep_errors:
        return [await aone(road, steps[0], seen)]
    count = len(steps) + 2 if atomic else len(steps)
    if seen is UNSENT:
        data, count = packed(road.known, steps, atomic)
        seen = await awrote(road, steps, data, count)
    if type(seen) is not Tried and seen is not UNSENT:
        return [seen] if count == 1 else list(seen[-1]) if atomic else seen
    return translated(road, steps, await _way(road, steps, atomic, seen), keep_errors)


async def awrote(road: Routed, steps: Sequence[Step], data: bytes, count: int, key: str = "") -> Any:
    """A quick try of steps that may change something: the process is told, whatever becomes of the caller."""
    asked = None if road.durable or (key and road.moves) else aask(road, data, count, key)
    if asked is None:
        return UNSENT
    try:
        seen = await asked
    finally:
        road.wrote(steps)
    if type(seen) is not Tried:
        for step in steps:
            if type(step) is Script:
                road.known.add(step.name)
    return seen


async def _way(
    road: Routed, steps: Sequence[Step], atomic: bool, seen: Any, asked: Asked | None = None
) -> list[object]:
    """Carry out the plan of a trip, from its beginning or from where a quick try has seen something unusual."""
    return await atravel(road, trip(road, steps, atomic, asked, None if seen is UNSENT else seen))


async def aturns(road: Routed, steps: Sequence[Step]) -> list[object]:
    """The replies of steps that are sent one after another over one link; see ``InTurn``."""
    if road.disabled:
        return [empty_reply(step) for step in steps]
    if road.clustered:
        return [await aio_fans.aone(road, step) for step in steps]
    return translated(road, steps, await atravel(road, in_turn(road, steps)), keep_errors=False)


async def aread_to_hold(road: Routed, key: str, steps: Sequence[Step], keep_errors: bool = False) -> Seen:
    """The replies of reads that may be held, the ttl that the key had before them, and the server that answered."""
    if road.disabled:
        return Seen([empty_reply(step) for step in steps], None, b"")
    if road.clustered:
        return await aio_fans.aread_to_hold(road, key, steps, keep_errors)
    asked, seen = Asked(key), await _held(road, key, steps)
    if type(seen) is Seen:
        return seen
    replies = translated(road, steps, await _way(road, steps, False, seen, asked), keep_errors)
    return Seen(replies, asked.ms, asked.server)


async def _held(road: Routed, key: str, steps: Sequence[Step]) -> Any:
    """A quick try of reads that may be held, over a link whose server is known: else the plan asks, and compares."""
    pool = road.links.lately()
    link = None if pool is None else pool.first
    if link is None or link.server is None:
        return UNSENT
    asked = Asked(key)
    found = aask(road, *packed(road.known, steps, ahead=asked.questions(link)))
    seen: Any = UNSENT if found is None else await found
    if type(seen) is Tried or seen is UNSENT:
        return seen
    return Seen(asked.answers(link, seen), asked.ms, asked.server)
