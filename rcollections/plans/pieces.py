"""Plans that hand out items piece by piece: ``Give`` by ``Give``, and the last piece as their result.

So a collection of any size is read in constant memory: a plan asks for the next page when the caller wants it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .effects import Give

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .effects import Plan

__all__ = ["gather", "piece"]

T = TypeVar("T")


def piece(plan: Plan[Iterable[T]]) -> Plan[tuple[Iterable[T], bool]]:
    """Carry a plan on to its next piece. Gives the piece, and whether another one may follow."""
    reply: Any = None
    failed: BaseException | None = None
    while True:
        try:
            effect = plan.send(reply) if failed is None else plan.throw(failed)
        except StopIteration as end:
            return end.value, False
        if isinstance(effect, Give):
            return effect.items, True
        reply, failed = None, None
        try:
            reply = yield effect
        except GeneratorExit:
            plan.close()
            raise
        except BaseException as error:  # thrown into the plan, so that it can clean up
            failed = error


def gather(plan: Plan[Iterable[T]], take: Callable[[Iterable[T]], object]) -> Plan[None]:
    """Carry a plan out to its end; ``take`` gets each piece."""
    more = True
    while more:
        items, more = yield from piece(plan)
        take(items)
