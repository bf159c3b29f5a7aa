"""Plain bytes: numbers and text as a person would type them in redis-cli, and the one reader of them.

The rule: **a text is written plainly if and only if this reader gives back that same text**. So
``"7"`` is wrapped and ``"007"`` is not. The reader never guesses with ``int()`` or ``float()``. Bytes
are a number if one of two ASCII patterns matches the whole of them, or if they are inf, -inf or nan.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from ..errors import DecodeError, EncodeError
from .count import Count

__all__ = [
    "ENTRY",
    "INT64_MAX",
    "INT64_MIN",
    "PACKED",
    "Plain",
    "decode_raw",
    "encode_raw",
    "read_plain",
    "reads_as_text",
    "write_str",
]

Plain: TypeAlias = "int | float | str"

ENTRY = 0xC0  # first byte of an entry; no UTF-8 text begins with 0xC0 or 0xC1
PACKED = 0xC1  # first byte of all other bytes that are not plain
RESERVED = 0xF5  # from here on no UTF-8 text begins either

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

INT = re.compile(rb"0|-?[1-9][0-9]{0,18}")
FLOAT = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:e[+-][0-9]{2,3})?|e[+-][0-9]{2,3})")
ZERO = ord("0")
WORDS = {b"inf": float("inf"), b"-inf": float("-inf"), b"nan": float("nan")}

# The first bytes that a number can have. With any other first byte the bytes are text, without a look at the patterns.
NUMBER_STARTS = frozenset(b"-0123456789in")
TEXT_NUMBER_STARTS = frozenset("-0123456789")
TEXT_WORDS = frozenset(word.decode() for word in WORDS)

# Kinds of wrapped text, after PACKED.
WRAPPED_TEXT = b"\xc1s"
SURROGATE_TEXT = b"\xc1u"


def read_plain(data: bytes) -> Plain:
    """Read plain bytes: an int of 64 bits, a float, else the text. Not UTF-8: ``DecodeError``."""
    if data.isdigit() and len(data) < 19 and data[0] != ZERO:
        return int(data)
    if data and data[0] in NUMBER_STARTS:
        number = _read_number(data)
        if number is not None:
            return number
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("the stored bytes are neither ours nor UTF-8 text") from error


def _read_number(data: bytes) -> int | float | None:
    if INT.fullmatch(data):
        number = int(data)
        return number if INT64_MIN <= number <= INT64_MAX else None
    if FLOAT.fullmatch(data):
        return float(data)
    return WORDS.get(data)


def reads_as_text(text: str) -> bool:
    """Whether ``read_plain`` gives exactly this text back from its UTF-8 bytes."""
    if text[:1] not in TEXT_NUMBER_STARTS:
        return text not in TEXT_WORDS
    if not text.isascii():
        return True
    return _read_number(text.encode()) is None


def write_str(text: str) -> bytes:
    """The bytes of a text: plain where the text reads back as itself, else wrapped."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return SURROGATE_TEXT + text.encode("utf-8", "surrogatepass")
    return data if reads_as_text(text) else WRAPPED_TEXT + data


def encode_raw(value: Any) -> bytes:
    """The raw form (``serialize=False``): int, float, str or bytes, written as they are."""
    kind = type(value)
    data: bytes
    if kind is str:
        try:
            data = value.encode()
        except UnicodeEncodeError as error:
            raise EncodeError("raw values are UTF-8 text; this str holds lone surrogates") from error
        return data
    if kind is bytes:
        data = value
        return data
    if kind is int or kind is Count:
        if not INT64_MIN <= value <= INT64_MAX:
            raise EncodeError("a raw int must fit 64 bits, a larger one would come back as text")
        return str(value).encode()
    if kind is float:
        return repr(value).encode()
    raise EncodeError(f"raw values (serialize=False) are int, float, str or bytes, not {kind.__name__}")


def decode_raw(data: bytes) -> int | float | str | bytes:
    """The value of raw bytes: a number where they read like one, text where they are UTF-8, else the bytes."""
    try:
        return read_plain(data)
    except DecodeError:
        return data
