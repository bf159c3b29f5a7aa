"""The two faces of a handle: the types for threads and those for asyncio find each other here, by their names.

A class of the user's has one set of options and functions, and serves both worlds: its other face is a class that is
made of it when it is first asked for.
"""

from __future__ import annotations

from typing import Any, TypeVar

from .options import OPTIONS

__all__ = ["other_face", "register", "sync_type", "type_of"]

H = TypeVar("H")

_types: dict[str, type[Any]] = {}
_NOT_STATE = ("_target", "_near", "_near_name", "_world")


def register(cls: type[Any]) -> None:
    """This is one of the types, for threads or for asyncio."""
    _types[cls.__name__] = cls


def sync_type(name: str) -> type[Any]:
    """The type for threads, by its name."""
    return _types[name]


def other_face(handle: Any, own: type[Any], other: type[H]) -> H:
    """The handle of the same key and options, of the type ``other``; ``own`` is the type of this handle."""
    handle = handle._outside()
    cls = type(handle)
    new: Any = object.__new__(other if cls is own else _made(cls, own, other))
    new.__dict__.update({name: value for name, value in handle.__dict__.items() if name not in _NOT_STATE})
    return new  # type: ignore[no-any-return]


def _made(cls: type[Any], own: type[Any], other: type[Any]) -> type[Any]:
    """The other face of a class of the user's; kept on ``cls``, so that the two go together."""
    known: type[Any] | None = cls.__dict__.get("_other_face")
    if known is not None:
        return known
    facts: dict[str, Any] = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__hash__": None,
        "__reduce_ex__": _reduce,
        "_home": _home,
        "_other_face": cls,
    }
    for base in reversed(cls.__mro__[: cls.__mro__.index(own)]):
        for name in OPTIONS:
            if name in base.__dict__:
                value = base.__dict__[name]
                facts[name] = _asked(name) if isinstance(value, property) else value
    made = type.__new__(type(other), cls.__name__, (other,), facts)
    for name in ("_loads_itself", "_class_number"):  # what the hook for new subclasses did not find in it
        type.__setattr__(made, name, getattr(cls, name))
    type.__setattr__(cls, "_other_face", made)
    return made


def _home(self: Any) -> Any:
    """The handle that functions of the user's class get: of the class in which the user wrote them."""
    return other_face(self, type_of(self), type(self)._other_face)


def type_of(handle: Any) -> type[Any]:
    """Which of the types of this library a handle is."""
    return next(base for base in type(handle).__mro__ if _types.get(base.__name__) is base)


def _asked(name: str) -> property:
    return property(lambda self: getattr(self._home(), name))


def _reduce(self: Any, _protocol: object) -> Any:
    return _again, (_home(self), "aio" if type_of(self).__name__.startswith("Async") else "sync")


def _again(home: Any, face: str) -> Any:
    return getattr(home, face)
