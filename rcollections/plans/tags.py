"""Invalidation: of single entries, and of tags in O(1)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import CacheConnectionError, CacheError, CacheTimeout
from .draws import draw
from .effects import Plan, Script, Sleep
from .entries import VALUE, Entry, pack
from .job import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .job import Job

__all__ = ["begin", "bump", "delete", "expire", "finish", "invalidate"]

TRIES = 3


def delete(job: Job) -> Plan[bool]:
    """D1: drop entry and lease, even if the entry is missing: somebody may be computing it."""
    reply = yield from job.change(Script("entry_delete", (job.key, job.lease), (job.channel,)))
    return bool(reply[1])


def invalidate(job: Job) -> Plan[None]:
    """The same, counted."""
    yield from delete(job)
    job.note("invalidate")


def expire(job: Job) -> Plan[None]:
    """Mark stale; whoever computes began before, so its result counts no more either."""
    yield from job.change(Script("entry_expire", (job.key, job.lease), (job.channel,)))
    job.note("invalidate")


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
    try:
        step = Script("entry_begin", (job.key, job.lease, *job.tags), (token, job.lease_ms, job.tag_ms, *news))
        reply = yield from job.change(step)
    except GeneratorExit:
        raise
    except BaseException:  # the block will not run; the server may have given the lease all the same
        with suppress(CacheError):
            yield Script("lease_free", (job.lease,), (token, job.channel))
        raise
    return token, [reply[1][at : at + 8] for at in range(0, len(reply[1]), 8)]


def finish(job: Job, token: bytes, stamps: list[bytes], data: bytes, ms: int) -> Plan[None]:
    """After the source has changed: store under the token; refused means that somebody else wrote, so drop."""
    grace = job.grace if ms else 0
    entry = pack(Entry(data, VALUE, grace, tuple(stamps)))
    step = Script("entry_store", (job.key, job.lease), (token, entry, ms + grace if ms else 0, job.channel))
    reply = yield from job.change(step)
    if reply[0] == b"ok":
        job.note("store")
    else:
        yield from delete(job)
        job.note("refused")
