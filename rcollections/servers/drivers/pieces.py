"""``iterate``: carries out a plan that gives pieces, each piece when the caller wants it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ...plans.op import More
from ...plans.pieces import piece
from ...plans.through import through
from .sync import drive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..connection import Connection

__all__ = ["iterate"]

T = TypeVar("T")


def iterate(
    first: Callable[[], Iterable[T] | More[Iterable[T]]],
    connection: Connection,
    watched: Callable[[Callable[[], object]], Any],
) -> Iterator[T]:
    """The items that ``first`` gives, or the items of the plan that goes on from there.

    Nothing is sent before the caller asks for the first item. ``watched`` carries out the way to one piece, and tells
    observers. Closing the iterator closes the plan.
    """
    found = first()
    if not isinstance(found, More):
        yield from found
        return
    plan, more = through(found.plan), True
    try:
        while more:
            items, more = watched(partial(drive, piece(plan), connection))
            yield from items
    finally:
        plan.close()
