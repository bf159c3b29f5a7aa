"""What ``@cached`` takes, and the face that it makes: for functions of every kind."""

from __future__ import annotations

import inspect
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from ..errors import ConfigError
from .decorated import Decorated
from .function import Function, is_coroutine_function
from .many import MultiCached
from .options import refuse_unknown
from .places import innermost
from .sync import CachedFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from ..handles.base import BaseCache
    from .aio import AsyncCachedFunction

__all__ = ["CachedClassMethod", "Decorator", "decorator", "wrap", "wrap_many"]

P = ParamSpec("P")
R = TypeVar("R")


class Decorator(Protocol):
    """What ``cached(...)`` gives: it takes a ``def`` or an ``async def``."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]]) -> AsyncCachedFunction[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, fn: Callable[P, R]) -> CachedFunction[P, R]: ...


def decorator(cls: type[BaseCache], fn: object, options: dict[str, Any]) -> Any:
    """``@cached`` with this class: the cached form of ``fn``; without ``fn`` a decorator that makes it."""
    refuse_unknown(options)
    if fn is not None and options:
        raise TypeError("@cached takes the function alone, or options alone: @cached(ttl=60)")
    if fn is not None:
        return wrap(fn, cls, options)
    return lambda fn: wrap(fn, cls, options)


def wrap(fn: Any, cls: type[BaseCache], options: dict[str, Any]) -> Any:
    """The cached form of ``fn``: a function, a method, a property, a class method or a static method."""
    if isinstance(fn, Decorated):
        raise _cached_already(fn)
    if isinstance(fn, staticmethod):
        return staticmethod(_face(fn.__func__, cls, options, method=False))
    if isinstance(fn, classmethod):
        return CachedClassMethod(_face(fn.__func__, cls, options, method=True))
    if isinstance(fn, property):
        if fn.fget is None:
            raise TypeError("@cached needs a property that can be read")
        return property(_face(fn.fget, cls, options, method=True), fn.fset, fn.fdel, fn.__doc__)
    if isinstance(fn, MethodType):  # bound to one instance, or to a class
        return _face(fn.__func__, cls, options, method=True).__get__(fn.__self__, type(fn.__self__))
    if not callable(fn):
        raise TypeError(f"@cached takes a function, not {type(fn).__name__}")
    if not isinstance(getattr(fn, "__self__", None), (ModuleType, type(None))) and not options.get("name"):
        raise ConfigError(
            f"@cached cannot tell whose {fn.__qualname__} this is: give it a function that takes the object"
        )
    return _face(fn, cls, options, method=_is_method(fn))


class CachedClassMethod:
    """What ``@cached`` makes of a ``classmethod``: looked up on a class or an instance, it is bound to the class."""

    def __init__(self, face: Any) -> None:
        self.__func__ = face

    def __get__(self, instance: Any, owner: object = None) -> Any:
        return self.__func__.__get__(type(instance) if owner is None else owner, None)


def _cached_already(fn: Decorated) -> TypeError:
    name = fn._function.name
    return TypeError(
        f"{name} is cached already: one @cached is enough. Another cached form of the same function, with other "
        f"options, is made of the function itself: cached(…)({name}.uncached)"
    )


def _face(fn: Any, cls: type[BaseCache], options: dict[str, Any], *, method: bool) -> Any:
    if isinstance(fn, Decorated):
        raise _cached_already(fn)
    refuse_unusable(fn, "@cached", options)
    function = Function(fn, cls, options, method)
    if not is_coroutine_function(fn):
        return CachedFunction(function)
    from .aio import AsyncCachedFunction  # imported only here: it brings asyncio

    return AsyncCachedFunction(function)


def wrap_many(
    fn: object,
    cls: type[BaseCache],
    options: dict[str, Any],
    arg: str,
    key: Callable[..., Any] | None,
    ignore: Iterable[str],
) -> Any:
    """The form of ``multi_cached`` of whatever was decorated."""
    if isinstance(fn, staticmethod):
        return staticmethod(wrap_many(fn.__func__, cls, options, arg, key, ignore))
    if isinstance(fn, classmethod):
        return CachedClassMethod(wrap_many(fn.__func__, cls, options, arg, key, ignore))
    if isinstance(fn, MethodType):  # bound to one instance, or to a class, whose values are not those of another one
        return wrap_many(fn.__func__, cls, options, arg, key, ignore).__get__(fn.__self__, type(fn.__self__))
    if isinstance(fn, Decorated) or not callable(fn):
        raise TypeError("@multi_cached takes a function, and one @cached or @multi_cached is enough")
    refuse_unusable(fn, "@multi_cached")
    function = Function(fn, cls, options, method=False, decorator="@multi_cached")
    if not inspect.iscoroutinefunction(fn):
        return MultiCached(function, arg, key, ignore)
    from .aio_many import AsyncMultiCached  # only now: it brings asyncio

    return AsyncMultiCached(function, arg, key, ignore)


def refuse_unusable(fn: Any, decorator: str, options: dict[str, Any] | None = None) -> None:
    """Refuse functions whose results cannot be kept, or whose keys cannot be told from those of others."""
    shown = getattr(fn, "__qualname__", None) or f"a {type(fn).__name__}"
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise TypeError(f"{shown} is a generator function: its results can be used once, not cached")
    if isinstance(fn, type):
        raise TypeError(f"{decorator} takes a function, not the class {shown}")
    name = (options or {}).get("name", "")
    if not isinstance(name, str):
        raise ConfigError(f"{decorator} of {shown}: name is a str such as 'prices.current', not {type(name).__name__}")
    if not (hasattr(fn, "__module__") and hasattr(fn, "__qualname__")) and not name:
        raise ConfigError(
            f"{decorator} needs a function with a name, and {shown} has none that is the same in every process"
            + (": give it one, such as @cached(name='prices.current')" if decorator == "@cached" else "")
        )


def _is_method(fn: Any) -> bool:
    """Whether a function is defined in a class body and takes the instance first, also inside of other decorators."""
    owner = getattr(fn, "__qualname__", "").rpartition(".")[0]
    if not owner or owner.endswith("<locals>"):
        return False
    code = getattr(innermost(fn), "__code__", None)
    return code is not None and code.co_varnames[: code.co_argcount][:1] in (("self",), ("cls",))
