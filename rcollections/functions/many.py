"""``multi_cached``: a function of many ids, whose results are cached one by one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ..errors import ConfigError
from ..observe import events
from ..plans.effects import Batch, Script
from ..plans.functions import many as plans
from ..plans.functions.found import ServerFailed
from ..plans.functions.job import Job
from ..plans.naming import channel, lease, tag
from ..servers.drivers.sync import drive
from .face import CachedBase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..plans.effects import Plan
    from .function import CacheInfo, Function

__all__ = ["MultiCached", "MultiFace"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class MultiFace(CachedBase):
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
            if not function.callbacks and not events.observers:
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


def looked(jobs: dict[Any, Job]) -> Plan[dict[Any, Any]]:
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


def first_key(jobs: dict[Any, Job]) -> str:
    """The key that stands in the event of a call."""
    return next((job.key for job in jobs.values()), "")


class MultiCached(MultiFace, Generic[P, R]):
    """A function of many ids whose results are kept on the server, each under a key of its own."""

    __wrapped__: Callable[P, R]

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        jobs, compute, connection = self._jobs(args, kwargs)
        if not events.observers:
            return drive(plans.many(jobs, compute), connection)  # type: ignore[return-value]
        name, key = self._function.name, first_key(jobs)
        return events.watched(name, "call", key, lambda _: drive(plans.many(jobs, compute), connection))  # type: ignore[return-value]

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
        return drive(looked(jobs), connection)  # type: ignore[return-value]

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute all of them now and store them, whatever is cached."""
        jobs, compute, connection = self._jobs(args, kwargs)
        return drive(plans.recompute(jobs, compute), connection)  # type: ignore[return-value]

    def invalidate(self, ids: Iterable[Any]) -> None:
        """Drop the values of these ids; those that are being computed now will not be stored. One round trip."""
        _, connection = self._function.recipe(lambda connection: connection.flights)
        drive(self._drop(ids), connection)
