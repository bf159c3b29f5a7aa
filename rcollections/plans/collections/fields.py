"""The operations of ``DictCache`` on single fields, and what ``CounterCache`` shares with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ...errors import CacheError
from ...missing import MISSING
from ..effects import Command, Script
from ..op import Op, Ready, as_plan
from ..tallies import each_value, found, some
from ..target import seconds_left
from .loads import AGAIN
from .lookups import known, lookup, lookups, unfound
from .numbers import number, summed
from .reader import Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from ..effects import Plan
    from ..op import Operation
    from ..target import Target

__all__ = [
    "cas",
    "check_able",
    "contains",
    "delete",
    "delete_many",
    "empty",
    "get",
    "get_many",
    "get_ttl",
    "gets",
    "gone",
    "increment",
    "length",
    "made",
    "pop",
    "popitem",
    "popped",
    "remove",
    "set_field",
    "setdefault",
]  # fmt: skip

T = TypeVar("T")


def length(t: Target) -> Op[int]:
    return Op("length", Command(("HLEN", t.key)), int, some)


def contains(t: Target, field: object) -> Operation[bool]:
    try:
        word = t.encode(field)
    except (TypeError, ValueError):
        return unfound("contains", field, lambda: False)
    return Op("contains", Command(("HEXISTS", t.key, word)), bool, some)


def get(t: Target, field: object, absent: Callable[[], object], part: object = None) -> Operation[T]:
    load = t.load
    try:
        word = t.encode(field)
    except (TypeError, ValueError):
        return unfound("get", field, absent)

    def decode(data: bytes | None) -> Any:
        return MISSING if data is None else load(data, word)

    return Op("get", Command(("HGET", t.key, word)), decode, True, absent, part=part)


def get_many(t: Target, fields: Iterable[object], build: Callable[[dict[Any, object]], T]) -> Operation[T]:
    """What ``build`` makes of ``{field: value or MISSING}``."""
    wanted = list(dict.fromkeys(fields))
    words = lookups(t, wanted)
    asked = [word for word in words if word is not None]
    if not asked:
        return Ready(build(dict.fromkeys(wanted, MISSING)))

    def decode(replies: list[bytes | None]) -> list[object]:
        there = iter(replies)
        data = (None if word is None else next(there) for word in words)
        return [MISSING if each is None else t.load(each, word) for each, word in zip(data, words, strict=True)]

    def finish(values: list[object]) -> T:
        return build(dict(zip(wanted, values, strict=True)))

    return Op("get_many", Command(("HMGET", t.key, *asked)), decode, each_value, finish=finish)


@lookup(lambda _field, absent: absent())
def get_ttl(t: Target, field: object, absent: Callable[[], object]) -> Op[tuple[T, float]]:
    word = t.encode(field)

    def decode(reply: list[Any]) -> Any:
        return (t.load(reply[1], word), seconds_left(reply[2])) if reply[0] == b"ok" else MISSING

    return Op("get_ttl", Script("hash_get_ttl", (t.key,), (word,)), decode, True, absent)


@lookup(lambda _field, default: (default(), Token(None, None)))
def gets(t: Target, field: object, default: Callable[[], object]) -> Op[tuple[Any, Token]]:
    word = t.encode(field)

    def decode(data: bytes | None) -> tuple[Any, Token]:
        return (MISSING if data is None else t.load(data, word)), Token(data, data)

    def finish(seen: tuple[Any, Token]) -> tuple[Any, Token]:
        return seen if seen[0] is not MISSING else (default(), seen[1])

    return Op("gets", Command(("HGET", t.key, word)), decode, found, finish=finish)


def cas(t: Target, field: object, value: object, token: Token) -> Op[bool]:
    if not isinstance(token, Token):
        raise TypeError("cas takes the token that gets() gave together with the value")
    word = t.encode(field)
    args = (*t.arm(), word, *token.words(), t.dumps(value, word))
    return Op("cas", Script("hash_cas", (t.key,), args), lambda reply: bool(reply[0] == b"ok"))


def set_field(t: Target, field: object, value: object, ttl: float | timedelta | None = None) -> Op[bool]:
    """Store one field, with ``ttl`` one that expires by itself; True if it is new."""
    word = t.encode(field)
    if ttl is None:
        step = Script("hash_set", (t.key,), (*t.arm(), word, t.dumps(value, word)))
        return Op("set", step, lambda reply: bool(reply[1]))

    def decode(reply: list[object]) -> bool:
        check_able(t, reply)
        return bool(reply[1])

    step = Script("hash_set_ttl", (t.key,), (*t.arm(), t.ms(ttl), word, t.dumps(value, word)))
    return Op("set", step, decode)


def check_able(t: Target, reply: list[object]) -> None:
    """CacheError if the server has no ttl for single fields."""
    if reply[0] == b"unsupported":
        raise CacheError(
            f"{t.key!r}: this server has no ttl for single fields, nothing was stored: use Valkey 9 or "
            "Redis 7.4 and later, or give the values that expire on their own a KeyCache each"
        )


def delete_many(t: Target, fields: Iterable[object]) -> Operation[int]:
    words = known(t, fields)
    if not words:
        return Ready(0)
    return Op("delete", Command(("HDEL", t.key, *words)), int)


@lookup(lambda *_: False)
def delete(t: Target, field: object) -> Op[bool]:
    """Remove one field; gives whether it was there."""
    return Op("delete", Command(("HDEL", t.key, t.encode(field))), bool)


@lookup(lambda field: gone(field))
def remove(t: Target, field: object) -> Op[None]:
    """Remove one field, or KeyError."""
    return Op("delete", Command(("HDEL", t.key, t.encode(field))), lambda removed: None if removed else gone(field))


def gone(elem: object) -> NoReturn:
    """What an operation does that needs this field or member, and does not find it."""
    raise KeyError(elem)


def setdefault(t: Target, field: object, value: object) -> Op[T]:
    word = t.encode(field)

    def decode(reply: list[Any]) -> Any:
        return MISSING if reply[0] == b"set" else t.load(reply[1], word)

    step = Script("hash_setdefault", (t.key,), (*t.arm(), word, t.dumps(value, word)))
    stored: Any = value
    return Op("setdefault", step, decode, True, lambda: stored)


def made(t: Target, field: object, load: Callable[[], Plan[Any]]) -> Plan[object]:
    """The value of a missing field: ``load`` makes it, or another caller has stored it while ``load`` ran."""
    while True:
        value = yield from load()
        if value is AGAIN:  # another caller has made the field meanwhile
            value = yield from as_plan(get(t, field, lambda: MISSING))
        if value is not MISSING:
            return value


def popped(field: object, default: object) -> Callable[[], object]:
    """What a ``pop`` gives that found nothing: the default, or KeyError if that is MISSING."""

    def absent() -> object:
        if default is MISSING:
            raise KeyError(field)
        return default

    return absent


def empty() -> NoReturn:
    """What a ``popitem`` does that found nothing."""
    raise KeyError("popitem(): dictionary is empty")


@lookup(lambda field, default: popped(field, default)())
def pop(t: Target, field: object, default: object) -> Op[object]:
    word = t.encode(field)

    def decode(reply: list[Any]) -> object:
        return t.load(reply[1], word) if reply[0] == b"ok" else MISSING

    return Op("pop", Script("hash_pop", (t.key,), (word,)), decode, True, popped(field, default))


def popitem(t: Target) -> Op[tuple[Any, Any]]:
    def decode(reply: list[Any]) -> Any:
        return (t.read(reply[1]), t.load(reply[2], reply[1])) if reply[0] == b"ok" else MISSING

    return Op("popitem", Script("hash_popitem", (t.key,), ()), decode, True, empty)


def increment(t: Target, field: object, by: float) -> Op[object]:
    step = Script("hash_incr", (t.key,), (*t.arm(), t.encode(field), *number(by, t.key)))
    return Op("increment", step, summed(t, "the field"))
