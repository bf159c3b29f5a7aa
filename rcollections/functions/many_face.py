"""``MultiFace``: what the sync and the async form of a function of many ids share."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..key import Key
from ..missing import MISSING
from ..plans.effects import Batch, Script, carried
from ..plans.functions.job import Job
from ..plans.naming import channel, lease
from ..plans.purpose import Due, change
from .decorated import Decorated
from .many_keys import ItemKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from ..plans.effects import Plan
    from ..plans.functions.many_computing import Compute
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

    def __init__(self, function: Function, arg: str, key: Callable[..., Any] | None, ignore: Iterable[str]) -> None:
        super().__init__(function)
        self._arg = arg
        self._key = key
        self._signature = inspect.signature(function.fn)
        self._keys = ItemKeys(function.name, self._signature, function.cls, arg, key, ignore)

    def __repr__(self) -> str:
        return f"<multi_cached {self._function.path}>"

    def key(self, /, *args: Any, **kwargs: Any) -> Key:
        """The key of one id on the server: called like the function, with the id for the ids. Sends nothing."""
        bound = self._signature.bind(*self._bound, *args, **kwargs)
        given: Any = bound.arguments.get(self._arg, MISSING)
        if given is MISSING or (self._keys.spread and len(given) != 1):
            raise TypeError(f"{self._function.name}.key() takes one id")
        bound.apply_defaults()
        made = self._keys.of(self._function.bound().names, bound.arguments)
        return Key(made(given[0] if self._keys.spread else given))

    def _keys_of(self, names: Names, bound: inspect.BoundArguments) -> dict[Any, str]:
        """The key of each id of a call. In ``bound`` the defaults are applied, and the ids become a list."""
        bound.apply_defaults()
        ids = self._ids(bound.arguments[self._arg])
        bound.arguments[self._arg] = tuple(ids) if self._keys.spread else ids
        made = self._keys.of(names, bound.arguments)
        return {each: made(each) for each in ids}

    def _ids(self, given: Any) -> list[Any]:
        """The ids of a call in order, each once."""
        name = self._function.name
        try:
            ids = iter(given)
        except TypeError:
            raise TypeError(f"{name}: {self._arg} takes an iterable of ids, not {type(given).__name__}") from None
        found: dict[Any, None] = {}
        for each in ids:
            try:
                found[each] = None
            except TypeError as error:
                raise TypeError(f"{name}: an id is a number, a text or another hashable value: {error}") from None
        return list(found)

    def _jobs_of(
        self, binding: Binding, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[Jobs, Compute, Connection]:
        """The jobs of one call by their ids, the function that computes missing ids, and the connection."""
        function, spread = self._function, self._keys.spread
        bound = self._signature.bind(*self._bound, *args, **kwargs)
        given = {**bound.arguments}
        keys = self._keys_of(binding.names, bound)
        tags = binding.names.tags(bound.args, bound.kwargs)
        jobs: Jobs = {each: Job(binding.recipe, key, tags, _nothing) for each, key in keys.items()}

        def compute(wanted: list[Hashable]) -> Any:
            bound.arguments[self._arg] = tuple(wanted) if spread else list(wanted)
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
                arguments = {**given, self._arg: (each,) if self._keys.spread else each}
                one = inspect.BoundArguments(self._signature, arguments)
                yield found[each], one.args, one.kwargs

    def _drop(self, names: Names, args: tuple[object, ...], kwargs: dict[str, object]) -> Plan[None]:
        """Drop the values of the ids of this call, a thousand in one trip."""
        try:
            keys = list(self._keys_of(names, self._signature.bind(*self._bound, *args, **kwargs)).values())
        except StopIteration as error:  # of ``key=``
            raise carried(error) from None
        yield from self._dropped(keys)

    def _dropped(self, keys: list[str]) -> Plan[None]:
        recipe = self._function.bound().recipe
        space = recipe.namespace
        dues = [Due(key, lease(space, key), channel(space, key)) for key in keys]
        if dues:
            with self._function.counts.failing(keys[0]):
                yield from change(recipe, self._removed(dues), dues)

    def _removed(self, dues: list[Due]) -> Plan[None]:
        for start in range(0, len(dues), 1000):
            part = dues[start : start + 1000]
            yield Batch([Script("entry_delete", (each.key, each.lease), (each.channel,)) for each in part])
            for each in part:
                self._function.counts.note("invalidate", each.key)

    def cache_info(self) -> CacheInfo:
        """What the calls did in this process, counted by ids: hits, misses and more. Sends nothing."""
        return super().cache_info()

    def cache_parameters(self) -> dict[str, Any]:
        """The options, the class as ``cls``, and the parameter that takes the ids as ``arg``. Not awaited."""
        own = {"arg": self._arg, "key": self._key, "ignore": tuple(sorted(self._keys.ignore))}
        return {**super().cache_parameters(), **own}

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
