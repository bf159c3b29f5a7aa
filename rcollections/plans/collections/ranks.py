"""The operations of ``SortedSetCache`` by rank: on one rank, or on those of a slice, from either end."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING

from ..effects import Command
from ..op import Op, Ready
from ..tallies import some
from .numbers import AT_MOST
from .sortedsets import elements_of, first_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..op import Operation
    from ..target import Target

__all__ = ["at", "remove_ranks", "window"]


def at(t: Target, rank: int, absent: Callable[[], object]) -> Op[tuple[object, float]]:
    place = _bounded(rank)
    return Op("at", Command(("ZRANGE", t.key, place, place, "WITHSCORES")), first_of(t), True, absent)


def window(t: Target, ranks: slice) -> Operation[list[tuple[object, float]]]:
    """The elements of these ranks, as a slice of a list gives them."""
    first, last, step = _ends(ranks)
    if first is None:
        return Ready([])
    read = elements_of(t)
    return Op("window", Command(("ZRANGE", t.key, first, last, "WITHSCORES")), lambda reply: read(reply)[::step], some)


def _ends(ranks: slice) -> tuple[int | None, int, int]:
    """A slice as the first and last rank to read, counted from either end, and the step through them.

    The first is None for a slice that is empty whatever the length of the sorted set.
    """
    step = 1 if ranks.step is None else index(ranks.step)
    start, stop = (None if end is None else _bounded(index(end)) for end in (ranks.start, ranks.stop))
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step > 0:
        first, last = start or 0, -1 if stop is None else stop - 1
        return (None if stop == 0 else first), last, step
    first, last = 0 if stop is None else stop + 1, -1 if start is None else start
    return (None if stop == -1 else first), last, step


def _bounded(rank: int) -> int:
    return max(-AT_MOST, min(rank, AT_MOST))


def remove_ranks(t: Target, start: int, stop: int) -> Operation[int]:
    """Remove the elements that ``z[start:stop]`` would give."""
    first, last, _ = _ends(slice(start, stop))
    if first is None:
        return Ready(0)
    return Op("remove_range_by_rank", Command(("ZREMRANGEBYRANK", t.key, first, last)), int)
