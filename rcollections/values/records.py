"""Namedtuples and dataclasses: the class by path, the names of its fields, their values.

The names travel too: an older version of the class may have other fields or another order. Its values
must not be read into the wrong fields. Reading calls no code of the class, neither ``__init__``
nor ``__post_init__``: a reader gets the state that was written.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from types import MemberDescriptorType
from typing import Any

from ..errors import DecodeError, EncodeError
from .classes import class_at, is_dataclass, is_namedtuple, path_of

__all__ = ["read_dataclass", "read_namedtuple", "write_dataclass", "write_namedtuple"]

HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: defined by a class statement, not in C


def write_namedtuple(value: tuple[object, ...]) -> list[object]:
    cls = type(value)
    if getattr(value, "__dict__", None):
        raise EncodeError(f"this {cls.__qualname__} has attributes besides its fields")
    fields: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
    return [_head(cls, fields), *tuple.__iter__(value)]


def read_namedtuple(items: list[object]) -> tuple[object, ...]:
    cls, fields = _class_and_fields(items)
    if not is_namedtuple(cls) or fields != cls._fields or len(items) - 1 != len(fields):  # type: ignore[attr-defined]
        raise DecodeError("a stored namedtuple has other fields than its class now has")
    made: tuple[object, ...] = tuple.__new__(cls, items[1:])
    return made


def write_dataclass(value: object) -> list[object]:
    cls = type(value)
    if not _is_plain_object(cls):
        raise EncodeError(f"{cls.__qualname__} is a dataclass on top of a built-in type")
    names = _field_names(cls)
    slots = _slots(cls)
    state: dict[str, object] = dict(getattr(value, "__dict__", ()))
    for name, slot in slots.items():
        with suppress(AttributeError):  # an empty slot
            state[name] = slot.__get__(value, cls)
    missing = [name for name in names if name not in state]
    if missing:
        raise EncodeError(f"this {cls.__qualname__} has no value for its field {missing[0]}")
    for name in state.keys() - set(names):
        # A cached_property does not travel: the next access computes it again.
        if not isinstance(getattr(cls, name, None), cached_property):
            raise EncodeError(f"this {cls.__qualname__} has attributes besides its fields")
    return [_head(cls, names), *(state[name] for name in names)]


def read_dataclass(items: list[object]) -> object:
    cls, fields = _class_and_fields(items)
    if (
        not is_dataclass(cls)
        or not _is_plain_object(cls)
        or set(fields) != set(_field_names(cls))
        or len(items) - 1 != len(fields)
    ):
        raise DecodeError("a stored dataclass has other fields than its class now has")
    value: object = object.__new__(cls)
    slots = _slots(cls)
    for name, item in zip(fields, items[1:], strict=True):
        if name in slots:
            slots[name].__set__(value, item)
        else:
            value.__dict__[name] = item
    return value


def _head(cls: type, fields: tuple[str, ...]) -> str:
    return f"{path_of(cls)}({','.join(fields)})"


def _class_and_fields(items: list[Any]) -> tuple[type, tuple[str, ...]]:
    path, _, names = items[0].partition("(")
    if not names.endswith(")"):
        raise DecodeError("a stored value names its class in a way that this version does not know")
    names = names[:-1]
    return class_at(path), tuple(names.split(",")) if names else ()


def _field_names(cls: Any) -> tuple[str, ...]:
    import dataclasses  # it is loaded: somebody has made this class

    return tuple(field.name for field in dataclasses.fields(cls))


def _slots(cls: type) -> dict[str, MemberDescriptorType]:
    return {
        name: member
        for base in reversed(cls.__mro__)
        for name, member in vars(base).items()
        if type(member) is MemberDescriptorType
    }


def _is_plain_object(cls: type) -> bool:
    """Whether all state is in attributes: the first base in the MRO that is written in C is ``object`` itself."""
    return next(base for base in cls.__mro__ if not base.__flags__ & HEAP_TYPE) is object
