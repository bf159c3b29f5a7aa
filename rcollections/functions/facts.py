"""What tells one nested function from another: its code, and the values that it captures, as far as they can be told.

Told are None, numbers, text, bytes, dates and their kind, members of an Enum, modules and classes (by name), functions
(by name, code and what they capture), methods, partials, and tuples and frozensets of all these. Objects that say
who they are (``__cache_key__``) are told too. All else may change, or be like another in nothing but its looks.
"""

from __future__ import annotations

import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cached_property, lru_cache, partial
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GenericAlias,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    UnionType,
)
from typing import Any, TypeAlias
from uuid import UUID

from ..errors import EncodeError
from ..handles.base import BaseCache
from ..l1 import Hit
from ..values import encode_exact
from .places import class_path, innermost, place_of
from .texts import identity_of

__all__ = ["Facts", "digest"]

Fact: TypeAlias = "str | tuple[Fact, ...]"

SIMPLE = frozenset((float, complex, str, bytes, bool, type(None), type(...), type(NotImplemented)))
WRITTEN = (Decimal, Fraction, date, datetime, time, timedelta, UUID, range, PurePath)
LRU = type(lru_cache(lambda: None))

# What every class has, or has for its readers only.
OF_CLASSES = frozenset(
    (
        "__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__", "__classcell__", "__dict__",
        "__doc__", "__firstlineno__", "__module__", "__qualname__", "__static_attributes__", "__weakref__",
    )
)  # fmt: skip


