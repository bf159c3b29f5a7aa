"""Computing in any case, also a value that is cached or that another caller computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..effects import carried
from .found import ServerFailed, asked
from .invalidate import delete
from .lease import Failed, compute_and_store, fetch

if TYPE_CHECKING:
    from ..effects import Plan
    from .job import Job

__all__ = ["recompute"]

R = TypeVar("R")


def recompute(job: Job[R]) -> Plan[R]:
    """Compute now, also if the value is cached or another caller computes it: this caller takes the lease over.

    R1: the server is asked whether the breaker is open or not. Where it takes no new value, the older one is removed
    later (J1). Else the older value would stay, and nobody be told.
    """
    recipe = job.recipe
    if recipe.disabled:
        return (yield from job.compute())
    raised: BaseException | None = None
    try:
        return (yield from _recompute(job))
    except Failed as failed:
        raised = failed.error
    except ServerFailed as failed:
        failure, told = failed.error, failed.told
    if raised is not None:
        raise carried(raised)
    job.keep()
    if recipe.late():
        raise failure
    if not told:
        job.failed(failure)
        job.note("error", failure)
    if recipe.raises:
        raise failure
    return (yield from job.compute())


def _recompute(job: Job[R]) -> Plan[R]:
    answer = yield from asked(job.recipe.breaker, fetch(job, "force"))
    result = yield from compute_and_store(job, answer.token, answer.stamps, answer.number)
    if job.unanswered:
        job.keep()
    if job.unkept:  # the older value counts no more, and there is no new one to store in its place
        yield from delete(job)
    return result
