"""The operations of ``KeyCache``: one value under one key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ...missing import MISSING
from ..draws import draw
from ..effects import Command, Script
from ..entries import VALUE, head, unpack, wrapped
from ..guards import Refused
from ..op import More, Op, as_plan
from ..tallies import found, some
from .numbers import number, summed
from .reader import SOFT, Reader, Token, tags_of, timed_step, value_step

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from ..effects import Plan
    from ..target import Place, Target

__all__ = [
    "add", "arm", "cas", "copy", "exists", "get", "get_ttl", "getdel", "gets", "increment", "lives_longer", "set",
    "stored",
]  # fmt: skip

T = TypeVar("T")


# -- reading -------------------------------------------------------------------------------------


def get(t: Target, read: Reader, absent: Callable[[], object]) -> Op[T]:
    return Op("get", value_step(t), read, True, absent)


def getdel(t: Target, place: Place, read: Reader, absent: Callable[[], object]) -> Op[Any]:
    """Not by GETDEL: that command would remove a value of which only the ttl tells whether it may be given."""

    def decode(reply: list[Any]) -> Any:
        if reply[0] != b"ok":
            return MISSING
        entry = unpack(reply[1])  # the script has looked at its stamps and its ttl
        return MISSING if entry is None else read.content(entry.value)

    step = Script("entry_take", (t.key, place.lease, *place.tags), (place.channel,))
    return Op("getdel", step, decode, True, absent)


def get_ttl(t: Target, read: Reader, absent: Callable[[], object] | None) -> Op[tuple[T, float]]:
    if t.place is not None:
        return Op("get_ttl", timed_step((t,)), lambda reply: read.timed(reply[1:]), True, absent)

    def decode(reply: list[Any]) -> Any:
        return read.timed(reply[1:]) if reply[0] == b"ok" else MISSING

    return Op("get_ttl", Script("key_get_ttl", (t.key,), ()), decode, True, absent)


def gets(t: Target, read: Reader, default: Callable[[], T]) -> Op[tuple[T, Token]]:
    """The value and its token."""

    def decode(reply: Any) -> Any:
        value = read.of(reply)
        return More(timed()) if value is SOFT else _seen(value, reply if t.place is None else reply[0])

    def timed() -> Plan[tuple[Any, Token]]:
        reply = yield timed_step((t,))
        value = read.timed(reply[1:])
        return _seen(MISSING if value is MISSING else value[0], None if reply[2] == -2 else reply[1])

    def finish(seen: tuple[Any, Token]) -> tuple[T, Token]:
        return seen if seen[0] is not MISSING else (default(), seen[1])

    return Op("gets", value_step(t), decode, found, finish=finish)


def _seen(value: Any, data: bytes | None) -> tuple[Any, Token]:
    entry = None if data is None or value is MISSING else unpack(data)
    if entry is None:
        return MISSING, Token(data, None)
    return value, Token(data, entry.value)


def exists(t: Target, read: Reader) -> Op[bool]:
    """Whether there is a value that counts."""
    return Op("exists", value_step(t), read, True, lambda: False).then(lambda _: True)


def lives_longer(t: Target, read: Reader, ttl: float) -> Op[bool]:
    """Whether there is a value that counts, and stays for more than ``ttl`` seconds."""
    seen: Op[tuple[Any, float]] = get_ttl(t, read, lambda: False)
    return Op(
        "exists", seen.step, seen.decode, lambda pair: some(pair[1] > ttl), seen.absent, finish=lambda p: p[1] > ttl
    )


# -- writing -------------------------------------------------------------------------------------


def arm(t: Target, place: Place, name: str, ms: int) -> Op[bool]:
    """Set (``expire``, ``touch``) or lengthen (``renew``) the life of a value that counts."""
    step = Script("entry_arm", (t.key, *place.tags), (ms, "renew" if name == "renew" else "set"))
    return Op(name, step, lambda reply: bool(reply[0] == b"ok"))


def copy(t: Target, to: str, lease: str) -> Op[bool]:
    """Copy a value that counts, under the same tags, with the class's ttl; without one leave nothing at ``to``."""
    step = Script("entry_copy", (t.key, to, lease, *tags_of((t,))), (t.ms(),))
    return Op("copy_to", step, lambda reply: bool(reply[0] == b"ok"), operands=True)


