"""One computation per key, and no stale answer: the plan of a cached call.

The numbers in comments (E2, L2, W1 …) are the rules of docs/protocol.md. In short: read; if that is no
hit, ask the server for the lease; who gets it computes and stores under its token, the others wait to be
woken, and read again. Nothing that was computed for an earlier call is ever handed to a later one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..effects import Now, Plan, Spawn, Subscribe, Wait
from .found import Found, ServerFailed
from .lease import Failed, compute_and_store, fetch, free
from .reads import first_look, in_window, is_early, look, queue_read, shared_read, valid

if TYPE_CHECKING:
    from ...errors import CacheError
    from ..flights import Flight, Ticket
    from .job import Job

__all__ = ["call"]

# Seconds between two looks of a waiter, in case its wake-up was lost; and where none can come.
NET = 1.0
FIRST_LOOK = 0.05


def call(job: Job) -> Plan[Any]:
    """The answer of a cached function: from the cache, or computed by whoever has the right to."""
    if job.disabled:
        return (yield from job.compute())
    if not job.breaker.allows():
        error = job.breaker.error()
        if job.raises:
            job.note("error", error)
        return (yield from _without_server(job, error))
    try:
        return (yield from _answer(job))
    except ServerFailed as failed:
        error, told = failed.error, failed.told
    if job.late():  # the caller's deadline has passed: computing would only make it later
        raise error
    if not told:
        job.failed(error)
        job.note("error", error)
    return (yield from _without_server(job, error))


def _without_server(job: Job, error: CacheError) -> Plan[Any]:
    if job.raises:
        raise error
    job.note("miss")
    value = yield from job.compute()
    return job.returns(value, job.dump(value)[0]) if job.round_trip else value


def _answer(job: Job) -> Plan[Any]:
    flight = job.flights.enter(job.key)
    begun = flight.landings
    try:
        found = yield from shared_read(job, flight)
        while True:
            if found is not None:
                done, result = yield from _use(job, flight, found)
                if done:
                    return result
            job.guard()
            ticket = flight.drive_or_queue(begun)
            if ticket is not None:
                job.note("wait")
                computing = [] if ticket.number else job.begin_wait()  # a driver that has ended waits for nobody
                try:
                    yield Wait(ticket.signal)
                finally:
                    if computing:
                        job.end_wait(computing)
                if ticket.error is not None or ticket.alone:
                    return (yield from _shared_end(job, ticket, found))
                begun = ticket.number
                if ticket.failed is not None:
                    raise ServerFailed(ticket.failed)
                found = ticket.reply if ticket.read else (yield from shared_read(job, flight))
                continue
            done, result, found = yield from _drive(job, flight, found)
            if done:
                return result
    finally:
        flight.leave()


def _shared_end(job: Job, ticket: Ticket, found: Found | None) -> Plan[Any]:
    """The computation that we waited for has no result that we could read."""
    job.note("miss")
    if ticket.error is not None:  # raised while we were waiting for exactly this (W3)
        return (yield from _after_error(job, ticket.error, found, ticket.trace))
    return (yield from job.compute())  # not to be kept: better all at once than one by one


def _use(job: Job, flight: Flight, found: Found) -> Plan[tuple[bool, Any]]:
    """Answer with what was found, if it may be used; (False, None) if a computation is needed."""
    if found.fresh:
        usable, result = job.load_shared(found) if flight.users > 1 else job.load(found.entry)
        if not usable:
            return False, None
        if is_early(job, found):
            yield from _refresh_ahead(job, flight)
        elif found.token is not None:
            job.hold(found, result)
        job.note("hit")
        return True, job.give(result)
    if not job.swr or not (yield from in_window(found, job.swr)):
        return False, None
    usable, result = job.load(found.entry)
    if not usable:
        return False, None
    yield from _refresh_ahead(job, flight)
    job.note("stale")
    return True, job.give(result)


def _refresh_ahead(job: Job, flight: Flight) -> Plan[None]:
    """Refresh in the background, if nobody does; the caller is not kept waiting for more than one trip."""
    if not flight.start_refresh():
        return
    started = False
    try:
        answer = yield from fetch(job, "early")
        if answer[0] == b"lease":
            plan = _background(job, flight, answer[1], answer[3])
            started = (yield Spawn(plan)) is not None
            if not started:
                plan.close()
                yield from free(job, answer[1])
    except ServerFailed:
        pass  # the value at hand is good
    finally:
        if not started:
            flight.end_refresh()


def _background(job: Job, flight: Flight, token: bytes, stamps: list[bytes]) -> Plan[None]:
    try:
        yield from compute_and_store(job, token, stamps)
    except Failed as failed:
        job.lost(failed.error)
    except ServerFailed as failed:
        job.lost(failed.error)
    finally:
        flight.end_refresh()


# -- the lease -------------------------------------------------------------------------------------


def _drive(job: Job, flight: Flight, found: Found | None) -> Plan[tuple[bool, Any, Found | None]]:
    """Settle it with the server, for all that queue behind: (True, the answer, …), or (False, None, what was read)."""
    landed = False
    failure: BaseException | None = None
    try:
        try:
            done, result = yield from _settle(job)
        except Failed as failed:
            failure, found = failed.error, failed.seen or found
        if failure is not None:
            landed = True
            flight.land(failure)
            return True, (yield from _after_error(job, failure, found)), None
        if not job.unkept and not job.unanswered:  # else the read would only keep the owner waiting once more
            landed = True
            found = yield from queue_read(job, flight, needed=not done)
        return done, job.give(result), found
    finally:
        if not landed:
            flight.land(alone=job.unkept)


def _settle(job: Job) -> Plan[tuple[bool, Any]]:
    """Compute under the lease, or wait for whoever has it: then it is (False, None)."""
    sent = yield Now()
    word, token, data, stamps, ms = yield from fetch(job, "miss")
    seen = valid(job, data, stamps, ms, sent)
    if word == b"hit":
        usable, result = (False, None) if seen is None else job.load(seen.entry)
        if usable:
            job.note("hit")
            return True, result
        # Fresh for the server, and of no use to us: bytes that nobody can read, a cached error.
        word, token, data, stamps, ms = yield from fetch(job, "force")
        seen = None
    if word == b"lease":
        try:
            return True, (yield from _own(job, token, stamps, seen))
        except Failed as failed:
            failed.seen = seen
            raise
    job.note("wait")
    if seen is not None and job.swr and (yield from in_window(seen, job.swr)):
        usable, result = job.load(seen.entry)
        if usable:
            job.note("stale")
            return True, result
    computing = job.begin_wait()  # its owner may be in this process, in an event loop or in ``multi_cached``
    try:
        yield from _await_other(job)
    finally:
        job.end_wait(computing)
    return False, None


def _await_other(job: Job) -> Plan[None]:
    """W1: registered first, then look; then until woken, the lease's end, or the net."""
    heard = yield Subscribe(job.channel)
    pause = FIRST_LOOK if heard.deaf else NET
    lease_left = yield from first_look(job)
    while lease_left != -2:
        seconds = pause * job.jitter()
        if lease_left >= 0:  # whoever owns it renews it long before: then it is dead
            seconds = min(seconds, (lease_left + 1) / 1000)
        if (yield Wait(heard, seconds)):
            return
        fresh, lease_left = yield from look(job)
        if fresh:
            return
        pause = min(2 * pause, NET)


