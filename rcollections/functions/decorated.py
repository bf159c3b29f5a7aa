"""What the sync and the async form of a cached function share: to act as a function or a method, and its facts."""

from __future__ import annotations

import sys
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any

from ..l1 import Hit

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from .function import Function
    from .info import CacheInfo

__all__ = ["Decorated"]


class Decorated(Hit):
    """A callable that stands in the place of the function, with its name, signature and docstring."""

    _bound: tuple[Any, ...] = ()
    _function: Function

    def __init__(self, function: Function) -> None:
        this: Any = self
        update_wrapper(this, function.fn)  # first: a decorator between two caches has the attributes of the inner one
        self._function = function
        self._bound = ()
        self._owner = function.owner
        for name in ("__name__", "__qualname__"):
            self.__dict__.setdefault(name, function.name)  # of a partial or an object, which have none

    def _bind(self, owner: object) -> Self:
        """This function with its instance (or class) given: a method, as it is looked up."""
        new = type(self).__new__(type(self))
        new.__dict__.update(self.__dict__)
        new._owner = self._owner
        new.__dict__["_bound"] = (owner,)
        new._set_first(owner)
        new.__dict__["__wrapped__"] = self._function.fn.__get__(owner)
        return new

    def __set_name__(self, owner: type, name: str) -> None:
        function = self._function
        if not _binds(function.fn):
            raise TypeError(
                f"{owner.__qualname__}.{name}: a {type(function.fn).__name__} is no method; make it a staticmethod, "
                "or write a method that calls it"
            )
        own = self.__dict__["__name__"]
        if self.__dict__["__qualname__"] == f"{owner.__qualname__}.{own}":
            function.arguments.method = True  # it is defined in this class body, whatever its first argument is called

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        mine, theirs = self._bound, other._bound
        return self._function is other._function and (
            mine == theirs == () or (len(mine) == len(theirs) == 1 and mine[0] is theirs[0])
        )

    def __hash__(self) -> int:
        return hash((id(self._function), *map(id, self._bound)))

    def __reduce__(self) -> Any:
        """Pickled by name, like a function; a method together with its instance."""
        if self._bound:
            return getattr, (self._bound[0], self.__dict__["__name__"])
        return str(self.__dict__["__qualname__"])

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def _settles(self, kwargs: dict[str, Any]) -> bool:
        """Whether a change waits until nobody can serve the old value: ``settle=`` of this call, or of the function.

        A parameter of the function that is called so is the function's: then its option alone decides.
        """
        function = self._function
        if "settle" in kwargs and not function.takes_settle:
            given = kwargs.pop("settle")
            if not isinstance(given, bool):
                raise TypeError(f"{function.name}: settle is True or False, not {type(given).__name__}")
            return given
        return bool(function.options.of(function.cls, "settle"))

    @property
    def uncached(self) -> Any:
        """The function itself; a method is bound to its instance."""
        return self.__dict__["__wrapped__"]

    def on_value(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Call ``callback(value, *args, **kwargs)`` after each computation; its errors are logged.

        The callback of an ``async def`` may be an ``async def``, too: it is awaited before the result is stored.
        """
        self._function.watching.add(callback)
        return callback

    def cache_info(self) -> CacheInfo:
        """What the calls did in this process: hits, misses and more. Sends nothing; not awaited."""
        return self._function.counts.info()

    def cache_parameters(self) -> dict[str, Any]:
        """The options, and the class as ``cls``. Not awaited."""
        return {**self._function.options._asdict(), "cls": self._function.cls}


def _binds(fn: Any) -> bool:
    """Whether Python would give this callable the instance; a partial has a ``__get__`` before it uses it (3.14)."""
    return hasattr(type(fn), "__get__") and not (type(fn) is partial and sys.version_info < (3, 14))
