"""Words to the bytes of one command: hiredis packs them, and gets no ints.

hiredis turns an int into text by itself, and crashes the process where that raises: for an int of more digits than
the interpreter allows, and for any int while a signal handler raises. So the text is made here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hiredis

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["pack"]

_pack: Any = hiredis.pack_command


def pack(words: Sequence[Any]) -> bytes:
    """The bytes of one command; ValueError for an int that has no text, TypeError for what is no word."""
    if int in map(type, words):
        words = [b"%d" % word if type(word) is int else word for word in words]
    packed: bytes = _pack(tuple(words))
    return packed