def _put(t: Target, place: Place, data: bytes, ms: int, mode: str, wants: str = "any", seen: bytes = b"") -> Script:
    """P1: store under the stamps of this moment; a computation that runs is too late."""
    before = head(VALUE, 0, len(place.tags), data)
    args = (before, data, ms, place.tag_ms, place.channel, mode, wants, seen, place.since)
    news = (draw() for _ in place.tags)
    return Script("entry_set", (t.key, place.lease, place.guard, *place.tags), (*args, *news))


def stored(reply: list[Any]) -> bool:
    """Whether a script stored the value; Refused where its ``since`` is out of date."""
    if reply[0] == b"refused":
        raise Refused
    return bool(reply[0] == b"ok")


def _with_lease(t: Target) -> tuple[str, ...]:
    """P4: the keys of a script that writes a plain value, and in the same step drops the lease of its computation."""
    return (t.key,) if t.lease is None else (t.key, t.lease)


def cas(t: Target, value: Any, token: Token, *, keep_ttl: bool = False) -> Op[bool]:
    if not isinstance(token, Token):
        raise TypeError("cas takes the token that gets() gave together with the value")
    mode = "first" if keep_ttl else t.mode
    if t.place is not None:
        wants = "absent" if token.seen is None else "same"
        return Op("cas", _put(t, t.place, t.dumps(value), t.ms(), mode, wants, token.seen or b""), stored)
    step = Script("key_cas", _with_lease(t), (t.ms(), mode, *token.words(), wrapped(t.dumps(value))))
    return Op("cas", step, lambda reply: bool(reply[0] == b"ok"))


def set(t: Target, value: object, *, ttl: float | timedelta | None = None) -> Op[bool]:
    data, ms = t.dumps(value), t.ms(ttl)
    if t.place is not None:
        mode = "last" if ttl is not None else t.mode
        return Op("set", _put(t, t.place, data, ms, mode), stored)
    if t.mode == "first" and ttl is None:
        step = Script("key_set", _with_lease(t), (ms, wrapped(data)))
        return Op("set", step, lambda reply: bool(reply[0] == b"ok"))
    words: tuple[Any, ...] = ("SET", t.key, wrapped(data))
    if ms:
        words += ("PX", ms)
    # P4 by MULTI: quicker than a script, and much quicker where the server is in this process.
    return Op("set", Command(words), _was_set, beside=None if t.lease is None else Command(("UNLINK", t.lease)))


def _was_set(reply: object) -> bool:
    return reply is not None


def add(t: Target, value: object, ttl: float | timedelta | None, read: Reader) -> Op[bool]:
    """Store a value where none counts.

    Not by SET NX: a value that is stale, or has other tags, is in its way. The script cannot see whether the bytes
    can be read. If they cannot, a second step replaces just these bytes.
    """
    ms, data = t.ms(ttl), t.dumps(value)

    def decode(reply: list[Any]) -> Any:
        if stored(reply):
            return True
        entry = unpack(reply[1])
        if entry is not None and read.content(entry.value) is not MISSING:
            return False
        return More(as_plan(in_place_of(reply[1])))

    def in_place_of(found: bytes) -> Op[bool]:
        if t.place is None:
            step = Script("key_cas", _with_lease(t), (ms, "last", "there", found, wrapped(data)))
        else:
            step = _put(t, t.place, data, ms, "last", "same", found)
        return Op("set", step, stored)

    if t.place is None:
        return Op("set", Script("key_add", _with_lease(t), (ms, wrapped(data))), decode)
    return Op("set", _put(t, t.place, data, ms, "last", "new"), decode)


def increment(t: Target, by: float, keep_ttl: bool, absent: Callable[[], object] | None) -> Op[Any]:
    """Add to a number. ``absent`` is what a missing one does, which begins at 0 otherwise."""
    read = summed(t, "the value")
    mode, wants = "first" if keep_ttl else t.mode, "any" if absent is None else "there"

    def decode(reply: list[Any]) -> Any:
        return MISSING if reply[0] == b"missing" else read(reply)

    if t.place is None:
        step = Script("key_incr", _with_lease(t), (t.ms(), mode, *number(by, t.key), wants))
        return Op("increment", step, decode, absent=absent)
    place = t.place
    args = (head(VALUE, 0, len(place.tags)), t.ms(), place.tag_ms, place.channel, mode, *number(by, t.key), wants)
    step = Script("entry_incr", (t.key, place.lease, *place.tags), (*args, *(draw() for _ in place.tags)))
    return Op("increment", step, decode, absent=absent)