def _own(job: Job, token: bytes, stamps: list[bytes], seen: Found | None) -> Plan[Any]:
    """We have the lease. With ``soft_timeout`` and a stale value at hand, only wait that long."""
    if job.soft_timeout is None or seen is None:
        job.note("miss")
        return (yield from compute_and_store(job, token, stamps))
    handle = yield Spawn(compute_and_store(job, token, stamps), apart=False)
    if handle is None:
        job.note("miss")
        return (yield from compute_and_store(job, token, stamps))
    if not (yield Wait(handle.done, job.soft_timeout)):
        usable, result = job.load(seen.entry)
        if usable and (yield from in_window(seen, max(job.swr, job.sie))):
            handle.abandon()  # it goes on, and stores
            job.note("stale")
            return job.give(result)
        yield Wait(handle.done)
    job.note("miss")
    return handle.result()


def _after_error(job: Job, error: BaseException, found: Found | None, trace: Any = None) -> Plan[Any]:
    """The computation failed: a stale value if this caller's own read allows it, else the error."""
    if found is not None and job.sie and isinstance(error, Exception) and (yield from in_window(found, job.sie)):
        usable, result = job.load(found.entry)
        if usable:
            job.note("stale")
            return job.give(result)
    # With the traceback of where it happened: each caller would add its own to those of the others.
    raise error if trace is None else error.with_traceback(trace)
