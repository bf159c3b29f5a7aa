"""Sorted sets against sorted sets: algebra that gives plain dicts, algebra that changes one, and comparing.

Operands come as ``keys``, which are on the same server, and as ``plain``, which are members with scores in Python.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import CacheError
from ..effects import Batch, Command, Script
from ..naming import staging
from ..op import Op, Ready, Trips
from ..tallies import some
from .lookups import member
from .scores import AGGREGATES, in_order, met, pairs, united, without
from .sortedsets import batches, chunks, encoded, flat, is_small, remove, scores, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ..effects import Plan
    from ..op import Operation
    from ..tallies import Counting
    from ..target import Target

__all__ = [
    "check_aggregate", "content", "difference", "difference_update", "equal", "intersection", "intersection_update",
    "replace", "replace_by", "union", "union_update",
]  # fmt: skip

T = TypeVar("T")
Content = dict[bytes, float]

_STAGED_MS = 60_000


def check_aggregate(aggregate: str) -> None:
    """ValueError for an ``aggregate`` that cannot join scores."""
    if aggregate not in AGGREGATES:
        raise ValueError(f"aggregate is one of {', '.join(AGGREGATES)}, not {aggregate!r}")


# -- algebra that gives plain dicts --------------------------------------------------------------


def content(t: Target, name: str) -> Operation[dict[Any, float]]:
    """All elements with their scores, lowest first."""
    return _whole(t, name, lambda mine: _decoded(t, mine), some)


def _decoded(t: Target, found: Mapping[bytes, float]) -> dict[object, float]:
    return {t.read(member): score for member, score in found.items()}


def _whole(t: Target, name: str, finish: Callable[[Content], T], reads: bool | Counting = False) -> Operation[T]:
    """What ``finish`` makes of all members and scores.

    A pipeline cannot ask for a second page, so inside of it there is one reply, whatever the size.
    """
    return Trips(name, whole(t), lambda: _algebra(t, name, "ZUNION", (), "sum", finish, reads), reads, finish)


def _algebra(
    t: Target,
    name: str,
    command: str,
    keys: Sequence[str],
    aggregate: str,
    finish: Callable[[Content], T],
    reads: bool | Counting = False,
) -> Op[T]:
    how = () if command == "ZDIFF" else ("AGGREGATE", aggregate)
    step = Command((command, 1 + len(keys), t.key, *keys, *how, "WITHSCORES"))
    return Op(name, step, _scored, reads, operands=True, finish=finish)


def _scored(reply: Any) -> Content:
    return {member: float(score) for member, score in pairs(reply)}


def _with_others(
    t: Target, name: str, command: str, keys: Sequence[str], aggregate: str, join: Callable[[Content], Content]
) -> Operation[dict[object, float]]:
    def finish(mine: Content) -> dict[object, float]:
        return _decoded(t, in_order(join(mine)))

    return _algebra(t, name, command, keys, aggregate, finish) if keys else _whole(t, name, finish)


def union(t: Target, keys: Sequence[str], plain: Sequence[Content], aggregate: str) -> Operation[dict[object, float]]:
    return _with_others(t, "union", "ZUNION", keys, aggregate, lambda mine: united((mine, *plain), aggregate))


def intersection(
    t: Target, keys: Sequence[str], plain: Sequence[Content], aggregate: str
) -> Operation[dict[Any, float]]:
    if keys or not plain:
        return _with_others(t, "intersection", "ZINTER", keys, aggregate, lambda mine: met((mine, *plain), aggregate))
    # The plain elements go to the server; the whole sorted set is not read.
    theirs = met(plain, aggregate)
    members = list(theirs)

    def finish(found: list[float | None]) -> dict[object, float]:
        mine = {member: score for member, score in zip(members, found, strict=True) if score is not None}
        return _decoded(t, in_order(met((mine, theirs), aggregate)))

    return scores(t, "intersection", members, finish)


def difference(t: Target, keys: Sequence[str], plain: Sequence[Content]) -> Operation[dict[Any, float]]:
    return _with_others(t, "difference", "ZDIFF", keys, "sum", lambda mine: without(mine, plain))


def equal(t: Target, other: Mapping[Any, object]) -> Operation[bool]:
    """Whether the sorted set has the elements and scores of the mapping, and no others."""
    theirs = {member(t, elem): score for elem, score in other.items()}
    return _whole(t, "==", lambda mine: mine == theirs and len(mine) == len(other), some)


# -- algebra that changes this sorted set: atomic, on the server ---------------------------------


def union_update(t: Target, keys: Sequence[str], plain: Sequence[Content], aggregate: str) -> Operation[None]:
    own = united(plain, aggregate)
    if keys:
        return _combine(t, "union_update", "union", aggregate, keys, own or None)
    if not own:
        return Ready(None)
    if not is_small(own):
        return _combine(t, "union_update", "union", aggregate, keys, own)
    step = Script("zset_merge", (t.key,), (*t.arm(), aggregate, *flat(own.items())))
    return Op("union_update", step, lambda _: None)


def intersection_update(t: Target, keys: Sequence[str], plain: Sequence[Content], aggregate: str) -> Operation[None]:
    if not keys and not plain:
        return Ready(None)
    own = met(plain, aggregate) if plain else None
    return _combine(t, "intersection_update", "inter", aggregate, keys, own)


def difference_update(t: Target, keys: Sequence[str], plain: Sequence[Content]) -> Operation[None]:
    own = united(plain, "max")
    if not keys and is_small(own):
        return remove(t, "difference_update", list(own), lambda _: None)
    return _combine(t, "difference_update", "diff", "sum", keys, own or None)


def _combine(
    t: Target, name: str, op: str, aggregate: str, keys: Sequence[str], own: Content | None
) -> Operation[None]:
    """Change a sorted set, atomically, by others of the server and by any number of scores (None: no such operand)."""
    if own is not None and not is_small(own):
        return Trips(name, _combine_big(t, op, aggregate, keys, own))
    aside = staging(t.connection.namespace, t.key)
    operands = (*keys, aside) if own is not None else tuple(keys)
    step = _combined(t, op, aggregate, aside, operands, len(own or ()), flat((own or {}).items()))
    return Op(name, step, _arrived(t), operands=True)


def _combine_big(t: Target, op: str, aggregate: str, keys: Sequence[str], own: Content) -> Plan[None]:
    """The scores are sent to a staging key first, then one step does the change."""
    aside = staging(t.connection.namespace, t.key)
    steps = (Script("zset_add", (aside,), (_STAGED_MS, "last", "", *chunk)) for chunk in chunks(own))
    try:
        for batch in batches(steps):
            yield Batch(batch)
        _arrived(t)((yield _combined(t, op, aggregate, aside, (*keys, aside), len(own), ())))
    except GeneratorExit:
        raise
    except BaseException:
        with suppress(CacheError):  # then the ttl removes the staging key
            yield Command(("UNLINK", aside))
        raise


def _combined(
    t: Target,
    op: str,
    aggregate: str,
    aside: str,
    operands: tuple[str, ...],
    staged: int,
    words: tuple[str | bytes, ...],
) -> Script:
    keys = (t.key, aside, staging(t.connection.namespace, t.key), *operands)
    return Script("zset_combine", keys, (*t.arm(), op, aggregate, staged, *words))


def _arrived(t: Target) -> Callable[[list[object]], None]:
    def check(reply: list[object]) -> None:
        if reply[0] == b"lost":
            raise CacheError(
                f"{t.key!r}: what was sent ahead expired before the last of it arrived; nothing was changed: try again"
            )

    return check


def replace(t: Target, items: Iterable[object]) -> Operation[None]:
    """Make these pairs the whole content, atomically."""
    own = encoded(t, items)
    if not is_small(own):
        return Trips("replace", _combine_big(t, "move", "sum", (), own))
    return Op("replace", Script("zset_replace", (t.key,), (t.ms(), *flat(own.items()))), lambda _: None)


def replace_by(t: Target, other: str) -> Operation[None]:
    """Make another set of the server, sorted or not, the whole content."""
    return _combine(t, "replace", "copy", "sum", (other,), None)
