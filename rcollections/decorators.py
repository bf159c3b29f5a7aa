"""``@cached``, ``multi_cached`` and ``invalidate_tags``."""

from __future__ import annotations

import inspect
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from . import observe
from .asyncfunction import AsyncCachedFunction
from .attributes import check
from .cachedbase import CachedBase
from .cachedfunction import CachedFunction
from .cachedoptions import refuse_unknown
from .errors import CacheError, ConfigError
from .keycache import KeyCache
from .plans.tags import bump
from .recipes import Function
from .wire import connections
from .wire.adriver import adrive
from .wire.driver import drive
from .wire.keys import tag

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Protocol

    P = ParamSpec("P")
    R = TypeVar("R")

    class Decorator(Protocol):
        """What ``cached(...)`` gives: it takes a ``def`` or an ``async def``."""

        @overload
        def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]]) -> AsyncCachedFunction[P, R]: ...  # type: ignore[overload-overlap]
        @overload
        def __call__(self, fn: Callable[P, R]) -> CachedFunction[P, R]: ...


__all__ = ["ainvalidate_tags", "cached", "invalidate_tags"]


@overload
def cached(cls: type[KeyCache[Any]], /, **options: Any) -> Decorator: ...  # type: ignore[overload-overlap]
@overload
def cached(fn: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncCachedFunction[P, R]: ...  # type: ignore[overload-overlap]
@overload
def cached(fn: Callable[P, R], /) -> CachedFunction[P, R]: ...
@overload
def cached(cls: None = None, /, **options: Any) -> Decorator: ...
def cached(fn_or_cls: Any = None, /, **options: Any) -> Any:
    """Keep a function's results on the server: computed once, over all threads and processes.

    ``@cached``, ``@cached(ttl=60, …)``, ``@cached(MyKeyCache, …)`` and ``MyKeyCache.cached(…)``; on
    functions, methods, class and static methods, properties and ``async def``. Options, of which the class
    gives the defaults for ``ttl`` and ``tags``:

    ``key``: a str (one key for all calls) or a function of the call's arguments, which gives a str or
    key parts; without it the key is made of module, name, ``version`` and the exact arguments.
    ``ttl``: seconds that a result is fresh, 0 for ever, or a function of the result (None or negative:
    not stored). ``async_ttl``: below this much freshness the value is refreshed in the background;
    negative counts from ``ttl``. ``stale_while_revalidate``, ``stale_if_error``: seconds past ``ttl``
    that a stale value may be given while one caller refreshes, or when computing fails (RFC 5861).
    ``soft_timeout``: seconds after which a stale value is given instead of waiting. ``tags``: a tuple, or a
    function of the arguments. ``version``: change it when the meaning of the result changes.
    ``lease``: seconds that a silent owner keeps the right to compute. ``cache_errors``: exception
    types that are kept like results. ``on_error``: "compute" when the server fails, or "raise".
    ``ignore_self``: leave the instance out of the key. ``l1``: the in-process tier.

    A hit is one round trip. None, False and empty results are kept like others; exceptions are not.

    >>> from rcollections import cached
    >>> @cached(ttl=60, tags=("squares",))
    ... def square(n: int) -> int:
    ...     print("computing")
    ...     return n * n
    >>> square(7), square(7)
    computing
    (49, 49)
    >>> square.invalidate(7)
    >>> square(7)
    computing
    49
    """
    cls: Any = KeyCache
    if isinstance(fn_or_cls, type) and issubclass(fn_or_cls, KeyCache):
        cls, fn_or_cls = fn_or_cls, None
    elif isinstance(fn_or_cls, type):
        raise TypeError(f"@cached takes a KeyCache class or a function, not the class {fn_or_cls.__name__}")
    refuse_unknown(options)
    if fn_or_cls is not None and options:
        raise TypeError("@cached takes the function alone, or options alone: @cached(ttl=60)")

    def decorate(fn: Any) -> Any:
        return wrap(fn, cls, options)

    return decorate if fn_or_cls is None else decorate(fn_or_cls)


def wrap(fn: Any, cls: type[KeyCache[Any]], options: dict[str, Any]) -> Any:
    """The cached form of whatever was decorated."""
    if isinstance(fn, CachedBase):
        raise TypeError(f"{fn._function.name} is cached already: one @cached is enough")
    if isinstance(fn, staticmethod):
        return staticmethod(_face(fn.__func__, cls, options, method=False))
    if isinstance(fn, classmethod):
        return CachedClassMethod(_face(fn.__func__, cls, options, method=True))
    if isinstance(fn, property):
        if fn.fget is None:
            raise TypeError("@cached needs a property that can be read")
        return property(_face(fn.fget, cls, options, method=True), fn.fset, fn.fdel, fn.__doc__)
    if isinstance(fn, MethodType):  # of one instance, or of a class
        return _face(fn.__func__, cls, options, method=True).__get__(fn.__self__, type(fn.__self__))
    if not callable(fn):
        raise TypeError(f"@cached takes a function, not {type(fn).__name__}")
    if not isinstance(getattr(fn, "__self__", None), (ModuleType, type(None))):
        raise ConfigError(
            f"@cached cannot tell whose {fn.__qualname__} this is: give it a function that takes the object"
        )
    return _face(fn, cls, options, method=_is_method(fn))


class CachedClassMethod:
    """What ``@cached`` makes of a ``classmethod``: looked up on a class or an instance, it is bound to the class."""

    def __init__(self, face: Any) -> None:
        self.__func__ = face

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self.__func__.__get__(type(instance) if owner is None else owner, None)


def _face(fn: Any, cls: type[KeyCache[Any]], options: dict[str, Any], *, method: bool) -> Any:
    if isinstance(fn, CachedBase):
        raise TypeError(f"{fn._function.name} is cached already: one @cached is enough")
    refuse_unusable(fn, "@cached")
    function = Function(fn, cls, options, method)
    asynchronous = inspect.iscoroutinefunction(fn)
    return AsyncCachedFunction(function) if asynchronous else CachedFunction(function)


def refuse_unusable(fn: Any, decorator: str) -> None:
    """Refuse functions whose results cannot be kept, or that cannot be told from others."""
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise TypeError(f"{fn.__qualname__} is a generator function: its results can be used once, not cached")
    if not hasattr(fn, "__module__") or not hasattr(fn, "__qualname__"):
        raise ConfigError(f"{decorator} needs a function with a name: a partial or an object has none that is stable")
    try:
        inspect.signature(fn)
    except ValueError as error:
        raise ConfigError(f"{decorator} needs a function with a signature, which {fn.__qualname__} has not") from error


def _is_method(fn: Any) -> bool:
    """Whether this is defined in a class body and takes the instance first."""
    owner = getattr(fn, "__qualname__", "").rpartition(".")[0]
    if not owner or owner.endswith("<locals>"):
        return False
    code = getattr(fn, "__code__", None)
    return code is not None and code.co_varnames[:1] in (("self",), ("cls",))


def _by_connection(tags: tuple[str, ...], connection_name: str | None) -> list[tuple[Any, list[str]]]:
    if not tags:
        return []
    check("invalidate_tags()", "tags", tags)
    if connection_name is not None:
        chosen = [connections.connection(connection_name)]
    else:
        chosen = list(connections.connections().values()) or [connections.connection()]
    return [(each, [tag(each.namespace, name) for name in dict.fromkeys(tags)]) for each in chosen]


def _failed(keys: list[str], error: CacheError) -> None:
    if observe.observers:
        observe.noted("invalidate_tags", "error", keys[0], error=error)


def invalidate_tags(*tags: str, connection_name: str | None = None) -> None:
    """Everything that carries one of these tags counts no more: entries of functions and collections.

    O(1), whatever carries them; atomic for several tags on one server. A call that begins after this
    has returned never gets an older value. Acts on every configured connection, or on the named one.
    Call it after the change of the source is committed. Tried three times, then the error is raised.

    >>> from rcollections import invalidate_tags
    >>> invalidate_tags("users", "prices")
    """
    failure: CacheError | None = None
    for connection, keys in _by_connection(tags, connection_name):
        try:
            drive(bump(keys), connection)
        except CacheError as error:  # the others are told all the same
            failure = failure or error
            _failed(keys, error)
    if failure is not None:
        raise failure


async def ainvalidate_tags(*tags: str, connection_name: str | None = None) -> None:
    """``invalidate_tags`` for asyncio."""
    failure: CacheError | None = None
    for connection, keys in _by_connection(tags, connection_name):
        try:
            await adrive(bump(keys), connection)
        except CacheError as error:
            failure = failure or error
            _failed(keys, error)
    if failure is not None:
        raise failure
