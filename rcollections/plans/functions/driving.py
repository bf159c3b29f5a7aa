"""Driving: one caller settles the lease with the server, for all callers in this process that miss the same key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..effects import Now, Plan, Spawn, Subscribe, Wait, original
from ..marks import ALONE, read_mark
from ..rounds import Landing
from ..waiting import waiting_for
from .ended import raised_by, spread
from .found import ServerFailed
from .lease import Failed, compute_and_store, fetch, leave
from .reads import in_window, valid, waiters_check, waiters_first_check
from .sharing import queue_read
from .stale import after_error, after_mark, stale_value
from .values import give, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..flight import Flight
    from ..flights import Alone
    from ..marks import Mark
    from ..rounds import Ticket
    from .found import Found
    from .job import Job
    from .lease import Answer

__all__ = ["drive_flight"]

R = TypeVar("R")

# Seconds between two looks of a waiting caller: in case its wake-up was lost, and where no wake-up can come.
NET = 1.0
FIRST_LOOK = 0.05
# So many callers of one process, and it is likely that other processes ask for the same value.
CROWD = 8


def drive_flight(
    job: Job[R], flight: Flight, caller: Alone, found: Found | None
) -> Plan[tuple[tuple[R] | None, Found | None]]:
    """Settle a miss with the server, for all callers in the queue: ((the answer,), …), or (None, what was read)."""
    landing = Landing(caller)
    before = job.number
    failure: BaseException | None = None
    try:
        try:
            loaded, waited = yield from _settle(job, flight, landing)
        except Failed as failed:
            failure, shared, stored, found = failed.error, failed.shared, failed.stored, failed.seen or found
        if failure is not None:
            if landing.ticket is not None:
                landing.landed = True
                flight.fail(landing, failure if shared else None)
            elif stored:
                landing.landed = True
                yield from queue_read(job, flight, caller, needed=False, error=failure)
            return ((yield from after_error(job, failure, found)),), None
        if not job.unkept and not job.unanswered and not landing.cool:
            # else the read would only keep this owner waiting once more
            landing.landed = True
            found, ticket = yield from queue_read(
                job, flight, caller, needed=loaded is None, waited=waited, before=before
            )
            if ticket is not None and ticket.mark is not None:
                return (yield from without_result(job, flight, caller, ticket, ticket.mark, found)), None
        return None if loaded is None else (give(job, loaded[0]),), found
    except ServerFailed as unserved:
        if not landing.landed and landing.ticket is None and not job.recipe.late():
            landing.landed = True  # late: only this caller's deadline has passed
            flight.land(failed=unserved.error)
        raise
    finally:
        flight.close(landing)
        if landing.landed:
            pass
        elif landing.ticket is not None:
            flight.fail(landing)
        else:
            flight.land(alone=job.unkept, cool=landing.cool)


def _settle(job: Job[object], flight: Flight, landing: Landing) -> Plan[tuple[tuple[object] | None, bytes]]:
    """Compute under the lease, and give (what ``give`` takes,); or wait for the owner of the lease, and give None.

    Gives the token that was waited for as well.
    """
    owned: list[bytes] = []  # the tokens of leases that were given
    try:
        return (yield from _settled(job, flight, landing, owned))
    except (Failed, ServerFailed):
        raise
    except BaseException:  # cancelled or interrupted, at any line
        for token in owned:
            leave(job, token)  # where it was given back already, this does nothing
        raise


def _settled(
    job: Job[object], flight: Flight, landing: Landing, owned: list[bytes]
) -> Plan[tuple[tuple[object] | None, bytes]]:
    heard = None
    if len(flight.users) >= CROWD and not job.recipe.flights.deaf:
        heard = yield from _hear(job)  # W1: then FETCH is the look that follows
    sent = yield Now()
    answer = yield from fetch(job, "miss")
    owned += (answer.token,) if answer.word == b"lease" else ()
    seen = valid(job, answer.data, answer.stamps, answer.ttl, sent)
    if answer.word == b"hit":
        usable, result = (False, None) if seen is None else load(job, seen.entry)
        if usable:
            job.note("hit")
            return (result,), b""
        # Fresh for the server, and of no use to this caller: bytes that cannot be read, or a cached error.
        answer, seen = (yield from fetch(job, "force")), None
        owned += (answer.token,) if answer.word == b"lease" else ()
    if answer.word == b"cool":  # W5: the source failed a moment ago, and is not asked again yet
        stale = None if seen is None else (yield from stale_value(job, seen))
        if stale is not None:
            landing.cool = True
            job.recipe.trouble.served(job.key)
            return stale, b""
        answer = yield from fetch(job, "force")
        owned += (answer.token,) if answer.word == b"lease" else ()
    if answer.word == b"alone":  # the result was not to be stored the last time
        job.unkept = True
        landing.landed = True
        flight.land(alone=True)
        job.note("miss")
        return ((yield from job.compute()),), b""
    if answer.word == b"lease":
        try:
            return ((yield from _own(job, answer, seen, lambda: flight.land_failing(landing))),), b""
        except Failed as failed:
            failed.seen = seen
            raise
    job.note("wait")
    window = job.recipe.swr
    if seen is not None and window and (yield from in_window(seen, window)):
        usable, result = load(job, seen.entry)
        if usable:
            job.note("stale")
            return (result,), b""
    with waiting_for(job):  # the owner may be in this process, in an event loop or in ``multi_cached``
        return None, (yield from _await_other(job, answer.owner, heard))


def _hear(job: Job[object]) -> Plan[Any]:
    """The signal of the next message about this entry."""
    heard = yield Subscribe(job.channel)
    job.recipe.flights.deaf = heard.deaf
    return heard


def _await_other(job: Job[object], owner: bytes, heard: Any) -> Plan[bytes]:
    """W1: subscribe first, then look; then wait until woken, until the lease's end, or for ``NET`` and look again.

    ``heard``: the signal of a subscription that came before FETCH, or None. Only a token is waited for: a mark says
    that its computation has ended. Gives the token that was waited for.
    """
    held: bytes | None = owner
    if heard is None or heard.deaf:
        heard = yield from _hear(job)
        held = yield from waiters_first_check(job)
    pause = FIRST_LOOK if heard.deaf else NET
    lease_left = job.recipe.lease_ms  # until a look tells
    while held is not None and read_mark(held) is None:
        owner = held
        seconds = pause * job.jitter()
        if lease_left >= 0:  # a live owner renews the lease long before its end
            seconds = min(seconds, (lease_left + 1) / 1000)
        if (yield Wait(heard, seconds)):
            return owner
        fresh, held, lease_left = yield from waiters_check(job)
        if fresh:
            return owner
        pause = min(2 * pause, NET)
    return owner


def _own(job: Job[R], answer: Answer, seen: Found | None, ending: Callable[[], None]) -> Plan[R]:
    """Compute as the owner of the lease. With ``soft_timeout`` and a stale value at hand, wait only that long."""
    recipe = job.recipe
    given = answer.token, answer.stamps, answer.number, ending
    if recipe.soft_timeout is None or seen is None:
        job.note("miss")
        return (yield from compute_and_store(job, *given))
    handle = yield Spawn(compute_and_store(job, *given), apart=False)
    if handle is None:
        job.note("miss")
        return (yield from compute_and_store(job, *given))
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


def without_result(
    job: Job[R], flight: Flight, caller: Alone, ticket: Ticket, mark: Mark, found: Found | None
) -> Plan[tuple[R] | None]:
    """W4: the computation in another process, for which this caller and its queue have waited, left only a mark.

    An exception in it is raised by all of them. Where it holds none, this caller computes for its queue: all began
    before that. None: this caller has to ask again.
    """
    ticket.mark = None
    valid = False
    try:
        if mark.kind == ALONE:
            ticket.alone = True
        elif (error := raised_by(job, mark)) is not None:
            ticket.mark = mark  # each makes the exception for itself
            return ((yield from after_mark(job, error, found)),)
        else:
            stale = yield from stale_value(job, found)
            if stale is not None:
                ticket.cool = valid = True
                job.recipe.trouble.served(job.key)
                return stale
            yield from spread(job, mark)
            job.note("miss")
            try:
                return ((yield from job.compute()),)
            except Exception as raised:
                ticket.error, ticket.trace = original(raised), raised.__traceback__
                raise
    finally:
        flight.answer(caller, ticket, found, valid=valid)
    job.note("miss")
    return ((yield from job.compute()),)
