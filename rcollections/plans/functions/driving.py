"""Driving: one caller settles the lease with the server, for all callers in this process that miss the same key."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..effects import Now, Plan, Spawn, Subscribe, Wait, carried
from ..waiting import waiting_for
from .found import ServerFailed
from .lease import Failed, compute_and_store, fetch
from .reads import in_window, valid, waiters_check, waiters_first_check
from .sharing import queue_read
from .values import give, load

if TYPE_CHECKING:
    from types import TracebackType

    from ..flight import Flight
    from ..flights import Alone
    from .found import Found
    from .job import Job

__all__ = ["after_error", "drive_flight"]

R = TypeVar("R")

# Seconds between two looks of a waiting caller: in case its wake-up was lost, and where no wake-up can come.
NET = 1.0
FIRST_LOOK = 0.05


def drive_flight(
    job: Job[R], flight: Flight, caller: Alone, found: Found | None
) -> Plan[tuple[tuple[R] | None, Found | None]]:
    """Settle a miss with the server, for all callers in the queue: ((the answer,), …), or (None, what was read)."""
    landed = False
    failure: BaseException | None = None
    try:
        try:
            loaded = yield from _settle(job)
        except Failed as failed:
            failure, found = failed.error, failed.seen or found
        if failure is not None:
            landed = True
            flight.land(failure)
            return ((yield from after_error(job, failure, found)),), None
        if not job.unkept and not job.unanswered:  # else the read would only keep this owner waiting once more
            landed = True
            found = yield from queue_read(job, flight, caller, needed=loaded is None)
        return None if loaded is None else (give(job, loaded[0]),), found
    except ServerFailed as unserved:
        if not landed and not job.recipe.late():  # else only this caller's deadline has passed
            landed = True
            flight.land(failed=unserved.error)
        raise
    finally:
        if not landed:
            flight.land(alone=job.unkept)


def _settle(job: Job[object]) -> Plan[tuple[object] | None]:
    """Compute under the lease, and give (what ``give`` takes,); or wait for the owner of the lease, and give None."""
    sent = yield Now()
    word, token, data, stamps, ms = yield from fetch(job, "miss")
    seen = valid(job, data, stamps, ms, sent)
    if word == b"hit":
        usable, result = (False, None) if seen is None else load(job, seen.entry)
        if usable:
            job.note("hit")
            return (result,)
        # Fresh for the server, and of no use to this caller: bytes that cannot be read, or a cached error.
        word, token, data, stamps, ms = yield from fetch(job, "force")
        seen = None
    if word == b"lease":
        try:
            return ((yield from _own(job, token, stamps, seen)),)
        except Failed as failed:
            failed.seen = seen
            raise
    job.note("wait")
    window = job.recipe.swr
    if seen is not None and window and (yield from in_window(seen, window)):
        usable, result = load(job, seen.entry)
        if usable:
            job.note("stale")
            return (result,)
    with waiting_for(job):  # the owner may be in this process, in an event loop or in ``multi_cached``
        yield from _await_other(job)
    return None


def _await_other(job: Job[object]) -> Plan[None]:
    """W1: subscribe first, then look; then wait until woken, until the lease's end, or for ``NET`` and look again."""
    heard = yield Subscribe(job.channel)
    pause = FIRST_LOOK if heard.deaf else NET
    lease_left = yield from waiters_first_check(job)
    while lease_left != -2:
        seconds = pause * job.jitter()
        if lease_left >= 0:  # a live owner renews the lease long before its end
            seconds = min(seconds, (lease_left + 1) / 1000)
        if (yield Wait(heard, seconds)):
            return
        fresh, lease_left = yield from waiters_check(job)
        if fresh:
            return
        pause = min(2 * pause, NET)


def _own(job: Job[R], token: bytes, stamps: list[bytes], seen: Found | None) -> Plan[R]:
    """Compute as the owner of the lease. With ``soft_timeout`` and a stale value at hand, wait only that long."""
    recipe = job.recipe
    if recipe.soft_timeout is None or seen is None:
        job.note("miss")
        return (yield from compute_and_store(job, token, stamps))
    handle = yield Spawn(compute_and_store(job, token, stamps), apart=False)
    if handle is None:
        job.note("miss")
        return (yield from compute_and_store(job, token, stamps))
    if not (yield Wait(handle.done, recipe.soft_timeout)):
        usable, result = load(job, seen.entry)
        if usable and (yield from in_window(seen, max(recipe.swr, recipe.sie))):
            handle.abandon()  # the computation goes on, and stores
            job.note("stale")
            return give(job, result)
        yield Wait(handle.done)
    job.note("miss")
    value: R = handle.result()
    return value


def after_error(job: Job[R], error: BaseException, found: Found | None, trace: TracebackType | None = None) -> Plan[R]:
    """After a failed computation: give a stale value if this caller's own read allows it, else raise the error."""
    window = job.recipe.sie
    if found is not None and window and isinstance(error, Exception) and (yield from in_window(found, window)):
        usable, result = load(job, found.entry)
        if usable:
            job.note("stale")
            return give(job, result)
    # With the traceback of the computation alone: callers would add their own tracebacks to each other's.
    raise carried(error if trace is None else error.with_traceback(trace))
