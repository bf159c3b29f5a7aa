"""Looking without computing."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ...errors import CacheError, CacheMissError
from ..admission import admitted
from .found import Found, ServerFailed
from .reads import read
from .values import give, load

if TYPE_CHECKING:
    from ..effects import Plan
    from .job import Job

__all__ = ["lookup", "peek"]

R = TypeVar("R")


def lookup(job: Job[object]) -> Plan[Found | None]:
    """Only look: the entry that is there and valid, or None. Raises errors of the server."""
    breaker = job.recipe.breaker
    if not breaker.allows() and not (yield from admitted(breaker)):
        error = breaker.error()
        if job.recipe.raises:
            job.note("error", error)
        raise error
    try:
        return (yield from read(job, with_ttl=True))
    except ServerFailed as failed:
        error = failed.error
    job.failed(error)
    job.note("error", error)
    raise error


def peek(job: Job[R], *, stale: bool) -> Plan[tuple[Found, R]]:
    """The entry that is found, with its value; a stale one only if ``stale``. CacheMissError if there is none.

    A server that fails is a miss too, unless the function has ``on_error="raise"``.
    """
    cause: CacheError | None = None
    found: Found | None = None
    try:
        found = yield from lookup(job)
    except CacheError as error:
        if job.recipe.raises or job.recipe.late():
            raise
        cause = error
    window = max(job.recipe.swr, job.recipe.sie)
    if found is not None and (found.fresh or (stale and found.soft is not None and found.soft > -window)):
        usable, result = load(job, found.entry)
        if usable:
            job.note("hit" if found.fresh else "stale")
            return found, give(job, result)
    job.note("miss")
    raise CacheMissError(f"there is no {'' if stale else 'fresh '}value under {job.key!r}") from cause
