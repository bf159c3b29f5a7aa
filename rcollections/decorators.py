"""``@cached`` and ``multi_cached``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from .collections.keycache import KeyCache
from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from datetime import timedelta

    from .collections.aio.keycache import AsyncKeyCache
    from .functions.aio import AsyncCachedFunction
    from .functions.aio_many import AsyncMultiCached
    from .functions.many import MultiCached
    from .functions.sync import CachedFunction
    from .functions.wrap import Decorator

__all__ = ["cached", "multi_cached"]

P = ParamSpec("P")
R = TypeVar("R")


@overload
def cached(cls: type[KeyCache[Any]] | type[AsyncKeyCache[Any]], /, **options: Any) -> Decorator: ...  # type: ignore[overload-overlap]
@overload
def cached(fn: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncCachedFunction[P, R]: ...  # type: ignore[overload-overlap]
@overload
def cached(fn: Callable[P, R], /) -> CachedFunction[P, R]: ...
@overload
def cached(cls: None = None, /, **options: Any) -> Decorator: ...
def cached(fn_or_cls: Any = None, /, **options: Any) -> Any:
    """Keep a function's results on the server: computed once, over all threads and processes.

    ``@cached``, ``@cached(ttl=60, …)``, ``@cached(MyKeyCache, …)`` and ``MyKeyCache.cached(…)``; on
    functions, methods, class and static methods, properties and ``async def``. The class, a
    ``KeyCache`` or ``AsyncKeyCache`` for functions of both kinds, gives the defaults
    of ``ttl``, ``tags``, ``l1``, ``prefix``, ``serialize``, ``serializer``, ``connection_name``, ``jitter``,
    ``share``, ``settle`` and ``read_from``, which are options as well. The others:

    ``key``: a template over the arguments (``"user:{id}"``), a function of the call's arguments, which gives a
    str or key parts, or a str (one key for all calls). Without ``key`` the key is made of module, name,
    ``version`` and the exact arguments but those that ``ignore`` names; ``name`` names what has no name.
    ``ttl``: seconds that a result is fresh, 0 for ever, or a function of the result, or of the result and the
    arguments (None: for ever; 0 or less: not stored). ``async_ttl``: below this much freshness the value is
    refreshed in the background;
    negative counts from ``ttl``. ``stale_while_revalidate``, ``stale_if_error``: seconds past ``ttl``
    that a stale value may be given while one caller refreshes, or when computing fails (RFC 5861).
    ``soft_timeout``: seconds after which a stale value is given instead of waiting. ``tags``: a tuple, or a
    function of the arguments. ``version``: change the version when the meaning of the result changes.
    ``lease``: seconds that a silent owner keeps the right to compute. ``cache_errors``: exception
    types that are kept like results. ``cooldown``: seconds, doubling to 30, in which nobody asks a source again that
    has failed, over all processes, while a stale value serves. ``unstorable``: "return" a result that no codec
    carries, told once and not cached, or "raise". ``on_error``: "compute" when the server fails, or "raise".
    ``ignore_self``: leave the instance out of the key. ``l1``: the in-process tier. ``settle``: invalidations and
    puts of this function return when no process can serve the old value any more; see ``invalidate_tags``.

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
    if isinstance(fn_or_cls, type) and getattr(fn_or_cls, "_holds_results", False):
        cls, fn_or_cls = fn_or_cls, None
    elif isinstance(fn_or_cls, type):
        raise TypeError(f"@cached takes a KeyCache class or a function, not the class {fn_or_cls.__name__}")
    from .functions.wrap import decorator  # with the first function that is decorated

    return decorator(cls, fn_or_cls, options)


class MultiDecorator(Protocol):
    """The decorator that ``multi_cached(...)`` gives."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]]) -> AsyncMultiCached[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, fn: Callable[P, R]) -> MultiCached[P, R]: ...


def multi_cached(
    arg: str,
    cls: type[KeyCache[Any]] | type[AsyncKeyCache[Any]] = KeyCache,
    *,
    key: Callable[..., Any] | None = None,
    ignore: Iterable[str] = (),
    ttl: float | timedelta | Callable[[Any], Any] | None = None,
    tags: tuple[str, ...] | Callable[..., tuple[str, ...]] | None = None,
    lease: float = 3,
    on_error: str = "compute",
    unstorable: str = "return",
    settle: bool | None = None,
) -> MultiDecorator:
    """Keep the results of a function of many ids, each under a key of its own.

    ``arg`` names the parameter that takes the ids. The function gets a list of the ids that are not cached,
    in order and without repeats. It returns a mapping of ids to values; ids that it leaves out are neither
    cached nor in the result. The result is a dict in the order asked.

    Without ``key`` the value of an id is ``cls(id)`` (a tuple means key parts), of a class with a prefix. ``key``
    is a function that gives a str or key parts. It is called like the function itself, with one id in the place of
    the ids. A function with other parameters, ``self`` among them, needs a ``key`` that takes them, or their names
    in ``ignore``: then the values do not depend on them. Otherwise it is a ConfigError when it is decorated.

    ``ttl``, ``tags``, ``lease``, ``on_error``, ``unstorable`` and ``settle`` are those of ``cached``. One round trip
    reads all cached values, one call computes all missing ones. Of several callers, each computes the ids that no
    other is computing. ``invalidate`` takes the arguments of the call, ``f.key`` the same with one id.

    >>> from rcollections import KeyCache, multi_cached
    >>> class Name(KeyCache[str]):
    ...     prefix = "name"
    >>> @multi_cached("ids", Name)
    ... def names(ids: list[int]) -> dict[int, str]:
    ...     print("asking for", ids)
    ...     return {each: f"user {each}" for each in ids if each < 100}
    >>> names([1, 2]), names([2, 3, 1, 3, 200])
    asking for [1, 2]
    asking for [3, 200]
    ({1: 'user 1', 2: 'user 2'}, {2: 'user 2', 3: 'user 3', 1: 'user 1'})
    >>> Name(3).get()
    'user 3'
    >>> @multi_cached("ids", Name, key=lambda id, lang: (lang, id), ignore=("db",))
    ... def titles(db: object, ids: list[int], lang: str) -> dict[int, str]:
    ...     return {each: f"{lang} {each}" for each in ids}
    >>> titles(None, [1], "de"), titles(None, [1], "fr"), titles.key(None, 1, "fr")
    ({1: 'de 1'}, {1: 'fr 1'}, 'name.fr.1')
    """
    if not isinstance(arg, str):
        raise TypeError("multi_cached takes the name of the parameter that takes the ids: @multi_cached('ids')")
    given: Any = cls
    if not (isinstance(given, type) and getattr(given, "_holds_results", False)):
        what = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
        raise TypeError(f"@multi_cached takes a KeyCache class, not {what}")
    if key is not None and not callable(key):
        raise ConfigError("multi_cached: key is a function of the id, and of the other arguments")
    options = {
        "ttl": ttl, "tags": tags, "lease": lease, "on_error": on_error, "unstorable": unstorable, "settle": settle,
    }  # fmt: skip

    from .functions.wrap import wrap_many  # with the first function that is decorated

    return lambda fn: wrap_many(fn, cls, options, arg, key, ignore)
