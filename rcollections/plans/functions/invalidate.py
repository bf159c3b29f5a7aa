"""Dropping the value of one call, or marking it stale: a computation that runs began before, and is too late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Plan, Script

if TYPE_CHECKING:
    from .job import Job

__all__ = ["delete", "expire", "invalidate"]


def delete(job: Job[object]) -> Plan[bool]:
    """D1: drop entry and lease, even if the entry is missing: a caller may be computing it."""
    reply = yield from job.change(Script("entry_delete", (job.key, job.lease), (job.channel,)))
    return bool(reply[1])


def invalidate(job: Job[object]) -> Plan[None]:
    """Drop entry and lease, and count that."""
    yield from delete(job)
    job.note("invalidate")


def expire(job: Job[object]) -> Plan[None]:
    """Mark the entry stale. A computation that runs began before, so its result counts no more either."""
    yield from job.change(Script("entry_expire", (job.key, job.lease), (job.channel,)))
    job.note("invalidate")
