"""``aiterate``: ``iterate`` for an event loop: carries out a plan that gives pieces, each when the caller wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ...plans.op import More
from ...plans.pieces import piece
from ...plans.through import through
from .aio import adrive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from ..connection import Connection

__all__ = ["aiterate"]

T = TypeVar("T")


async def aiterate(
    first: Callable[[], Awaitable[Iterable[T] | More[Iterable[T]]]],
    connection: Connection,
    watched: Callable[[Awaitable[Any]], Awaitable[Any]],
) -> AsyncIterator[T]:
    """The items that ``first`` gives, or the items of the plan that goes on from there.

    Nothing is sent before the caller asks for the first item. ``watched`` carries out the way to one piece, and tells
    observers. Closing the iterator closes the plan.
    """
    found = await first()
    if not isinstance(found, More):
        for item in found:
            yield item
        return
    plan, more = through(found.plan), True
    try:
        while more:
            items, more = await watched(adrive(piece(plan), connection))
            for item in items:
                yield item
    finally:
        plan.close()
