"""The other methods of a cached function: looking without computing, computing in any case, storing by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CacheError, CacheMissError
from .draws import draw
from .effects import Plan, Script
from .entries import VALUE, head
from .owning import Failed, compute_and_store, fetch
from .reads import Found, ServerFailed, read
from .tags import delete

if TYPE_CHECKING:
    from .job import Job

__all__ = ["lookup", "peek", "recompute", "store"]


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


def recompute(job: Job) -> Plan[Any]:
    """Compute now, whatever is there and whoever else computes: the lease is taken over."""
    if job.disabled:
        return (yield from job.compute())
    if not job.breaker.allows():
        failure = job.breaker.error()
        if job.raises:
            job.note("error", failure)
    else:
        try:
            return (yield from _recompute(job))
        except Failed as failed:
            raised = failed.error
        except ServerFailed as failed:
            raised, failure, told = None, failed.error, failed.told
        if raised is not None:
            raise raised
        if job.late():
            raise failure
        if not told:
            job.failed(failure)
            job.note("error", failure)
    if job.raises:
        raise failure
    return (yield from job.compute())


def _recompute(job: Job) -> Plan[Any]:
    answer = yield from fetch(job, "force")
    result = yield from compute_and_store(job, answer[1], answer[3])
    if job.unkept:  # the older value counts no more, and there is none to put in its place
        yield from delete(job)
    return result


def store(job: Job, value: Any) -> Plan[None]:
    """P1: a value given by hand takes effect at the server, under the stamps of that moment."""
    data, ms = job.dump(value)
    if data is None:  # not to be stored, says ttl=; but what is there is older
        yield from delete(job)
        return
    grace = job.grace if ms else 0
    before = head(VALUE, grace, len(job.tags))
    news = tuple(draw() for _ in job.tags)
    args = (before, data, ms + grace if ms else 0, job.tag_ms, job.channel, *news)
    yield from job.change(Script("entry_put", (job.key, job.lease, *job.tags), args))
    job.note("store")
