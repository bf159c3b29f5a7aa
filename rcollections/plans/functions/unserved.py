"""Computing while the server does not answer: once for all callers of this process that ask meanwhile (rule W7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import DecodeError
from ...l1 import is_immutable
from ..effects import Wait, carried, original
from ..unserved import Unserved
from ..waiting import waiting_for
from .values import dump, kept, returned

if TYPE_CHECKING:
    from ..effects import Plan
    from ..rounds import Signal
    from ..unserved import Home
    from .job import Job

__all__ = ["answer", "begin", "compute_unserved", "end", "over", "wait_unserved"]

R = TypeVar("R")

FIRST_LOOK, LAST_LOOK = 0.1, 1.0  # seconds between two looks at the event loop of a computation that is waited for


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
        if not (yield from wait_unserved(job, there)):
            return (yield from job.compute())
        if there.valued:
            usable, shared = answer(job, there)
            if usable:
                value: R = shared
                return value
        if there.alone or there.valued:
            return (yield from job.compute())


def begin(job: Job[object]) -> Unserved:
    """A computation that others may find."""
    flights = job.recipe.flights
    return Unserved(flights.changes.count, flights.home)


def over(job: Job[object], mine: Unserved) -> None:
    """It has ended, or its caller goes away: who waits for it goes on."""
    try:
        job.recipe.flights.unshare(job.key, mine)
        mine.end()
    except BaseException:  # of a signal handler
        job.recipe.flights.unshare(job.key, mine)
        mine.end()
        raise


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
        mine.data = data or b""
        mine.share, mine.plain = recipe.share, not recipe.round_trip and is_immutable(value)
        if mine.share or mine.plain:
            mine.value = value
        mine.valued = not mine.alone
    return data


def wait_unserved(job: Job[object], there: Unserved) -> Plan[bool]:
    """Wait for the end of a computation that another caller began; raises its error.

    False, without a wait: it cannot go on while this caller waits, so the caller computes for itself. That is so where
    a function that is no ``async def`` is called inside of an event loop, and a task of the same loop computes, or one
    of a loop that stands still in the same way for a task of this loop.
    """
    here = None if there.home is None else job.recipe.flights.here()
    if here is None:
        yield from _wait(job, there)
        return True
    try:
        here.waits_for = there  # first: of two that begin to wait for each other one sees it
        if there.needs(here):
            return False
        yield from _wait(job, there)
    finally:
        here.waits_for = None
    return True


def _wait(job: Job[object], there: Unserved) -> Plan[None]:
    """Wait for its end.

    A computation in an event loop that has stopped, or stands still, is waited for no longer: as if its caller had
    left.
    """
    job.guard()
    job.note("wait")
    flights = job.recipe.flights
    signal, home = there.signal(flights), there.home
    with waiting_for(job):
        if home is None or home is flights.home:
            yield Wait(signal)
        else:
            yield from _watch(signal, home)  # a loop of its own: see ``wire/pool.py``
    if not there.over:
        flights.unshare(job.key, there)
        there.give_up()  # one of those who waited computes, for all of them and for all that come now
    if there.error is not None:  # raised while this caller waited for that computation (W3)
        raise carried(there.error.with_traceback(there.trace))


def _watch(signal: Signal, home: Home) -> Plan[None]:
    """Wait until the signal is set, or until that event loop does not go on."""
    seconds = FIRST_LOOK
    while not home.is_stuck() and not (yield Wait(signal, seconds)):
        seconds = min(2 * seconds, LAST_LOOK)


def answer(job: Job[Any], there: Unserved) -> tuple[bool, Any]:
    """(True, its value for the caller of this job), or (False, None) if this function cannot read that one's bytes."""
    recipe = job.recipe
    if (there.plain and not recipe.round_trip) or (there.share and recipe.share):
        return True, there.value
    try:
        return True, recipe.target.load_for(job.key, there.data)
    except DecodeError:
        job.note("unreadable")
        return False, None
    except StopIteration as error:  # of ``normalize``
        raise carried(error) from None
