"""``MultiFace``: what the sync and the async form of a function of many ids share."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..plans.effects import Batch, Script
from ..plans.functions.job import Job
from ..plans.naming import channel, lease
from .decorated import Decorated

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from ..plans.effects import Plan
    from ..plans.functions.many_leases import Compute
    from ..plans.functions.many_reads import Jobs
    from ..servers.connection import Connection
    from .binding import Binding
    from .callkeys import Names
    from .function import Function
    from .info import CacheInfo
    from .watching import Watched

__all__ = ["MultiFace", "first_key"]


class MultiFace(Decorated):
    """The part of both forms that sends nothing: the keys of ids, and the jobs of a call."""

    def __init__(self, function: Function, arg: str, key: Callable[[Any], Any] | None) -> None:
        super().__init__(function)
        self._arg = arg
        self._key = key
        function.keys.announce(function.cls.prefix)
        self._signature = inspect.signature(function.fn)
        if arg not in self._signature.parameters:
            raise ConfigError(f"@multi_cached of {function.name}: it has no parameter {arg!r} that could take the ids")
        self._spread = self._signature.parameters[arg].kind is inspect.Parameter.VAR_POSITIONAL

    def __repr__(self) -> str:
        return f"<multi_cached {self._function.path}>"

    def key(self, each: Any) -> str:
        """The key of one id on the server. Sends nothing."""
        return self._named(self._function.bound().names, each)

    def _named(self, names: Names, each: object) -> str:
        if self._key is not None:
            return names.made(self._key(each))
        return names.of(*each) if isinstance(each, (list, tuple)) else names.of(each)

    def _jobs_of(
        self, binding: Binding, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[Jobs, Compute, Connection]:
        """The jobs of one call by their ids, the function that computes missing ids, and the connection."""
        function, names = self._function, binding.names
        bound = self._signature.bind(*self._bound, *args, **kwargs)
        given = {**bound.arguments}
        bound.apply_defaults()
        tags = names.tags(bound.args, bound.kwargs)
        jobs: Jobs = {}
        for each in dict.fromkeys(bound.arguments[self._arg]):
            jobs[each] = Job(binding.recipe, self._named(names, each), tags, _nothing)

        def compute(wanted: list[Hashable]) -> Any:
            bound.arguments[self._arg] = tuple(wanted) if self._spread else list(wanted)
            keys = [jobs[each].key for each in wanted]
            return function.watching.many(
                keys, bound.args, bound.kwargs, lambda found: self._each(wanted, found, given)
            )

        return jobs, compute, binding.connection

    def _each(self, wanted: list[Hashable], found: object, given: dict[str, object]) -> Iterator[Watched]:
        """The arguments of ``on_value``: each value, and the arguments of the call with its id for the ids."""
        if not isinstance(found, Mapping):
            return
        for each in wanted:
            if each in found:
                arguments = {**given, self._arg: (each,) if self._spread else each}
                one = inspect.BoundArguments(self._signature, arguments)
                yield found[each], one.args, one.kwargs

    def _drop(self, ids: Iterable[Hashable]) -> Plan[None]:
        """Drop the values of these ids, a thousand in one trip."""
        keys = [self.key(each) for each in dict.fromkeys(ids)]
        for start in range(0, len(keys), 1000):
            part = keys[start : start + 1000]
            with self._function.counts.failing(part[0]):
                yield Batch([Script("entry_delete", (key, lease(key)), (channel(key),)) for key in part])
            for key in part:
                self._function.counts.note("invalidate", key)

    def cache_info(self) -> CacheInfo:
        """What the calls did in this process, counted by ids: hits, misses and more. Sends nothing."""
        return super().cache_info()

    @property
    def uncached(self) -> Callable[..., Any]:
        """The function itself."""
        fn: Any = self._function.fn
        own: Callable[..., Any] = fn.__get__(self._bound[0]) if self._bound else fn
        return own


def _nothing() -> None:
    """The function of a single job: it is not called, since all missing ids are computed together."""


def first_key(jobs: Jobs) -> str:
    """The key in the event of a call: that of the first id."""
    return next((job.key for job in jobs.values()), "")
