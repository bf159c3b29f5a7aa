"""The operations of ``KeyCache``: one value under one key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..count import Count
from ..errors import DecodeError, EncodeError, WrongTypeError
from ..missing import MISSING
from .effects import Command, Script
from .target import Op, Target, seconds_left

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

__all__ = [
    "Token",
    "cas",
    "delete_many",
    "get",
    "get_many",
    "get_ttl",
    "getdel",
    "gets",
    "increment",
    "number",
    "set",
    "set_many",
]


class Token:
    """What ``gets`` saw: hand it to ``cas``. Its content is private."""

    __slots__ = ("seen",)

    def __init__(self, seen: bytes | None) -> None:
        self.seen = seen

    def __repr__(self) -> str:
        return "Token()"

    def words(self) -> tuple[str, bytes]:
        """The two script arguments that say what the server must still hold."""
        return ("absent", b"") if self.seen is None else ("there", self.seen)


def reader(t: Target, unreadable: Callable[[DecodeError], None] | None) -> Callable[[bytes | None], Any]:
    """Reads a value, or MISSING; what cannot be read is a miss that ``unreadable`` is told of."""

    def read(data: bytes | None) -> Any:
        if data is None:
            return MISSING
        try:
            return t.load(data)
        except DecodeError as error:
            if unreadable is None:
                raise
            unreadable(error)
            return MISSING

    return read


def get(t: Target, read: Callable[[bytes | None], Any], absent: Callable[[], Any] | None = None) -> Op[Any]:
    return Op("get", Command(("GET", t.key)), read, reads=True, absent=absent)


def getdel(t: Target, read: Callable[[bytes | None], Any], absent: Callable[[], Any]) -> Op[Any]:
    return Op("getdel", Command(("GETDEL", t.key)), read, reads=True, absent=absent)


def get_ttl(t: Target, read: Callable[[bytes | None], Any], absent: Callable[[], Any]) -> Op[Any]:
    def decode(reply: list[Any]) -> Any:
        if reply[0] != b"ok":
            return MISSING
        value = read(reply[1])
        return MISSING if value is MISSING else (value, seconds_left(reply[2]))

    return Op("get_ttl", Script("key_get_ttl", (t.key,), ()), decode, reads=True, absent=absent)


def gets(t: Target, read: Callable[[bytes | None], Any], default: Callable[[], Any]) -> Op[Any]:
    def decode(data: bytes | None) -> tuple[Any, Token]:
        value = read(data)
        return (default() if value is MISSING else value), Token(data)

    return Op("gets", Command(("GET", t.key)), decode, reads=True)


def cas(t: Target, value: Any, token: Token) -> Op[bool]:
    if not isinstance(token, Token):
        raise TypeError("cas takes the token that gets() gave together with the value")
    step = Script("key_cas", (t.key,), (*t.arm(), *token.words(), t.dumps(value)))
    return Op("cas", step, lambda reply: bool(reply[0] == b"ok"))


def set(t: Target, value: Any, *, nx: bool = False, ttl: float | timedelta | None = None) -> Op[bool]:
    data, ms = t.dumps(value), t.ms(ttl)
    if t.mode == "first" and ttl is None and not nx:
        return Op("set", Script("key_set", (t.key,), (ms, data)), lambda reply: bool(reply[0] == b"ok"))
    words: tuple[Any, ...] = ("SET", t.key, data)
    if ms:
        words += ("PX", ms)
    return Op("set", Command((*words, "NX") if nx else words), lambda reply: reply is not None)


def number(by: Any, key: str) -> tuple[str, str]:
    """The kind and text of what shall be added; refused before anything is sent."""
    if type(by) is int or type(by) is Count:
        if -(2**63) <= by < 2**63:
            return "int", str(by)
        raise EncodeError(f"{key!r}: counts are 64-bit integers, and the step is larger")
    if type(by) is float:
        if by != by or by in (float("inf"), float("-inf")):
            raise ValueError(f"{key!r} cannot be incremented by nan or infinity")
        return "float", repr(by)
    raise WrongTypeError(f"{key!r} can be incremented by int or float, not by {type(by).__name__}")


def summed(t: Target, what: str) -> Callable[[list[Any]], Any]:
    """Reads the reply of an increment."""

    def decode(reply: list[Any]) -> Any:
        if reply[0] == b"ok":
            return t.load(reply[1])
        if reply[0] == b"text":
            raise WrongTypeError(f"{what} of {t.key!r} is not a number that can be incremented")
        raise EncodeError(f"{what} of {t.key!r} would leave the range (64-bit int, finite float); nothing was changed")

    return decode


def increment(t: Target, by: float) -> Op[Any]:
    step = Script("key_incr", (t.key,), (*t.arm(), *number(by, t.key)))
    return Op("increment", step, summed(t, "the value"))


def get_many(ts: Sequence[Target], reads: Sequence[Callable[[bytes | None], Any]]) -> Op[list[Any]]:
    def decode(replies: list[bytes | None]) -> list[Any]:
        return [read(data) for read, data in zip(reads, replies, strict=True)]

    return Op("get_many", Command(("MGET", *(t.key for t in ts))), decode, reads=True)


def get_many_ttl(ts: Sequence[Target], reads: Sequence[Callable[[bytes | None], Any]]) -> Op[list[Any]]:
    def decode(reply: list[Any]) -> list[Any]:
        pairs = zip(reads, reply[1::2], reply[2::2], strict=True)
        return [(read(data) if ms != -2 else MISSING, seconds_left(ms)) for read, data, ms in pairs]

    return Op("get_many", Script("key_get_ttls", tuple(t.key for t in ts), ()), decode, reads=True)


def set_many(ts: Sequence[Target], values: Sequence[Any], ttl: float | timedelta | None) -> Op[None]:
    first = ts[0]
    data = tuple(t.dumps(value) for t, value in zip(ts, values, strict=True))
    mode = "last" if ttl is not None else first.mode
    step = Script("key_set_many", tuple(t.key for t in ts), (first.ms(ttl), mode, *data))
    return Op("set_many", step, lambda _: None)


def delete_many(ts: Sequence[Target]) -> Op[int]:
    return Op("delete_many", Command(("UNLINK", *(t.key for t in ts))), int)
