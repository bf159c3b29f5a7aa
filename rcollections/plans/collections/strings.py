"""The operations of ``KeyCache``: one value under one key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import DecodeError, EncodeError, WrongTypeError
from ...missing import MISSING
from ...values.count import Count
from ..draws import draw
from ..effects import Command, Script
from ..entries import VALUE, head, unpack
from ..guards import Refused
from ..target import Op, Place, Target, seconds_left

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from ..effects import Arg

__all__ = [
    "Reader",
    "Token",
    "add",
    "arm",
    "cas",
    "copy",
    "delete_many",
    "exists",
    "get",
    "get_many",
    "get_ttl",
    "getdel",
    "gets",
    "gets_ttl",
    "increment",
    "lives_longer",
    "look",
    "number",
    "reader",
    "set",
    "set_many",
]

ENTRY = b"\xc0"  # the first byte of an entry with metadata


class Token:
    """What ``gets`` saw: hand it to ``cas``. Its content is private."""

    __slots__ = ("seen", "value")

    def __init__(self, seen: bytes | None, value: bytes | None) -> None:
        self.seen = seen
        self.value = value  # what was given, without the metadata of an entry; None where nothing counts

    def __repr__(self) -> str:
        return "Token()"

    def words(self) -> tuple[str, bytes]:
        """The two script arguments that say what the server must still hold."""
        return ("absent", b"") if self.seen is None else ("there", self.seen)


class Reader:
    """Reads a value, or MISSING; what cannot be read is a miss that ``unreadable`` is told of.

    A value that a function stored comes without its metadata; it is a miss if its tags are not those of
    this class, or if they were invalidated. Of one with stale windows only the ttl tells whether it is
    fresh: without it that is a miss as well, and ``soft`` tells so.
    """

    __slots__ = ("soft", "t", "unreadable")

    def __init__(self, t: Target, unreadable: Callable[[DecodeError], None] | None) -> None:
        self.t = t
        self.unreadable = unreadable
        self.soft = False

    def __call__(self, reply: Any) -> Any:
        """The reply of ``look``."""
        if self.t.place is None:
            return self.value(reply)
        return self.value(reply[0], tuple(reply[1:]))

    def value(self, data: bytes | None, stamps: tuple[Any, ...] = (), ms: int | None = None) -> Any:
        if data is None:
            return MISSING
        if stamps or data[:1] == ENTRY:
            entry = unpack(data)
            if entry is None:  # it begins like an entry, and is none
                return self._unreadable(DecodeError(f"{str(self.t.key)!r}: the stored bytes are no whole entry"))
            if entry.kind != VALUE or entry.stamps != stamps:
                return MISSING
            if entry.grace and (ms is None or 0 <= ms <= entry.grace):
                self.soft = ms is None
                return MISSING
            data = entry.value
        try:
            return self.t.load(data)
        except DecodeError as error:
            return self._unreadable(error)

    def _unreadable(self, error: DecodeError) -> Any:
        if self.unreadable is None:
            raise error
        self.unreadable(error)
        return MISSING

    def timed(self, words: Sequence[Any]) -> Any:
        """Value and seconds left, of value, ms, and the stamps each followed by its ms; or MISSING."""
        data, ms = words[0], words[1]
        stamps = tuple(None if left == -2 else each for each, left in zip(words[2::2], words[3::2], strict=True))
        value = MISSING if ms == -2 else self.value(data, stamps, ms)
        if value is MISSING:
            return MISSING
        entry = unpack(data) if data[:1] == ENTRY else None
        return value, seconds_left(ms if entry is None or ms < 0 else ms - entry.grace)


def reader(t: Target, unreadable: Callable[[DecodeError], None] | None) -> Reader:
    return Reader(t, unreadable)


def look(t: Target) -> Command:
    """Reads the value, with the tags where it has some: what a ``Reader`` takes."""
    return Command(("GET", t.key)) if t.place is None else Command(("MGET", t.key, *t.place.tags))


def get(t: Target, read: Callable[[Any], Any], absent: Callable[[], Any] | None = None) -> Op[Any]:
    return Op("get", look(t), read, reads=True, absent=absent)


def getdel(t: Target, place: Place, read: Reader, absent: Callable[[], Any]) -> Op[Any]:
    """Not GETDEL: that would remove what it cannot give, a value that only its ttl tells to be fresh."""

    def decode(reply: list[Any]) -> Any:
        if reply[0] != b"ok":
            return MISSING
        entry = unpack(reply[1])  # the script has looked at its stamps and its ttl
        return MISSING if entry is None else read.value(entry.value)

    step = Script("entry_take", (t.key, place.lease, *place.tags), (place.channel,))
    return Op("getdel", step, decode, reads=True, absent=absent)


def get_ttl(t: Target, read: Reader, absent: Callable[[], Any]) -> Op[Any]:
    if t.place is not None:
        step = Script("key_get_ttls", (t.key, *t.place.tags), ())
        return Op("get_ttl", step, lambda reply: read.timed(reply[1:]), reads=True, absent=absent)

    def decode(reply: list[Any]) -> Any:
        return read.timed(reply[1:]) if reply[0] == b"ok" else MISSING

    return Op("get_ttl", Script("key_get_ttl", (t.key,), ()), decode, reads=True, absent=absent)


def gets(t: Target, read: Reader, default: Callable[[], Any], soft: Callable[[], Any]) -> Op[Any]:
    """The value and its token. ``soft`` asks again, with the ttl, where only that tells what is fresh."""

    def decode(reply: Any) -> Any:
        value = read(reply)
        return MISSING if read.soft else _seen(value, reply if t.place is None else reply[0], default)

    return Op("gets", look(t), decode, reads=True, absent=soft)


def gets_ttl(t: Target, read: Reader, default: Callable[[], Any]) -> Op[Any]:
    """``gets`` that looks at the ttl as well."""

    def decode(reply: list[Any]) -> tuple[Any, Token]:
        found = read.timed(reply[1:])
        return _seen(MISSING if found is MISSING else found[0], None if reply[2] == -2 else reply[1], default)

    return Op("gets", Script("key_get_ttls", (t.key, *_tags((t,))), ()), decode, reads=True)


def _seen(value: Any, data: bytes | None, default: Callable[[], Any]) -> tuple[Any, Token]:
    entry = None if data is None or value is MISSING else unpack(data)
    if entry is None:
        return default(), Token(data, None)
    return value, Token(data, entry.value)


def exists(t: Target, read: Reader, soft: Callable[[], Any]) -> Op[Any]:
    """Whether there is a value that counts. ``soft`` as for ``gets``."""

    def decode(reply: Any) -> Any:
        found = read(reply) is not MISSING
        return MISSING if read.soft else found

    return Op("exists", look(t), decode, reads=True, absent=soft)


def lives_longer(t: Target, read: Reader, ttl: float) -> Op[bool]:
    op: Any = get_ttl(t, read, lambda: False)
    decode = op.decode

    def longer(reply: Any) -> bool:
        found = decode(reply)
        return found is not MISSING and found[1] > ttl

    op.name, op.decode = "exists", longer
    return op  # type: ignore[no-any-return]


def arm(t: Target, place: Place, name: str, ms: int) -> Op[bool]:
    """Set (``expire``, ``touch``) or lengthen (``renew``) the life of a value that counts."""
    step = Script("entry_arm", (t.key, *place.tags), (ms, "renew" if name == "renew" else "set"))
    return Op(name, step, lambda reply: bool(reply[0] == b"ok"))


def copy(t: Target, to: str) -> Op[bool]:
    """Copy a value that counts, under the same tags, with the class's ttl; else leave nothing there."""
    step = Script("entry_copy", (t.key, to, *_tags((t,))), (t.ms(),))
    return Op("copy_to", step, lambda reply: bool(reply[0] == b"ok"), operands=True)


