"""``f.bg()`` and ``f.future()`` of an ``async def``: the same calls, as tasks of the running loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from ..errors import CacheMissError
from ..plans.functions.peek import peek
from ..plans.functions.reads import is_early
from ..plans.functions.refresh import recompute
from ..servers.aio_background import in_background
from ..servers.drivers.aio import adrive
from ..servers.loops import as_task
from .background import once

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Callable, Coroutine

    from ..plans.functions.job import Job
    from ..servers.connection import Connection
    from .background import Cached

__all__ = ["AsyncBackground", "AsyncFuture"]

P = ParamSpec("P")
R = TypeVar("R")


class AsyncBackground(Generic[P, R]):
    """Calls that let a task in the background do the computing and the changing. Its exceptions go to the log.

    What changes gives None at once. Several changes of one key take effect in any order.
    """

    def __init__(self, function: Cached[P, Coroutine[Any, Any, R]]) -> None:
        self._function = function

    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The cached value. A stale one comes at once, and the background refreshes it. On a miss the call waits."""
        job, connection = self._job(args, kwargs)
        try:
            return await _at_once(job, connection, lambda: self._function(*args, **kwargs))
        except CacheMissError:
            pass
        return await self._function(*args, **kwargs)

    async def lazy(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The cached value, also a stale one; on a miss CacheMissError, while the background computes."""
        job, connection = self._job(args, kwargs)
        try:
            return await _at_once(job, connection, lambda: self._function(*args, **kwargs))
        except CacheMissError:
            in_background(lambda: self._function(*args, **kwargs), once=once(job))
            raise

    async def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Compute and store in the background, also if a value is cached."""
        job, connection = self._job(args, kwargs)  # arguments that do not fit are the caller's error
        in_background(lambda: adrive(recompute(job), connection))

    async def peek(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same as ``f.peek``: the cached value if it is fresh, or CacheMissError; nothing is computed."""
        return await self._function.peek(*args, **kwargs)

    async def get_ttl(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[R, float]:
        """The same as ``f.get_ttl``: the cached value and the seconds that it stays fresh; nothing is computed."""
        return await self._function.get_ttl(*args, **kwargs)  # type: ignore[no-any-return]

    async def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Drop the value of this call, in the background."""
        self._job(args, kwargs)
        in_background(lambda: self._function.invalidate(*args, **kwargs))

    async def expire(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Mark the value stale, in the background."""
        self._job(args, kwargs)
        in_background(lambda: self._function.expire(*args, **kwargs))

    async def put(self, /, *args: Any, _cache_put: R, **kwargs: Any) -> None:
        """Store a value for this call by hand, in the background. ``store(v)(x)`` is the typed form."""
        self._job(args, kwargs)
        in_background(lambda: self._function.put(*args, _cache_put=_cache_put, **kwargs))

    def store(self, value: R) -> Callable[P, Coroutine[Any, Any, None]]:
        """``await f.bg().store(value)(x)`` stores a value for the call ``f(x)``, in the background."""

        def put(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, None]:
            return self.put(*args, _cache_put=value, **kwargs)

        return put

    async def clear(self) -> None:
        """Drop all values of the function, in the background."""
        in_background(self._function.clear)

    def _job(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[Job[R], Connection]:
        given = dict(kwargs)
        self._function._settles(given)  # the change itself takes it
        return self._function._job(args, given)


async def _at_once(job: Job[R], connection: Connection, again: Callable[[], Coroutine[Any, Any, object]]) -> R:
    """The cached value, also a stale one; a task calls again for a value that is not fresh, or not for long."""
    found, value = await adrive(peek(job, stale=True), connection)
    if not found.fresh or is_early(job, found):
        in_background(again, once=once(job))
    return value


class AsyncFuture(Generic[P, R]):
    """Calls whose answer comes in a task."""

    def __init__(self, function: Cached[P, Coroutine[Any, Any, R]]) -> None:
        self._function = function

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Task[R]:
        """The call itself, as a task."""
        return as_task(self._function(*args, **kwargs))

    def peek(self, /, *args: P.args, **kwargs: P.kwargs) -> Task[R]:
        """``peek`` as a task."""
        return as_task(self._function.peek(*args, **kwargs))

    def lazy(self, /, *args: P.args, **kwargs: P.kwargs) -> Task[R]:
        """``bg().lazy`` as a task."""
        return as_task(AsyncBackground(self._function).lazy(*args, **kwargs))

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> Task[R]:
        """``refresh`` as a task."""
        return as_task(self._function.refresh(*args, **kwargs))

    def get_ttl(self, /, *args: P.args, **kwargs: P.kwargs) -> Task[tuple[R, float]]:
        """``get_ttl`` as a task."""
        return as_task(self._function.get_ttl(*args, **kwargs))

    def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> Task[None]:
        """``invalidate`` as a task."""
        return as_task(self._function.invalidate(*args, **kwargs))

    def expire(self, /, *args: P.args, **kwargs: P.kwargs) -> Task[None]:
        """``expire`` as a task."""
        return as_task(self._function.expire(*args, **kwargs))

    def put(self, /, *args: Any, _cache_put: R, **kwargs: Any) -> Task[None]:
        """``put`` as a task. ``store(v)(x)`` is the typed form."""
        return as_task(self._function.put(*args, _cache_put=_cache_put, **kwargs))

    def store(self, value: R) -> Callable[P, Task[None]]:
        """``f.future().store(value)(x)``: ``f.store(value)(x)`` as a task."""

        def put(*args: P.args, **kwargs: P.kwargs) -> Task[None]:
            return self.put(*args, _cache_put=value, **kwargs)

        return put

    def clear(self) -> Task[int]:
        """``clear`` as a task: how many values were dropped."""
        return as_task(self._function.clear())
