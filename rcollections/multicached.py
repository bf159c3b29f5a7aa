"""``multi_cached``: a function of many ids, whose results are cached one by one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from . import observe
from .cachedbase import CachedBase
from .decorators import CachedClassMethod, refuse_unusable
from .errors import ConfigError
from .keycache import KeyCache
from .plans import many as plans
from .plans.effects import Batch, Script
from .plans.job import Job
from .plans.reads import ServerFailed
from .recipes import Function
from .wire.adriver import adrive, flights_of, mark_coroutine_function, running_loop
from .wire.driver import drive
from .wire.keys import channel, lease, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from datetime import timedelta
    from typing import Protocol

    from .plans.effects import Plan
    from .recipes import CacheInfo

__all__ = ["AsyncMultiCached", "MultiCached", "multi_cached"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class _Multi(CachedBase):
    def __init__(self, function: Function, arg: str, key: Callable[[Any], Any] | None) -> None:
        super().__init__(function)
        self._arg = arg
        self._key = key
        function.announce(function.cls.prefix)
        self._signature = inspect.signature(function.fn)
        if arg not in self._signature.parameters:
            raise ConfigError(f"@multi_cached of {function.name}: it has no parameter {arg!r} that could take the ids")
        self._spread = self._signature.parameters[arg].kind is inspect.Parameter.VAR_POSITIONAL

    def __repr__(self) -> str:
        return f"<multi_cached {self._function.path}>"

    def key(self, each: Any) -> str:
        """The key of one id on the server. Asks nobody."""
        cls = self._function.cls
        made = each if self._key is None else self._key(each)
        if self._key is not None and not isinstance(made, (str, list, tuple)):
            raise TypeError(f"{self._function.name}: key= gave a {type(made).__name__}; it gives a str, or key parts")
        return cls(*made).key if isinstance(made, (list, tuple)) else cls(made).key

    def _prepare(
        self, recipe: Any, connection: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[dict[Any, Job], Callable[[list[Any]], Any]]:
        function = self._function
        bound = self._signature.bind(*self._bound, *args, **kwargs)
        given = {**bound.arguments}
        bound.apply_defaults()
        names = function.tags(bound.args, bound.kwargs)
        tags = tuple(tag(connection.namespace, name) for name in names)
        jobs = {}
        for each in dict.fromkeys(bound.arguments[self._arg]):
            key = self.key(each)
            jobs[each] = Job(recipe, key, lease(key), channel(key), tags, lambda: None)

        def compute(wanted: list[Any]) -> Any:
            bound.arguments[self._arg] = tuple(wanted) if self._spread else list(wanted)
            if not function.callbacks and not observe.observers:
                return function.fn(*bound.args, **bound.kwargs)
            keys = [jobs[each].key for each in wanted]
            return function.watched(keys, bound.args, bound.kwargs, lambda found: self._each(wanted, found, given))

        return jobs, compute

    def _each(self, wanted: list[Any], found: Any, given: dict[str, Any]) -> Iterator[Any]:
        """What ``on_value`` is called with: each value, and the arguments of the call with its id for the ids."""
        for each in wanted if isinstance(found, Mapping) else ():
            if each in found:
                arguments = {**given, self._arg: (each,) if self._spread else each}
                one = inspect.BoundArguments(self._signature, arguments)
                yield found[each], one.args, one.kwargs

    def _drop(self, ids: Iterable[Any]) -> Plan[None]:
        keys = [self.key(each) for each in dict.fromkeys(ids)]
        for start in range(0, len(keys), 1000):
            part = keys[start : start + 1000]
            with self._function.failing(part[0]):
                yield Batch([Script("entry_delete", (key, lease(key)), (channel(key),)) for key in part])
            for key in part:
                self._function.note("invalidate", key)

    def cache_info(self) -> CacheInfo:
        """What the calls did in this process, counted by ids: hits, misses and more. Asks nobody."""
        return self._function.info()

    @property
    def uncached(self) -> Callable[..., Any]:
        """The function itself."""
        fn: Any = self._function.fn
        return fn.__get__(self._bound[0]) if self._bound else fn  # type: ignore[no-any-return]


def _looked(jobs: dict[Any, Job]) -> Plan[dict[Any, Any]]:
    job = next(iter(jobs.values()), None)
    if job is None:
        return {}
    if not job.breaker.allows():
        error = job.breaker.error()
        job.note("error", error)
        raise error
    try:
        found = yield from plans.look(jobs)
    except ServerFailed as failed:
        job.failed(failed.error)
        job.note("error", failed.error)
        raise failed.error from None
    for each in jobs:
        jobs[each].note("hit" if each in found else "miss")
    return {each: found[each] for each in jobs if each in found}


def _first(jobs: dict[Any, Job]) -> str:
    """The key that stands in the event of a call."""
    return next((job.key for job in jobs.values()), "")


class MultiCached(_Multi, Generic[P, R]):
    """A function of many ids whose results are kept on the server, each under a key of its own."""

    __wrapped__: Callable[P, R]

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        jobs, compute, connection = self._jobs(args, kwargs)
        if not observe.observers:
            return drive(plans.many(jobs, compute), connection)  # type: ignore[return-value]
        name, key = self._function.name, _first(jobs)
        return observe.watched(name, "call", key, lambda _: drive(plans.many(jobs, compute), connection))  # type: ignore[return-value]

    # A class method comes first; of a Callable (not of a class) mypy sees the first parameter.
    @overload
    def __get__(self: Callable[Concatenate[type[S], Q], R], instance: Any, owner: type[S]) -> MultiCached[Q, R]: ...  # type: ignore[misc]
    @overload
    def __get__(self, instance: None, owner: Any) -> MultiCached[P, R]: ...
    @overload
    def __get__(self: Callable[Concatenate[S, Q], R], instance: S, owner: Any) -> MultiCached[Q, R]: ...
    @overload
    def __get__(self, instance: Any, owner: Any) -> MultiCached[P, R]: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else self._bind(instance)

    def _jobs(self, args: Any, kwargs: Any) -> tuple[dict[Any, Job], Callable[[list[Any]], Any], Any]:
        recipe, connection = self._function.recipe(lambda connection: connection.flights)
        return (*self._prepare(recipe, connection, args, kwargs), connection)

    def peek(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Those that are cached, and nothing is computed. One round trip."""
        jobs, _, connection = self._jobs(args, kwargs)
        return drive(_looked(jobs), connection)  # type: ignore[return-value]

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute all of them now and store them, whatever is cached."""
        jobs, compute, connection = self._jobs(args, kwargs)
        return drive(plans.recompute(jobs, compute), connection)  # type: ignore[return-value]

    def invalidate(self, ids: Iterable[Any]) -> None:
        """Drop the values of these ids; those that are being computed now will not be stored. One round trip."""
        _, connection = self._function.recipe(lambda connection: connection.flights)
        drive(self._drop(ids), connection)


class AsyncMultiCached(_Multi, Generic[P, R]):
    """The same for an ``async def``: what asks the server is awaited."""

    __wrapped__: Callable[P, Coroutine[Any, Any, R]]

    def __init__(self, function: Function, arg: str, key: Callable[[Any], Any] | None) -> None:
        super().__init__(function, arg, key)
        mark_coroutine_function(self)

    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        jobs, compute, connection = self._jobs(args, kwargs)
        answer = adrive(plans.many(jobs, compute), connection)
        if not observe.observers:
            return await answer  # type: ignore[return-value]
        return await observe.awatched(self._function.name, "call", _first(jobs), answer)  # type: ignore[arg-type]

    # A class method comes first; of a Callable (not of a class) mypy sees the first parameter.
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], Coroutine[Any, Any, R]], instance: Any, owner: type[S]
    ) -> AsyncMultiCached[Q, R]: ...
    @overload
    def __get__(self, instance: None, owner: Any) -> AsyncMultiCached[P, R]: ...
    @overload
    def __get__(
        self: Callable[Concatenate[S, Q], Coroutine[Any, Any, R]], instance: S, owner: Any
    ) -> AsyncMultiCached[Q, R]: ...
    @overload
    def __get__(self, instance: Any, owner: Any) -> AsyncMultiCached[P, R]: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else self._bind(instance)

    def _jobs(self, args: Any, kwargs: Any) -> tuple[dict[Any, Job], Callable[[list[Any]], Any], Any]:
        recipe, connection = self._function.recipe(flights_of, running_loop())
        return (*self._prepare(recipe, connection, args, kwargs), connection)

    async def peek(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Those that are cached, and nothing is computed. One round trip."""
        jobs, _, connection = self._jobs(args, kwargs)
        return await adrive(_looked(jobs), connection)  # type: ignore[arg-type]

    async def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute all of them now and store them, whatever is cached."""
        jobs, compute, connection = self._jobs(args, kwargs)
        return await adrive(plans.recompute(jobs, compute), connection)  # type: ignore[arg-type]

    async def invalidate(self, ids: Iterable[Any]) -> None:
        """Drop the values of these ids; those that are being computed now will not be stored. One round trip."""
        _, connection = self._function.recipe(flights_of, running_loop())
        await adrive(self._drop(ids), connection)


if TYPE_CHECKING:

    class MultiDecorator(Protocol):
        """What ``multi_cached(...)`` gives."""

        @overload
        def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]]) -> AsyncMultiCached[P, R]: ...  # type: ignore[overload-overlap]
        @overload
        def __call__(self, fn: Callable[P, R]) -> MultiCached[P, R]: ...


def multi_cached(
    arg: str,
    cls: type[KeyCache[Any]] = KeyCache,
    *,
    key: Callable[[Any], Any] | None = None,
    ttl: float | timedelta | Callable[[Any], Any] | None = None,
    tags: tuple[str, ...] | Callable[..., tuple[str, ...]] | None = None,
    lease: float = 10,
    on_error: str = "compute",
) -> MultiDecorator:
    """Keep the results of a function of many ids, each under a key of its own.

    ``arg`` names the parameter that takes the ids. The function gets those that are not cached, in order
    and without repeats, as a list, and returns a mapping of ids to values; ids that it leaves out are
    neither cached nor in the result. The result is a dict in the order asked.

    Without ``key`` the value of an id is ``cls(id)`` (a tuple means key parts), so give the class a prefix;
    ``key`` is a function of the id that gives a str or key parts. Other arguments are not part of the key.
    ``ttl``, ``tags``, ``lease`` and ``on_error`` are those of ``cached``. All that is cached is one round trip,
    all that is missing one call; of several callers each computes what nobody else is computing.

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
    """
    if not isinstance(arg, str):
        raise TypeError("multi_cached takes the name of the parameter that takes the ids: @multi_cached('ids')")
    given: Any = cls
    if not (isinstance(given, type) and issubclass(given, KeyCache)):
        what = f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
        raise TypeError(f"@multi_cached takes a KeyCache class, not {what}")
    if key is not None and not callable(key):
        raise ConfigError("multi_cached: key is a function of an id")
    options = {"ttl": ttl, "tags": tags, "lease": lease, "on_error": on_error}

    def decorate(fn: Any) -> Any:
        if isinstance(fn, staticmethod):
            return staticmethod(decorate(fn.__func__))
        if isinstance(fn, classmethod):
            return CachedClassMethod(decorate(fn.__func__))
        if isinstance(fn, CachedBase) or not callable(fn):
            raise TypeError("@multi_cached takes a function, and one @cached or @multi_cached is enough")
        refuse_unusable(fn, "@multi_cached")
        function = Function(fn, cls, options, method=False, decorator="@multi_cached")
        face = AsyncMultiCached if inspect.iscoroutinefunction(fn) else MultiCached
        return face(function, arg, key)

    return decorate
