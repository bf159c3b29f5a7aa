"""The operations of ``SortedSetCache`` on the elements whose scores lie between two bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..effects import Command
from ..op import Op, Ready
from ..tallies import some
from .numbers import at_most
from .scores import score_of
from .sortedsets import elements_of

if TYPE_CHECKING:
    from ..op import Operation
    from ..target import Target

__all__ = ["between", "count", "remove_scores"]


def between(
    t: Target, low: float, high: float, reverse: bool, offset: int, limit: int | None
) -> Operation[list[tuple[Any, float]]]:
    """The elements with scores from ``low`` to ``high``, at most ``limit`` (None: all) after ``offset``."""
    least, most = repr(score_of(low)), repr(score_of(high))
    if limit == 0:
        return Ready([])
    ends: tuple[str, ...] = (most, least, "BYSCORE", "REV") if reverse else (least, most, "BYSCORE")
    limits = ("LIMIT", at_most(offset), -1 if limit is None else at_most(limit))
    return Op("range", Command(("ZRANGE", t.key, *ends, *limits, "WITHSCORES")), elements_of(t), some)


def count(t: Target, low: float, high: float) -> Op[int]:
    return Op("count", Command(("ZCOUNT", t.key, repr(score_of(low)), repr(score_of(high)))), int, some)


def remove_scores(t: Target, low: float, high: float) -> Op[int]:
    ends = repr(score_of(low)), repr(score_of(high))
    return Op("remove_range_by_score", Command(("ZREMRANGEBYSCORE", t.key, *ends)), int)
