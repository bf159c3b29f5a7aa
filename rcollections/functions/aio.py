"""``AsyncCachedFunction``: what ``@cached`` makes of an ``async def``: the same names, awaited."""

from __future__ import annotations

from sys import is_finalizing
from types import FunctionType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ..errors import CacheError
from ..key import Key
from ..l1 import ABSENT, enable
from ..observe import events
from ..plans.collections import keys
from ..plans.effects import Command
from ..plans.functions.call import call
from ..plans.functions.invalidate import expire, invalidate
from ..plans.functions.lone import Lone
from ..plans.functions.peek import peek
from ..plans.functions.put import store
from ..plans.functions.refresh import recompute
from ..plans.op import UNSENT
from ..plans.purpose import change
from ..plans.settling import settled
from ..servers import registry
from ..servers.drivers.aio import adrive
from ..servers.drivers.aio_afar import aone_afar
from ..servers.drivers.aio_parts import ask_tagged
from ..servers.drivers.aio_quick import aask
from ..servers.drivers.aio_trips import aone
from ..servers.loops import flights_of, mark_coroutine_function, running_loop
from .aio_background import AsyncBackground, AsyncFuture
from .aio_writing import AsyncWriting
from .decorated import Decorated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ..plans.effects import Plan
    from ..plans.functions.job import Job
    from ..servers.connection import Connection
    from .function import Function

