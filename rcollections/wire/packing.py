"""Words to the bytes of one command: hiredis packs them, and gets no ints.

hiredis turns an int into text by itself, and crashes the process where that raises: for an int of more digits than
the interpreter allows, and for any int while a signal handler raises. So the text is made here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hiredis

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PART", "WRITTEN", "around_value", "head", "pack"]

# What the server says to the MULTI of ``around_value``: the whole bytes, and the replies that they are.
WRITTEN = {
    b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:%d\r\n" % there: (b"OK", b"QUEUED", b"QUEUED", [b"OK", there])
    for there in (0, 1)
}
PART = b"%b$%d\r\n%b\r\n"  # of some bytes with one more word: (before, len(word), word)

_pack: Any = hiredis.pack_command


def pack(words: Sequence[Any]) -> bytes:
    """The bytes of one command; ValueError for an int that has no text, TypeError for what is no word."""
    if int in map(type, words):
        words = [b"%d" % word if type(word) is int else word for word in words]
    packed: bytes = _pack(tuple(words))
    return packed


def head(count: int, name: bytes, key: str) -> bytes:
    """The bytes of a command of ``count`` words up to its key; the other words follow as ``PART``."""
    word = key.encode()
    return b"*%d\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (count, len(name), name, len(word), word)


def around_value(key: str, lease: str | None) -> tuple[bytes, bytes, int]:
    """Bytes before and behind the value of a SET with PX, in one MULTI with UNLINK of a lease (P4); the replies."""
    write = head(5, b"SET", key)
    if lease is None:
        return write, b"", 1
    return pack(("MULTI",)) + write, pack(("UNLINK", lease)) + pack(("EXEC",)), 4
