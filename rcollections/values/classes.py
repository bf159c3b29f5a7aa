"""Classes by path: how Enums, namedtuples and dataclasses travel, and the registry that finds their class again.

The rule: **bytes that name a module never import it.** A path is looked up among the registered
classes, then among the modules that this process has imported already. Both are plain dictionary
lookups: ``getattr`` could run code or load lazy modules.
"""

from __future__ import annotations

import sys
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar, overload

from ..errors import ConfigError, DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "class_at", "is_dataclass", "is_namedtuple", "name_of", "path_of", "register", "registered_at", "registered_errors",
]  # fmt: skip

C = TypeVar("C", bound=type)

# Paths are compared with dots only: "shop.models:Color" on the wire is "shop.models.Color" here.
_classes: dict[str, type] = {}
_names: dict[type, str] = {}
_errors: tuple[type[Exception], ...] = ()  # the exception types among them


@overload
def register(cls: C) -> C: ...
@overload
def register(*, name: str) -> Callable[[C], C]: ...
def register(cls: C | None = None, *, name: str | None = None) -> C | Callable[[C], C]:
    """Make an Enum, namedtuple, dataclass or exception type known by a path, so that its values can come back.

    Needed for classes inside functions, and for values that may be read before the module of their
    class is imported. A registered exception that a cached function raises reaches the callers that wait in
    other processes, with its arguments. ``name=`` is the path that the class travels under instead of its own
    path: the old path after a move. A class may have several names: each of them is read, the first is written.

    >>> @register(name="shop.models.Color")
    ... class Colour(Enum):
    ...     RED = 1
    """
    if name is not None and (not isinstance(name, str) or not name or not set(name).isdisjoint("=(\0")):
        raise ConfigError("register(name=...) takes a dotted path such as 'shop.models.Color'")
    if cls is None:
        return lambda decorated: _register(decorated, name)
    return _register(cls, name)


def _register(cls: C, name: str | None) -> C:
    global _errors
    error = isinstance(cls, type) and issubclass(cls, Exception)
    if not isinstance(cls, type) or not (error or issubclass(cls, Enum) or is_namedtuple(cls) or is_dataclass(cls)):
        raise ConfigError("register takes an Enum, a namedtuple, a dataclass or an exception type")
    path = name or _own_path(cls)
    known = _classes.get(_dotted(path))
    if known is not None and _own_path(known) != _own_path(cls):
        raise ConfigError(f"{path} is registered already, for another class")
    # A class that a reload or a notebook cell defined again takes the place of the old class.
    _classes[_dotted(path)] = cls
    if issubclass(cls, Exception) and cls not in _errors:
        _errors = (*(each for each in _errors if each is not known), cls)
    if name is not None or cls not in _names:
        _names.setdefault(cls, path)
    return cls


def path_of(cls: type) -> str:
    """The path that ``cls`` travels under; ``EncodeError`` if a reader could not find the class by this path."""
    path = _names.get(cls) or _own_path(cls)
    if _find(path) is not cls or not set(path).isdisjoint("=(\0"):
        raise EncodeError(
            f"the class {path} would not be found again by this path; decorate it with @rcollections.register"
        )
    return path


def name_of(cls: type) -> str | None:
    """The path that ``cls`` was registered under; None for a class that was not."""
    return _names.get(cls)


def registered_at(path: str) -> type | None:
    """The class that was registered under this path."""
    return _classes.get(_dotted(path))


def registered_errors() -> tuple[type[Exception], ...]:
    """The exception types that were registered."""
    return _errors


def class_at(path: str) -> type:
    """The class of a path, without importing anything; ``DecodeError`` if the path names no class."""
    cls = _find(path)
    if cls is None:
        raise DecodeError(
            "a stored value is of a class that is neither registered (@rcollections.register) "
            "nor in a module imported so far"
        )
    return cls


def is_namedtuple(cls: type) -> bool:
    """Whether ``cls`` was made by ``collections.namedtuple`` or ``typing.NamedTuple``."""
    if not issubclass(cls, tuple):
        return False
    fields = getattr(cls, "_fields", None)
    return type(fields) is tuple and all(type(field) is str for field in fields)


def is_dataclass(cls: type) -> bool:
    """Whether ``cls`` itself, not only one of its bases, was decorated as a dataclass."""
    return "__dataclass_fields__" in cls.__dict__


def _own_path(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def _dotted(path: str) -> str:
    return path.replace(":", ".")


def _find(path: str) -> type | None:
    registered = _classes.get(_dotted(path))
    if registered is not None:
        return registered
    module_name, colon, qualname = path.partition(":")
    module = sys.modules.get(module_name)
    if not colon or not isinstance(module, ModuleType):
        return None
    # object.__getattribute__: a lazily loaded module would load itself if asked for its __dict__.
    found: object = object.__getattribute__(module, "__dict__").get(qualname.partition(".")[0])
    for name in qualname.split(".")[1:]:
        if not isinstance(found, type):
            return None
        found = type.__getattribute__(found, "__dict__").get(name)
    return found if isinstance(found, type) else None
