"""Reading many values at once: one MGET for all of them and their tags (rule E2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ...errors import CacheError
from ..admission import admitted
from ..effects import Command, Plan
from .found import ServerFailed
from .reads import valid
from .values import load

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from .job import Job

__all__ = ["Jobs", "Values", "entries_in", "peek", "read_cached"]

# By their ids, in the order in which the caller asked for the ids.
Jobs: TypeAlias = "dict[Hashable, Job[object]]"
Values: TypeAlias = "dict[Hashable, object]"


def peek(jobs: Jobs) -> Plan[Values]:
    """The values that are cached; nothing is computed. Counts hits and misses, raises errors of the server."""
    job = next(iter(jobs.values()), None)
    if job is None:
        return {}
    breaker = job.recipe.breaker
    if not breaker.allows() and not (yield from admitted(breaker)):
        error = breaker.error()
        job.note("error", error)
        raise error
    try:
        found = yield from read_cached(jobs)
    except ServerFailed as failed:
        job.failed(failed.error)
        job.note("error", failed.error)
        raise failed.error from None
    for each in jobs:
        jobs[each].note("hit" if each in found else "miss")
    return {each: found[each] for each in jobs if each in found}


def read_cached(jobs: Jobs) -> Plan[Values]:
    """E2: the values that are cached and count, by one MGET."""
    if not jobs:
        return {}
    job = next(iter(jobs.values()))
    try:
        words = yield Command(("MGET", *(each.key for each in jobs.values()), *job.tags))
    except CacheError as error:
        raise ServerFailed(error) from error
    job.recipe.breaker.worked()
    return entries_in(jobs, words)


def entries_in(jobs: Jobs, words: Sequence[bytes | None]) -> Values:
    """The values in these words of an MGET: the entry of each job, then the stamps of the tags of all."""
    stamps = words[len(jobs) :]
    found: Values = {}
    for (each, job), data in zip(jobs.items(), words, strict=False):
        seen = valid(job, data, stamps, None, 0.0)
        if seen is not None and seen.fresh:
            usable, value = load(job, seen.entry)
            if usable:
                found[each] = value
    return found
