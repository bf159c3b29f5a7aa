"""Looking without computing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import CacheError, CacheMissError
from .found import Found, ServerFailed
from .reads import read

if TYPE_CHECKING:
    from ..effects import Plan
    from .job import Job

__all__ = ["lookup", "peek"]


def lookup(job: Job) -> Plan[Found | None]:
    """Only look: what is there and valid, or None. Raises what the server raises."""
    if not job.breaker.allows():
        error = job.breaker.error()
        if job.raises:
            job.note("error", error)
        raise error
    try:
        return (yield from read(job, with_ttl=True))
    except ServerFailed as failed:
        error = failed.error
    job.failed(error)
    job.note("error", error)
    raise error


def peek(job: Job, *, stale: bool) -> Plan[tuple[Found, Any]]:
    """What is found with its value, stale ones only if asked for; CacheMissError if there is none.

    A server that fails is a miss too, unless the function was told to raise (``on_error``).
    """
    cause: CacheError | None = None
    found: Found | None = None
    try:
        found = yield from lookup(job)
    except CacheError as error:
        if job.raises or job.late():
            raise
        cause = error
    window = max(job.swr, job.sie)
    if found is not None and (found.fresh or (stale and found.soft is not None and found.soft > -window)):
        usable, result = job.load(found.entry)
        if usable:
            job.note("hit" if found.fresh else "stale")
            return found, job.give(result)
    job.note("miss")
    raise CacheMissError(f"there is no {'' if stale else 'fresh '}value under {job.key!r}") from cause
