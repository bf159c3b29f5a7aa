"""Entries: a value with the facts that decide whether it still counts. Pure bytes, no I/O.

An entry that needs no metadata is the bare value, so that every client of the server can read it. N1: unless the
value begins with the byte that marks entries, as those of other serializers may: then it is wrapped. Other entries are
``0xC0 | kind | grace, 6 bytes | n, 2 bytes | nonce, 8 bytes | n stamps of 8 bytes | value``. ``grace`` is how
many ms of the entry's physical ttl come after its soft end: the entry is fresh while PTTL > grace. No entry holds
a client's clock. The Lua side of this layout is ``lua/lib/entry.lua``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .draws import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ERROR", "VALUE", "Entry", "head", "pack", "same", "unpack", "wrapped"]

MARK = 0xC0
VALUE, ERROR = 0, 1  # kinds: a result, or an exception that is cached like one
FIXED = 18
MARKED = bytes((MARK,))
WRAP = MARKED + bytes(FIXED - 1)  # without a nonce: equal values are equal bytes, for ``cas`` as well


class Entry(NamedTuple):
    """A value as it is stored under a key, with its metadata."""

    value: bytes
    kind: int = VALUE
    grace: int = 0
    stamps: tuple[bytes, ...] = ()


def head(kind: int, grace: int, tags: int, value: bytes = b"") -> bytes:
    """The bytes before the stamps and this value; none for an entry that needs no metadata."""
    if kind == VALUE and grace == 0 and tags == 0:
        return WRAP if value[:1] == MARKED else b""
    return bytes((MARK, kind)) + grace.to_bytes(6, "big") + tags.to_bytes(2, "big") + draw()


def wrapped(value: bytes) -> bytes:
    """N1: the bytes that are stored for a value without metadata."""
    return WRAP + value if value[:1] == MARKED else value


def pack(entry: Entry) -> bytes:
    """The entry as the bytes that the server stores."""
    return head(entry.kind, entry.grace, len(entry.stamps), entry.value) + b"".join(entry.stamps) + entry.value


def unpack(data: bytes) -> Entry | None:
    """The entry in these bytes; None for bytes that begin like an entry with metadata, and are no whole one."""
    if data[:1] != MARKED:
        return Entry(data)
    count = int.from_bytes(data[8:10], "big")
    end = FIXED + 8 * count
    if len(data) < end or data[1] not in (VALUE, ERROR):
        return None
    stamps = tuple(data[at : at + 8] for at in range(FIXED, end, 8))
    return Entry(data[end:], data[1], int.from_bytes(data[2:8], "big"), stamps)


def same(entry: Entry, stamps: Sequence[bytes | None]) -> bool:
    """Whether the entry was made under exactly these stamps; a missing tag (None) never matches."""
    return entry.stamps == tuple(stamps)
