"""A call as the faces make it: alone at its key the caller reads by itself, and the plan does what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcollections.errors import CacheError
from rcollections.l1 import ABSENT
from rcollections.plans.effects import Command

if TYPE_CHECKING:
    from rcollections.plans.effects import Plan
    from rcollections.plans.functions.job import Job

__all__ = ["asked"]


def asked(parts: Any, job: Job[Any]) -> Plan[Any]:
    """What ``CachedFunction`` does, with the read as an effect. ``parts``: the code under test."""
    if _way(parts, job) is None:
        return (yield from parts.call.call(job))
    lone = parts.lone.Lone()
    try:
        alone = _way(parts, job).breaker.allows() and _way(parts, job).place(job.key, lone) is lone
        if alone:
            try:
                words = yield Command(("MGET", job.key, *job.tags))
            except CacheError as error:
                lone.error = error
            else:
                value = _way(parts, job).hit(job.key, lone, words)
                if value is not ABSENT:
                    return value
                lone.words, words = words, None
        return (yield from parts.call.call(job, lone if alone else None))
    except BaseException:
        _way(parts, job).gone(job.key, lone)
        raise


def _way(parts: Any, job: Job[Any]) -> Any:
    """Made anew each time, so that it is no part of the state."""
    return parts.lone.Way.of(job.recipe, parts.lone.Tally())
