"""``f.bg()`` and ``f.future()``: the same calls, on the background pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from .errors import CacheMissError
from .plans.lookups import peek
from .plans.reads import is_early
from .wire.background import in_background, submit
from .wire.driver import drive

if TYPE_CHECKING:
    from concurrent.futures import Future as StandardFuture

    from .cachedfunction import CachedFunction

__all__ = ["Background", "Future"]

P = ParamSpec("P")
R = TypeVar("R")


class Background(Generic[P, R]):
    """Calls that let the background do the computing. What it raises goes to the log."""

    def __init__(self, function: CachedFunction[P, R]) -> None:
        self._function = function

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The cached value; a stale one at once, while the background refreshes it; on a miss waits."""
        try:
            return self._at_once(args, kwargs)  # type: ignore[no-any-return]
        except CacheMissError:
            return self._function(*args, **kwargs)

    def lazy(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The cached value, a stale one too; on a miss CacheMissError, while the background computes."""
        try:
            return self._at_once(args, kwargs)  # type: ignore[no-any-return]
        except CacheMissError:
            in_background(lambda: self._function(*args, **kwargs))
            raise

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Compute and store in the background, whatever is cached."""
        in_background(lambda: self._function.refresh(*args, **kwargs))

    def _at_once(self, args: Any, kwargs: Any) -> Any:
        job, connection = self._function._job(args, kwargs)
        found, value = drive(peek(job, stale=True), connection)
        if not found.fresh or is_early(job, found):
            in_background(lambda: self._function(*args, **kwargs))
        return value


class Future(Generic[P, R]):
    """Calls whose answer comes in a ``concurrent.futures.Future``."""

    def __init__(self, function: CachedFunction[P, R]) -> None:
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
