"""``AsyncMultiCached``: what ``multi_cached`` makes of an ``async def``: the same names, awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ..observe import events
from ..plans.functions import many as plans
from ..plans.functions.many_reads import peek
from ..plans.settling import settled
from ..servers.drivers.aio import adrive
from ..servers.loops import flights_of, mark_coroutine_function, running_loop
from .many_face import MultiFace, first_key

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from ..plans.effects import Plan
    from ..plans.functions.many_computing import Compute
    from ..plans.functions.many_reads import Jobs
    from ..servers.connection import Connection
    from .function import Function

__all__ = ["AsyncMultiCached"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class AsyncMultiCached(MultiFace, Generic[P, R]):
    """An ``async def`` of many ids whose results are kept on the server. Methods that ask the server are awaited."""

    __wrapped__: Callable[P, Coroutine[Any, Any, R]]

    def __init__(self, function: Function, arg: str, key: Callable[..., Any] | None, ignore: Iterable[str]) -> None:
        super().__init__(function, arg, key, ignore)
        mark_coroutine_function(self)

    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        jobs, compute, connection = self._jobs(args, kwargs)
        answer = self._drive(plans.many(jobs, compute), connection)
        if not events.observers:
            return await answer
        return await events.awatched(self._function.counts.name, "call", first_key(jobs), answer)

    async def _drive(self, plan: Plan[Any], connection: Connection) -> R:
        """Carry out a plan; its dict gets the type that the function says it gives."""
        found: R = await adrive(plan, connection)
        return found

    # The overload of class methods comes first. mypy sees the first parameter of a Callable, not of a class.
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

    def _jobs(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[Jobs, Compute, Connection]:
        return self._jobs_of(self._function.bound(flights_of, running_loop()), args, kwargs)

    async def peek(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The values that are cached; nothing is computed. One round trip."""
        jobs, _, connection = self._jobs(args, kwargs)
        return await self._drive(peek(jobs), connection)

    async def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute the values of all ids now and store them, also of ids that are cached."""
        jobs, compute, connection = self._jobs(args, kwargs)
        return await self._drive(plans.recompute(jobs, compute), connection)

    @overload
    async def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> None: ...
    @overload
    async def invalidate(self, /, *args: Any, settle: bool, **kwargs: Any) -> None: ...
    async def invalidate(self, /, *args: Any, **kwargs: Any) -> None:
        """Drop the values of the ids of this call; values that are being computed now will not be stored.

        The arguments are those of the call, so that the keys are the same. One round trip for a thousand ids.
        """
        settle = self._settles(kwargs)
        binding = self._function.bound(flights_of, running_loop())
        plan = self._drop(binding.names, args, kwargs)
        await adrive(settled(plan, binding.recipe.flights.settling, settle), binding.connection)
