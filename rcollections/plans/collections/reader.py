"""How the value under one key is asked for and read: its bytes, and the stamps of its tags, if it has some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import DecodeError
from ...missing import MISSING
from ..effects import Command, Script
from ..entries import VALUE, unpack
from ..op import More
from ..target import seconds_left

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..effects import Plan
    from ..target import Target

__all__ = ["SOFT", "Reader", "Token", "tags_of", "timed_step", "value_step"]

ENTRY = b"\xc0"  # the first byte of an entry with metadata
SOFT = object()  # stands for a value of which only the ttl tells whether it is fresh


class Token:
    """What ``gets`` saw: hand it to ``cas``. Its content is private."""

    __slots__ = ("seen", "value")

    def __init__(self, seen: bytes | None, value: bytes | None) -> None:
        self.seen = seen
        self.value = value  # the bytes of the value, without the metadata of an entry; None: no value counts

    def __repr__(self) -> str:
        return "Token()"

    def words(self) -> tuple[str, bytes]:
        """The two script arguments that say which bytes the key must still hold."""
        return ("absent", b"") if self.seen is None else ("there", self.seen)


class Reader:
    """Reads a value, or MISSING. Bytes that cannot be read are a miss, and ``unreadable`` is told of them.

    A value that a function stored comes without its metadata. It is a miss if its tags are not the tags of
    this class, or if they were invalidated. Of a value with stale windows only the ttl tells whether it is
    fresh. Without the ttl it reads as SOFT, and has to be asked for again.
    """

    __slots__ = ("t", "unreadable")

    def __init__(self, t: Target, unreadable: Callable[[DecodeError], None] | None) -> None:
        self.t = t
        self.unreadable = unreadable

    def __call__(self, reply: object) -> Any:
        """The reply of ``value_step``: the value, MISSING, or More where the ttl has to be asked for."""
        value = self.of(reply)
        return value if value is not SOFT else More(self._again())

    def of(self, reply: Any) -> object:
        """The reply of ``value_step``: the value, MISSING, or SOFT."""
        return self.value(reply) if self.t.place is None else self.value(reply[0], tuple(reply[1:]))

    def _again(self) -> Plan[object]:
        reply = yield timed_step((self.t,))
        found = self.timed(reply[1:])
        return MISSING if found is MISSING else found[0]

    def value(self, data: bytes | None, stamps: tuple[object, ...] = (), ms: int | None = None) -> object:
        """The value in these bytes, MISSING, or SOFT. ``ms`` is the ttl that the key has left."""
        if data is None:
            return MISSING
        if stamps or data[:1] == ENTRY:
            entry = unpack(data)
            if entry is None:  # the bytes begin like an entry, and are no whole one
                return self._unreadable(DecodeError(f"{str(self.t.key)!r}: the stored bytes are no whole entry"))
            if entry.kind != VALUE or entry.stamps != stamps:
                return MISSING
            if entry.grace and (ms is None or 0 <= ms <= entry.grace):
                return SOFT if ms is None else MISSING
            data = entry.value
        return self.content(data)

    def content(self, data: bytes) -> object:
        """The value in the bytes of a value alone, whatever their first byte is; MISSING if they cannot be read."""
        try:
            return self.t.load(data)
        except DecodeError as error:
            return self._unreadable(error)

    def _unreadable(self, error: DecodeError) -> object:
        if self.unreadable is None:
            raise error
        self.unreadable(error)
        return MISSING

    def timed(self, words: Sequence[Any]) -> Any:
        """Value and seconds left, or MISSING; ``words``: the bytes, their ms, then each stamp and its ms."""
        data, ms = words[0], words[1]
        stamps = tuple(None if left == -2 else each for each, left in zip(words[2::2], words[3::2], strict=True))
        value = MISSING if ms == -2 else self.value(data, stamps, ms)
        if value is MISSING:
            return MISSING
        entry = unpack(data) if data[:1] == ENTRY else None
        return value, seconds_left(ms if entry is None or ms < 0 else ms - entry.grace)


def value_step(t: Target) -> Command:
    """The step that reads the value, with its tags if it has some; a ``Reader`` takes the reply."""
    return Command(("GET", t.key)) if t.place is None else Command(("MGET", t.key, *t.place.tags))


def timed_step(ts: Sequence[Target]) -> Script:
    """The step that reads values with their ms left, then the tags with theirs; ``timed`` takes the words."""
    return Script("key_get_ttls", (*(t.key for t in ts), *tags_of(ts)), ())


def tags_of(ts: Sequence[Target]) -> tuple[str, ...]:
    """The tags of several values of one class."""
    return () if ts[0].place is None else ts[0].place.tags
