"""``CachedFunction``: what ``@cached`` makes of a ``def``."""

from __future__ import annotations

from sys import is_finalizing
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
from ..plans.purpose import change
from ..plans.settling import settled
from ..servers import registry
from ..servers.drivers.sync import drive
from .background import Background, Future
from .decorated import Decorated
from .writing import Writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plans.effects import Plan
    from ..plans.functions.job import Job
    from ..servers.connection import Connection

__all__ = ["CachedFunction"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class CachedFunction(Decorated, Generic[P, R]):
    """A function whose results are kept on the server: called like the function itself.

    A hit is one round trip. A miss is computed once over all threads and processes: one caller gets a
    lease, the others wait to be woken. See ``cached`` for the options.
    """

    __wrapped__: Callable[P, R]

    # -- calling ---------------------------------------------------------------------------------

    if TYPE_CHECKING:

        def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    def _call(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The way of a call that L1 did not answer: first that of a caller who is alone at its key."""
        if is_finalizing():  # no thread runs any more, and modules go: what is asked now is only computed
            return self.__wrapped__(*args, **kwargs)
        function = self._function
        binding = function.bindings.threads
        if binding is None or binding.generation != registry.generation:
            binding = function.bound()
        way = binding.way
        if way is None or events.observers:
            return self._long(args, kwargs)
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
                    if way.near:
                        words = connection.ask(names.read(key, tags), 1, True)
                    elif way.afar is not None:
                        words = way.afar.one(Command(("MGET", key, *tags)))
                    elif tags:
                        words = connection.read_tagged(key, tags)
                    else:
                        words = connection.ask(names.read(key, tags), 1, True, key)
                    if type(words) is not list:  # the plan of the trip goes on with what was seen
                        words = connection.one(Command(("MGET", key, *tags)), words)
                except CacheError as error:
                    lone.error = error
                else:
                    value: R = way.hit(key, lone, words)
                    if value is not ABSENT:
                        return value
                    lone.words = words
            plan: Plan[R] = call(function.made(binding, key, tags, given, kwargs), lone if alone else None)
            return drive(plan, connection)
        except BaseException:
            way.gone(key, lone)
            raise

    def _long(self, args: tuple[object, ...], kwargs: dict[str, object]) -> R:
        job, connection = self._job(args, kwargs)
        if events.observers:
            return events.watched(self._function.counts.name, "call", job.key, lambda _: self._answer(job, connection))
        return self._answer(job, connection)

    def _answer(self, job: Job[R], connection: Connection) -> R:
        value: R = self._function.holding.held(job)
        return drive(call(job), connection) if value is ABSENT else value

    def _job(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[Job[R], Connection]:
        function = self._function
        binding = function.bound()
        return function.job(binding, (*self._bound, *args), kwargs), binding.connection

    # The overload of class methods comes first. mypy sees the first parameter of a Callable, not of a class.
    @overload
    def __get__(self: Callable[Concatenate[type[S], Q], R], instance: Any, owner: type[S]) -> CachedFunction[Q, R]: ...  # type: ignore[misc]
    @overload
    def __get__(self, instance: None, owner: Any) -> CachedFunction[P, R]: ...
    @overload
    def __get__(self: Callable[Concatenate[S, Q], R], instance: S, owner: Any) -> CachedFunction[Q, R]: ...
    @overload
    def __get__(self, instance: Any, owner: Any) -> CachedFunction[P, R]: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else self._bind(instance)

    def __repr__(self) -> str:
        return f"<cached {self._function.path}>"

    # -- looking ---------------------------------------------------------------------------------

    def peek(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The cached value if it is fresh, or CacheMissError: never computes. One round trip.

        A server that fails is a miss as well, unless the function has ``on_error="raise"``.
        """
        job, connection = self._job(args, kwargs)
        return drive(peek(job, stale=False), connection)[1]

    def lazy(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same as ``peek``; ``bg().lazy`` computes in the background as well."""
        return self.peek(*args, **kwargs)

    def get_ttl(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[R, float]:
        """The cached value and the seconds that it stays fresh: negative when stale, ``inf`` for ever.

        CacheMissError if there is none. One round trip.
        """
        job, connection = self._job(args, kwargs)
        found, value = drive(peek(job, stale=True), connection)
        return value, float("inf") if found.soft is None else found.soft

    def key(self, /, *args: P.args, **kwargs: P.kwargs) -> Key:
        """The key of this call on the server. Sends nothing."""
        return Key(self._job(args, kwargs)[0].key)

    # -- changing --------------------------------------------------------------------------------

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute now and store, also if a value is cached; a computation that runs elsewhere is too late then."""
        job, connection = self._job(args, kwargs)
        return drive(recompute(job), connection)

    @overload
    def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> None: ...
    @overload
    def invalidate(self, /, *args: Any, settle: bool, **kwargs: Any) -> None: ...
    def invalidate(self, /, *args: Any, **kwargs: Any) -> None:
        """Drop the value of this call; one that is being computed now will not be stored.

        A call that begins after this has returned, and asks the server, never gets the older value. One round trip.
        With ``settle=True`` it returns when no process can serve a value that it holds; see ``invalidate_tags``.
        """
        settle = self._settles(kwargs)
        job, connection = self._job(args, kwargs)
        drive(settled(invalidate(job), job.recipe.flights.settling, settle, (job.key,)), connection)

    def expire(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Mark the value stale: only callers that take stale values still get it. One round trip."""
        settle = self._settles(kwargs)
        job, connection = self._job(args, kwargs)
        drive(settled(expire(job), job.recipe.flights.settling, settle, (job.key,)), connection)

    def put(self, /, *args: Any, _cache_put: R, **kwargs: Any) -> None:
        """Store a value for this call by hand: ``f.put(1, _cache_put=5)``. ``store(v)(x)`` is the typed form.

        The write takes effect at the server: of two writers the last one wins there. ``writing()`` is the
        strong form around a change of the source. ``settle=True`` as in ``invalidate``.
        """
        settle = self._settles(kwargs)
        job, connection = self._job(args, kwargs)
        drive(settled(store(job, _cache_put), job.recipe.flights.settling, settle, (job.key,)), connection)

    def store(self, value: R) -> Callable[P, None]:
        """``f.store(value)(x)`` stores a value for the call ``f(x)``."""

        def put(*args: P.args, **kwargs: P.kwargs) -> None:
            settle = self._settles(kwargs)
            job, connection = self._job(args, kwargs)
            drive(settled(store(job, value), job.recipe.flights.settling, settle, (job.key,)), connection)

        return put

    @overload
    def writing(self, /, *args: P.args, **kwargs: P.kwargs) -> Writing[R]: ...
    @overload
    def writing(self, /, *args: Any, settle: bool, **kwargs: Any) -> Writing[R]: ...
    def writing(self, /, *args: Any, **kwargs: Any) -> Writing[R]:
        """``with f.writing(x) as w:`` around a change of the source; ``w.put(value)`` stores the new value.

        While the block runs no caller can store an older value. Without ``w.put`` the value is dropped. With
        ``settle=True`` leaving the block takes until no process can serve the old value; see ``invalidate_tags``.
        """
        settle = self._settles(kwargs)
        job, connection = self._job(args, kwargs)
        return Writing(job, connection, settle=settle)

    def clear(self) -> int:
        """Drop all values of this function; gives how many. CacheError for a function with a ``key=`` of its own.

        Scans the keys of the database in steps, O(keys); tags are the fast way.
        """
        function = self._function
        _, recipe, connection, _, _ = function.bound()
        prefix = function.keys.prefix(connection.namespace)
        with function.counts.failing(prefix):
            plan = keys.clean_function(connection.namespace, function.keys.prefix(""))
            return drive(change(recipe, plan, whole=recipe.whole), connection)

    def cache_clear(self) -> None:
        """Drop all values and counts, as functools has it."""
        self.clear()
        self._function.counts.forget()

    # -- in the background -----------------------------------------------------------------------

    def bg(self) -> Background[P, R]:
        """Calls that refresh in the background: ``f.bg()(x)``, ``f.bg().lazy(x)``, ``f.bg().refresh(x)``."""
        return Background(self)

    def future(self) -> Future[P, R]:
        """Calls that give a ``concurrent.futures.Future``: ``f.future()(x)``, ``.lazy(x)``, ``.peek(x)``."""
        return Future(self)

    @property
    def uncached(self) -> Callable[P, R]:
        """The function itself; a method is bound to its instance."""
        return self.__wrapped__


enable(CachedFunction)
