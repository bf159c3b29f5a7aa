"""Scores as floats, and the algebra of sorted sets where Python has to do it: all on member bytes."""

from __future__ import annotations

from math import isnan
from operator import index
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["AGGREGATES", "in_order", "met", "pairs", "score_of", "united", "without"]


def score_of(value: object) -> float:
    """A score as the float that it is on the server, exactly; TypeError or ValueError for a value that is none."""
    if isinstance(value, bool):
        raise TypeError("a score is an int or a float, not bool")
    if not isinstance(value, float):
        try:
            value = index(value)  # type: ignore[arg-type]
        except TypeError:
            raise TypeError(f"a score is an int or a float, not {type(value).__name__}") from None
    try:
        found = float(value)
    except OverflowError:
        found = 0.0  # not equal to ``value`` either, so refused below
    if isnan(found):
        raise ValueError("NaN cannot be sorted, so it cannot be a score")
    if found != value:
        raise ValueError("a score is a float on the server, and no float holds this int exactly")
    return found


def pairs(reply: Any) -> list[tuple[bytes, Any]]:
    """Members and scores of a reply: flat in RESP2 and in scripts, pairs in RESP3."""
    if reply and isinstance(reply[0], list):
        return [(member, score) for member, score in reply]
    flat = iter(reply)
    return list(zip(flat, flat, strict=True))


def _sum(a: float, b: float) -> float:
    total = a + b
    return 0.0 if isnan(total) else total  # of inf and -inf the server makes 0


AGGREGATES: dict[str, Callable[[float, float], float]] = {"sum": _sum, "min": min, "max": max}


def united(contents: Sequence[Mapping[bytes, float]], aggregate: str) -> dict[bytes, float]:
    """ZUNION: the members of all contents."""
    join = AGGREGATES[aggregate]
    found: dict[bytes, float] = {}
    for content in contents:
        for member, score in content.items():
            found[member] = join(found[member], score) if member in found else score
    return found


def met(contents: Sequence[Mapping[bytes, float]], aggregate: str) -> dict[bytes, float]:
    """ZINTER: the members that all contents have."""
    first, *others = contents
    common = {member: score for member, score in first.items() if all(member in other for other in others)}
    return united([common, *({member: other[member] for member in common} for other in others)], aggregate)


def without(content: Mapping[bytes, float], others: Sequence[Mapping[bytes, float]]) -> dict[bytes, float]:
    """ZDIFF: the members that no other has."""
    return {member: score for member, score in content.items() if not any(member in other for other in others)}


def in_order(content: Mapping[bytes, float]) -> dict[bytes, float]:
    """The content as the server sorts it: by score, then by bytes."""
    return dict(sorted(content.items(), key=lambda item: (item[1], item[0])))
