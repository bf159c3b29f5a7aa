"""The operations of ``SetCache``: members of one set, and sets against sets."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import CacheError
from ...missing import MISSING
from ..effects import Batch, Command, Script
from ..target import ATOMIC, PAGE, SNAPSHOT, Op, Target
from .keys import staging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..effects import Plan

__all__ = [
    "add", "algebra", "combine", "combine_big", "common", "common_big", "compare", "contains", "contains_many",
    "contains_many_big", "encoded", "is_small", "known", "length", "member", "page", "pop", "read", "remove",
    "replace", "replace_big", "replace_by", "sample", "whole", "xor",
]  # fmt: skip

T = TypeVar("T")

_AT_ONCE = 2_500
_STAGED_MS = 60_000


def length(t: Target) -> Op[int]:
    return Op("length", Command(("SCARD", t.key)), int)


def contains(t: Target, member: Any) -> Op[bool]:
    return Op("contains", Command(("SISMEMBER", t.key, t.encode(member))), bool, reads=True)


def add(t: Target, name: str, members: Sequence[bytes], decode: Callable[[int], T]) -> Op[T]:
    """Add at most ``ATOMIC`` members; ``decode`` gets how many were new."""
    step = Script("set_add", (t.key,), (*t.arm(), *members))
    return Op(name, step, lambda reply: decode(int(reply[1])))


def remove(t: Target, name: str, members: Sequence[bytes], decode: Callable[[int], T]) -> Op[T]:
    """Remove members; ``decode`` gets how many were there."""
    return Op(name, Command(("SREM", t.key, *members)), decode)


def pop(t: Target, absent: Callable[[], Any]) -> Op[Any]:
    def decode(data: bytes | None) -> Any:
        return MISSING if data is None else t.read(data)

    return Op("pop", Command(("SPOP", t.key)), decode, reads=True, absent=absent)


def sample(t: Target, k: int) -> Op[list[Any]]:
    return Op("random_sample", Command(("SRANDMEMBER", t.key, k)), lambda reply: [t.read(data) for data in reply])


# -- members as bytes ----------------------------------------------------------------------------


def encoded(t: Target, elems: Iterable[Any]) -> list[bytes]:
    """Elements as members, equal ones once; all are encoded before the first is sent."""
    return list(dict.fromkeys(map(t.encode, elems)))


def member(t: Target, elem: Any) -> bytes | None:
    """An element as a member; None for one that no set here can hold, so that it is in none."""
    try:
        return t.encode(elem)
    except (TypeError, ValueError):
        hash(elem)  # a TypeError for what no set of Python can hold either
        return None


def known(t: Target, elems: Iterable[Any]) -> list[bytes]:
    """Elements as members, equal ones once, without those that no set here can hold."""
    return [data for data in dict.fromkeys(member(t, elem) for elem in elems) if data is not None]


def is_small(members: Sequence[bytes]) -> bool:
    """Whether this many members can be one atomic step."""
    return len(members) <= ATOMIC


def _chunks(members: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(members), size):
        yield members[start : start + size]


# -- reading -------------------------------------------------------------------------------------


def read(t: Target) -> Op[Any]:
    """All members in one snapshot, as bytes; MISSING where there are too many for one reply."""

    def decode(reply: list[Any]) -> Any:
        return MISSING if reply[0] == b"big" else reply[1]

    return Op("members", Script("set_read", (t.key,), (SNAPSHOT,)), decode)


def page(t: Target, cursor: Any) -> Op[tuple[int, list[bytes]]]:
    """One page of members, and the cursor of the next (0: that was the last)."""
    return Op("page", Command(("SSCAN", t.key, cursor, "COUNT", PAGE)), lambda reply: (int(reply[0]), reply[1]))


def whole(t: Target) -> Plan[set[Any]]:
    """All elements as a set: one snapshot, or page by page where they are too many for one reply."""
    first = read(t)
    found = first.decode((yield first.step))
    if found is not MISSING:
        return set(map(t.read, found))
    elems: set[Any] = set()
    cursor = 0
    while True:
        op = page(t, cursor)
        cursor, some = op.decode((yield op.step))
        elems.update(map(t.read, some))
        if cursor == 0:
            return elems


def algebra(t: Target, name: str, command: str, others: Sequence[str], finish: Callable[[set[Any]], T]) -> Op[T]:
    """SUNION, SINTER or SDIFF of this set and others; ``finish`` does the rest in Python."""
    step = Command((command, t.key, *others))
    return Op(name, step, lambda reply: finish(set(map(t.read, reply))), operands=True)


def xor(t: Target, other: str) -> Op[set[Any]]:
    def decode(reply: list[Any]) -> set[Any]:
        return set(map(t.read, (*reply[1], *reply[2])))

    return Op("symmetric_difference", Script("set_xor", (t.key, other), ()), decode, operands=True)


def contains_many(t: Target, name: str, members: Sequence[bytes], finish: Callable[[list[bool]], T]) -> Op[T]:
    step = Command(("SMISMEMBER", t.key, *members))
    return Op(name, step, lambda reply: finish([bool(there) for there in reply]))


def contains_many_big(t: Target, members: Sequence[bytes]) -> Plan[list[bool]]:
    """The same for more members than one command should carry: still one round trip and one moment."""
    steps = tuple(Command(("SMISMEMBER", t.key, *chunk)) for chunk in _chunks(members, ATOMIC))
    replies = yield Batch(steps, atomic=True)
    return [bool(there) for reply in replies for there in reply]


# -- comparing: the sizes of a set, of another, and of what they have in common ----------------------


def compare(t: Target, other: str, judge: Callable[[int, int, int], bool]) -> Op[bool]:
    """Judge two sets of the server by their sizes and how much they have in common."""
    step = Script("set_compare", (t.key, other), ())
    return Op("compare", step, lambda reply: judge(*map(int, reply[1:])), operands=True)


def common(t: Target, members: Sequence[bytes], size: int, judge: Callable[[int, int, int], bool]) -> Op[bool]:
    """The same with a plain set of ``size`` elements, of which these can be members."""
    step = Script("set_compare", (t.key,), tuple(members))
    return Op("compare", step, lambda reply: judge(int(reply[1]), size, int(reply[3])))


def common_big(t: Target, members: Sequence[bytes], size: int, judge: Callable[[int, int, int], bool]) -> Plan[bool]:
    """The same for many: nothing is sent where the number of members decides alone."""
    count = yield Command(("SCARD", t.key))
    answer = judge(count, size, 0)
    if answer == judge(count, size, min(count, size)):
        return answer
    steps = tuple(Script("set_compare", (t.key,), tuple(chunk)) for chunk in _chunks(members, ATOMIC))
    replies = yield Batch(steps, atomic=True)
    return judge(int(replies[0][1]), size, sum(int(reply[3]) for reply in replies))


# -- changing whole sets -------------------------------------------------------------------------


def combine(
    t: Target,
    name: str,
    op: str,
    others: Sequence[str],
    members: Sequence[bytes] | None,
    decode: Callable[[int, int], T],
) -> Op[T]:
    """Change a set by others of the server and by at most ``ATOMIC`` members (None: no such operand).

    ``decode`` gets the sizes before and after.
    """
    aside = staging(t.key)
    operands = (*others, aside) if members is not None else tuple(others)
    step = _combined(t, op, aside, operands, len(members or ()), members or ())
    return Op(name, step, _sizes(t, decode), operands=True)


def combine_big(
    t: Target, op: str, others: Sequence[str], members: Sequence[bytes], decode: Callable[[int, int], T]
) -> Plan[T]:
    """The same with more members: they are sent to a staging key first, then one step changes the set."""
    aside = staging(t.key)
    steps = (Script("set_add", (aside,), (_STAGED_MS, "last", *chunk)) for chunk in _chunks(members, _AT_ONCE))
    try:
        while batch := tuple(islice(steps, 4)):
            yield Batch(batch)
        reply = yield _combined(t, op, aside, (*others, aside), len(members), ())
        return _sizes(t, decode)(reply)
    except GeneratorExit:
        raise
    except BaseException:
        with suppress(CacheError):  # then its ttl removes it
            yield Command(("UNLINK", aside))
        raise


def _combined(
    t: Target, op: str, aside: str, operands: tuple[str, ...], staged: int, members: Sequence[bytes]
) -> Script:
    return Script("set_combine", (t.key, aside, staging(t.key), *operands), (*t.arm(), op, staged, *members))


def _sizes(t: Target, decode: Callable[[int, int], T]) -> Callable[[list[Any]], T]:
    def read_sizes(reply: list[Any]) -> T:
        if reply[0] == b"lost":
            raise CacheError(
                f"{t.key!r}: what was sent ahead expired before the last of it arrived; nothing was changed: try again"
            )
        return decode(int(reply[1]), int(reply[2]))

    return read_sizes


def replace(t: Target, members: Sequence[bytes]) -> Op[None]:
    """Make these members the whole content, atomically: for at most ``ATOMIC`` of them."""
    return Op("replace", Script("set_replace", (t.key,), (t.ms(), *members)), lambda _: None)


def replace_big(t: Target, members: Sequence[bytes]) -> Plan[None]:
    """The same for more: built under a staging key that dies by itself, then renamed."""
    yield from combine_big(t, "move", (), members, lambda _before, _after: None)


def replace_by(t: Target, other: str) -> Op[None]:
    """Make another set of the server the whole content."""
    return combine(t, "replace", "copy", (other,), None, lambda _before, _after: None)
