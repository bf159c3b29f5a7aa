"""``AsyncCachedFunction``: what ``@cached`` makes of an ``async def``: the same names, awaited."""

from __future__ import annotations

from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from .errors import CacheMissError
from .plans import fetch as plans
from .plans import keys
from .plans.tags import begin, delete, expire, finish
from .wire.adriver import adrive, as_task, flights_of, in_background, mark_coroutine_function, running_loop
from .wire.keys import namespaced
from .wire.leases import hold

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Awaitable, Callable, Coroutine

    from .plans.job import Job
    from .recipes import CacheInfo, Function

__all__ = ["AsyncCachedFunction"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class AsyncCachedFunction(Generic[P, R]):
    """A coroutine function whose results are kept on the server. Every method that asks it is awaited.

    Cancelling a caller harms nobody: those who wait for the same value go on without it.
    """

    __wrapped__: Callable[P, Awaitable[R]]

    def __init__(self, function: Function, bound: tuple[Any, ...] = ()) -> None:
        self._function = function
        self._bound = bound
        update_wrapper(self, function.fn)
        mark_coroutine_function(self)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        job, connection = self._job(args, kwargs)
        return await adrive(plans.call(job), connection)

    def _job(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Job, Any]:
        function = self._function
        recipe, connection = function.recipe(flights_of, running_loop())
        return function.job(recipe, connection, (*self._bound, *args), kwargs), connection

    @overload
    def __get__(self, instance: None, owner: Any) -> AsyncCachedFunction[P, R]: ...
    @overload
    def __get__(
        self: AsyncCachedFunction[Concatenate[S, Q], R], instance: S, owner: Any
    ) -> AsyncCachedFunction[Q, R]: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else type(self)(self._function, (*self._bound, instance))

    def __repr__(self) -> str:
        return f"<cached async {self._function.path}>"

    async def peek(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The cached value, or CacheMissError: never computes. One round trip."""
        job, connection = self._job(args, kwargs)
        found = await adrive(plans.lookup(job), connection)
        if found is not None and found.fresh:
            usable, result = job.load(found.entry)
            if usable:
                job.note("hit")
                return job.give(result)  # type: ignore[no-any-return]
        raise CacheMissError(f"there is no fresh value under {job.key!r}")

    async def lazy(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same as ``peek``; ``bg().lazy`` computes in the background as well."""
        return await self.peek(*args, **kwargs)

    async def get_ttl(self, *args: P.args, **kwargs: P.kwargs) -> tuple[R, float]:
        """The cached value and the seconds that it stays fresh; CacheMissError if there is none."""
        job, connection = self._job(args, kwargs)
        found = await adrive(plans.lookup(job), connection)
        if found is not None:
            usable, result = job.load(found.entry)
            if usable:
                return job.give(result), float("inf") if found.soft is None else found.soft
        raise CacheMissError(f"there is no value under {job.key!r}")

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of this call on the server. Asks nobody; not awaited."""
        function = self._function
        _, connection = function.recipe(lambda connection: connection.flights, "key")
        return function.key((*self._bound, *args), kwargs, connection.namespace)

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute now and store, whatever is cached."""
        job, connection = self._job(args, kwargs)
        return await adrive(plans.recompute(job), connection)

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Drop the value of this call; one that is being computed now will not be stored."""
        job, connection = self._job(args, kwargs)
        await adrive(delete(job), connection)
        job.note("invalidate")

    async def expire(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Mark the value stale: only those who take stale values still get it."""
        job, connection = self._job(args, kwargs)
        await adrive(expire(job), connection)
        job.note("invalidate")

    async def put(self, *args: Any, _cache_put: R, **kwargs: Any) -> None:
        """Store a value for this call by hand; ``store(v)(x)`` is the typed form."""
        job, connection = self._job(args, kwargs)
        await adrive(plans.store(job, _cache_put), connection)

    def store(self, value: R) -> Callable[P, Coroutine[Any, Any, None]]:
        """``await f.store(value)(x)`` stores a value for the call ``f(x)``."""

        async def put(*args: P.args, **kwargs: P.kwargs) -> None:
            job, connection = self._job(args, kwargs)
            await adrive(plans.store(job, value), connection)

        return put

    def writing(self, *args: P.args, **kwargs: P.kwargs) -> AsyncWriting:
        """``async with f.writing(x) as w:`` around a change of the source; ``w.put(value)`` is stored at its end."""
        job, connection = self._job(args, kwargs)
        return AsyncWriting(job, connection)

    async def clear(self) -> int:
        """Drop all values of this function; gives how many. CacheError if it has a ``key=`` of its own."""
        function = self._function
        _, connection = function.recipe(flights_of, running_loop())
        prefix = namespaced(connection.namespace, function.own_prefix, function.cls.prefix or "-")
        return await adrive(keys.clean_function(prefix), connection)

    def bg(self) -> AsyncBackground[P, R]:
        """Calls that refresh in the background: ``await f.bg()(x)``, ``await f.bg().lazy(x)``."""
        return AsyncBackground(self)

    def future(self) -> AsyncFuture[P, R]:
        """Calls that give an ``asyncio.Task``: ``f.future()(x)``, ``.lazy(x)``, ``.peek(x)``."""
        return AsyncFuture(self)

    @property
    def uncached(self) -> Callable[P, Awaitable[R]]:
        """The function itself."""
        fn: Any = self._function.fn
        return fn.__get__(self._bound[0]) if self._bound else fn  # type: ignore[no-any-return]

    def on_value(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Call ``callback(value, *args, **kwargs)`` after each computation; its errors are logged."""
        self._function.callbacks.append(callback)
        return callback

    def cache_info(self) -> CacheInfo:
        """What the calls did in this process: hits, misses and more. Not awaited."""
        return self._function.info()

    async def cache_clear(self) -> None:
        """Drop all values and counts, as functools has it."""
        await self.clear()
        self._function.forget_counts()

    def cache_parameters(self) -> dict[str, Any]:
        """The options. Not awaited."""
        return {**self._function.options, "cls": self._function.cls}


class AsyncBackground(Generic[P, R]):
    """Calls that let a task in the background do the computing."""

    def __init__(self, function: AsyncCachedFunction[P, R]) -> None:
        self._function = function

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The cached value; a stale one at once, while the background refreshes it; on a miss waits."""
        try:
            return await self._at_once(args, kwargs)  # type: ignore[no-any-return]
        except CacheMissError:
            return await self._function(*args, **kwargs)

    async def lazy(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The cached value, a stale one too; on a miss CacheMissError, while the background computes."""
        try:
            return await self._at_once(args, kwargs)  # type: ignore[no-any-return]
        except CacheMissError:
            in_background(self._function(*args, **kwargs))
            raise

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Compute and store in the background, whatever is cached."""
        in_background(self._function.refresh(*args, **kwargs))

    async def _at_once(self, args: Any, kwargs: Any) -> Any:
        job, connection = self._function._job(args, kwargs)
        found = await adrive(plans.lookup(job), connection)
        if found is not None:
            usable, result = job.load(found.entry)
            if usable:
                if not found.fresh or plans.is_early(job, found):
                    in_background(self._function(*args, **kwargs))
                job.note("hit" if found.fresh else "stale")
                return job.give(result)
        raise CacheMissError(f"there is no value under {job.key!r}")


class AsyncFuture(Generic[P, R]):
    """Calls whose answer comes in a task."""

    def __init__(self, function: AsyncCachedFunction[P, R]) -> None:
        self._function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Task[R]:
        """The call itself, as a task."""
        return as_task(self._function(*args, **kwargs))

    def peek(self, *args: P.args, **kwargs: P.kwargs) -> Task[R]:
        """``peek`` as a task."""
        return as_task(self._function.peek(*args, **kwargs))

    def lazy(self, *args: P.args, **kwargs: P.kwargs) -> Task[R]:
        """``bg().lazy`` as a task."""
        return as_task(AsyncBackground(self._function).lazy(*args, **kwargs))

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> Task[R]:
        """``refresh`` as a task."""
        return as_task(self._function.refresh(*args, **kwargs))


class AsyncWriting:
    """``writing()`` for async: see ``Writing``."""

    def __init__(self, job: Job, connection: Any) -> None:
        self._job = job
        self._connection = connection
        self._value: tuple[Any, ...] = ()

    async def __aenter__(self) -> AsyncWriting:
        self._token, self._stamps = await adrive(begin(self._job), self._connection)
        self._held = hold(self._connection, self._job.lease, self._token, self._job.lease_ms)
        return self

    def put(self, value: Any) -> None:
        """The value that is stored when the block ends well."""
        self._job.dump(value)  # refuse it now rather than after the source has changed
        self._value = (value,)

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._held.stop()
        data, ms = self._job.dump(*self._value) if self._value and kind is None else (None, 0)
        if data is None:
            await adrive(delete(self._job), self._connection)
        else:
            stored = await adrive(finish(self._job, self._token, self._stamps, data, ms), self._connection)
            self._job.note("store" if stored else "refused")
