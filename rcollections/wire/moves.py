"""Slots that move: what a caller does whose keys are apart for long (K8), and when a write has settled (K9). No I/O."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from ..plans.effects import Command, Script
from ..plans.naming import staging
from ..plans.slots import keys_of, slot_of
from ..plans.steps import writes
from .groups import Group
from .redirects import refusal
from .routes import Fan
from .trips import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ..plans.effects import Step
    from .routes import Routes

__all__ = ["PATIENCE", "by_single_keys", "has_single_keys", "settle", "settled"]

PATIENCE = 0.25  # seconds for which an entry and its lease may be apart until callers do without the lease
ASK_AGAIN = 0.001  # seconds between two questions to a node that was the owner

Carry: TypeAlias = "Callable[[Sequence[Step]], Generator[Any, Any, list[object]]]"


MANY = ("key_delete_many", "key_set_many")
PLAIN = ("key_add", "key_cas", "key_incr", "key_set")  # their lease may be left out


def has_single_keys(steps: Sequence[Step]) -> bool:
    """Whether these steps of one group can be carried out key by key, if need be: one script, or P4's MULTI."""
    if len(steps) == 1:
        (step,) = steps
        return type(step) is Script and (
            step.name in MANY
            or step.name in ("entry_delete", "entry_fetch")
            or (step.name in PLAIN and len(step.keys) == 2)
            or (step.name in ("entry_clear", "key_clear") and len(step.keys) == 3)
        )
    return len(steps) == 2 and all(type(step) is Command and len(keys_of(step)) == 1 for step in steps)


def by_single_keys(steps: Sequence[Step], carry: Carry) -> Generator[Any, Any, list[object]]:
    """K8: the replies of steps whose two keys are on two nodes, as a slot moves: the lease goes first in any case."""
    if len(steps) == 2:
        second = yield from carry(steps[1:])
        if isinstance(second[0], Exception):
            return second * 2
        first = yield from carry(steps[:1])
        return [*first, *second]
    (step,) = steps
    if type(step) is Script and step.name in PLAIN:
        (dropped,) = yield from carry((Command(("UNLINK", step.keys[1])),))
        if isinstance(dropped, Exception):
            return [dropped]
        return (yield from carry((Script(step.name, step.keys[:1], step.args),)))
    if type(step) is Script and step.name in MANY:
        return [(yield from _many(step, carry))]
    return [(yield from _entry(step, carry))]


def _many(step: Script, carry: Carry) -> Generator[Any, Any, object]:
    """The reply of a step on many keys: what stands beside them goes first."""
    count = int(step.args[0])
    found = yield from carry([Command(("UNLINK", key)) for key in step.keys[count:]])
    if step.name == "key_delete_many":
        found += yield from carry([Command(("UNLINK", key)) for key in step.keys[:count]])
    else:
        options = step.args[1:3]
        some = [Script(step.name, (key,), (1, *options, step.args[3 + n])) for n, key in enumerate(step.keys[:count])]
        found += yield from carry(some)
    for each in found:
        if isinstance(each, Exception):
            return each
    return [b"ok", sum(found[-count:])] if step.name == "key_delete_many" else [b"ok"]  # type: ignore[arg-type]


def _entry(step: Any, carry: Carry) -> Generator[Any, Any, object]:
    """The reply of a step on an entry and its lease.

    FETCH gives no lease: the caller computes, and stores nothing. D1 drops the lease first, then the entry: a STORE in
    between is refused, and what a STORE before it has left goes.
    """
    reply: object = 0
    if step.name == "entry_fetch":
        tags = len(step.keys) - 2
        stamps = step.args[6] if not tags and len(step.args) > 6 else b""
        return [b"alone", b"", stamps, -2, 0, b""]
    if step.name == "entry_clear":
        entry, guard, lease = step.keys
        for key in (lease, guard):
            (reply,) = yield from carry((Command(("UNLINK", key)),))
            if isinstance(reply, Exception):
                return reply
        (reply,) = yield from carry((Script(step.name, (entry, entry, entry), step.args),))
        return reply
    if step.name == "key_clear":  # without its guard nobody takes the data for content
        for key in reversed(step.keys):
            (reply,) = yield from carry((Command(("UNLINK", key)),))
            if isinstance(reply, Exception):
                return reply
        return [b"ok", reply]
    entry, lease = step.keys
    for key in (lease, entry):
        (reply,) = yield from carry((Command(("UNLINK", key)),))
        if isinstance(reply, Exception):
            return reply
    yield from carry((Command(("PUBLISH", step.args[0], "")),))
    return [b"ok", reply]


def settled(road: Routes, key: str, slot: int, until: float) -> Generator[Any, Any, None]:
    """K9: wait until the node that owned this slot just now refuses writes, and so knows that it is the owner no more.

    Until then it may still answer reads of other callers with what was there before. A write that changes nothing asks
    it: a node that is cut off would answer reads for ever. One that does not answer is not waited for.
    """
    while True:
        before = road.before(slot)
        node = None if before is None else road.node(slot, before)
        if node is None or node.away() is not None or monotonic() >= until:
            return
        group = Group(slot, False, before)
        group.at.append(0)
        noop = Command(("PERSIST", staging(road.namespace, key)))
        (outcome,) = yield Fan((node.hop((group,), (noop,), False),), until)
        if isinstance(outcome, BaseException) or refusal(outcome[0]) is not None or isinstance(outcome[0], Exception):
            return
        yield Pause(ASK_AGAIN)


def settle(road: Routes, steps: Sequence[Step], replies: Sequence[object], until: float) -> Generator[Any, Any, None]:
    """K9, for each slot that was written."""
    done: set[int] = set()
    for step, reply in zip(steps, replies, strict=True):
        keys = () if isinstance(reply, Exception) or not writes(step) else keys_of(step)
        slot = slot_of(keys[0]) if keys else -1
        if keys and slot not in done and road.before(slot) is not None:
            done.add(slot)
            yield from settled(road, str(keys[0]), slot, until)
