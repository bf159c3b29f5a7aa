"""Invalidation: of single entries, and of tags in O(1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CacheConnectionError, CacheTimeout
from .draws import draw
from .effects import Plan, Script, Sleep
from .job import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .job import Job

__all__ = ["begin", "bump", "delete", "expire", "finish"]

TRIES = 3


def delete(job: Job) -> Plan[bool]:
    """D1: drop entry and lease, even if the entry is missing: somebody may be computing it."""
    reply = yield Script("entry_delete", (job.key, job.lease), (job.channel,))
    return bool(reply[1])


def expire(job: Job) -> Plan[None]:
    """Mark stale; whoever computes began before, so its result counts no more either."""
    yield Script("entry_expire", (job.key, job.lease), (job.channel,))


def bump(tags: Sequence[str]) -> Plan[None]:
    """T4: new stamps for these tags, all in one step. Every send draws its own: a copy that arrives late
    must not bring back a stamp that entries still carry."""
    for tries in range(1, TRIES + 1):
        try:
            yield Script("tag_bump", tuple(tags), (DAY_MS, *(draw() for _ in tags)))
            return
        except (CacheConnectionError, CacheTimeout):
            if tries == TRIES:
                raise
            yield Sleep(0.01 * tries)


def begin(job: Job) -> Plan[tuple[bytes, list[bytes]]]:
    """P4: before the source changes: drop the entry, take over its lease, remember the stamps."""
    token = draw()
    news = tuple(draw() for _ in job.tags)
    reply = yield Script("entry_begin", (job.key, job.lease, *job.tags), (token, job.lease_ms, job.tag_ms, *news))
    return token, [reply[1][at : at + 8] for at in range(0, len(reply[1]), 8)]


def finish(job: Job, token: bytes, stamps: list[bytes], data: bytes | None, ms: int) -> Plan[bool]:
    """After the source has changed: store under the token; refused means that somebody else wrote, so drop."""
    from .entries import VALUE, Entry, pack

    if data is not None:
        grace = job.grace if ms else 0
        entry = pack(Entry(data, VALUE, grace, tuple(stamps)))
        step = Script("entry_store", (job.key, job.lease), (token, entry, ms + grace if ms else 0, job.channel))
        reply = yield step
        if reply[0] == b"ok":
            return True
    yield from delete(job)
    return False
