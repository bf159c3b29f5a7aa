"""Whole hashes: the operations of ``DictCache`` and ``CounterCache`` on more than single fields."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import CacheError, EncodeError
from ..effects import Batch, Command, Give, Script
from ..naming import staging
from ..op import More, Op, Ready, Trips, as_plan, several
from ..pieces import gather
from ..tallies import some
from ..target import ATOMIC, PAGE, SNAPSHOT, expect_ok
from .fields import check_able
from .keys import commit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import timedelta

    from ..effects import Plan
    from ..op import Operation
    from ..target import Target

__all__ = [
    "batches", "content", "encoded", "fields", "is_small", "items", "merge", "page", "pairs", "replace", "replace_big",
    "replaced", "stored", "update", "update_big", "values",
]  # fmt: skip

T = TypeVar("T")
Pair = tuple[bytes, bytes]

_PAIRS_AT_ONCE = 2_500

# -- whole reads: one snapshot reply up to 10,000 fields, then cursors in constant memory ----------


def items(t: Target) -> Op[Iterable[tuple[Any, Any]]]:
    """All items, to be iterated."""
    return _read(t, "items", "HGETALL", lambda reply: _decoded(t, pairs(reply)), lambda some: _decoded(t, some))


def fields(t: Target) -> Op[Iterable[Any]]:
    """All fields, to be iterated."""
    read = t.read
    return _read(t, "keys", "HKEYS", lambda reply: map(read, reply), lambda some: (read(field) for field, _ in some))


def values(t: Target) -> Op[Iterable[Any]]:
    """All values, to be iterated."""
    load = t.load

    def some(found: Iterator[Pair]) -> Iterator[Any]:
        return (load(value, field) for field, value in found)

    if t.may_sign:  # a signed value is read with its field
        return _read(t, "values", "HGETALL", lambda reply: some(pairs(reply)), some)
    return _read(t, "values", "HVALS", lambda reply: map(load, reply), some)


def content(t: Target) -> Op[dict[Any, Any]]:
    """All items as a dict: one operation, whatever the size."""

    return _whole(t, lambda part: _decoded(t, part))


def stored(t: Target) -> Op[dict[bytes, bytes]]:
    """All items as they are stored."""
    return _whole(t, lambda part: part)


def _whole(t: Target, part: Callable[[Iterator[Pair]], Iterator[Any]]) -> Op[dict[Any, Any]]:
    def decode(reply: list[Any]) -> Any:
        return More(gathered(), alone=_too_many()) if reply[0] == b"big" else dict(part(pairs(reply[1])))

    def gathered() -> Plan[dict[Any, Any]]:
        found: dict[Any, Any] = {}
        yield from gather(_pages(t, part), found.update)
        return found

    return Op("items", Script("hash_read", (t.key,), (SNAPSHOT, "HGETALL")), decode, some)


def _read(t: Target, name: str, command: str, whole: Callable[[Any], T], part: Callable[[Iterator[Pair]], T]) -> Op[T]:
    """A snapshot, read by ``whole``; for too many fields for one reply the pages, each read by ``part``."""

    def decode(reply: list[object]) -> Any:
        return More(_pages(t, part), alone=_too_many()) if reply[0] == b"big" else reply[1]

    return Op(name, Script("hash_read", (t.key,), (SNAPSHOT, command)), decode, some, finish=whole)


def _pages(t: Target, part: Callable[[Iterator[Pair]], T]) -> Plan[T]:
    cursor: Any = 0
    while True:
        cursor, found = yield from as_plan(page(t, cursor))
        if cursor == 0:
            return part(found)
        yield Give(part(found))  # type: ignore[arg-type]


def page(t: Target, cursor: int) -> Op[tuple[int, Iterator[Pair]]]:
    """One page of items, and the cursor of the next (0: that was the last)."""
    step = Command(("HSCAN", t.key, cursor, "COUNT", PAGE))
    return Op("page", step, lambda reply: (int(reply[0]), pairs(reply[1])))


def pairs(reply: Any) -> Iterator[Pair]:
    """Field and value pairs of a reply: flat in RESP2, a mapping in RESP3."""
    if isinstance(reply, dict):
        return iter(reply.items())
    flat = iter(reply)
    return zip(flat, flat, strict=True)


def _decoded(t: Target, found: Iterator[Pair]) -> Iterator[tuple[Any, object]]:
    read, load = t.read, t.load
    return ((read(field), load(value, field)) for field, value in found)


def _too_many() -> CacheError:
    return CacheError("there are more elements than one reply takes: read them outside of the pipeline")


# -- whole writes --------------------------------------------------------------------------------


def encoded(t: Target, items: Iterable[tuple[object, object]]) -> list[bytes]:
    """Fields and values, flat; all of them are encoded before the first is sent."""
    flat: list[bytes] = []
    encode, dumps, push, key = t.plain_encode, t.plain_dumps, flat.append, t.key
    try:
        for field, value in items:
            word = encode(field)
            push(word)
            push(dumps(value, key, word, 0))
    except EncodeError as error:
        raise EncodeError(f"{t.key!r}: {error}") from error
    return flat


def is_small(flat: Sequence[bytes]) -> bool:
    """Whether this many words can be one atomic step."""
    return len(flat) <= 2 * ATOMIC


def update(t: Target, items: Iterable[tuple[object, object]], ttl: float | timedelta | None = None) -> Operation[None]:
    """Store fields, with ``ttl`` each with a ttl of its own: atomic up to ``ATOMIC`` fields."""
    flat = encoded(t, items)
    if not flat:
        return Ready(None)
    if is_small(flat):
        return Op("update", _update(t, flat, ttl), lambda reply: check_able(t, reply))
    return Trips("update", update_big(t, flat, ttl))


def _update(t: Target, flat: list[bytes], ttl: float | timedelta | None) -> Script:
    if ttl is None:
        return Script("hash_set", (t.key,), (*t.arm(), *flat))
    return Script("hash_set_ttl", (t.key,), (*t.arm(), t.ms(ttl), *flat))


def update_big(t: Target, flat: list[bytes], ttl: float | timedelta | None = None) -> Plan[None]:
    """Store very many fields, step by step: stored fields stay if a later step fails."""
    if ttl is None and not t.guarded:
        yield from _stored(t.key, t.arm(), flat)
        return
    size = 2 * _PAIRS_AT_ONCE
    scripts = (_update(t, flat[start : start + size], ttl) for start in range(0, len(flat), size))
    for steps in batches(scripts):
        replies = yield Batch(steps)
        for reply in replies:
            check_able(t, reply)


def _stored(key: str, arm: tuple[int, str], flat: list[bytes]) -> Plan[None]:
    """HSETs in MULTI, which cost the server half of what the same fields cost in a script.

    A script stores the first pair of each MULTI. It arms the ttl, and fails before anything is stored if the key
    holds another type.
    """
    size = 2 * _PAIRS_AT_ONCE
    for start in range(0, len(flat), 4 * size):
        some = flat[start : start + 4 * size]
        sets = (Command(("HSET", key, *some[at : at + size])) for at in range(2, len(some), size))
        yield Batch((Script("hash_set", (key,), (*arm, *some[:2])), *sets), atomic=True)


def batches(steps: Iterator[Script], size: int = 4) -> Iterator[tuple[Script, ...]]:
    """The steps, some at a time."""
    while batch := tuple(islice(steps, size)):
        yield batch


def replace(t: Target, items: Iterable[tuple[object, object]]) -> Operation[None]:
    """Make these fields the whole content, atomically."""
    return replaced(t, encoded(t, items))


def replaced(t: Target, flat: list[bytes]) -> Operation[None]:
    """``replace`` by fields and values that are encoded already."""
    if is_small(flat):
        return Op("replace", Script("hash_replace", (t.key,), (t.ms(), *flat)), lambda _: None)
    return Trips("replace", replace_big(t, flat))


def replace_big(t: Target, flat: list[bytes]) -> Plan[None]:
    """``replace`` for more than ``ATOMIC`` fields: they go to a staging key with a ttl, which is then renamed."""
    aside = staging(t.connection.namespace, t.key)
    try:
        yield from _stored(aside, (60_000, "last"), flat)
        yield from commit(t, aside)
    except GeneratorExit:
        raise
    except BaseException:  # refused, cancelled or interrupted: no step will rename the staging key
        yield Command(("UNLINK", aside))
        raise


def merge(t: Target, other: Target) -> Op[None]:
    """Store all fields of another hash of the same server; a large one is read, and sent step by step."""

    def decode(reply: list[object]) -> Any:
        if reply[0] == b"big":
            return More(_merged(t, other), alone=several("update"))
        expect_ok(reply)
        return None

    return Op("update", Script("hash_merge", (t.key, other.key), (*t.arm(), ATOMIC)), decode, operands=True)


def _merged(t: Target, other: Target) -> Plan[None]:
    found = yield from as_plan(content(other))
    yield from as_plan(update(t, found.items()))
