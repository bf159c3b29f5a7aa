"""Carries out the trips of a cluster in an event loop: all nodes are asked at once, over links that tasks share."""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from time import monotonic
from typing import TYPE_CHECKING, Any

from ...errors import CacheError
from ...plans.cluster.scattered import scattered
from ...plans.effects import Command
from ...plans.slots import NO_KEY, keys_of, slot_of
from ...plans.steps import empty_reply
from ...wire.clock import instant
from ...wire.failures import Broken, ErrorReply, Late
from ...wire.large import LARGE, LargeReplies
from ...wire.packing import pack
from ...wire.routes import Fan
from ...wire.routing import Sent, route
from ...wire.trips import translated
from ...wire.words import words
from ..loops import pool_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plans.effects import Step
    from ...wire.links.aio import AsyncLink
    from ...wire.routes import Hop
    from ...wire.routing import Routing

__all__ = ["amany", "aone"]


async def aone(road: Any, step: Step) -> Any:
    """The reply of one step; an error reply is raised as one of our errors."""
    steps = (step,)
    plan = scattered(steps, road, False)
    if plan is not None:
        return translated(road, steps, await _carried(road, plan), keep_errors=False)[0]
    keys = keys_of(step)
    node = road.node(slot_of(keys[0]) if keys else NO_KEY)
    link = None if node is None or node.breaker.failure is not None or road.journal.holds else _ready(node)
    sent = None
    began, end = monotonic(), instant()
    if link is not None and (isinstance(step, Command) or step.name in node.known):
        data = pack(step.args if isinstance(step, Command) else words(step, False))
        asked = None if len(data) > LARGE or 0.0 < end <= began else link.ask(data, began, end)
        if asked is not None:
            try:
                found = await asked
            except (Late, Broken) as error:
                sent = Sent(node, error)
            except BaseException:  # cancelled
                road.wrote(steps)
                raise
            else:
                road.trips += 1
                if type(found) is not ErrorReply and type(found) is not LargeReplies:
                    if not road.moves:
                        road.wrote(steps)
                        return found
                    found = [found]
                sent = Sent(node, [found] if type(found) is ErrorReply else found)
    until = end or began + road.timeout
    replies = await atour(route(road, steps, sent=sent, until=until), road.timeout)
    return translated(road, steps, replies, keep_errors=False)[0]


async def amany(road: Any, steps: Sequence[Step], atomic: bool, keep_errors: bool) -> list[object]:
    """The replies of several steps, of all nodes at the same time; ``atomic``: those of each slot in one MULTI."""
    if road.disabled:
        return [empty_reply(step) for step in steps]
    plan = scattered(steps, road, atomic)
    if plan is not None:
        replies = await _carried(road, plan)
    else:
        replies = await atour(route(road, steps, atomic), road.timeout)
    return translated(road, steps, replies, keep_errors)


async def _carried(road: Any, plan: Any) -> list[Any]:
    replies: Any = None
    try:
        while True:
            steps, atomic, place = plan.send(replies)
            replies = await atour(route(road, steps, atomic, place=place), road.timeout)
    except StopIteration as end:
        found: list[Any] = end.value
        return found
    finally:
        plan.close()


async def atour(plan: Routing, timeout: float) -> list[object]:
    """Carry out the plan of a trip to a cluster; an error, also a cancellation, is thrown into it at its ``yield``."""
    try:
        effect: Any = plan.send(None)
        while True:
            reply: object = None
            try:
                if type(effect) is Fan:
                    reply = await afan(effect.hops, effect.until, timeout)
                else:
                    await asyncio.sleep(effect.seconds)
            except BaseException as error:
                effect = plan.throw(error)
            else:
                effect = plan.send(reply)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def afan(hops: Sequence[Hop], until: float, timeout: float) -> list[Any]:
    """The replies of each hop, or the error in their place."""
    began = monotonic()
    end = until if instant() or began + timeout > until + 0.001 else 0.0
    waits: list[Any] = []
    for hop in hops:
        link = _ready(hop.node)
        asked = None
        if link is not None and len(hop.data) <= LARGE and not 0.0 < end <= began:
            asked = link.ask(hop.data, began, end, hop.wanted)
        waits.append(asked)
    if None in waits:
        slow = [_slowly(hop, until, timeout) for hop, asked in zip(hops, waits, strict=True) if asked is None]
        if len(hops) == 1:
            return [await slow[0]]
        tasks = iter([asyncio.ensure_future(each) for each in slow])
        waits = [next(tasks) if asked is None else asked for asked in waits]
    outcomes: list[Any] = []
    try:
        for hop, each in zip(hops, waits, strict=True):
            try:
                found = await each
            except (CacheError, OSError, Exception) as error:
                outcomes.append(error)
            else:
                single = hop.wanted == 1 and type(found) is not LargeReplies and not isinstance(each, asyncio.Task)
                outcomes.append([found] if single else found)
    except BaseException:  # cancelled: replies that come all the same are read and dropped
        for each in waits:
            if isinstance(each, asyncio.Task):
                each.cancel()
        raise
    return outcomes


async def _slowly(hop: Hop, until: float, timeout: float) -> Any:
    """The replies, over a link that has to be opened or waited for; an error is the result."""
    node: Any = hop.node
    try:
        lane = await pool_of(node.links).acquire(until)
        return await lane.exchange(hop.data, hop.wanted, until, timeout)
    except Exception as error:
        return error


def _ready(node: Any) -> AsyncLink | None:
    """The link to this node that takes what is sent now; None: it has to be opened, or waited for."""
    pool = node.links.lately()
    if pool is None or pool.loop is not get_running_loop():
        return None
    link: AsyncLink | None = pool.first
    return link if link is not None and link.ready else None