__all__ = ["AsyncCachedFunction"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class AsyncCachedFunction(Decorated, Generic[P, R]):
    """A coroutine function whose results are kept on the server. Every method that asks the server is awaited.

    Cancelling a caller harms no other: callers that wait for the same value go on without it.
    """

    __wrapped__: Callable[P, Coroutine[Any, Any, R]]
    _asks: Any  # ``_asked`` under the name of this function

    def __init__(self, function: Function) -> None:
        super().__init__(function)
        mark_coroutine_function(self)
        asks: Any = AsyncCachedFunction._asked
        asks = FunctionType(asks.__code__, asks.__globals__)
        asks.__qualname__ = function.owner.soon.__qualname__  # Python names a coroutine that nobody awaits
        self.__dict__["_asks"] = asks

    # -- calling ---------------------------------------------------------------------------------

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...

    def _call(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """The way of a call that L1 did not answer: first that of a caller who is alone at its key."""
        called: Coroutine[Any, Any, R] = self._asks(self, args, kwargs)
        return called

    async def _asked(self, args: tuple[object, ...], kwargs: dict[str, object]) -> R:
        if is_finalizing():  # as in ``sync``
            wrapped: Callable[..., Coroutine[Any, Any, R]] = self.__wrapped__
            return await wrapped(*args, **kwargs)
        function = self._function
        loop, last = running_loop(), function.bindings.last
        if last is not None and last[0]() is loop and last[1].generation == registry.generation:
            binding = last[1]
        else:
            binding = function.bound(flights_of, loop)
        way = binding.way
        if way is None or events.observers:
            return await self._long(args, kwargs)
        given = (*self._bound, *args) if self._bound else args
        names, connection = binding.names, binding.connection
        key, tags, lone = names.key(given, kwargs), names.fixed_tags, Lone()
        if tags is None:
            tags = names.tags(given, kwargs)
        try:
            breaker = way.breaker
            alone = (breaker.failure is None or breaker.allows()) and way.place(key, lone) is lone
            if alone:
                try:
                    if way.afar is not None:
                        words: Any = await aone_afar(way.afar, Command(("MGET", key, *tags)))
                    else:
                        if tags and not way.near:
                            asked = ask_tagged(connection, key, tags)
                        else:
                            asked = aask(connection, names.read(key, tags), 1, key)
                        words = UNSENT if asked is None else await asked
                    if type(words) is not list:  # the plan of the trip goes on with what was seen
                        words = await aone(connection, Command(("MGET", key, *tags)), words)
                except CacheError as error:
                    lone.error = error
                else:
                    value: R = way.hit(key, lone, words)
                    if value is not ABSENT:
                        return value
                    lone.words = words
            plan: Plan[R] = call(function.made(binding, key, tags, given, kwargs), lone if alone else None)
            return await adrive(plan, connection)
        except BaseException:
            way.gone(key, lone)
            raise

    async def _long(self, args: tuple[object, ...], kwargs: dict[str, object]) -> R:
        job, connection = self._job(args, kwargs)
        if events.observers:
            return await events.awatched(self._function.counts.name, "call", job.key, self._answer(job, connection))
        return await self._answer(job, connection)

    async def _answer(self, job: Job[R], connection: Connection) -> R:
        value: R = self._function.holding.held(job)
        return await adrive(call(job), connection) if value is ABSENT else value

    def _job(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[Job[R], Connection]:
        function = self._function
        binding = function.bound(flights_of, running_loop())
        return function.job(binding, (*self._bound, *args), kwargs), binding.connection

    # The overload of class methods comes first. mypy sees the first parameter of a Callable, not of a class.
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], Coroutine[Any, Any, R]], instance: Any, owner: type[S]
    ) -> AsyncCachedFunction[Q, R]: ...
    @overload
    def __get__(self, instance: None, owner: Any) -> AsyncCachedFunction[P, R]: ...
    @overload
    def __get__(
        self: Callable[Concatenate[S, Q], Coroutine[Any, Any, R]], instance: S, owner: Any
    ) -> AsyncCachedFunction[Q, R]: ...
    @overload
    def __get__(self, instance: Any, owner: Any) -> AsyncCachedFunction[P, R]: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else self._bind(instance)

    def __repr__(self) -> str:
        return f"<cached async {self._function.path}>"

    # -- looking ---------------------------------------------------------------------------------

    async def peek(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The cached value if it is fresh, or CacheMissError: never computes. One round trip."""
        job, connection = self._job(args, kwargs)
        return (await adrive(peek(job, stale=False), connection))[1]

    async def lazy(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same as ``peek``; ``bg().lazy`` computes in the background as well."""
        return await self.peek(*args, **kwargs)

    async def get_ttl(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[R, float]:
        """The cached value and the seconds that it stays fresh; CacheMissError if there is none."""
        job, connection = self._job(args, kwargs)
        found, value = await adrive(peek(job, stale=True), connection)
        return value, float("inf") if found.soft is None else found.soft

    def key(self, /, *args: P.args, **kwargs: P.kwargs) -> Key:
        """The key of this call on the server. Sends nothing; not awaited."""
        function = self._function
        binding = function.bound()  # that of threads: a key can be asked for outside of an event loop
        return Key(binding.names.key((*self._bound, *args), kwargs))

    # -- changing --------------------------------------------------------------------------------

    async def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute now and store, also if a value is cached."""
        job, connection = self._job(args, kwargs)
        return await adrive(recompute(job), connection)

    @overload
    async def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> None: ...
    @overload
    async def invalidate(self, /, *args: Any, settle: bool, **kwargs: Any) -> None: ...
    async def invalidate(self, /, *args: Any, **kwargs: Any) -> None:
        """Drop the value of this call; one that is being computed now will not be stored."""
        settle = self._settles(kwargs)
        job, connection = self._job(args, kwargs)
        await adrive(settled(invalidate(job), job.recipe.flights.settling, settle, (job.key,)), connection)

    async def expire(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Mark the value stale: only callers that take stale values still get it."""
        settle = self._settles(kwargs)
        job, connection = self._job(args, kwargs)
        await adrive(settled(expire(job), job.recipe.flights.settling, settle, (job.key,)), connection)

    async def put(self, /, *args: Any, _cache_put: R, **kwargs: Any) -> None:
        """Store a value for this call by hand; ``store(v)(x)`` is the typed form."""
        settle = self._settles(kwargs)
        job, connection = self._job(args, kwargs)
        await adrive(settled(store(job, _cache_put), job.recipe.flights.settling, settle, (job.key,)), connection)

    def store(self, value: R) -> Callable[P, Coroutine[Any, Any, None]]:
        """``await f.store(value)(x)`` stores a value for the call ``f(x)``."""

        async def put(*args: P.args, **kwargs: P.kwargs) -> None:
            settle = self._settles(kwargs)
            job, connection = self._job(args, kwargs)
            await adrive(settled(store(job, value), job.recipe.flights.settling, settle, (job.key,)), connection)

        return put

    @overload
    def writing(self, /, *args: P.args, **kwargs: P.kwargs) -> AsyncWriting[R]: ...
    @overload
    def writing(self, /, *args: Any, settle: bool, **kwargs: Any) -> AsyncWriting[R]: ...
    def writing(self, /, *args: Any, **kwargs: Any) -> AsyncWriting[R]:
        """``async with f.writing(x) as w:`` around a change of the source; ``w.put(value)`` is stored at its end."""
        settle = self._settles(kwargs)
        job, connection = self._job(args, kwargs)
        return AsyncWriting(job, connection, settle=settle)

    async def clear(self) -> int:
        """Drop all values of this function; gives how many. CacheError for a function with a ``key=`` of its own."""
        function = self._function
        _, recipe, connection, _, _ = function.bound(flights_of, running_loop())
        prefix = function.keys.prefix(connection.namespace)
        with function.counts.failing(prefix):
            plan = keys.clean_function(connection.namespace, function.keys.prefix(""))
            return await adrive(change(recipe, plan, whole=recipe.whole), connection)

    async def cache_clear(self) -> None:
        """Drop all values and counts, as functools has it."""
        await self.clear()
        self._function.counts.forget()

    # -- in the background -----------------------------------------------------------------------

    def bg(self) -> AsyncBackground[P, R]:
        """Calls that refresh in the background: ``await f.bg()(x)``, ``await f.bg().lazy(x)``."""
        return AsyncBackground(self)

    def future(self) -> AsyncFuture[P, R]:
        """Calls that give an ``asyncio.Task``: ``f.future()(x)``, ``.lazy(x)``, ``.peek(x)``."""
        return AsyncFuture(self)

    @property
    def uncached(self) -> Callable[P, Awaitable[R]]:
        """The function itself; a method is bound to its instance."""
        return self.__wrapped__


enable(AsyncCachedFunction)
