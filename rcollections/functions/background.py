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
    def get_ttl(self, *args: P.args, **kwargs: P.kwargs) -> Any: ...
    def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> Any: ...
    def expire(self, *args: P.args, **kwargs: P.kwargs) -> Any: ...
    def put(self, *args: Any, _cache_put: Any, **kwargs: Any) -> Any: ...
    def store(self, value: Any) -> Callable[P, Any]: ...
    def clear(self) -> Any: ...
    def _job(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[Job[Any], Connection]: ...
    def _settles(self, kwargs: dict[str, Any]) -> bool: ...


class Background(Generic[P, R]):
    """Calls that let the background do the computing and the changing. Its exceptions go to the log.

    What changes returns None at once. Several changes of one key take effect in any order.
    """

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

    def peek(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The same as ``f.peek``: the cached value if it is fresh, or CacheMissError; nothing is computed."""
        return self._function.peek(*args, **kwargs)

    def get_ttl(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[R, float]:
        """The same as ``f.get_ttl``: the cached value and the seconds that it stays fresh; nothing is computed."""
        return self._function.get_ttl(*args, **kwargs)  # type: ignore[no-any-return]

    def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Drop the value of this call, in the background."""
        self._job(args, kwargs)
        in_background(lambda: self._function.invalidate(*args, **kwargs))

    def expire(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Mark the value stale, in the background."""
        self._job(args, kwargs)
        in_background(lambda: self._function.expire(*args, **kwargs))

    def put(self, /, *args: Any, _cache_put: R, **kwargs: Any) -> None:
        """Store a value for this call by hand, in the background. ``store(v)(x)`` is the typed form."""
        self._job(args, kwargs)
        in_background(lambda: self._function.put(*args, _cache_put=_cache_put, **kwargs))

    def store(self, value: R) -> Callable[P, None]:
        """``f.bg().store(value)(x)`` stores a value for the call ``f(x)``, in the background."""

        def put(*args: P.args, **kwargs: P.kwargs) -> None:
            self.put(*args, _cache_put=value, **kwargs)

        return put

    def clear(self) -> None:
        """Drop all values of the function, in the background."""
        in_background(self._function.clear)

    def _job(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[Job[R], Connection]:
        given = dict(kwargs)
        self._function._settles(given)  # the change itself takes it
        return self._function._job(args, given)


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

    def get_ttl(self, /, *args: P.args, **kwargs: P.kwargs) -> StandardFuture[tuple[R, float]]:
        """``get_ttl`` on the background pool."""
        return submit(lambda: self._function.get_ttl(*args, **kwargs))

    def invalidate(self, /, *args: P.args, **kwargs: P.kwargs) -> StandardFuture[None]:
        """``invalidate`` on the background pool."""
        return submit(lambda: self._function.invalidate(*args, **kwargs))

    def expire(self, /, *args: P.args, **kwargs: P.kwargs) -> StandardFuture[None]:
        """``expire`` on the background pool."""
        return submit(lambda: self._function.expire(*args, **kwargs))

    def put(self, /, *args: Any, _cache_put: R, **kwargs: Any) -> StandardFuture[None]:
        """``put`` on the background pool. ``store(v)(x)`` is the typed form."""
        return submit(lambda: self._function.put(*args, _cache_put=_cache_put, **kwargs))

    def store(self, value: R) -> Callable[P, StandardFuture[None]]:
        """``f.future().store(value)(x)``: ``f.store(value)(x)`` on the background pool."""

        def put(*args: P.args, **kwargs: P.kwargs) -> StandardFuture[None]:
            return self.put(*args, _cache_put=value, **kwargs)

        return put

    def clear(self) -> StandardFuture[int]:
        """``clear`` on the background pool: how many values were dropped."""
        return submit(self._function.clear)
