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
    """Calls that let a task in the background do the computing. Exceptions of that task go to the log."""

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

    def _job(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[Job[R], Connection]:
        return self._function._job(args, kwargs)


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
