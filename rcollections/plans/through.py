"""Carrying out plans whose steps may work on guarded collections, and loading collections first where needed."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from .effects import Batch, Command, Script
from .expanded import expand, folded
from .guards import Unloaded

if TYPE_CHECKING:
    from .effects import Plan, Step

__all__ = ["one", "through"]

TRIES = 8


def through(plan: Plan[Any]) -> Plan[Any]:
    """Carry out a plan with the guarded form of its steps, and load collections first that are not loaded yet."""
    reply: Any = None
    failed: BaseException | None = None
    while True:
        try:
            effect = plan.send(reply) if failed is None else plan.throw(failed)
        except StopIteration as end:
            return end.value
        reply, failed = None, None
        try:
            reply = yield from _carried(effect)
        except GeneratorExit:
            plan.close()
            raise
        except BaseException as error:  # thrown into the plan, so that it can clean up
            failed = error


def one(step: Step) -> Plan[Any]:
    """The reply of one step, in its guarded form."""
    return (yield from _carried(step))


def _carried(effect: Any) -> Plan[Any]:
    kind = type(effect)
    if kind is not Command and kind is not Script and kind is not Batch:
        return (yield effect)
    steps: tuple[Step, ...] = tuple(effect.steps) if kind is Batch else (effect,)
    for tries in range(TRIES):
        forms = [expand(step, waits=tries < TRIES - 1) for step in steps]
        if not any(forms):
            return (yield effect)
        sent = tuple(
            chain.from_iterable(
                (step,) if form is None else form.steps for step, form in zip(steps, forms, strict=True)
            )
        )
        atomic = kind is Batch and effect.atomic
        replies = folded(forms, (yield Batch(sent, atomic, keep_errors=True)))
        unloaded = next((each for each in replies if type(each) is Unloaded), None)
        if unloaded is None:
            break
        if unloaded.key.loads is not None:
            yield from unloaded.key.loads()
        if len(steps) > 1:  # steps that were carried out already must not be sent twice
            steps_left = [n for n, each in enumerate(replies) if type(each) is Unloaded]
            rest = yield from _carried(Batch(tuple(steps[n] for n in steps_left), atomic, keep_errors=True))
            for n, each in zip(steps_left, rest, strict=True):
                replies[n] = each
            break
    if kind is Batch and effect.keep_errors:
        return replies
    for each in replies:
        if isinstance(each, Exception):
            raise each
    return replies if kind is Batch else replies[0]
