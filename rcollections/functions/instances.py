"""What the instance of a method adds to the key, so that no instance gets the answer of another."""

from __future__ import annotations

import dis
import struct
from secrets import token_hex
from types import FunctionType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from ..errors import EncodeError
from .facts import Facts, digest
from .places import class_path, innermost
from .texts import identity_of, packed, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["instance_text"]

OF_CLASSES = frozenset(("__new__", "__init_subclass__", "__class_getitem__"))  # methods that get a class first

_POINTER = struct.calcsize("P")
_made: WeakKeyDictionary[type, str] = WeakKeyDictionary()
_kinds: WeakKeyDictionary[type, Kind] = WeakKeyDictionary()


class Kind(NamedTuple):
    """What counts of a class: what it is made of, its slots, and whether it has no data of a base in C."""

    made_of: str
    slots: tuple[str, ...]
    plain: bool
    later: str  # an attribute that its methods assign to their instance


def instance_text(instance: object, fn: Callable[..., Any]) -> str:
    """The text that tells one instance from another; no more than its class, if it has nothing of its own."""
    if isinstance(instance, type):
        return class_path(instance) + _made_of(instance)
    cls = type(instance)
    own_class = cls.__module__ == fn.__module__ and cls.__qualname__ == fn.__qualname__.rpartition(".")[0]
    path = "" if own_class else class_path(cls)  # the key begins with this class already
    told = identity_of(instance)
    try:
        if told is not instance:
            return f"{path}!{text_of(told)}"
        kind = _kinds.get(cls) or _kind(cls)
        if not _is_empty(instance, kind):
            return f"{path}!{packed(instance)}"
        if kind.later:
            raise EncodeError(f"its methods assign self.{kind.later}, so it is told apart by that later and not yet")
    except EncodeError as error:
        raise EncodeError(
            f"{fn.__qualname__}: an instance of {cls.__name__} cannot be part of a key ({error}): define "
            "__cache_key__() on it, give the decorator a key=, or ignore_self=True if all instances share answers"
        ) from error
    return path + kind.made_of


def _is_empty(instance: object, kind: Kind) -> bool:
    """Whether an instance has nothing of its own: no attributes, no slots that are set, no data of a base in C."""
    own = getattr(instance, "__dict__", None)
    if own and not all(_is_derived(type(instance), name) for name in own):
        return False
    return kind.plain and not any(hasattr(instance, name) for name in kind.slots)


def _kind(cls: type) -> Kind:
    slots = tuple(name for base in cls.__mro__ for name in _slots(base))
    # A tuple, an int or a Decimal is larger than an object, also without the room that every class may add.
    room = len(slots) + (cls.__dictoffset__ > 0) + (cls.__weakrefoffset__ > 0)
    plain = not cls.__itemsize__ and cls.__basicsize__ <= object.__basicsize__ + room * _POINTER
    _kinds[cls] = kind = Kind(_made_of(cls) if plain else "", slots, plain, _assigned_later(cls) if plain else "")
    return kind


def _made_of(cls: type) -> str:
    """A digest for a class that is made inside a function: each call of the function makes another of that name."""
    if "<locals>" not in cls.__qualname__:
        return ""
    known = _made.get(cls)
    if known is None:
        facts = Facts(cls)
        known = _made[cls] = f"#{token_hex(16) if facts.untold else digest(facts.fact)}"
    return known


def _is_derived(cls: type, name: str) -> bool:
    """Whether an attribute is what a ``cached_property``, or a descriptor of its kind, has computed of the rest."""
    for base in cls.__mro__:
        if name in base.__dict__:
            found = base.__dict__[name]
            return hasattr(type(found), "__get__") and not hasattr(type(found), "__set__") and not callable(found)
    return False


def _assigned_later(cls: type) -> str:
    """An attribute that the methods of a class assign to their instance: an empty one is not empty for long."""
    names = (
        name
        for base in cls.__mro__
        for method, value in base.__dict__.items()
        for fn in (_functions(value) if method not in OF_CLASSES else ())
        for name in _assigned(fn)
        if not _is_property(cls, name)
    )
    return min(names, default="")


def _functions(value: Any) -> Iterator[FunctionType]:
    """The code behind an attribute of a class that gets the instance first."""
    if hasattr(value, "__func__"):  # a class method, or a static one
        return
    for each in (value.fget, value.fset, value.fdel) if type(value) is property else (value,):
        inner = innermost(getattr(each, "func", each))
        if type(inner) is FunctionType:
            yield inner


def _is_property(cls: type, name: str) -> bool:
    found = next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)
    return hasattr(type(found), "__set__") and type(found) is not MemberDescriptorType


def _assigned(fn: FunctionType) -> Iterator[str]:
    """The names that ``self.name = …`` assigns in a method."""
    code = fn.__code__
    if not code.co_argcount:
        return
    before: Any = None
    for step in dis.get_instructions(code):
        if step.opname == "STORE_ATTR" and before is not None and "LOAD_FAST" in before.opname:
            loaded = before.argval if isinstance(before.argval, tuple) else (before.argval,)
            if loaded[-1] == code.co_varnames[0]:
                yield str(step.argval)
        before = step


def _slots(base: type) -> list[str]:
    slots = base.__dict__.get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return [_mangled(base, name) for name in names if name not in ("__dict__", "__weakref__")]


def _mangled(base: type, name: str) -> str:
    private = name.startswith("__") and not name.endswith("__")
    return f"_{base.__name__.lstrip('_')}{name}" if private else name