def digest(fact: Fact) -> str:
    """128 bits of these facts."""
    from hashlib import blake2b  # only for functions that need a digest

    return blake2b(repr(fact).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Facts:
    """The facts of one function or class. ``untold``: variables that cannot be told, ``unassigned``: not yet."""

    def __init__(self, fn_or_class: Any) -> None:
        self.untold: list[str] = []
        self.unassigned: list[str] = []
        self._root = innermost(fn_or_class)
        self._seen: dict[int, int] = {}
        self._variable = ""
        self.fact: Fact = "?"
        try:
            is_class = isinstance(fn_or_class, type)
            self.fact = self._class(fn_or_class) if is_class else self._function(fn_or_class, outermost=True)
        except RecursionError:
            self.untold.append(f"{self._variable}, which is too deep")

    def _tell(self, value: Any) -> Fact:
        kind = type(value)
        if kind is int:
            return "int", hex(value)
        if kind in SIMPLE:
            return kind.__name__, repr(value)
        if kind is tuple:
            return "tuple", *map(self._tell, value)
        if kind is frozenset:
            return "frozenset", *sorted(map(self._tell, value), key=repr)
        if kind is CodeType:
            return self._code(value)
        if isinstance(value, type) and kind is not GenericAlias:
            return self._class(value)
        if kind is ModuleType or issubclass(kind, ModuleType):
            return "module", str(value.__name__)
        return self._callable(value, kind) if callable(value) else self._object(value, kind)

    def _object(self, value: Any, kind: type) -> Fact:
        if issubclass(kind, Enum):
            return "member", class_path(kind), str(value._name_) if value._name_ else repr(value._value_)
        if kind in WRITTEN or issubclass(kind, PurePath):
            try:
                return kind.__name__, encode_exact(value).hex()
            except EncodeError:
                return self._no(value)
        if kind in (staticmethod, classmethod) or isinstance(getattr(value, "__func__", None), Hit):
            return kind.__name__, self._tell(value.__func__)
        if kind is property:
            return "property", *(self._tell(each) for each in (value.fget, value.fset, value.fdel))
        if kind is cached_property:
            return "cached_property", self._tell(value.func)
        if kind is MemberDescriptorType:
            return "slot", value.__name__
        if kind in (GenericAlias, UnionType):
            return kind.__name__, self._tell(getattr(value, "__origin__", None)), self._tell(value.__args__)
        return self._instance(value)

    def _instance(self, value: Any) -> Fact:
        if isinstance(value, BaseCache):
            return "handle", class_path(type(value)), value._own_key
        try:
            told = identity_of(value)
        except Exception:  # it may not be ready yet, or its server not there
            return self._no(value)
        return self._no(value) if told is value else ("keyed", class_path(type(value)), self._tell(told))

    def _no(self, value: object) -> Fact:
        told = f"{self._variable} (a {type(value).__name__})"
        if told not in self.untold:
            self.untold.append(told)
        return "?", class_path(type(value))

    # -- what can be called ------------------------------------------------------------------------

    def _callable(self, value: Any, kind: type) -> Fact:
        if isinstance(value, Hit):
            return self._cached(value)
        if kind is FunctionType:
            return self._function(value)
        if kind is MethodType:
            return "method", self._tell(value.__func__), self._owner(value.__self__)
        if kind is BuiltinFunctionType:
            if isinstance(value.__self__, ModuleType | None):
                return "builtin", str(value.__module__), value.__qualname__
            return "builtin", value.__qualname__, self._owner(value.__self__)
        if kind is partial:
            return "partial", self._tell(value.func), self._tell(value.args), self._named(value.keywords)
        if kind is LRU:
            return "lru", self._tell(value.__wrapped__)
        if (
            kind.__module__ == "builtins" and getattr(value, "__objclass__", None) is not None
        ):  # str.upper, and its kind
            return "descriptor", class_path(value.__objclass__), value.__name__  # such as str.upper
        return self._object(value, kind)

    def _owner(self, value: Any) -> Fact:
        return self._class(value) if isinstance(value, type) else self._tell(value)

    def _named(self, values: dict[str, Any]) -> Fact:
        return tuple((name, self._tell(each)) for name, each in values.items())

    def _cached(self, value: Any) -> Fact:
        function = value._function
        owner = tuple(map(self._owner, value._bound))
        fixed = function.identity.fixed
        if fixed:
            return "cached", fixed, function.options.version, owner
        return "cached", self._tell(function.fn), function.options.version, owner

    def _function(self, fn: Any, *, outermost: bool = False) -> Fact:
        if id(fn) in self._seen:
            return "again", str(self._seen[id(fn)])
        self._seen[id(fn)] = len(self._seen)
        code = getattr(fn, "__code__", None)
        own: list[Fact] = []
        if isinstance(code, CodeType):
            own = [self._code(code), self._captured(fn, code)]
        elif type(fn) is partial:
            own = [self._callable(fn, partial)]
        inner = getattr(fn, "__wrapped__", None)
        if inner is not None:
            own.append(self._tell(inner))
        if outermost:  # its defaults are arguments of each call
            return tuple(own)
        before = self._variable
        defaults: list[Fact] = []
        for name, each in (*enumerate(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).items()):
            self._variable = before or f"a default of {fn.__qualname__}"
            defaults.append((str(name), self._tell(each)))
        self._variable = before
        return place_of(fn).module, fn.__qualname__, tuple(own), tuple(defaults)

    def _code(self, code: CodeType) -> Fact:
        """The facts of a function's code without file and line; the same in every process of one Python version."""
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        constants = tuple(self._constant(each) for each in code.co_consts)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        return code.co_code.hex(), code.co_exceptiontable.hex(), repr(counts), constants, *names

    def _constant(self, value: object) -> Fact:
        if type(value) is slice:  # a constant since Python 3.14
            return "slice", *(self._tell(each) for each in (value.start, value.stop, value.step))
        return self._tell(value)

    def _captured(self, fn: Any, code: CodeType) -> Fact:
        found: list[Fact] = []
        outer = self._variable
        for name, cell in zip(code.co_freevars, fn.__closure__ or (), strict=True):
            if name == "__class__":  # for super(): the class is known by the instance
                continue
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet: the function itself, where it is recursive
                if name != self._root.__name__:
                    self.unassigned.append(name)
                continue
            self._variable = outer or name
            found.append((name, self._tell(value)))
        self._variable = outer
        return tuple(found)

    # -- classes -----------------------------------------------------------------------------------

    def _class(self, cls: type) -> Fact:
        """By name, where the name leads to it; a class inside a function by what it is made of, too."""
        place: Any = sys.modules.get(cls.__module__)
        for part in cls.__qualname__.split("."):
            place = getattr(place, "__dict__", {}).get(part)
        if place is cls or "<locals>" not in cls.__qualname__:
            return "class", class_path(cls)
        if id(cls) in self._seen:
            return "again", str(self._seen[id(cls)])
        self._seen[id(cls)] = len(self._seen)
        own = {
            name: value for name, value in vars(cls).items() if name not in OF_CLASSES and not name.startswith("_abc_")
        }
        return "class", class_path(cls), tuple(map(self._class, cls.__bases__)), self._named(own)
