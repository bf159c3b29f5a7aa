"""Storing a value that the caller gives by hand (rule P1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..draws import draw
from ..effects import Plan, Script
from ..entries import VALUE, head
from .invalidate import delete
from .values import dump

if TYPE_CHECKING:
    from ..effects import Arg
    from .job import Job

__all__ = ["store"]

R = TypeVar("R")


def store(job: Job[R], value: R) -> Plan[None]:
    """P1: a value given by hand takes effect at the server, under the stamps of that moment."""
    data, ms = dump(job, value)
    if data is None:  # ``ttl=`` refuses the value; the entry that is there is older, so it goes
        yield from delete(job)
        return
    grace = job.recipe.grace if ms else 0
    before = head(VALUE, grace, len(job.tags), data)
    news = tuple(draw() for _ in job.tags)
    args: tuple[Arg, ...] = (before, data, ms + grace if ms else 0, job.recipe.tag_ms, job.channel, *news)
    number = job.number
    yield from job.change(Script("entry_put", (job.key, job.lease, *job.tags), args))
    job.stored(number)
    job.note("store")
