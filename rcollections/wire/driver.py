"""``drive``: carries out the effects of a plan, on the calling thread."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from ..plans.effects import Batch, Call, Command, Script, Sleep

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plans.effects import Effect, Plan
    from .connection import Connection

__all__ = ["drive"]

T = TypeVar("T")


def drive(plan: Plan[T], connection: Connection) -> T:
    """Run a plan to its end on this connection and give its result.

    What an effect raises is thrown into the plan at its ``yield``, so that the plan can clean up.
    """
    step: Callable[[Any], Effect] = plan.send
    arg: Any = None
    while True:
        try:
            effect = step(arg)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        try:
            arg, step = _do(effect, connection), plan.send
        except BaseException as error:
            arg, step = error, plan.throw


def _do(effect: Effect, connection: Connection) -> Any:
    kind = type(effect)
    if kind is Command or kind is Script:
        return connection.one(effect)  # type: ignore[arg-type]
    if kind is Batch:
        return connection.many(*effect)
    if kind is Call:
        return effect.fn()  # type: ignore[union-attr]
    if kind is Sleep:
        return time.sleep(effect.seconds)  # type: ignore[union-attr]
    raise TypeError(f"a plan yielded {kind.__name__}, which is no effect")
