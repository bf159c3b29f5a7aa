"""Values to bytes. The rule: **the same value and the same type come back, or an ``EncodeError``.**

The quick way lets the MessagePack library try alone. The library refuses a value that it cannot carry
exactly; then we walk the value in Python, item by item. Both ways give the same bytes.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import ormsgpack

from ..errors import EncodeError
from .classes import is_dataclass, is_namedtuple
from .containers import CONTAINERS, DATACLASS, NAMEDTUPLE, Container
from .count import Count
from .interruptions import may_be_interrupted, pass_on
from .plain import INT64_MAX, INT64_MIN, write_str
from .scalars import ENUM, SCALARS

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["DEEPEST", "EXACT", "STRICT", "pack"]

DEEPEST = 255  # containers in containers: the limit of the library, kept for all types

# All types that the library would turn into another type go through our tables instead.
STRICT = (
    ormsgpack.OPT_PASSTHROUGH_BIG_INT
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_SUBCLASS
    | ormsgpack.OPT_PASSTHROUGH_TUPLE
    | ormsgpack.OPT_PASSTHROUGH_UUID
)
# STRICT with one order for dicts and sets, so that equal values give equal bytes.
EXACT = STRICT | ormsgpack.OPT_SORT_KEYS

NATIVE = frozenset({type(None), bool, int, float, bytes})  # for ints of more than 64 bits the library asks us
FLAT = NATIVE | {str}
BRANCHES = frozenset({list, dict})
BUFFERS = frozenset({bytearray, memoryview})
SELF_DESCRIBING = frozenset({type(None), bool, list, dict})


def pack(value: Any, options: int = STRICT) -> bytes:
    """The whole stored form of a value, its first byte included."""
    kind = type(value)
    if kind is str:
        return write_str(value)
    if kind is int and INT64_MIN <= value <= INT64_MAX:
        return str(value).encode()
    if kind is float:
        return repr(value).encode()
    if kind is bytes:
        return b"".join((b"\xc1b", value))
    if kind is Count:  # only its counter treats a Count as more than an int
        return pack(int(value), options)
    try:
        if kind in SELF_DESCRIBING:
            data = _pack_quickly(value, options)
            if data is not None:
                return b"\xc1m" + data
            if kind is not dict or _has_text_keys(value):
                return b"\xc1m" + _packed(_walk(value, 1, options), options)
        elif kind is tuple:  # the walk gives the same bytes; this is the short way for the most frequent type
            data = _pack_quickly(list(value), options)
            if data is not None:
                return b"\xc1(" + data
        code, payload = _extension(value, kind, 1, options)
    except RuntimeError as error:  # also a RecursionError
        pass_on(error)
        raise EncodeError(f"a {kind.__qualname__} too deep to walk, or changed meanwhile") from error
    return b"\xc1%c%b" % (code, payload)


def _pack_quickly(value: object, options: int) -> bytes | None:
    try:
        data = _packed(value, options)
    except TypeError as error:
        pass_on(error)
        return None
    # The library writes a bytearray like bytes. If there may be bytes inside, look at the items.
    if (b"\xc4" in data or b"\xc5" in data or b"\xc6" in data) and _holds_buffers(value):
        return None
    return data


def _packed(value: object, options: int) -> bytes:
    """The bytes of a value whose parts are all native or scalars, else a TypeError."""
    try:
        return ormsgpack.packb(value, None, options)
    except TypeError as error:
        pass_on(error)
    if not may_be_interrupted():
        return ormsgpack.packb(value, _scalar, options)
    raised: list[BaseException] = []
    scalars = _scalars(raised)
    next(scalars)
    try:
        return ormsgpack.packb(value, scalars.send, options)
    except TypeError:
        if raised:
            raise raised[0] from None
        raise
    finally:
        scalars.close()  # here, not where the generator is collected: what a handler raises there is lost


def _scalars(raised: list[BaseException]) -> Generator[Any, Any, None]:
    """Gives the form of each scalar that is sent in, and remembers what was raised: the library would forget it.

    A generator, since a signal handler may raise at the first instruction of a function, ahead of any ``try``. Here
    that instruction is inside of one.
    """
    form: object = None
    try:
        while True:
            form = _scalar((yield form))
    except BaseException as error:
        raised.append(error)
        raise


def _holds_buffers(value: object) -> bool:
    """Whether there are bytearrays or other buffers in these lists and dicts."""
    parts = value.values() if type(value) is dict else value if type(value) is list else ()
    kinds = set(map(type, parts))
    if not kinds.isdisjoint(BUFFERS):
        return True
    if kinds.isdisjoint(BRANCHES):
        return False
    return any(_holds_buffers(part) for part in parts if type(part) in BRANCHES)


def _scalar(value: object) -> ormsgpack.Ext:
    """The form of a value of a type that the library does not know."""
    scalar = SCALARS.get(type(value))
    if scalar is None:
        if not isinstance(value, Enum):
            raise TypeError  # not a scalar: the walk carries the value, or raises an EncodeError that says why not
        scalar = ENUM
    return ormsgpack.Ext(scalar.code, scalar.write(value))


def _walk(value: Any, depth: int, options: int) -> Any:
    """The same value, made of types that the library packs exactly."""
    kind = type(value)
    if kind in NATIVE:
        return value
    if kind is str:
        return value if _is_utf8(value) else _scalar(value)
    if kind is Count:
        return int(value)
    if kind is list:
        _check_depth(depth)
        items = []
        for item in value:
            items.append(_walk(item, depth + 1, options))  # noqa: PERF401 (one frame more in every level)
        return items
    if kind is dict and _has_text_keys(value):
        _check_depth(depth)
        mapping = {}
        for key, item in value.items():
            mapping[key] = _walk(item, depth + 1, options)
        return mapping
    return ormsgpack.Ext(*_extension(value, kind, depth, options))


def _extension(value: object, kind: type, depth: int, options: int) -> tuple[int, bytes]:
    scalar = SCALARS.get(kind)
    if scalar is not None:
        return scalar.code, scalar.write(value)
    if isinstance(value, Enum):
        return ENUM.code, ENUM.write(value)
    container = CONTAINERS.get(kind)
    if container is None:
        if is_namedtuple(kind):
            container = NAMEDTUPLE
        elif is_dataclass(kind):
            container = DATACLASS
        else:
            raise EncodeError(f"a value of type {kind.__qualname__} cannot be stored exactly{_hint(kind)}")
    _check_depth(depth)
    items = container.write(value)
    if (options == STRICT or not container.unordered) and (depth == 1 or FLAT.issuperset(map(type, items))):
        data = _pack_quickly(items, options)
        if data is not None:
            return container.code, data
    walked = []
    for item in items:
        walked.append(_walk(item, depth + 1, options))  # noqa: PERF401 (one frame more in every level)
    if options == EXACT and container.unordered:
        walked = _sorted(container, walked)
    return container.code, _packed(walked, options)


def _hint(kind: type) -> str:
    """What to do with an object that looks like a number, as numpy's do: the type is the caller's to choose."""
    if hasattr(kind, "__index__"):
        return ": store int(value)"
    return ": store float(value)" if hasattr(kind, "__float__") else ""


def _sorted(container: Container, items: list[object]) -> list[object]:
    """The items in the order of their bytes, each value still behind its key."""
    step = 2 if container.pairs else 1
    groups = [items[place : place + step] for place in range(container.head, len(items), step)]
    groups.sort(key=lambda group: _packed(group[0], EXACT))
    return items[: container.head] + [item for group in groups for item in group]


def _check_depth(depth: int) -> None:
    if depth > DEEPEST:
        raise EncodeError(f"a value holds itself, or more than {DEEPEST} containers in one another")


def _has_text_keys(mapping: dict[object, object]) -> bool:
    return all(type(key) is str and _is_utf8(key) for key in mapping)


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
