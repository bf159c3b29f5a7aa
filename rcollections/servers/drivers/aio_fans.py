"""Carries out the trips of a cluster in an event loop: all nodes are asked at once, over links that tasks share."""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from ...plans.cluster.scattered import scattered
from ...plans.effects import Command
from ...plans.op import UNSENT
from ...plans.slots import NO_KEY, keys_of, slot_of
from ...plans.steps import empty_reply
from ...wire.asked import WHO
from ...wire.clock import instant
from ...wire.durable import durably
from ...wire.failures import Late
from ...wire.large import LARGE
from ...wire.packing import pack
from ...wire.requests import Tried
from ...wire.routes import Fan
from ...wire.routing import Sent, route
from ...wire.trips import translated
from ...wire.words import words
from ..loops import pool_of
from .aio_parts import Again, ask_all, ready_link
from .fans import answered, both, seen_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plans.effects import Seen, Step
    from ...wire.links.aio import AsyncLink
    from ...wire.routes import Hop
    from ...wire.routing import Routing

__all__ = ["amany", "aone", "aread_to_hold"]

T = TypeVar("T")


async def aone(road: Any, step: Step, seen: Any = UNSENT) -> Any:
    """The reply of one step; an error reply is raised as one of our errors. ``seen``: a quick try gave that."""
    if road.dsn.kind == "memory":  # strict_slots: it never waits
        return await _inside(road.one(step))
    if seen is UNSENT and type(step) is Command and step.args[0] == "MGET" and len(step.args) > 2:
        spread = road.spread_of(step)
        asked = None if spread is None else ask_all(road, *spread)
        if asked is not None:
            seen = await asked
    if seen is UNSENT:
        return await _aone(road, step, 0.0)
    if type(seen) is Again:
        return await _aone(road, step, seen.until)
    if type(seen) is not Sent:
        return seen
    replies = await atour(route(road, (step,), sent=seen), road.timeout)
    return translated(road, (step,), replies, keep_errors=False)[0]


async def _aone(road: Any, step: Step, until: float) -> Any:
    """One step, from the beginning; ``until``: the instant by which it has to end, where it began before; 0.0: now."""
    steps = (step,)
    plan = scattered(steps, road, False)
    if plan is not None:
        return translated(road, steps, await _carried(road, plan, until=until), keep_errors=False)[0]
    keys = keys_of(step)
    node = road.node(slot_of(keys[0]) if keys else NO_KEY)
    unusual = node is None or node.out or node.breaker.failure is not None or road.journal.holds
    link = None if unusual else _ready(node)
    sent = None
    began, end = monotonic(), instant()
    if link is not None and road.durable and durably(road, steps):
        link = None
    if link is not None and (isinstance(step, Command) or step.name in node.known):
        data = pack(step.args if isinstance(step, Command) else words(step, False))
        asked = None if len(data) > LARGE or 0.0 < end <= began else link.ask(data, began, end)
        if asked is not None:
            try:
                found = await asked
            except BaseException:  # cancelled
                road.wrote(steps)
                raise
            road.trips += 1
            if type(found) is Tried:
                sent = Sent(node, found.outcome)
            elif not road.moves:
                road.wrote(steps)
                return found
            else:
                sent = Sent(node, [found])
    until = until or end or began + road.timeout
    replies = await atour(route(road, steps, sent=sent, until=until), road.timeout)
    return translated(road, steps, replies, keep_errors=False)[0]


async def amany(road: Any, steps: Sequence[Step], atomic: bool, keep_errors: bool, seen: Any = UNSENT) -> list[object]:
    """The replies of several steps, of all nodes at the same time; ``atomic``: those of each slot in one MULTI.

    ``seen``: a quick try gave that, whose keys are in one slot.
    """
    if road.disabled:
        return [empty_reply(step) for step in steps]
    if road.dsn.kind == "memory":
        return await _inside(road.many(steps, atomic, keep_errors))
    if type(seen) is Sent:
        replies = await atour(route(road, steps, atomic, sent=seen), road.timeout)
        return translated(road, steps, replies, keep_errors)
    if seen is not UNSENT:
        return list(seen[-1]) if atomic else seen if len(steps) > 1 else [seen]
    until = 0.0
    if not atomic:
        found = await _at_once(road, steps)
        if type(found) is list:
            return found
        until = found
    plan = scattered(steps, road, atomic)
    if plan is not None:
        replies = await _carried(road, plan, until=until)
    else:
        replies = await atour(route(road, steps, atomic, until=until), road.timeout)
    return translated(road, steps, replies, keep_errors)


