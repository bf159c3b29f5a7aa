"""``writing()``: the two ends of a block in which the source changes (rule U2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..draws import draw, new_token
from ..effects import Plan, Script
from ..entries import VALUE, Entry, pack
from .invalidate import delete
from .lease import free, leave

if TYPE_CHECKING:
    from .job import Job

__all__ = ["begin", "finish"]


def begin(job: Job[object]) -> Plan[tuple[bytes, list[bytes]]]:
    """U2, before the source changes: drop the entry, take over its lease, remember the stamps."""
    token = new_token()
    news = tuple(draw() for _ in job.tags)
    try:
        step = Script(
            "entry_begin", (job.key, job.lease, *job.tags), (token, job.recipe.lease_ms, job.recipe.tag_ms, *news)
        )
        reply = yield from job.change(step)
    except GeneratorExit:
        leave(job, token)
        raise
    except BaseException:  # the block will not run; the server may have given the lease all the same
        if job.recipe.journal is None:  # else the journal removes the lease
            yield from free(job, token, told=True)
        raise
    return token, [reply[1][at : at + 8] for at in range(0, len(reply[1]), 8)]


def finish(job: Job[object], token: bytes, stamps: list[bytes], data: bytes, ms: int) -> Plan[None]:
    """U2, after the source has changed: store under the token. If another caller wrote meanwhile, drop the entry."""
    grace = job.recipe.grace if ms else 0
    entry = pack(Entry(data, VALUE, grace, tuple(stamps)))
    step = Script("entry_store", (job.key, job.lease), (token, entry, ms + grace if ms else 0, job.channel))
    number = job.number
    reply = yield from job.change(step)
    if reply[0] == b"ok":
        job.stored(number)
        job.note("store")
    else:
        yield from delete(job)
        job.note("refused")
