"""The operations of ``DictCache``, and what ``CounterCache`` shares with it: fields of one hash."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from ...errors import CacheError, EncodeError
from ...missing import MISSING
from ..effects import Batch, Command, Script
from ..target import ATOMIC, PAGE, SNAPSHOT, Op, Target, expect_ok, seconds_left
from .keys import commit, staging
from .strings import Token, number, summed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import timedelta

    from ..effects import Plan

__all__ = [
    "batches",
    "cas",
    "contains",
    "delete",
    "get",
    "get_many",
    "get_ttl",
    "gets",
    "increment",
    "length",
    "merge",
    "page",
    "pop",
    "popitem",
    "read",
    "read_half",
    "replace",
    "set_field",
    "set_field_ttl",
    "setdefault",
    "update",
]

_PAIRS_AT_ONCE = 2_500


def length(t: Target) -> Op[int]:
    return Op("length", Command(("HLEN", t.key)), int)


def contains(t: Target, field: Any) -> Op[bool]:
    return Op("contains", Command(("HEXISTS", t.key, t.encode(field))), bool, reads=True)


def get(t: Target, field: Any, absent: Callable[[], Any]) -> Op[Any]:
    def decode(data: bytes | None) -> Any:
        return MISSING if data is None else t.load(data)

    return Op("get", Command(("HGET", t.key, t.encode(field))), decode, reads=True, absent=absent)


def get_many(t: Target, fields: Sequence[Any]) -> Op[list[Any]]:
    def decode(replies: list[bytes | None]) -> list[Any]:
        return [MISSING if data is None else t.load(data) for data in replies]

    return Op("get_many", Command(("HMGET", t.key, *map(t.encode, fields))), decode, reads=True)


def get_ttl(t: Target, field: Any, absent: Callable[[], Any]) -> Op[Any]:
    def decode(reply: list[Any]) -> Any:
        return (t.load(reply[1]), seconds_left(reply[2])) if reply[0] == b"ok" else MISSING

    return Op("get_ttl", Script("hash_get_ttl", (t.key,), (t.encode(field),)), decode, reads=True, absent=absent)


def gets(t: Target, field: Any, default: Callable[[], Any]) -> Op[Any]:
    def decode(data: bytes | None) -> tuple[Any, Token]:
        return (default() if data is None else t.load(data)), Token(data, data)

    return Op("gets", Command(("HGET", t.key, t.encode(field))), decode, reads=True)


def cas(t: Target, field: Any, value: Any, token: Token) -> Op[bool]:
    if not isinstance(token, Token):
        raise TypeError("cas takes the token that gets() gave together with the value")
    args = (*t.arm(), t.encode(field), *token.words(), t.dumps(value))
    return Op("cas", Script("hash_cas", (t.key,), args), lambda reply: bool(reply[0] == b"ok"))


def set_field(t: Target, field: Any, value: Any) -> Op[bool]:
    """Store one field; True if it is new."""
    step = Script("hash_set", (t.key,), (*t.arm(), t.encode(field), t.dumps(value)))
    return Op("set", step, lambda reply: bool(reply[1]))


def set_field_ttl(t: Target, field: Any, value: Any, ttl: float | timedelta) -> Op[bool]:
    """Store one field that expires by itself; True if it is new."""

    def decode(reply: list[Any]) -> bool:
        _check_able(t, reply)
        return bool(reply[1])

    step = Script("hash_set_ttl", (t.key,), (*t.arm(), t.ms(ttl), t.encode(field), t.dumps(value)))
    return Op("set", step, decode)


def _check_able(t: Target, reply: list[Any]) -> None:
    if reply[0] == b"unsupported":
        raise CacheError(
            f"{t.key!r}: this server has no ttl for single fields, nothing was stored: use Valkey 9 or "
            "Redis 7.4 and later, or give the values that expire on their own a KeyCache each"
        )


def delete(t: Target, fields: Sequence[Any]) -> Op[int]:
    return Op("delete", Command(("HDEL", t.key, *map(t.encode, fields))), int)


def setdefault(t: Target, field: Any, value: Any) -> Op[Any]:
    def decode(reply: list[Any]) -> Any:
        return value if reply[0] == b"set" else t.load(reply[1])

    step = Script("hash_setdefault", (t.key,), (*t.arm(), t.encode(field), t.dumps(value)))
    return Op("setdefault", step, decode)


def pop(t: Target, field: Any, absent: Callable[[], Any]) -> Op[Any]:
    def decode(reply: list[Any]) -> Any:
        return t.load(reply[1]) if reply[0] == b"ok" else MISSING

    return Op("pop", Script("hash_pop", (t.key,), (t.encode(field),)), decode, reads=True, absent=absent)


def popitem(t: Target, absent: Callable[[], Any]) -> Op[Any]:
    def decode(reply: list[Any]) -> Any:
        return (t.read(reply[1]), t.load(reply[2])) if reply[0] == b"ok" else MISSING

    return Op("popitem", Script("hash_popitem", (t.key,), ()), decode, reads=True, absent=absent)


def increment(t: Target, field: Any, by: float) -> Op[Any]:
    step = Script("hash_incr", (t.key,), (*t.arm(), t.encode(field), *number(by, t.key)))
    return Op("increment", step, summed(t, "the field"))


# -- whole reads ---------------------------------------------------------------------------------


def read(t: Target) -> Op[Any]:
    """All items in one snapshot, as raw pairs; MISSING where there are too many for one reply."""

    def decode(reply: list[Any]) -> Any:
        return MISSING if reply[0] == b"big" else pairs(reply[1])

    return Op("items", Script("hash_read", (t.key,), (SNAPSHOT, "HGETALL")), decode)


def read_half(t: Target, command: str) -> Op[Any]:
    """All fields (HKEYS) or all values (HVALS) in one snapshot; MISSING where there are too many."""

    def decode(reply: list[Any]) -> Any:
        return MISSING if reply[0] == b"big" else reply[1]

    return Op("keys" if command == "HKEYS" else "values", Script("hash_read", (t.key,), (SNAPSHOT, command)), decode)


def pairs(reply: Any) -> Iterator[tuple[bytes, bytes]]:
    """Field and value pairs of a reply: flat in RESP2, a mapping in RESP3."""
    if isinstance(reply, dict):
        return iter(reply.items())
    flat = iter(reply)
    return zip(flat, flat, strict=True)


def page(t: Target, cursor: Any) -> Op[tuple[int, Iterator[tuple[bytes, bytes]]]]:
    """One page of items, and the cursor of the next (0: that was the last)."""
    step = Command(("HSCAN", t.key, cursor, "COUNT", PAGE))
    return Op("page", step, lambda reply: (int(reply[0]), pairs(reply[1])))


# -- whole writes --------------------------------------------------------------------------------


def encoded(t: Target, items: Iterable[tuple[Any, Any]]) -> list[bytes]:
    """Fields and values, flat; all of them are encoded before the first is sent."""
    flat: list[bytes] = []
    encode, dumps, push = t.plain_encode, t.plain_dumps, flat.append
    try:
        for field, value in items:
            push(encode(field))
            push(dumps(value))
    except EncodeError as error:
        raise EncodeError(f"{t.key!r}: {error}") from error
    return flat


def update(t: Target, flat: list[bytes], ttl: float | timedelta | None = None) -> Op[None]:
    """Store fields, all or nothing: for at most ``ATOMIC`` of them."""
    return Op("update", _update(t, flat, ttl), lambda reply: _check_able(t, reply))


def _update(t: Target, flat: list[bytes], ttl: float | timedelta | None) -> Script:
    if ttl is None:
        return Script("hash_set", (t.key,), (*t.arm(), *flat))
    return Script("hash_set_ttl", (t.key,), (*t.arm(), t.ms(ttl), *flat))


def is_small(flat: Sequence[bytes]) -> bool:
    """Whether this many words can be one atomic step."""
    return len(flat) <= 2 * ATOMIC


def update_big(t: Target, flat: list[bytes], ttl: float | timedelta | None = None) -> Plan[None]:
    """Store very many fields, step by step: what is stored stays if a later step fails."""
    if ttl is None and not t.guarded:
        yield from _stored(t.key, t.arm(), flat)
        return
    size = 2 * _PAIRS_AT_ONCE
    scripts = (_update(t, flat[start : start + size], ttl) for start in range(0, len(flat), size))
    for steps in batches(scripts):
        replies = yield Batch(steps)
        for reply in replies:
            _check_able(t, reply)


def _stored(key: str, arm: tuple[int, str], flat: list[bytes]) -> Plan[None]:
    """HSETs in MULTI, which cost the server half of what the same fields cost in a script.

    The first pair of each MULTI goes by the script, which arms the ttl, and fails before anything is
    stored where the key is something else.
    """
    size = 2 * _PAIRS_AT_ONCE
    for start in range(0, len(flat), 4 * size):
        some = flat[start : start + 4 * size]
        sets = (Command(("HSET", key, *some[at : at + size])) for at in range(2, len(some), size))
        yield Batch((Script("hash_set", (key,), (*arm, *some[:2])), *sets), atomic=True)


def batches(steps: Iterator[Script], size: int = 4) -> Iterator[tuple[Script, ...]]:
    while batch := tuple(islice(steps, size)):
        yield batch


def replace(t: Target, flat: list[bytes]) -> Op[Any]:
    """Make these fields the whole content, atomically: for at most ``ATOMIC`` of them."""
    return Op("replace", Script("hash_replace", (t.key,), (t.ms(), *flat)), lambda _: None)


def replace_big(t: Target, flat: list[bytes]) -> Plan[None]:
    """The same for more: built under a staging key that dies by itself, then renamed."""
    aside = staging(t.key)
    try:
        yield from _stored(aside, (60_000, "last"), flat)
        yield from commit(t, aside)
    except GeneratorExit:
        raise
    except BaseException:  # refused, cancelled or interrupted: nobody will rename it
        yield Command(("UNLINK", aside))
        raise


def merge(t: Target, other: Target, absent: Callable[[], None]) -> Op[Any]:
    """Store all fields of another hash of the same server; ``absent`` if they are too many for one step."""

    def decode(reply: list[Any]) -> Any:
        if reply[0] == b"big":
            return MISSING
        expect_ok(reply)
        return None

    return Op(
        "update", Script("hash_merge", (t.key, other.key), (*t.arm(), ATOMIC)), decode, absent=absent, operands=True
    )
