"""One computation per key, and no stale answer: the plan of a cached call.

The codes in comments (E2, L2, W1 …) are the rules of docs/protocol.md. In short: a caller reads. If the read is no
hit, the caller asks the server for the lease. The caller that gets the lease computes, and stores under its token.
The others wait to be woken, and read again. A result that was computed for an earlier call never goes to a later one.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

from ..admission import admitted
from ..effects import Plan, Wait
from ..flights import Alone
from ..waiting import waiting_for
from .ahead import refresh_ahead
from .driving import drive_flight
from .ended import raised_by
from .found import Found, ServerFailed
from .held import hold
from .reads import in_window, is_early, read_to_hold, valid
from .sharing import shared_read
from .stale import after_error, after_mark, stale_value
from .unserved import compute_unserved
from .values import give, load, load_shared

if TYPE_CHECKING:
    from ...errors import CacheError
    from ..flight import Flight
    from ..rounds import Ticket
    from .job import Job
    from .lone import Lone

__all__ = ["call"]

R = TypeVar("R")


def call(job: Job[R], lone: Lone | None = None) -> Plan[R]:
    """The answer of a cached function: from the cache, or computed by the caller that has the lease.

    ``lone``: the caller has read by itself already.
    """
    recipe = job.recipe
    if recipe.disabled:
        return (yield from job.compute())
    if lone is None and not recipe.breaker.allows() and not (yield from admitted(recipe.breaker)):
        error = recipe.breaker.error()
        if recipe.raises:
            job.note("error", error)
        return (yield from _without_server(job, error))
    try:
        return (yield from (_answer(job) if lone is None else _go_on(job, lone)))
    except ServerFailed as failed:
        error, told = failed.error, failed.told
    if recipe.late():  # the caller's deadline has passed: computing would only make the caller later
        raise error
    if not told:
        job.failed(error)
        job.note("error", error)
    return (yield from _without_server(job, error))


def _without_server(job: Job[R], error: CacheError) -> Plan[R]:
    if job.recipe.raises:
        raise error
    job.note("miss")
    return (yield from compute_unserved(job))


def _answer(job: Job[R]) -> Plan[R]:
    """The answer for a caller that may be alone at its key: then a hit needs no flight."""
    flights = job.recipe.flights
    alone = Alone()
    try:
        first = flights.begin(job.key, alone)
        found = (yield from read_to_hold(job)) if first else None
        flight = flights.end(job.key, alone, found) if first else None
        if flight is None and found is not None and found.fresh and not is_early(job, found):
            usable, result = load(job, found.entry)
            if usable:
                return _hit(job, found, result)
            found = None
        return (yield from _in_flight(job, flight or flights.enter(job.key, alone), alone, found, first))
    except BaseException:  # the server failed, or this caller goes away: the others read for themselves
        flights.gone(job.key, alone)
        raise


def _go_on(job: Job[R], lone: Lone) -> Plan[R]:
    """The answer for a caller whose own read was no plain hit."""
    flights = job.recipe.flights
    try:
        words, error = lone.words, lone.error
        lone.words, lone.error = (), None  # not kept: the traceback of an error holds this caller
        if error is not None:
            raise ServerFailed(error) from error
        found = valid(job, words[0], words[1:], None, 0.0)
        return (yield from _in_flight(job, lone.flight or flights.enter(job.key, lone), lone, found, True))
    except BaseException:
        flights.gone(job.key, lone)
        raise


def _hit(job: Job[R], found: Found, result: object) -> R:
    if found.token is not None:
        hold(job, found, result)
    job.note("hit")
    if job.recipe.trouble.open:
        job.recipe.trouble.worked(job.key)
    return give(job, result)


def _in_flight(job: Job[R], flight: Flight, caller: Alone, found: Found | None, has_read: bool) -> Plan[R]:
    """The answer for a caller that shares reads with others; ``found`` is its own read, if ``has_read``."""
    begun = flight.landings
    try:
        if not has_read:
            found = yield from shared_read(job, flight, caller)
        while True:
            if found is not None:
                answer = yield from _use(job, flight, caller, found)
                if answer is not None:
                    return answer[0]
            job.guard()
            ticket = flight.drive_or_queue(caller, begun)
            if ticket is None:
                answer, found = yield from drive_flight(job, flight, caller, found)
                if answer is not None:
                    return answer[0]
                continue
            job.note("wait")
            # A caller that has ended driving waits for no computation.
            with nullcontext() if ticket.number else waiting_for(job):
                yield Wait(ticket.signal)
            if ticket.error is not None or ticket.alone or ticket.mark is not None:
                return (yield from _shared_end(job, ticket, found))
            if ticket.cool:
                stale = yield from stale_value(job, found)
                if stale is not None:
                    job.recipe.trouble.served(job.key)
                    return stale[0]
            begun = ticket.number
            if ticket.failed is not None:
                raise ServerFailed(ticket.failed)
            found = ticket.reply if ticket.read else (yield from shared_read(job, flight, caller))
    finally:
        flight.leave(caller)


def _use(job: Job[R], flight: Flight, caller: Alone, found: Found) -> Plan[tuple[R] | None]:
    """``found`` as the answer, if it may be used; None if a computation is needed."""
    if found.fresh:
        usable, result = load_shared(job, found) if len(flight.users) > 1 else load(job, found.entry)
        if not usable:
            return None
        if not is_early(job, found):
            return (_hit(job, found, result),)
        yield from refresh_ahead(job, flight, caller)
        job.note("hit")
        return (give(job, result),)
    window = job.recipe.swr
    if not window or not (yield from in_window(found, window)):
        return None
    usable, result = load(job, found.entry)
    if not usable:
        return None
    yield from refresh_ahead(job, flight, caller)
    job.note("stale")
    return (give(job, result),)


def _shared_end(job: Job[R], ticket: Ticket, found: Found | None) -> Plan[R]:
    """The answer after a wait for a computation that has no result to read."""
    job.note("miss")
    if ticket.error is not None:  # raised while this caller waited for that computation (W3)
        return (yield from after_error(job, ticket.error, found, ticket.trace))
    if ticket.mark is not None:  # raised in another process (W4)
        error = raised_by(job, ticket.mark)
        if error is not None:
            return (yield from after_mark(job, error, found))
    return (yield from job.compute())  # the result is not to be stored: all compute at once, not one by one
