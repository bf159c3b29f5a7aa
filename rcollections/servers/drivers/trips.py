"""Carries out trips (the plan of ``wire/trips.py``) on the calling thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from ...plans.effects import Seen
from ...plans.steps import empty_reply
from ...wire.asked import Asked
from ...wire.trips import Acquire, Exchange, Heal, Road, translated, trip
from ...wire.turns import in_turn

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
    dsn: Dsn
    links: Links


def travel(road: Routed, plan: Trip) -> list[object]:
    """Carry out a trip; an error of an effect is thrown into the plan at its ``yield``."""
    links, timeout = road.links, road.timeout
    effect: Any
    lent: Any = None
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
                    lent = reply = (links.pool or links.open_pool()).acquire(effect.until)
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
        return end.value  # type: ignore[no-any-return]
    except BaseException:
        # An exception of a signal handler may have come between two effects, or just when the plan gave the link back.
        plan.close()
        if lent is not None and lent.lent is plan:
            lent.discard()
        raise


def one(road: Routed, step: Step) -> object:
    """The reply of one step; an error reply is raised as one of our errors."""
    steps = (step,)
    if road.disabled:
        return empty_reply(step)
    replies = travel(road, trip(road, steps))
    if isinstance(replies[0], Exception):
        translated(road, steps, replies, keep_errors=False)
    return replies[0]


def many(road: Routed, steps: Sequence[Step], atomic: bool, keep_errors: bool) -> list[object]:
    """The replies of several steps in one round trip; see ``Batch``."""
    if not steps:
        return []
    if road.disabled:
        return [empty_reply(step) for step in steps]
    return translated(road, steps, travel(road, trip(road, steps, atomic)), keep_errors)


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
