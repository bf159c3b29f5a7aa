"""The operations of ``SetCache`` on elements, and whole sets."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import CacheError
from ...missing import MISSING
from ..effects import Batch, Command, Give, Script
from ..naming import staging
from ..op import More, Op, Ready, Trips, as_plan
from ..pieces import gather
from ..tallies import and_misses, each_answer, some
from ..target import ATOMIC, PAGE, SNAPSHOT
from .lookups import lookup, lookups, unfound
from .numbers import at_most

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..effects import Plan
    from ..op import Operation
    from ..tallies import Counting
    from ..target import Target

__all__ = [
    "add", "add_many", "ask", "ask_each", "chunks", "combine", "contains", "discard", "encoded", "grow", "is_small",
    "length", "members", "of_set", "pop", "remove", "replace", "sample", "shrink", "take_out",
    "whole",
]  # fmt: skip

T = TypeVar("T")

_AT_ONCE = 2_500
_STAGED_MS = 60_000


def length(t: Target) -> Op[int]:
    return Op("length", Command(("SCARD", t.key)), int, some)


def contains(t: Target, elem: object) -> Operation[bool]:
    try:
        data = t.encode(elem)
    except (TypeError, ValueError):
        return unfound("contains", elem, lambda: False)
    return Op("contains", Command(("SISMEMBER", t.key, data)), bool, some)


def add(t: Target, elem: object) -> Op[bool]:
    """Add one element; True if it is new."""
    return add_many(t, "add", (t.encode(elem),), bool)


def add_many(t: Target, name: str, members: Sequence[bytes], decode: Callable[[int], T]) -> Op[T]:
    """Add at most ``ATOMIC`` members; ``decode`` gets how many were new."""
    step = Script("set_add", (t.key,), (*t.arm(), *members))
    return Op(name, step, lambda reply: decode(int(reply[1])))


@lookup(lambda *_: False)
def discard(t: Target, elem: object) -> Op[bool]:
    """Remove one element; gives whether it was there."""
    return remove(t, "remove", (t.encode(elem),), bool)


@lookup(lambda _elem, absent: absent(0))
def take_out(t: Target, elem: object, absent: Callable[[int], None]) -> Op[None]:
    """Remove one element; ``absent`` gets how many were there, and raises if that is none."""
    return remove(t, "remove", (t.encode(elem),), absent)


def remove(t: Target, name: str, members: Sequence[bytes], decode: Callable[[int], T]) -> Op[T]:
    """Remove members; ``decode`` gets how many were there."""
    return Op(name, Command(("SREM", t.key, *members)), decode)


def pop(t: Target, absent: Callable[[], object]) -> Op[T]:
    def decode(data: bytes | None) -> Any:
        return MISSING if data is None else t.read(data)

    return Op("pop", Command(("SPOP", t.key)), decode, True, absent)


def sample(t: Target, k: int) -> Op[list[Any]]:
    step = Command(("SRANDMEMBER", t.key, at_most(k)))
    return Op("random_sample", step, lambda reply: [t.read(data) for data in reply], some)


# -- members as bytes ----------------------------------------------------------------------------


def encoded(t: Target, elems: Iterable[object]) -> list[bytes]:
    """Elements as members, equal ones once; all are encoded before the first is sent."""
    return list(dict.fromkeys(map(t.encode, elems)))


def is_small(members: Sequence[bytes]) -> bool:
    """Whether this many members can be one atomic step."""
    return len(members) <= ATOMIC


def chunks(members: Sequence[bytes], size: int = ATOMIC) -> Iterator[Sequence[bytes]]:
    """The members, some at a time."""
    for start in range(0, len(members), size):
        yield members[start : start + size]


# -- reading -------------------------------------------------------------------------------------


def members(t: Target) -> Op[Iterable[Any]]:
    """All elements, to be iterated: one snapshot, or page by page where they are too many for one reply."""

    def decode(reply: list[Any]) -> Any:
        return More(_pages(t)) if reply[0] == b"big" else reply[1]

    return Op("members", Script("set_read", (t.key,), (SNAPSHOT,)), decode, some, finish=partial(map, t.read))


def _pages(t: Target) -> Plan[Iterable[Any]]:
    cursor: Any = 0
    while True:
        cursor, found = yield Command(("SSCAN", t.key, cursor, "COUNT", PAGE))
        if int(cursor) == 0:
            return map(t.read, found)
        yield Give(map(t.read, found))


def whole(t: Target) -> Plan[set[object]]:
    """All elements as a set."""
    op = members(t)
    first: Any = op.decode((yield op.step))
    if type(first) is not More:
        return set(op.finished(first))
    elems: set[object] = set()
    yield from gather(first.plan, elems.update)
    return elems


def of_set(name: str, other: Target, ask: Callable[[frozenset[object]], Operation[T]]) -> Trips[T]:
    """The operation on the frozenset of another set of the server, whose content is read first."""

    def plan() -> Plan[T]:
        found = yield from whole(other)
        value: T = yield from as_plan(ask(frozenset(found)))
        return value

    return Trips(name, plan())


def ask(
    t: Target,
    name: str,
    asked: Sequence[bytes],
    finish: Callable[[list[bool]], T],
    reads: bool | Counting = False,
) -> Operation[T]:
    """Which of these members are there, at one moment; ``finish`` makes the result of the answers."""
    if not asked:
        return Ready(finish([]))
    if is_small(asked):
        step = Command(("SMISMEMBER", t.key, *asked))
        return Op(name, step, lambda reply: [bool(there) for there in reply], reads, finish=finish)
    return Trips(name, _ask_big(t, asked), None, reads, finish)


def _ask_big(t: Target, asked: Sequence[bytes]) -> Plan[list[bool]]:
    """For more members than one command should carry: still one round trip and one moment."""
    replies = yield Batch([Command(("SMISMEMBER", t.key, *chunk)) for chunk in chunks(asked)], atomic=True)
    return [bool(there) for reply in replies for there in reply]


def ask_each(t: Target, elems: Iterable[object]) -> Operation[dict[Any, bool]]:
    """For each of several elements, whether it is there."""
    wanted = list(dict.fromkeys(elems))
    members = lookups(t, wanted)

    def finish(there: list[bool]) -> dict[object, bool]:
        flags = iter(there)
        return {elem: data is not None and next(flags) for elem, data in zip(wanted, members, strict=True)}

    asked = [data for data in members if data is not None]
    return ask(t, "contains_many", asked, finish, and_misses(each_answer, len(members) - len(asked)))


# -- changing whole sets -------------------------------------------------------------------------


def grow(t: Target, name: str, added: Sequence[bytes], decode: Callable[[int], T]) -> Operation[T]:
    """Add any number of members, atomically; ``decode`` gets how many were new."""
    if not added:
        return Ready(decode(0))
    if is_small(added):
        return add_many(t, name, added, decode)
    return combine(t, name, "union", (), added, lambda before, after: decode(after - before))


def shrink(t: Target, name: str, gone: Sequence[bytes], decode: Callable[[int], T]) -> Operation[T]:
    """Remove any number of members, atomically; ``decode`` gets how many were there."""
    if not gone:
        return Ready(decode(0))
    if is_small(gone):
        return remove(t, name, gone, decode)
    return combine(t, name, "diff", (), gone, lambda before, after: decode(before - after))


def combine(
    t: Target,
    name: str,
    op: str,
    others: Sequence[str],
    own: Sequence[bytes] | None,
    decode: Callable[[int, int], T],
) -> Operation[T]:
    """Change a set by ``others`` of the server and by any number of ``own`` members (None: no such operand).

    The change is atomic. ``decode`` gets the sizes of the set before and after.
    """
    if own is not None and not is_small(own):
        return Trips(name, _combine_big(t, op, others, own, decode))
    aside = staging(t.connection.namespace, t.key)
    operands = (*others, aside) if own is not None else tuple(others)
    step = _combined(t, op, aside, operands, len(own or ()), own or ())
    return Op(name, step, _sizes(t, decode), operands=True)


def _combine_big(
    t: Target, op: str, others: Sequence[str], own: Sequence[bytes], decode: Callable[[int, int], T]
) -> Plan[T]:
    """The members are sent to a staging key first, then one step changes the set."""
    aside = staging(t.connection.namespace, t.key)
    steps = (Script("set_add", (aside,), (_STAGED_MS, "last", *chunk)) for chunk in chunks(own, _AT_ONCE))
    try:
        while batch := tuple(islice(steps, 4)):
            yield Batch(batch)
        reply = yield _combined(t, op, aside, (*others, aside), len(own), ())
        return _sizes(t, decode)(reply)
    except GeneratorExit:
        raise
    except BaseException:
        with suppress(CacheError):  # then the ttl removes the staging key
            yield Command(("UNLINK", aside))
        raise


def _combined(t: Target, op: str, aside: str, operands: tuple[str, ...], staged: int, own: Sequence[bytes]) -> Script:
    return Script(
        "set_combine", (t.key, aside, staging(t.connection.namespace, t.key), *operands), (*t.arm(), op, staged, *own)
    )


def _sizes(t: Target, decode: Callable[[int, int], T]) -> Callable[[list[object]], T]:
    def read_sizes(reply: list[Any]) -> T:
        if reply[0] == b"lost":
            raise CacheError(
                f"{t.key!r}: what was sent ahead expired before the last of it arrived; nothing was changed: try again"
            )
        return decode(int(reply[1]), int(reply[2]))

    return read_sizes


def replace(t: Target, content: Sequence[bytes]) -> Operation[None]:
    """Make these members the whole content, atomically."""
    if not is_small(content):
        return Trips("replace", _combine_big(t, "move", (), content, lambda _before, _after: None))
    return Op("replace", Script("set_replace", (t.key,), (t.ms(), *content)), lambda _: None)
