"""How many hits and misses an operation was: counted from what it read, before that becomes the caller's result.

A read counts one hit or one miss. A read of several elements counts one for each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ..missing import MISSING

__all__ = ["Counting", "Tally", "and_misses", "each_answer", "each_score", "each_value", "found", "some", "tally"]

Tally: TypeAlias = tuple[int, int]  # hits, misses
Counting: TypeAlias = Callable[[Any], Tally]

_HIT, _MISS = (1, 0), (0, 1)


def tally(reads: bool | Counting, value: object) -> Tally | None:
    """The hits and misses of a read that gave ``value``; None for an operation that reads nothing.

    ``reads`` is True where MISSING alone is a miss, or a function of the value that counts.
    """
    if reads is False:
        return None
    if value is MISSING:
        return _MISS
    return _HIT if reads is True else reads(value)


def some(value: object) -> Tally:
    """For answers and whole contents: one hit if it is true or not empty, else one miss."""
    return _HIT if value else _MISS


def found(pair: Any) -> Tally:
    """For a value with its token: a hit unless the value is MISSING."""
    return _MISS if pair[0] is MISSING else _HIT


def and_misses(reads: Counting, misses: int) -> Counting:
    """The same, with misses that the server was not asked for: of what it cannot hold."""

    def count(values: Any) -> Tally:
        hits, more = reads(values)
        return hits, more + misses

    return count if misses else reads


def _each(missing: object) -> Counting:
    """For a list with a place for each element: a miss for each ``missing`` in it, a hit for each other."""

    def count(values: Any) -> Tally:
        misses = sum(value is missing for value in values)
        return len(values) - misses, misses

    return count


each_value, each_score, each_answer = _each(MISSING), _each(None), _each(False)
