"""The text of one argument in a key: exact, one for equal values of one type, and readable where it can be."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from datetime import date, datetime, time
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..errors import EncodeError
from ..handles.base import BaseCache
from ..plans.parts import escaped
from ..values import encode_exact
from ..values.count import Count
from ..values.scalars import ENUM, SCALARS
from .places import MAIN, class_path

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["identity_of", "packed", "quoted", "text_of", "word"]

HOOK = "__cache_key__"

_BARE = re.compile(r"[A-Za-z_@/][\w@/:+.-]*", re.ASCII)
_MOMENT = re.compile(r"[\w:+.|/-]+", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}[+-]?")
_WORDS = frozenset({"True", "False", "None", "inf", "nan"})  # what other types write, in the form of a bare text

MANY = 12  # items of a container that are shown one by one; a larger one is packed
DEEPEST = 16  # containers in containers that are shown; deeper ones are packed


def text_of(value: Any, depth: int = 0) -> str:
    """The text of an argument; EncodeError for one that has no exact form."""
    kind = type(value)
    if kind is str:
        return word(value)
    write = _WRITERS.get(kind)
    if write is not None:
        return write(value)
    branch = _BRANCHES.get(kind)
    if branch is None:
        return _other(value)
    if depth < DEEPEST and len(value) <= MANY:
        return branch(value, depth + 1)
    try:
        return packed(value)
    except EncodeError:
        if depth >= DEEPEST:
            raise
        return branch(value, depth + 1)  # objects that tell who they are may be inside


def word(text: str) -> str:
    """A text: bare if it cannot be read as anything else, or in quotes."""
    if _BARE.fullmatch(text) and text not in _WORDS and not (len(text) in (36, 37) and _UUID.fullmatch(text)):
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """A text in single quotes."""
    return f"'{escaped(text, _QUOTE)}'"


def packed(value: object) -> str:
    """The bytes of the codec, for what has no text."""
    return "~" + urlsafe_b64encode(encode_exact(value)).decode().rstrip("=")


def identity_of(value: Any) -> object:
    """Who an object says it is, by ``__cache_key__`` or as the key of a collection; ``value`` itself if it does not."""
    if isinstance(value, type):
        return value
    # The class decides: an object may give something for any name that it is asked for.
    if getattr(type(value), HOOK, None) is not None or HOOK in getattr(value, "__dict__", ()):
        hook = getattr(value, HOOK)
        if hook is not None:
            told: object = hook()
            return told
    return str(value.key) if isinstance(value, BaseCache) else value


_QUOTE = "'"


def _other(value: Any) -> str:
    if isinstance(value, Enum) and getattr(type(value), HOOK, None) is None:
        return _enum(value)
    told = identity_of(value)
    return packed(value) if told is value else f"{class_path(type(value))}!{text_of(told)}"


def _int(value: int) -> str:
    return repr(value) if -(2**63) <= value < 2**64 else hex(value)  # long decimal text is limited by Python


def _uuid(value: UUID) -> str:
    return SCALARS[UUID].write(value).decode()


def _moment(value: date | time) -> str:
    kind = type(value)
    text = SCALARS[kind].write(value).decode("utf-8", "surrogatepass")
    return text if _MOMENT.fullmatch(text) else kind.__name__ + quoted(text)


def _enum(value: Enum) -> str:
    path, _, name = ENUM.write(value).decode("utf-8", "surrogatepass").rpartition("=")
    if path.partition(":")[0] in MAIN:  # the same in the workers of a script
        path = class_path(type(value))
    return f"Enum{quoted(f'{path}={name}')}"


def _named(kind: type) -> Callable[[Any], str]:
    """``Decimal'1.50'``: a type whose values the codec writes as text."""
    start = 1 if issubclass(kind, PurePath) else 0  # a letter for the type, which stands here already
    name, write = kind.__name__, SCALARS[kind].write
    return lambda value: name + quoted(write(value).decode("utf-8", "surrogatepass")[start:])


def _items(values: Any, depth: int) -> list[str]:
    return [text_of(each, depth) for each in values]


def _dict(values: dict[object, object], depth: int) -> str:
    return (
        f"dict({','.join(sorted(f'{text_of(key, depth)}={text_of(value, depth)}' for key, value in values.items()))})"
    )


_WRITERS: dict[type, Callable[[Any], str]] = {
    **{kind: _named(kind) for kind in SCALARS if kind not in (int, str, bytearray)},
    int: _int,
    Count: lambda value: _int(int(value)),
    float: repr,
    bool: repr,
    type(None): repr,
    UUID: _uuid,
    date: _moment,
    datetime: _moment,
    time: _moment,
}
_BRANCHES: dict[type, Callable[[Any, int], str]] = {
    tuple: lambda values, depth: f"({','.join(_items(values, depth))})",
    list: lambda values, depth: f"[{','.join(_items(values, depth))}]",
    set: lambda values, depth: f"set({','.join(sorted(_items(values, depth)))})",
    frozenset: lambda values, depth: f"frozenset({','.join(sorted(_items(values, depth)))})",
    dict: _dict,
}
