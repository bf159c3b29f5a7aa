"""``MultiCached``: what ``multi_cached`` makes of a ``def``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ..observe import events
from ..plans.functions import many as plans
from ..plans.functions.many_reads import peek
from ..plans.settling import settled
from ..servers.drivers.sync import drive
from .many_face import MultiFace, first_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plans.effects import Plan
    from ..plans.functions.many_computing import Compute
    from ..plans.functions.many_reads import Jobs
    from ..servers.connection import Connection

__all__ = ["MultiCached"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class MultiCached(MultiFace, Generic[P, R]):
    """A function of many ids whose results are kept on the server, each under a key of its own."""

    __wrapped__: Callable[P, R]

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        jobs, compute, connection = self._jobs(args, kwargs)
        if not events.observers:
            return self._drive(plans.many(jobs, compute), connection)
        name, key = self._function.counts.name, first_key(jobs)
        return events.watched(name, "call", key, lambda _: self._drive(plans.many(jobs, compute), connection))

    def _drive(self, plan: Plan[Any], connection: Connection) -> R:
        """Carry out a plan; its dict gets the type that the function says it gives."""
        found: R = drive(plan, connection)
        return found

    # The overload of class methods comes first. mypy sees the first parameter of a Callable, not of a class.
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

    def _jobs(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[Jobs, Compute, Connection]:
        return self._jobs_of(self._function.bound(), args, kwargs)

    def peek(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The values that are cached; nothing is computed. One round trip."""
        jobs, _, connection = self._jobs(args, kwargs)
        return self._drive(peek(jobs), connection)

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute the values of all ids now and store them, also of ids that are cached."""
        jobs, compute, connection = self._jobs(args, kwargs)
        return self._drive(plans.recompute(jobs, compute), connection)

    @overload
    def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> None: ...
    @overload
    def invalidate(self, /, *args: Any, settle: bool, **kwargs: Any) -> None: ...
    def invalidate(self, /, *args: Any, **kwargs: Any) -> None:
        """Drop the values of the ids of this call; values that are being computed now will not be stored.

        The arguments are those of the call, so that the keys are the same. One round trip for a thousand ids.
        """
        settle = self._settles(kwargs)
        binding = self._function.bound()
        plan = self._drop(binding.names, args, kwargs)
        drive(settled(plan, binding.recipe.flights.settling, settle), binding.connection)