def _put(t: Target, place: Place, data: bytes, ms: int, mode: str, wants: str = "any", seen: bytes = b"") -> Script:
    """P1: under the stamps of this moment, and whoever computes is too late."""
    before = head(VALUE, 0, len(place.tags))
    args = (before, data, ms, place.tag_ms, place.channel, mode, wants, seen, place.since)
    news = (draw() for _ in place.tags)
    return Script("entry_set", (t.key, place.lease, place.guard, *place.tags), (*args, *news))


def _stored(reply: list[Any]) -> bool:
    if reply[0] == b"refused":
        raise Refused
    return bool(reply[0] == b"ok")


def _outdate(*ts: Target) -> Command | None:
    """P1 without tags: whoever computes these values is too late. None where nobody can.

    Sent before the write: a store between the two would otherwise be older, and stay.
    """
    if len(ts) == 1 and ts[0].lease is None:
        return None
    leases = [t.lease for t in ts if t.lease is not None]
    return Command(("UNLINK", *leases)) if leases else None


def cas(t: Target, value: Any, token: Token) -> Op[bool]:
    if not isinstance(token, Token):
        raise TypeError("cas takes the token that gets() gave together with the value")
    if t.place is not None:
        wants = "absent" if token.seen is None else "same"
        return Op("cas", _put(t, t.place, t.dumps(value), t.ms(), t.mode, wants, token.seen or b""), _stored)
    step = Script("key_cas", (t.key,), (*t.arm(), *token.words(), t.dumps(value)))
    return Op("cas", step, lambda reply: bool(reply[0] == b"ok"), ahead=_outdate(t))