async def _at_once(road: Any, steps: Sequence[Step]) -> Any:
    """The replies of what may be sent twice, without a plan; else the instant by which a plan has to end, or 0.0."""
    lots = road.lots(steps)
    asked = None if lots is None else ask_all(road, lots.asks(), lots.replies)
    if asked is None:
        return 0.0
    try:
        found = await asked
    finally:
        if lots.writes:
            road.wrote(steps)
    if type(found) is Again:
        return found.until
    return 0.0 if lots.writes and road.moves else found


async def aread_to_hold(road: Any, key: str, steps: Sequence[Step], keep_errors: bool) -> Seen:
    """Reads that may be held, the ttl of the key before them, and who answered in each slot; see ``ReadToHold``."""
    if road.dsn.kind == "memory":
        return await _inside(road.read_to_hold(key, steps, keep_errors))
    witness: dict[int, bytes] = {}
    asked = (Command(("PTTL", key)), *steps)
    plan = scattered(asked, road, False)
    if plan is not None:
        replies = await _carried(road, plan, witness)
    else:
        replies = await atour(route(road, asked, witness=witness), road.timeout)
    return seen_by(witness, key, replies[0], translated(road, steps, replies[1:], keep_errors))


async def _inside(found: T) -> T:
    """What was found; the other tasks of the loop have their turn."""
    await asyncio.sleep(0)
    return found


async def _carried(road: Any, plan: Any, witness: dict[int, bytes] | None = None, until: float = 0.0) -> list[Any]:
    replies: Any = None
    try:
        while True:
            steps, atomic, place, own = plan.send(replies)
            if own is not None:  # a page of many: each has the time of a call
                until = 0.0
            seen = own if witness is None else {}
            trip = route(road, steps, atomic, place=place, until=until, witness=seen)
            replies = await atour(trip, road.timeout)
            if witness is not None:
                both(witness, seen)
                if own is not None:
                    own.update(seen)
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
                    reply = await afan(effect.hops, effect.until, timeout, effect.servers)
                else:
                    await asyncio.sleep(effect.seconds)
            except BaseException as error:
                effect = plan.throw(error)
            else:
                effect = plan.send(reply)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def afan(hops: Sequence[Hop], until: float, timeout: float, servers: list[bytes] | None = None) -> list[Any]:
    """The replies of each hop, or the error in their place; see ``Fan``."""
    began = monotonic()
    end = until if instant() or began + timeout > until + 0.001 else 0.0
    waits: list[Any] = []
    for n, hop in enumerate(hops):
        link = _ready(hop.node)
        asked = None
        if servers is not None and link is not None:
            servers[n] = link.server or b""
            link = None if link.server is None else link
        if link is not None and len(hop.data) <= LARGE and not 0.0 < end <= began:
            asked = link.ask(hop.data, began, end, hop.wanted)
        waits.append(asked)
    if None in waits:
        slow = [_slowly(hop, until, timeout, servers, n) for n, hop in enumerate(hops) if waits[n] is None]
        if len(hops) == 1:
            return [await slow[0]]
        tasks = iter([asyncio.ensure_future(each) for each in slow])
        waits = [next(tasks) if asked is None else asked for asked in waits]
    outcomes: list[Any] = []
    try:
        for hop, each in zip(hops, waits, strict=True):
            try:
                found = await each
            except Exception as error:
                outcomes.append(error)
            else:
                if type(found) is Tried:
                    outcomes.append(found.outcome)
                else:
                    outcomes.append([found] if hop.wanted == 1 and not isinstance(each, asyncio.Task) else found)
    except BaseException:  # cancelled: replies that come all the same are read and dropped
        for each in waits:
            if isinstance(each, asyncio.Task):
                each.cancel()
        raise
    return outcomes


async def _slowly(hop: Hop, until: float, timeout: float, servers: list[bytes] | None, n: int) -> Any:
    """The replies, over a link that has to be opened or waited for; an error is the result."""
    node: Any = hop.node
    try:
        if until <= monotonic():  # as in ``fan``
            raise Late(silent=False)
        lane = await pool_of(node.links).acquire(until)
        asks = servers is not None and lane.server is None
        replies = await lane.exchange(WHO + hop.data if asks else hop.data, hop.wanted + asks, until, timeout)
        if servers is not None:
            replies, servers[n] = answered(lane, replies, asks)
        return replies
    except Exception as error:
        return error


def _ready(node: Any) -> AsyncLink | None:
    """The link to this node that takes what is sent now; None: it has to be opened, or waited for."""
    link: AsyncLink | None = ready_link(node, get_running_loop())
    return link
