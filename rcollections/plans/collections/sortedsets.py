"""The operations of ``SortedSetCache``: members with scores, by member, by rank, by score, and whole."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import CacheError
from ...missing import MISSING
from ..effects import Batch, Command, Script
from ..target import ATOMIC, PAGE, SNAPSHOT, Op, Target
from .keys import staging
from .scores import pairs, score_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ..effects import Plan

__all__ = [
    "add", "add_big", "algebra", "at", "between", "combine", "combine_big", "contains", "count", "encoded",
    "incr", "is_small", "length", "merge", "page", "pop", "rank", "read", "remove", "remove_ranks", "remove_scores",
    "replace", "replace_big", "replace_by", "score", "scores", "whole", "window",
]  # fmt: skip

T = TypeVar("T")

_AT_ONCE = 2_500
_STAGED_MS = 60_000


def _content(reply: Any) -> dict[bytes, float]:
    return {member: float(score) for member, score in pairs(reply)}


def _elements(t: Target) -> Callable[[Any], list[tuple[Any, float]]]:
    return lambda reply: [(t.read(member), float(score)) for member, score in pairs(reply)]


def encoded(t: Target, items: Iterable[Any]) -> dict[bytes, float]:
    """Pairs as members and scores, the last of equal elements counts; all before the first is sent."""
    found: dict[bytes, float] = {}
    for elem, value in items:
        found[t.encode(elem)] = score_of(value)
    return found


def is_small(members: Sequence[bytes] | Mapping[bytes, float]) -> bool:
    """Whether this many members can be one atomic step."""
    return len(members) <= ATOMIC


def _flat(items: Iterable[tuple[bytes, float]]) -> tuple[str | bytes, ...]:
    return tuple(word for member, value in items for word in (repr(value), member))


def _chunks(content: Mapping[bytes, float]) -> Iterator[tuple[str | bytes, ...]]:
    items = iter(content.items())
    while chunk := tuple(islice(items, _AT_ONCE)):
        yield _flat(chunk)


def _batches(steps: Iterator[Script]) -> Iterator[tuple[Script, ...]]:
    while batch := tuple(islice(steps, 4)):
        yield batch


# -- one element ---------------------------------------------------------------------------------


def length(t: Target) -> Op[int]:
    return Op("length", Command(("ZCARD", t.key)), int)


def contains(t: Target, elem: Any) -> Op[bool]:
    return Op("contains", Command(("ZSCORE", t.key, t.encode(elem))), lambda reply: reply is not None, reads=True)


def score(t: Target, elem: Any, absent: Callable[[], Any]) -> Op[Any]:
    def decode(reply: Any) -> Any:
        return MISSING if reply is None else float(reply)

    return Op("score", Command(("ZSCORE", t.key, t.encode(elem))), decode, reads=True, absent=absent)


def scores(t: Target, name: str, members: Sequence[bytes], finish: Callable[[list[float | None]], T]) -> Op[T]:
    """The scores of several members at one moment, None for those that are not there."""

    def decode(replies: list[Any]) -> T:
        return finish([None if reply is None else float(reply) for reply in replies])

    return Op(name, Command(("ZMSCORE", t.key, *members)), decode)


def rank(t: Target, elem: Any, reverse: bool, absent: Callable[[], Any]) -> Op[Any]:
    step = Command(("ZREVRANK" if reverse else "ZRANK", t.key, t.encode(elem)))
    return Op("rank", step, lambda reply: MISSING if reply is None else reply, reads=True, absent=absent)


def add(t: Target, name: str, flags: str, content: Mapping[bytes, float], decode: Callable[[int], T]) -> Op[T]:
    """Store at most ``ATOMIC`` scores under the conditions ``flags``; ``decode`` gets how many are new."""
    step = Script("zset_add", (t.key,), (*t.arm(), flags, *_flat(content.items())))
    return Op(name, step, lambda reply: decode(int(reply[1])))


def add_big(t: Target, content: Mapping[bytes, float]) -> Plan[int]:
    """Store very many scores, step by step: what is stored stays if a later step fails. Gives how many are new."""
    added = 0
    for steps in _batches(Script("zset_add", (t.key,), (*t.arm(), "", *chunk)) for chunk in _chunks(content)):
        replies = yield Batch(steps)
        added += sum(int(reply[1]) for reply in replies)
    return added


def incr(t: Target, elem: Any, by: float) -> Op[float]:
    def decode(reply: list[Any]) -> float:
        if reply[0] == b"nan":
            raise ValueError(f"{t.key!r}: inf and -inf have no sum that could be a score; nothing was changed")
        return float(reply[1])

    step = Script("zset_incr", (t.key,), (*t.arm(), repr(score_of(by)), t.encode(elem)))
    return Op("incr", step, decode)


def remove(t: Target, name: str, members: Sequence[bytes], decode: Callable[[int], T]) -> Op[T]:
    return Op(name, Command(("ZREM", t.key, *members)), decode)


def pop(t: Target, last: bool, absent: Callable[[], Any]) -> Op[Any]:
    read = _elements(t)

    def decode(reply: Any) -> Any:
        return read(reply)[0] if reply else MISSING

    return Op("pop", Command(("ZPOPMAX" if last else "ZPOPMIN", t.key)), decode, reads=True, absent=absent)


# -- by rank and by score ------------------------------------------------------------------------


def at(t: Target, index: int, absent: Callable[[], Any]) -> Op[Any]:
    read = _elements(t)

    def decode(reply: Any) -> Any:
        return read(reply)[0] if reply else MISSING

    return Op("at", Command(("ZRANGE", t.key, index, index, "WITHSCORES")), decode, reads=True, absent=absent)


def window(t: Target, first: int, last: int, step: int) -> Op[list[tuple[Any, float]]]:
    """The elements of ranks ``first`` to ``last``, every ``step``-th, from the high end if it is negative."""
    read = _elements(t)
    return Op("window", Command(("ZRANGE", t.key, first, last, "WITHSCORES")), lambda reply: read(reply)[::step])


def between(t: Target, low: float, high: float, reverse: bool, offset: int, limit: int) -> Op[list[tuple[Any, float]]]:
    """The elements with scores from ``low`` to ``high``, at most ``limit`` (-1: all) after ``offset``."""
    ends: tuple[str, ...] = (repr(high), repr(low), "BYSCORE", "REV") if reverse else (repr(low), repr(high), "BYSCORE")
    step = Command(("ZRANGE", t.key, *ends, "LIMIT", offset, limit, "WITHSCORES"))
    return Op("range", step, _elements(t))


def count(t: Target, low: float, high: float) -> Op[int]:
    return Op("count", Command(("ZCOUNT", t.key, repr(low), repr(high))), int)


def remove_scores(t: Target, low: float, high: float) -> Op[int]:
    return Op("remove_range_by_score", Command(("ZREMRANGEBYSCORE", t.key, repr(low), repr(high))), int)


def remove_ranks(t: Target, first: int, last: int) -> Op[int]:
    return Op("remove_range_by_rank", Command(("ZREMRANGEBYRANK", t.key, first, last)), int)


# -- whole reads ---------------------------------------------------------------------------------


def read(t: Target) -> Op[Any]:
    """All in one snapshot, as raw pairs; MISSING where there are too many for one reply."""

    def decode(reply: list[Any]) -> Any:
        return MISSING if reply[0] == b"big" else pairs(reply[1])

    return Op("items", Script("zset_read", (t.key,), (SNAPSHOT,)), decode)


def page(t: Target, reverse: bool, seen: tuple[bytes, bytes] | None) -> Op[list[tuple[bytes, bytes]]]:
    """The page that follows an element, by its score and member; a short one is the last.

    Ranks would not do: A reads ranks 0 to 9, B removes rank 3, A goes on at 10 and has skipped one.
    """
    member, score = seen or (b"", b"")
    step = Script("zset_page", (t.key,), (PAGE, "down" if reverse else "up", score, member))
    return Op("page", step, lambda reply: pairs(reply[1])[:: -1 if reverse else 1])


def whole(t: Target) -> Plan[dict[bytes, float]]:
    """All members and scores: one snapshot, or page by page where they are too many for one reply."""
    first = read(t)
    found = first.decode((yield first.step))
    if found is not MISSING:
        return {member: float(score) for member, score in found}
    content: dict[bytes, float] = {}
    seen = None
    while True:
        op = page(t, False, seen)
        some = op.decode((yield op.step))
        content.update((member, float(score)) for member, score in some)
        if len(some) < PAGE:
            return content
        seen = some[-1]


def algebra(
    t: Target, name: str, command: str, others: Sequence[str], aggregate: str, finish: Callable[[dict[bytes, float]], T]
) -> Op[T]:
    """ZUNION, ZINTER or ZDIFF of this one and others, in one reply; ``finish`` does the rest in Python."""
    how = () if command == "ZDIFF" else ("AGGREGATE", aggregate)
    step = Command((command, 1 + len(others), t.key, *others, *how, "WITHSCORES"))
    return Op(name, step, lambda reply: finish(_content(reply)), operands=True)


# -- whole writes --------------------------------------------------------------------------------


def merge(t: Target, aggregate: str, content: Mapping[bytes, float]) -> Op[None]:
    """Bring at most ``ATOMIC`` scores in, without touching the others."""
    step = Script("zset_merge", (t.key,), (*t.arm(), aggregate, *_flat(content.items())))
    return Op("union_update", step, lambda _: None)


def combine(
    t: Target, name: str, op: str, aggregate: str, others: Sequence[str], content: Mapping[bytes, float] | None
) -> Op[None]:
    """Change by others of the server and by at most ``ATOMIC`` scores (None: no such operand)."""
    aside = staging(t.key)
    operands = (*others, aside) if content is not None else tuple(others)
    step = _combined(t, op, aggregate, aside, operands, len(content or ()), _flat((content or {}).items()))
    return Op(name, step, _arrived(t), operands=True)


def combine_big(
    t: Target, op: str, aggregate: str, others: Sequence[str], content: Mapping[bytes, float]
) -> Plan[None]:
    """The same with more scores: they are sent to a staging key first, then one step does the change."""
    aside = staging(t.key)
    try:
        for steps in _batches(
            Script("zset_add", (aside,), (_STAGED_MS, "last", "", *chunk)) for chunk in _chunks(content)
        ):
            yield Batch(steps)
        _arrived(t)((yield _combined(t, op, aggregate, aside, (*others, aside), len(content), ())))
    except GeneratorExit:
        raise
    except BaseException:
        with suppress(CacheError):  # then its ttl removes it
            yield Command(("UNLINK", aside))
        raise


def _combined(
    t: Target,
    op: str,
    aggregate: str,
    aside: str,
    operands: tuple[str, ...],
    staged: int,
    flat: tuple[str | bytes, ...],
) -> Script:
    keys = (t.key, aside, staging(t.key), *operands)
    return Script("zset_combine", keys, (*t.arm(), op, aggregate, staged, *flat))


def _arrived(t: Target) -> Callable[[list[Any]], None]:
    def check(reply: list[Any]) -> None:
        if reply[0] == b"lost":
            raise CacheError(
                f"{t.key!r}: what was sent ahead expired before the last of it arrived; nothing was changed: try again"
            )

    return check


def replace(t: Target, content: Mapping[bytes, float]) -> Op[None]:
    """Make these the whole content, atomically: for at most ``ATOMIC`` of them."""
    return Op("replace", Script("zset_replace", (t.key,), (t.ms(), *_flat(content.items()))), lambda _: None)


def replace_big(t: Target, content: Mapping[bytes, float]) -> Plan[None]:
    """The same for more: built under a staging key that dies by itself, then renamed."""
    yield from combine_big(t, "move", "sum", (), content)


def replace_by(t: Target, other: str) -> Op[None]:
    """Make another set of the server, sorted or not, the whole content."""
    return combine(t, "replace", "copy", "sum", (other,), None)
