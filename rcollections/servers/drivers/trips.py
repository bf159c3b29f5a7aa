"""Carries out trips (the plan of ``wire/trips.py``) on the calling thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from ...plans.effects import Script, Seen
from ...plans.op import UNSENT
from ...plans.steps import empty_reply
from ...wire.asked import Asked
from ...wire.durable import durably
from ...wire.requests import Tried, is_safe, packed
from ...wire.trips import Acquire, Exchange, Heal, Road, translated, trip
from ...wire.turns import in_turn
from .blocking import took

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plans.effects import Step
    from ...wire.dsn.dsn import Dsn
    from ...wire.trips import Trip
    from ..links import Links

__all__ = ["Routed", "many", "one", "read_to_hold", "travel", "turns"]


class Routed(Road, Protocol):
    """A connection, as trips see it."""

    disabled: bool
    clustered: bool  # whether its steps go to several nodes
    dsn: Dsn
    links: Links

    @property
    def moves(self) -> bool:
        """Whether slots have got other owners a moment ago."""

    def ask(self, data: bytes, count: int, reads: bool, key: str = "", /) -> Any:
        """The quick try: see ``quick.ask``."""


def travel(road: Routed, plan: Trip, lent: Any = None) -> list[object]:
    """Carry out a trip; an error of an effect is thrown into the plan at its ``yield``. ``lent``: it has this link."""
    links, timeout = road.links, road.timeout
    effect: Any
    began = time.monotonic()
    if lent is not None:
        lent.lent = plan
    if links.pool is None:
        links.open_pool()  # before the plan begins, and with it the time that it has
    try:
        effect = plan.send(None)
        while True:
            kind: Any = type(effect)
            reply: object = None
            try:
                if kind is Exchange:
                    reply = effect.link.exchange(effect.data, effect.wanted, effect.until, timeout)
                elif kind is Acquire:
                    lent = reply = (links.pool or links.open_pool()).acquire(effect.until, effect.first)
                    lent.lent = plan
                elif kind is Heal:
                    links.heal()
                else:
                    time.sleep(effect.seconds)
            except BaseException as error:
                effect = plan.throw(error)
            else:
                effect = plan.send(reply)
    except StopIteration as end:
        replies: list[object] = end.value
    except BaseException:
        # An exception of a signal handler may have come between two effects, or just when the plan gave the link back.
        plan.close()
        if lent is not None and lent.lent is plan:
            lent.discard()
        raise
    if road.dsn.kind != "memory":  # whose trips take no time, and serve event loops too
        took(began)
    return replies


def one(road: Routed, step: Step, seen: Any = UNSENT) -> object:
    """The reply of one step; an error reply is raised as one of our errors. ``seen``: a quick try gave that."""
    steps = (step,)
    if road.disabled:
        return empty_reply(step)
    if seen is UNSENT:
        data, count = packed(road.known, steps)
        seen = _quick(road, steps, data, count)
    if type(seen) is not Tried and seen is not UNSENT:
        return seen
    replies = _way(road, steps, False, seen)
    if isinstance(replies[0], Exception):
        translated(road, steps, replies, keep_errors=False)
    return replies[0]


def many(road: Routed, steps: Sequence[Step], atomic: bool, keep_errors: bool, seen: Any = UNSENT) -> list[object]:
    """The replies of several steps in one round trip; see ``Batch``. ``seen``: a quick try gave that."""
    if not steps:
        return []
    if road.disabled:
        return [empty_reply(step) for step in steps]
    if seen is UNSENT:
        data, count = packed(road.known, steps, atomic)
        seen = _quick(road, steps, data, count, atomic)
    if type(seen) is not Tried and seen is not UNSENT:
        return [seen] if count == 1 else list(seen[-1]) if atomic else seen
    return translated(road, steps, _way(road, steps, atomic, seen), keep_errors)


def _quick(road: Routed, steps: Sequence[Step], data: bytes, count: int, atomic: bool = False) -> Any:
    """What a quick try gives: the reply, several replies, ``Tried`` or UNSENT."""
    seen: Any = None
    if road.durable and durably(road, steps):
        return UNSENT
    try:
        seen = road.ask(data, count, is_safe(steps, atomic))
    finally:
        if seen is not UNSENT:
            road.wrote(steps)
    if type(seen) is not Tried:
        for step in steps:
            if type(step) is Script:
                road.known.add(step.name)
    return seen


def _way(road: Routed, steps: Sequence[Step], atomic: bool, seen: Any) -> list[object]:
    """Carry out the plan of a trip, from its beginning or from where a quick try has seen something unusual."""
    if seen is UNSENT:
        return travel(road, trip(road, steps, atomic))
    return travel(road, trip(road, steps, atomic, tried=seen), seen.link)


def turns(road: Routed, steps: Sequence[Step]) -> list[object]:
    """The replies of steps that are sent one after another over one link; see ``InTurn``."""
    if road.disabled:
        return [empty_reply(step) for step in steps]
    return translated(road, steps, travel(road, in_turn(road, steps)), keep_errors=False)


def read_to_hold(road: Routed, key: str, steps: Sequence[Step], keep_errors: bool) -> Seen:
    """The replies of reads that may be held, the ttl that the key had before them, and the server that answered."""
    if road.disabled:
        return Seen([empty_reply(step) for step in steps], None, b"")
    asked = Asked(key)
    replies = translated(road, steps, travel(road, trip(road, steps, asked=asked)), keep_errors)
    return Seen(replies, asked.ms, asked.server)