def set(t: Target, value: Any, *, ttl: float | timedelta | None = None) -> Op[bool]:
    data, ms = t.dumps(value), t.ms(ttl)
    if t.place is not None:
        mode = "last" if ttl is not None else t.mode
        return Op("set", _put(t, t.place, data, ms, mode), _stored)
    if t.mode == "first" and ttl is None:
        step = Script("key_set", (t.key,), (ms, data))
        return Op("set", step, lambda reply: bool(reply[0] == b"ok"), ahead=_outdate(t))
    words: tuple[Any, ...] = ("SET", t.key, data)
    if ms:
        words += ("PX", ms)
    return Op("set", Command(words), lambda reply: reply is not None, ahead=_outdate(t))


def add(
    t: Target,
    lease: str,
    value: Any,
    ttl: float | timedelta | None,
    read: Reader,
    run: Callable[[Op[bool]], bool],
    taken: Callable[[], bool],
) -> Op[bool]:
    """Store a value where none counts; ``taken`` says what it means that there is one.

    Not SET NX: a value that is stale, or has other tags, is in its way. What the script cannot see is whether the
    bytes can be read. If not, ``run`` replaces just these.
    """
    ms, data, found = t.ms(ttl), t.dumps(value), b""

    def decode(reply: list[Any]) -> Any:
        nonlocal found
        if _stored(reply):
            return True
        found = reply[1]
        return MISSING

    def there() -> bool:
        entry = unpack(found)
        if entry is not None and read.value(entry.value) is not MISSING:
            return taken()
        if t.place is None:
            step = Script("key_cas", (t.key,), (ms, "last", "there", found, data))
        else:
            step = _put(t, t.place, data, ms, "last", "same", found)
        return run(Op("set", step, _stored, ahead=_outdate(t))) or taken()

    if t.place is None:
        step = Script("key_add", (t.key, lease), (ms, data))
    else:
        step = _put(t, t.place, data, ms, "last", "new")
    return Op("set", step, decode, absent=there)


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
    if t.place is None:
        step = Script("key_incr", (t.key,), (*t.arm(), *number(by, t.key)))
        return Op("increment", step, summed(t, "the value"), ahead=_outdate(t))
    place = t.place
    args = (head(VALUE, 0, len(place.tags)), t.ms(), place.tag_ms, place.channel, t.mode, *number(by, t.key))
    step = Script("entry_incr", (t.key, place.lease, *place.tags), (*args, *(draw() for _ in place.tags)))
    return Op("increment", step, summed(t, "the value"))


def _tags(ts: Sequence[Target]) -> tuple[str, ...]:
    """The tags of several values of one class."""
    return () if ts[0].place is None else ts[0].place.tags


def get_many(ts: Sequence[Target], reads: Sequence[Reader]) -> Op[list[Any]]:
    tags, count = _tags(ts), len(ts)

    def decode(replies: list[bytes | None]) -> list[Any]:
        stamps = tuple(replies[count:])
        return [read.value(data, stamps) for read, data in zip(reads, replies[:count], strict=True)]

    return Op("get_many", Command(("MGET", *(t.key for t in ts), *tags)), decode, reads=True)


def get_many_ttl(ts: Sequence[Target], reads: Sequence[Reader]) -> Op[list[Any]]:
    tags, end = _tags(ts), 1 + 2 * len(ts)

    def decode(reply: list[Any]) -> list[Any]:
        pairs = zip(reads, reply[1:end:2], reply[2:end:2], strict=True)
        found = [read.timed([data, ms, *reply[end:]]) for read, data, ms in pairs]
        return [(MISSING, -1.0) if each is MISSING else each for each in found]

    step = Script("key_get_ttls", (*(t.key for t in ts), *tags), ())
    return Op("get_many", step, decode, reads=True)


def set_many(ts: Sequence[Target], values: Sequence[Any], ttl: float | timedelta | None) -> Op[None]:
    first = ts[0]
    data = tuple(t.dumps(value) for t, value in zip(ts, values, strict=True))
    mode = "last" if ttl is not None else first.mode
    keys = tuple(t.key for t in ts)
    if first.place is None:
        step = Script("key_set_many", keys, (first.ms(ttl), mode, *data))
    else:
        tags = first.place.tags
        leases = tuple(t.place.lease for t in ts if t.place is not None)
        entries = (word for each in data for word in (head(VALUE, 0, len(tags)), each))
        args: tuple[Arg, ...] = (len(ts), first.ms(ttl), first.place.tag_ms, mode, *entries, *(draw() for _ in tags))
        step = Script("entry_set_many", (*keys, *leases, *tags), args)
    return Op("set_many", step, lambda _: None, ahead=_outdate(*ts))


def delete_many(ts: Sequence[Target], beside: Sequence[str]) -> Op[int]:
    """Remove the keys, and the leases beside them: who computes one of them began before."""
    keys = (*(str(t.key) for t in ts), *beside)
    return Op("delete_many", Script("key_delete_many", keys, (len(ts),)), lambda reply: int(reply[1]))
