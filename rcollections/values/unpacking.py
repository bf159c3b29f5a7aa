"""Bytes to values. The rule: **any bytes give a value or a ``DecodeError``**, and no import.

Containers in containers are opened one after the other, never inside the library's own recursion,
so that forged bytes cannot exhaust the C stack.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import ormsgpack

from ..errors import DecodeError
from .containers import CONTAINER_READERS
from .interruptions import may_be_interrupted, pass_on
from .packing import DEEPEST
from .plain import ENTRY, PACKED, RESERVED, read_plain
from .scalars import SCALAR_READERS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NATIVE", "unpack", "unpack_native", "unpack_whole"]


NATIVE = bytes((PACKED,)) + b"m"
_unpackb = ormsgpack.unpackb
EXTENSION = b"\xc7\xc8\xc9\xd4\xd5\xd6\xd7\xd8"  # an extension begins with one of these; text may have them too


def unpack(data: bytes) -> object:
    """The value of stored bytes that are neither compressed nor signed."""
    if not data:
        return ""
    first = data[0]
    if first != PACKED:
        if first == ENTRY or first >= RESERVED:
            raise DecodeError("the stored bytes are of a form that this version does not know")
        return read_plain(data)
    known = KINDS.get(data[1:2])
    if known is None:
        raise DecodeError("the stored bytes are of a kind that this version does not know")
    try:
        return known(data[2:])
    except DecodeError:
        raise
    except Exception as error:
        pass_on(error)
        raise DecodeError("the stored bytes are damaged, or not ours") from error


def unpack_native(data: bytes) -> object:
    """``unpack`` of stored bytes that begin with ``NATIVE``: the most frequent form, in one step where it is short."""
    if len(data) < SHORT:
        try:
            value, end = _unpackb(b"\x92%b\x2a" % data[2:])
        except ValueError as error:  # extensions, or damaged
            pass_on(error)
        else:
            if end == END:
                return value
    return unpack(data)


def unpack_whole(payload: bytes, hook: Callable[[Any, bytes], object] | None = None, options: int = 0) -> object:
    """The one MessagePack value of ``payload``; ``DecodeError`` if bytes follow behind that value."""
    # The library does not say where it stopped, so it reads the value and an end mark as a pair.
    value, end = ormsgpack.unpackb(b"\x92%b\x2a" % payload, ext_hook=hook, option=options)
    if end != END:
        raise DecodeError("there is something behind a stored value")
    return value


class _Closed(NamedTuple):
    """A container inside another one, not opened yet."""

    code: int
    payload: bytes


def _unpack_native(payload: bytes) -> object:
    value, done = _opened(payload)
    return value if done else _open(value, 1)


def _opened(payload: bytes) -> tuple[object, bool]:
    """The value, and whether it is done: else it has extensions in it that are to be opened."""
    size = len(payload)
    if size < SHORT and len(payload.translate(None, EXTENSION)) == size:
        return unpack_whole(payload), True
    if may_be_interrupted():  # the library forgets what its hook raises, so here it gets one that runs no Python
        return unpack_whole(payload, slice), False
    try:
        return unpack_whole(payload, _read_scalar), True
    except ValueError:  # a container inside, or damaged
        return unpack_whole(payload, _read_extension), False


def _unpack_container(code: int, payload: bytes) -> object:
    return _open(_Closed(code, payload), 1)


def _read_scalar(code: int, payload: bytes) -> object:
    return SCALAR_READERS[code](payload)


def _read_extension(code: int, payload: bytes) -> object:
    if code in CONTAINER_READERS:
        return _Closed(code, payload)
    return SCALAR_READERS[code](payload)


def _open(value: Any, depth: int) -> object:
    """Put values in the place of all closed containers, with one frame for each level of containers."""
    if depth > DEEPEST:
        raise DecodeError(f"a stored value has more than {DEEPEST} containers in one another")
    if type(value) is dict:
        for key, item in value.items():
            if type(item) in OPENABLE:
                value[key] = _open(item, depth + 1)
        return value
    if type(value) is slice:
        value = _read_extension(value.start, value.stop)
        if type(value) is not _Closed:
            return value
    closed = type(value) is _Closed
    items: Any = value
    open_already = False
    if closed:
        items, open_already = _opened(value.payload)
    if type(items) is not list:
        raise DecodeError("a stored container is damaged")
    if not open_already:
        for place, item in enumerate(items):
            if type(item) in OPENABLE:
                items[place] = _open(item, depth + 1)
    return CONTAINER_READERS[value.code](items) if closed else items


END = 0x2A
SHORT = 4096  # bytes in which it is quick to look for extensions
OPENABLE = frozenset({_Closed, list, dict, slice})
KINDS: dict[bytes, Callable[[bytes], object]] = {
    b"m": _unpack_native,
    b"s": bytes.decode,
    b"b": bytes,
    **{bytes([code]): read for code, read in SCALAR_READERS.items()},
    **{bytes([code]): partial(_unpack_container, code) for code in CONTAINER_READERS},
}
