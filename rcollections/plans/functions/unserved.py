"""Computing while the server does not answer: once for all callers of this process that ask meanwhile (rule W7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ...l1 import is_immutable
from ..effects import Wait, carried, original
from ..unserved import Unserved
from ..waiting import waiting_for
from .values import dump, kept, returned

if TYPE_CHECKING:
    from ..effects import Plan
    from .job import Job

__all__ = ["answer", "begin", "compute_unserved", "end", "over", "wait_unserved"]

R = TypeVar("R")


def compute_unserved(job: Job[R]) -> Plan[R]:
    """The answer of a caller that cannot ask the server: its own computation, or that of a caller that was first."""
    while True:
        mine = begin(job)
        try:
            there = job.recipe.flights.share(job.key, mine)
            if there is mine:
                return (yield from _compute(job, mine))
        finally:
            over(job, mine)
        yield from wait_unserved(job, there)
        if there.alone:
            return (yield from job.compute())
        if there.valued:
            shared: R = answer(job, there)
            return shared


def begin(job: Job[object]) -> Unserved:
    """A computation that others may find."""
    flights = job.recipe.flights
    return Unserved(flights.signal(), flights.changes.count)


def over(job: Job[object], mine: Unserved) -> None:
    """It has ended, or its caller goes away: who waits for it goes on."""
    job.recipe.flights.unshare(job.key, mine)
    mine.signal.set()


def _compute(job: Job[R], mine: Unserved) -> Plan[R]:
    try:
        value = yield from job.compute()
    except Exception as raised:
        mine.error = original(raised)
        mine.trace = mine.error.__traceback__
        raise
    data = end(job, mine, value)
    return returned(job, value, kept(job, value)[0] if data is None else data) if job.recipe.round_trip else value


def end(job: Job[R], mine: Unserved, value: R) -> bytes | None:
    """It has ended in this value; gives its bytes, if others need them."""
    recipe = job.recipe
    recipe.flights.unshare(job.key, mine)
    if not mine.joined:
        return None
    data: bytes | None = None
    try:
        data = dump(job, value)[0]
    except Exception:  # of the codec, or of ``ttl=``: they get it from their own computations
        mine.alone = True
    else:
        mine.alone = data is None
        if recipe.share or (not recipe.round_trip and is_immutable(value)):
            mine.value = value
        else:
            mine.data = data
        mine.valued = not mine.alone
    return data


def wait_unserved(job: Job[object], there: Unserved) -> Plan[None]:
    """Wait for the end of a computation that another caller began; raises its error."""
    job.guard()
    job.note("wait")
    with waiting_for(job):
        yield Wait(there.signal)
    if there.error is not None:  # raised while this caller waited for that computation (W3)
        raise carried(there.error.with_traceback(there.trace))


def answer(job: Job[Any], there: Unserved) -> Any:
    """Its value, for the caller of this job."""
    if there.data is None:
        return there.value
    try:
        return job.recipe.target.load_for(job.key, there.data)
    except StopIteration as error:  # of ``normalize``
        raise carried(error) from None
