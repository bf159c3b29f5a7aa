"""``Function``: the parts behind a cached function, put together."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..l1 import Owner
from ..observe.names import name_of
from ..plans.functions.job import Job
from ..plans.patience import Patience
from ..plans.target import milliseconds
from .arguments import Arguments
from .binding import Bindings, flights_of_threads
from .callkeys import Keys
from .counts import Counts
from .holding import Holding
from .identity import Identity
from .options import checked
from .trouble import SourceTrouble
from .ttls import takes_arguments
from .unstorable import Unstorable
from .watching import Watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..handles.base import BaseCache
    from ..plans.flights import Flights
    from ..servers.connection import Connection
    from .binding import Binding

__all__ = ["Function"]


class Function:
    """One cached function. Sync and async faces share it."""

    def __init__(
        self,
        fn: Callable[..., Any],
        cls: type[BaseCache],
        options: dict[str, Any],
        method: bool,
        decorator: str = "@cached",
    ) -> None:
        self.fn = fn
        self.cls = cls
        self.name = options.get("name") or fn.__qualname__
        self.path = self.name if options.get("name") else f"{fn.__module__}.{self.name}"  # for people
        self.options = checked(self.name, options, cls, decorator)
        if not cls.computed:  # P4: its plain writes would leave the computations that run
            raise ConfigError(
                f"{decorator} of {self.name}: {cls.__name__} says computed=False, so functions compute none of its "
                "keys: take another class, or leave computed= out there"
            )
        self.arguments = Arguments(
            fn, self.name, method=method, ignore_self=self.options.ignore_self, ignore=self.options.ignore
        )
        keyed = self.options.key is not None or decorator != "@cached"  # the identity is no part of the keys
        self.identity = Identity(fn, self.options.name, keyed=keyed, decorator=decorator)
        # Of the results that L1 holds of it.
        self.owner = Owner(is_coroutine_function(fn), getattr(fn, "__qualname__", ""))
        self.keys = Keys(self.name, self.identity, cls, self.options, self.arguments, decorator)
        self.counts = Counts(self.options.name or name_of(fn), self.owner)
        self.holding = Holding(self.keys, self.owner, self.counts)
        self.watching = Watching(self.name, fn, asynchronous=self.owner.asynchronous)
        self.trouble = SourceTrouble(self.name)
        self.unstorable = Unstorable(self.name, self.options.unstorable)
        self._ttl: Any = self.options.ttl if takes_arguments(self.options.ttl) else None
        if self._ttl is not None and decorator != "@cached":
            raise ConfigError(f"{decorator} of {self.name}: ttl is a number of seconds, or a function of one value")
        self.patience = Patience(milliseconds(self.options.lease))
        self.takes_settle = "settle" in self.arguments_of(fn)
        self.bindings = Bindings()

    @staticmethod
    def arguments_of(fn: Callable[..., Any]) -> frozenset[str]:
        """The names of the parameters."""
        try:
            return frozenset(inspect.signature(fn).parameters)
        except (TypeError, ValueError):
            return frozenset()

    def bound(self, flights: Callable[[Connection], Flights] = flights_of_threads, loop: object = None) -> Binding:
        """This function on its connection: for threads, or for an event loop with flights of its own."""
        return self.bindings.get(self, flights, loop)

    def job(self, binding: Binding, args: tuple[object, ...], kwargs: dict[str, object]) -> Job[Any]:
        """The job of one call."""
        names = binding.names
        return self.made(binding, names.key(args, kwargs), names.tags(args, kwargs), args, kwargs)

    def made(
        self, binding: Binding, key: str, tags: tuple[str, ...], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> Job[Any]:
        """The job of one call whose key and tags are made already."""
        job: Job[Any] = Job(binding.recipe, key, tags, lambda: self.watching.one(key, args, kwargs))
        if self._ttl is not None:
            job.ttl = lambda value: self._ttl(value, *args, **kwargs)
        if binding.recipe.tiering is not None:
            job.held_as = self.holding.under(key, args, kwargs)
        return job


def is_coroutine_function(fn: Any) -> bool:
    """Whether calls give a coroutine; of an object, whether its ``__call__`` does."""
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(type(fn).__call__)
