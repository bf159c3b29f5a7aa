"""Bytes to values. The rule: **whatever the bytes are, a value or a ``DecodeError``**, and no import.

Containers in containers are opened one after the other, never inside the library's own recursion,
so that forged bytes cannot exhaust the C stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import ormsgpack

from rcollections.errors import DecodeError

from .containers import CONTAINER_READERS
from .packing import DEEPEST
from .plain import ENTRY, PACKED, RESERVED, read_plain
from .scalars import SCALAR_READERS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["unpack"]


def unpack(data: bytes) -> Any:
    """The value of stored bytes that are neither compressed nor signed."""
    if not data:
        return ""
    first = data[0]
    if first != PACKED:
        if first == ENTRY or first >= RESERVED:
            raise DecodeError("the stored bytes are of a form that this version does not know")
        return read_plain(data)
    try:
        return _unpack_kind(data[1], data[2:])
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError("the stored bytes are damaged, or not ours") from error


def _unpack_kind(code: int, payload: bytes) -> Any:
    known = KINDS.get(code)
    if known is not None:
        return known(payload)
    if code in CONTAINER_READERS:
        return _unpack_items(_Closed(code, payload), 1)
    raise DecodeError("the stored bytes are of a kind that this version does not know")


class _Closed(NamedTuple):
    """A container inside another one, not opened yet."""

    code: int
    payload: bytes


def _unpack_native(payload: bytes, depth: int = 1) -> Any:
    try:
        return ormsgpack.unpackb(payload, ext_hook=_read_scalar)
    except ValueError:  # a container inside, or damaged
        return _open(ormsgpack.unpackb(payload, ext_hook=_read_extension), depth)


def _read_scalar(code: int, payload: bytes) -> Any:
    return SCALAR_READERS[code](payload)


def _read_extension(code: int, payload: bytes) -> Any:
    if code in CONTAINER_READERS:
        return _Closed(code, payload)
    return SCALAR_READERS[code](payload)


def _open(value: Any, depth: int) -> Any:
    """Put values in the place of all closed containers."""
    kind = type(value)
    if kind is _Closed:
        return _unpack_items(value, depth)
    if kind is list:
        _check_depth(depth)
        for place, item in enumerate(value):
            if type(item) in OPENABLE:
                value[place] = _open(item, depth + 1)
    elif kind is dict:
        _check_depth(depth)
        for key, item in value.items():
            if type(item) in OPENABLE:
                value[key] = _open(item, depth + 1)
    return value


def _unpack_items(closed: _Closed, depth: int) -> Any:
    _check_depth(depth)
    items = _unpack_native(closed.payload, depth)
    if type(items) is not list:
        raise DecodeError("a stored container is damaged")
    return CONTAINER_READERS[closed.code](items)


def _check_depth(depth: int) -> None:
    if depth > DEEPEST:
        raise DecodeError(f"a stored value has more than {DEEPEST} containers in one another")


OPENABLE = frozenset({_Closed, list, dict})
KINDS: dict[int, Callable[[bytes], Any]] = {
    **SCALAR_READERS,
    ord("s"): bytes.decode,
    ord("b"): bytes,
    ord("m"): _unpack_native,
}
