"""A guard for ormsgpack before 1.13 (the last one for Python 3.10): forged array headers crash it.

The old library makes room for as many items as a header claims, before it looks whether they are there. So
where a header of four bytes may claim more items than there are bytes, we look at all tokens first.
"""

from __future__ import annotations

import ormsgpack

from ..errors import DecodeError

__all__ = ["NEEDED", "check_arrays"]

NEEDED = tuple(int(part) for part in ormsgpack.__version__.split(".")[:2]) < (1, 13)

ARRAY = 0xDD
# The size in bytes of a token, by its first byte. Negative: a length follows, and the number counts both.
SIZES = [1] * 256
for _first, _size in {
    **{0xA0 + length: 1 + length for length in range(32)},  # short texts
    0xCA: 5,
    0xCB: 9,
    0xCC: 2,
    0xCD: 3,
    0xCE: 5,
    0xCF: 9,
    0xD0: 2,
    0xD1: 3,
    0xD2: 5,
    0xD3: 9,  # numbers
    0xD4: 3,
    0xD5: 4,
    0xD6: 6,
    0xD7: 10,
    0xD8: 18,  # extensions of fixed sizes
    0xC4: -2,
    0xC5: -3,
    0xC6: -5,
    0xD9: -2,
    0xDA: -3,
    0xDB: -5,
    0xC7: -2,
    0xC8: -3,
    0xC9: -5,
    0xDC: 3,
    ARRAY: 5,
    0xDE: 3,
    0xDF: 5,  # headers of arrays and maps, whose items are tokens too
}.items():
    SIZES[_first] = _size
EXTENSIONS = frozenset({0xC7, 0xC8, 0xC9})  # one byte more, for the code


def check_arrays(payload: bytes) -> None:
    """``DecodeError`` if an array header claims more items than there are bytes."""
    place = payload.find(ARRAY)
    while place >= 0:
        if _claims_too_much(payload, place):
            return _check_tokens(payload)
        place = payload.find(ARRAY, place + 1)
    return None


def _claims_too_much(payload: bytes, place: int) -> bool:
    return int.from_bytes(payload[place + 1 : place + 5], "big") > len(payload) - place


def _check_tokens(payload: bytes) -> None:
    place = 0
    while place < len(payload):
        first = payload[place]
        size = SIZES[first]
        if first == ARRAY and _claims_too_much(payload, place):
            raise DecodeError("a stored list claims more items than there are bytes")
        if size < 0:
            size = -size + int.from_bytes(payload[place + 1 : place - size], "big") + (first in EXTENSIONS)
        place += size
