"""The state of a running world as one hashable value: two that are equal have the same future.

Of a generator that is where it stands and its locals, of each frame down to the innermost; objects that are
shared (rounds, tickets, signals) are numbered in the order in which they are met.
"""

from __future__ import annotations

import types
from functools import cache
from typing import Any

from rcollections.plans.entries import Entry

__all__ = ["Canon"]

ATOMS = frozenset((bytes, str, int, float, bool, type(None)))
STATIC = (types.BuiltinFunctionType, types.MethodType, types.ModuleType, type)


class Canon:
    """One walk over everything. ``named`` are objects that never change, known by name."""

    def __init__(self, named: dict[int, str]) -> None:
        self.named = named
        self.met: dict[int, int] = {}

    def of(self, thing: Any) -> Any:
        kind = type(thing)
        if kind in ATOMS:
            return thing
        name = self.named.get(id(thing))
        if name is not None:
            return name
        number = self.met.get(id(thing))
        if number is not None:
            return ("again", number)
        if kind is tuple or kind is list or kind is Entry:
            return tuple([each if type(each) in ATOMS else self.of(each) for each in thing])
        how = _how(kind)
        if how is not None:
            return how(self, thing)
        self.met[id(thing)] = number = len(self.met)
        if kind is types.GeneratorType:
            return (number, *self.frames(thing))
        if issubclass(kind, tuple):
            return (number, kind.__name__, *map(self.of, thing))
        if issubclass(kind, BaseException):
            return (number, kind.__name__, self.of(thing.args), self.of(getattr(thing, "error", None)))
        return (number, kind.__name__, *[each if type(each) in ATOMS else self.of(each) for each in _parts(thing)])

    def pairs(self, thing: dict[Any, Any]) -> Any:
        return tuple([(self.of(key), self.of(value)) for key, value in sorted(thing.items(), key=_order)])

    def callable(self, thing: Any) -> Any:
        if thing.__closure__:  # what a plan gave to Call
            return thing.__qualname__
        return thing.__name__

    def frames(self, generator: Any) -> list[Any]:
        found: list[Any] = []
        while type(generator) is types.GeneratorType:
            frame = generator.gi_frame
            if frame is None:
                found.append("ended")
                break
            local = frame.f_locals
            inner = generator.gi_yieldfrom
            found += (frame.f_code.co_name, frame.f_lasti)
            for name in _names(frame.f_code):
                value = local.get(name, "not set")
                if inner is not None and value is inner:
                    value = "the next frame"
                found.append(value if type(value) in ATOMS else self.of(value))
            generator = inner
        return found


@cache
def _how(kind: type) -> Any:
    """How to write things of this kind that are not numbered; None for those that are."""
    if kind is dict:
        return Canon.pairs
    if issubclass(kind, (set, frozenset)):
        return lambda _, thing: ("set", len(thing))  # the keys that are being computed: they hold addresses
    if kind is types.FunctionType:
        return Canon.callable
    if issubclass(kind, STATIC):
        return lambda _, thing: getattr(thing, "__name__", "?")
    return None


@cache
def _names(code: types.CodeType) -> tuple[str, ...]:
    return code.co_varnames + code.co_cellvars + code.co_freevars


@cache
def _slots(cls: type) -> tuple[str, ...]:
    names: list[str] = []
    for base in cls.__mro__:
        slots = getattr(base, "__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    return tuple(name for name in names if name not in ("_flights", "__weakref__"))


def _order(item: tuple[Any, Any]) -> str:
    return repr(item[0])


def _parts(thing: Any) -> list[Any]:
    """What an object holds, but for its way back to where it came from."""
    found = [getattr(thing, name) for name in _slots(type(thing))]
    return found + [value for _, value in sorted(getattr(thing, "__dict__", {}).items())]
