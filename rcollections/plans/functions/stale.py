"""After a computation without a result: a stale value, if the caller's own read allows it, else the error."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..effects import Plan, carried
from .reads import in_window
from .values import give, load

if TYPE_CHECKING:
    from types import TracebackType

    from .found import Found
    from .job import Job

__all__ = ["after_error", "after_mark", "stale_value"]

R = TypeVar("R")


def after_error(job: Job[R], error: BaseException, found: Found | None, trace: TracebackType | None = None) -> Plan[R]:
    """After a failed computation: give a stale value if this caller's own read allows it, else raise the error.

    ``trace`` is the traceback of a computation for which this caller only waited.
    """
    stale = (yield from stale_value(job, found)) if isinstance(error, Exception) else None
    if stale is not None:
        if trace is None:
            job.recipe.trouble.failed(job.key, error)
        else:
            job.recipe.trouble.served(job.key)
        return stale[0]
    # With the traceback of the computation alone: callers would add their own tracebacks to each other's.
    raise carried(error if trace is None else error.with_traceback(trace))


def after_mark(job: Job[R], error: BaseException, found: Found | None) -> Plan[R]:
    """The same after the error of a computation in another process."""
    stale = yield from stale_value(job, found)
    if stale is None:
        raise carried(error)
    job.recipe.trouble.served(job.key)
    return stale[0]


def stale_value(job: Job[R], found: Found | None) -> Plan[tuple[R] | None]:
    """(The stale value,) that this caller has read, if it may be served while the source fails; else None."""
    window = job.recipe.sie
    if found is not None and window and (yield from in_window(found, window)):
        usable, result = load(job, found.entry)
        if usable:
            job.note("stale")
            return (give(job, result),)
    return None
