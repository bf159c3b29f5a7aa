"""``f.bg()`` and ``f.future()``: the same calls, on the background pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar

from ..errors import CacheMissError
from ..plans.functions.peek import peek
from ..plans.functions.reads import is_early
from ..plans.functions.refresh import recompute
from ..servers.background import in_background, submit
from ..servers.drivers.sync import drive

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future as StandardFuture

    from ..plans.functions.job import Job
    from ..servers.connection import Connection

__all__ = ["Background", "Cached", "Future", "once"]

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A", covariant=True)


class Cached(Protocol[P, A]):
    """The parts of a cached function that these calls use; a call gives ``A``, a value or an awaitable."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> A: ...
    def peek(self, *args: P.args, **kwargs: P.kwargs) -> A: ...
    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> A: ...
    def _job(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[Job[Any], Connection]: ...


class Background(Generic[P, R]):
    """Calls that let the background do the computing. Exceptions in the background go to the log."""

    def __init__(self, function: Cached[P, R]) -> None:
        self._function = function

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The cached value. A stale one comes at once, and the background refreshes it. On a miss the call waits."""
        job, connection = self._job(args, kwargs)
        try:
            return _at_once(job, connection, lambda: self._function(*args, **kwargs))
        except CacheMissError:
            pass
        return self._function(*args, **kwargs)

    def lazy(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The cached value, also a stale one; on a miss CacheMissError, while the background computes."""
        job, connection = self._job(args, kwargs)
        try:
            return _at_once(job, connection, lambda: self._function(*args, **kwargs))
        except CacheMissError:
            in_background(lambda: self._function(*args, **kwargs), once=once(job))
            raise

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Compute and store in the background, also if a value is cached."""
        job, connection = self._job(args, kwargs)  # arguments that do not fit are the caller's error
        in_background(lambda: drive(recompute(job), connection))

    def _job(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[Job[R], Connection]:
        return self._function._job(args, kwargs)


def _at_once(job: Job[R], connection: Connection, again: Callable[[], object]) -> R:
    """The cached value, also a stale one; the background calls again if it is not fresh, or not for long."""
    found, value = drive(peek(job, stale=True), connection)
    if not found.fresh or is_early(job, found):
        in_background(again, once=once(job), wait=False)
    return value


def once(job: Job[object]) -> tuple[int, str]:
    """The name of this computation in the background, which runs once at a time: a hundred calls need only one."""
    return id(job.recipe.flights), job.key


class Future(Generic[P, R]):
    """Calls whose answer comes in a ``concurrent.futures.Future``."""

    def __init__(self, function: Cached[P, R]) -> None:
        self._function = function

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> StandardFuture[R]:
        """The call itself, on the background pool."""
        return submit(lambda: self._function(*args, **kwargs))

    def peek(self, /, *args: P.args, **kwargs: P.kwargs) -> StandardFuture[R]:
        """``peek`` on the background pool: its future raises CacheMissError on a miss."""
        return submit(lambda: self._function.peek(*args, **kwargs))

    def lazy(self, /, *args: P.args, **kwargs: P.kwargs) -> StandardFuture[R]:
        """``bg().lazy`` on the background pool."""
        return submit(lambda: Background(self._function).lazy(*args, **kwargs))

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> StandardFuture[R]:
        """``refresh`` on the background pool."""
        return submit(lambda: self._function.refresh(*args, **kwargs))
