"""The operations of ``SortedSetCache``: members with scores, by member, by rank, by score, and whole."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ...missing import MISSING
from ..effects import Batch, Command, Give, Script
from ..op import More, Op, Ready, Trips
from ..pieces import gather
from ..tallies import and_misses, each_score, some
from ..target import ATOMIC, PAGE, SNAPSHOT
from .lookups import lookup, lookups, member
from .scores import pairs, score_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ..effects import Plan
    from ..op import Operation
    from ..tallies import Counting
    from ..target import Target

__all__ = [
    "add", "add_many", "batches", "chunks", "contains", "discard", "elements", "elements_of",
    "encoded", "encoded_known", "first_of", "flat", "get_many", "incr", "is_small", "items", "length", "pop", "rank",
    "remove", "score", "scores", "take_out", "whole",
]  # fmt: skip

T = TypeVar("T")

_AT_ONCE = 2_500


def elements_of(t: Target) -> Callable[[object], list[tuple[object, float]]]:
    """Reads a reply with scores as pairs."""
    return lambda reply: [(t.read(member), float(score)) for member, score in pairs(reply)]


def encoded(t: Target, items: Iterable[Any]) -> dict[bytes, float]:
    """Pairs as members and scores; of equal elements the last counts. All are encoded before the first is sent."""
    found: dict[bytes, float] = {}
    for elem, value in items:
        found[t.encode(elem)] = score_of(value)
    return found


def encoded_known(t: Target, items: Iterable[Any]) -> dict[bytes, float]:
    """``encoded`` without elements that no set of the server can hold."""
    known = ((member(t, elem), score_of(value)) for elem, value in items)
    return {data: score for data, score in known if data is not None}


def is_small(members: Sequence[bytes] | Mapping[bytes, float]) -> bool:
    """Whether this many members can be one atomic step."""
    return len(members) <= ATOMIC


def flat(items: Iterable[tuple[bytes, float]]) -> tuple[str | bytes, ...]:
    """Scores and members as a script takes them."""
    return tuple(word for member, value in items for word in (repr(value), member))


def chunks(content: Mapping[bytes, float]) -> Iterator[tuple[str | bytes, ...]]:
    """The content as a script takes it, some at a time."""
    items = iter(content.items())
    while chunk := tuple(islice(items, _AT_ONCE)):
        yield flat(chunk)


def batches(steps: Iterator[Script]) -> Iterator[tuple[Script, ...]]:
    """The steps, some at a time."""
    while batch := tuple(islice(steps, 4)):
        yield batch


# -- by element ----------------------------------------------------------------------------------


def length(t: Target) -> Op[int]:
    return Op("length", Command(("ZCARD", t.key)), int, some)


@lookup(lambda *_: False)
def contains(t: Target, elem: object) -> Op[bool]:
    return Op("contains", Command(("ZSCORE", t.key, t.encode(elem))), lambda reply: reply is not None, some)


@lookup(lambda _elem, absent: absent())
def score(t: Target, elem: object, absent: Callable[[], T]) -> Op[float | T]:
    def decode(reply: Any) -> Any:
        return MISSING if reply is None else float(reply)

    return Op("score", Command(("ZSCORE", t.key, t.encode(elem))), decode, True, absent)


def scores(
    t: Target,
    name: str,
    members: Sequence[bytes],
    finish: Callable[[list[float | None]], T],
    reads: bool | Counting = False,
) -> Operation[T]:
    """The scores of several members at one moment, None for missing members."""
    if not members:
        return Ready(finish([]))

    def decode(replies: list[Any]) -> list[float | None]:
        return [None if reply is None else float(reply) for reply in replies]

    return Op(name, Command(("ZMSCORE", t.key, *members)), decode, reads, finish=finish)


def get_many(t: Target, elems: Iterable[object], default: object) -> Operation[dict[Any, Any]]:
    """The scores of the elements that are there, or of all elements if there is a ``default``."""
    wanted = list(dict.fromkeys(elems))
    members = lookups(t, wanted)

    def finish(scored: list[float | None]) -> dict[object, object]:
        found = iter(scored)
        pairs = ((elem, None if data is None else next(found)) for elem, data in zip(wanted, members, strict=True))
        return {
            elem: default if score is None else score
            for elem, score in pairs
            if score is not None or default is not MISSING
        }

    asked = [data for data in members if data is not None]
    return scores(t, "get_many", asked, finish, and_misses(each_score, len(members) - len(asked)))


@lookup(lambda _elem, _reverse, absent: absent())
def rank(t: Target, elem: object, reverse: bool, absent: Callable[[], object]) -> Op[int]:
    step = Command(("ZREVRANK" if reverse else "ZRANK", t.key, t.encode(elem)))
    return Op("rank", step, lambda reply: MISSING if reply is None else reply, True, absent)


def add(t: Target, elem: object, score: float, flags: str) -> Op[bool]:
    """Store one score under the conditions ``flags``; True if the element is new."""
    return _add(t, flags, encoded(t, ((elem, score),)), bool)


def _add(t: Target, flags: str, content: Mapping[bytes, float], decode: Callable[[int], T]) -> Op[T]:
    step = Script("zset_add", (t.key,), (*t.arm(), flags, *flat(content.items())))
    return Op("add", step, lambda reply: decode(int(reply[1])))


def add_many(t: Target, items: Iterable[object]) -> Operation[int]:
    """Store several scores, atomically up to ``ATOMIC`` of them. Gives how many are new."""
    content = encoded(t, items)
    if not content:
        return Ready(0)
    return _add(t, "", content, int) if is_small(content) else Trips("add", _add_big(t, content))


def _add_big(t: Target, content: Mapping[bytes, float]) -> Plan[int]:
    """Store step by step: stored scores stay if a later step fails."""
    added = 0
    for steps in batches(Script("zset_add", (t.key,), (*t.arm(), "", *chunk)) for chunk in chunks(content)):
        replies = yield Batch(steps)
        added += sum(int(reply[1]) for reply in replies)
    return added


def incr(t: Target, elem: object, by: float) -> Op[float]:
    def decode(reply: list[Any]) -> float:
        if reply[0] == b"nan":
            raise ValueError(f"{t.key!r}: inf and -inf have no sum that could be a score; nothing was changed")
        return float(reply[1])

    step = Script("zset_incr", (t.key,), (*t.arm(), repr(score_of(by)), t.encode(elem)))
    return Op("incr", step, decode)


@lookup(lambda *_: False)
def discard(t: Target, elem: object) -> Operation[bool]:
    """Remove one element; gives whether it was there."""
    return remove(t, "discard", (t.encode(elem),), bool)


@lookup(lambda _elem, absent: absent(0))
def take_out(t: Target, elem: object, absent: Callable[[int], None]) -> Operation[None]:
    """Remove one element; ``absent`` gets how many were there, and raises if that is none."""
    return remove(t, "remove", (t.encode(elem),), absent)


def remove(t: Target, name: str, members: Sequence[bytes], decode: Callable[[int], T]) -> Operation[T]:
    if not members:
        return Ready(decode(0))
    return Op(name, Command(("ZREM", t.key, *members)), decode)


def pop(t: Target, last: bool, absent: Callable[[], object]) -> Op[tuple[Any, float]]:
    return Op("pop", Command(("ZPOPMAX" if last else "ZPOPMIN", t.key)), first_of(t), True, absent)


def first_of(t: Target) -> Callable[[Any], Any]:
    """Reads a reply with scores as its only pair, or MISSING."""
    read = elements_of(t)
    return lambda reply: read(reply)[0] if reply else MISSING


# -- whole reads ---------------------------------------------------------------------------------


def items(t: Target, reverse: bool) -> Op[Iterable[tuple[Any, float]]]:
    """All pairs, to be iterated: one snapshot, or page by page where they are too many for one reply."""
    return _read(t, reverse, lambda some: ((t.read(member), float(score)) for member, score in some))


def elements(t: Target) -> Op[Iterable[Any]]:
    """The elements alone, to be iterated."""
    return _read(t, False, lambda some: (t.read(member) for member, _ in some))


def _read(t: Target, reverse: bool, part: Callable[[Iterable[tuple[bytes, Any]]], Iterable[T]]) -> Op[Iterable[T]]:
    def decode(reply: list[Any]) -> Any:
        return More(_pages(t, reverse, part)) if reply[0] == b"big" else pairs(reply[1])

    def finish(found: list[tuple[bytes, Any]]) -> Iterable[T]:
        return part(reversed(found) if reverse else found)

    return Op("items", Script("zset_read", (t.key,), (SNAPSHOT,)), decode, some, finish=finish)


def _pages(
    t: Target, reverse: bool, part: Callable[[Iterable[tuple[bytes, object]]], Iterable[T]]
) -> Plan[Iterable[T]]:
    """Each page goes on behind the last element before, by its score and member. A short page is the last.

    Ranks would not do: A reads ranks 0 to 9, B removes rank 3, A goes on at 10 and has skipped one.
    """
    member, score = b"", b""
    while True:
        reply = yield Script("zset_page", (t.key,), (PAGE, "down" if reverse else "up", score, member))
        found = pairs(reply[1])[:: -1 if reverse else 1]
        if len(found) < PAGE:
            return part(found)
        yield Give(part(found))
        member, score = found[-1]


def whole(t: Target) -> Plan[dict[bytes, float]]:
    """All members and scores: one snapshot, or page by page where they are too many for one reply."""
    op = _read(t, False, lambda some: ((member, float(score)) for member, score in some))
    first: Any = op.decode((yield op.step))
    if type(first) is not More:
        return dict(op.finished(first))
    content: dict[bytes, float] = {}
    yield from gather(first.plan, content.update)
    return content
