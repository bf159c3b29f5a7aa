"""Computations of functions that ended without a result: the marks that they leave, and what waiting callers do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import CacheError
from .. import marks
from ..effects import Batch, Command, Wait
from ..marks import ALONE, Mark, counting, pause, read_mark
from .found import ServerFailed

if TYPE_CHECKING:
    from ..effects import Plan
    from .job import Job

__all__ = ["alone_mark", "failed_mark", "mark_of", "raised_by", "spread"]

PASSED_BY_MS = 60_000  # for so long the lease of a result that cannot be stored is passed by


def failed_mark(
    job: Job[object], error: BaseException, token: bytes, stamps: bytes, failures: int, took: float
) -> Mark:
    """W4: of a computation that raised; ``failures`` counts it, ``took`` is in seconds."""
    recipe = job.recipe
    numbers = failures, recipe.cool(failures), round(took * 1000)
    return marks.failed_mark(error, recipe.sharing, job.key, token, stamps, numbers)


def alone_mark(job: Job[object], token: bytes, stamps: bytes) -> Mark:
    """Of a result that is not stored. One that ``ttl=`` refused holds up nobody who comes new."""
    return Mark(ALONE, token, stamps, cool=PASSED_BY_MS if job.unstorable else 0)


def mark_of(job: Job[object], waited: bytes) -> Plan[Mark | None]:
    """W3', W4: the mark that the computation has left, if what it says still counts.

    The tags are read after the mark, and both after all those began for whom this is asked.
    """
    steps = [Command(("GET", job.lease))]
    if job.tags:
        steps.append(Command(("MGET", *job.tags)))
    try:
        left, *stamps = yield Batch(steps)
    except CacheError as error:
        raise ServerFailed(error) from error
    return counting(read_mark(left), waited, stamps[0] if stamps else ())


def raised_by(job: Job[object], mark: Mark) -> BaseException | None:
    """The exception that a mark holds, for this caller."""
    return marks.raised_by(mark, job.recipe.sharing, job.key, job.recipe.name)


def spread(job: Job[object], mark: Mark) -> Plan[None]:
    """W4: those that compute for themselves begin at different moments."""
    seconds = pause(mark, job.jitter())
    if seconds > 0:
        yield Wait(job.recipe.flights.signal(), seconds)
