"""Which callers may share one read: all that began before the read is sent (rule W2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Plan, Wait
from ..entries import ERROR
from .ended import mark_of
from .found import Found, ServerFailed
from .reads import read_to_hold

if TYPE_CHECKING:
    from ..flight import Flight
    from ..flights import Alone
    from ..rounds import Round, Signal, Ticket
    from .job import Job

__all__ = ["queue_read", "shared_read"]


def shared_read(job: Job[object], flight: Flight, caller: Alone) -> Plan[Found | None]:
    """The entry that is there, by a read that is shared by all callers that began before it is sent."""
    while True:
        turn, leads, ahead = flight.join(caller)
        if not leads or not (yield from _gather(job, flight, turn, ahead)):
            yield Wait(turn.done)
            if not turn.valid:
                continue
            if turn.error is not None:
                raise ServerFailed(turn.error)
            shared: Found | None = turn.reply
            return shared
        try:
            found = yield from read_to_hold(job)
            flight.end(turn, found)
        except ServerFailed as failed:
            if job.recipe.late():  # only the leader's own deadline has passed: that says nothing to the others
                flight.end(turn, valid=False)
            else:
                flight.end(turn, error=failed.error)
            raise
        except BaseException:  # this caller goes away (cancelled, interrupted): the others go on without it
            flight.end(turn, valid=False)
            raise
        return found


def _gather(job: Job[object], flight: Flight, turn: Round, ahead: Signal | None) -> Plan[bool]:
    """The leader lets others join its round. True: it sends the read now; False: a driving caller has sent it."""
    try:
        if ahead is not None:
            yield Wait(ahead)
        gathering = flight.gather(turn, stale=job.recipe.needs_ttl)
        if gathering is not None:  # the value is being computed: many callers may come now, so wait for them
            yield Wait(*gathering)
    except BaseException:  # this caller goes away, as above
        if flight.sending(turn):
            flight.end(turn, valid=False)
        raise
    return flight.sending(turn)


def queue_read(
    job: Job[object],
    flight: Flight,
    caller: Alone,
    needed: bool,
    waited: bytes = b"",
    before: int = 0,
    error: BaseException | None = None,
) -> Plan[tuple[Found | None, Ticket | None]]:
    """The driving caller has ended: it reads for all callers in the queue, and wakes them once, with the result.

    They began before the read is sent; a later caller drives, or queues behind another one. ``needed``: the
    driving caller wants the result, too. ``waited``: the token of the computation that was waited for; if that has
    ended without a result, the ticket has its mark, and the driving caller has to wake the queue. ``before``: how much
    was kept when the wait began (J1): what came since may not have removed the mark yet. ``error`` was stored like a
    result: where the read finds one, the queue gets this one.
    """
    ticket = flight.land_reading(always=needed)
    if ticket is None:
        return None, None
    try:
        found = yield from read_to_hold(job)
        if waited and (found is None or not found.fresh):
            mark = yield from mark_of(job, waited)
            ticket.mark = mark if job.number == before else None
    except ServerFailed as failed:
        if job.recipe.late():  # only the driving caller's deadline has passed: that says nothing to the others
            flight.answer(caller, ticket, valid=False)
        else:
            flight.answer(caller, ticket, error=failed.error)
        if needed:
            raise
        return None, None
    except BaseException:  # this caller goes away: the others read for themselves
        flight.answer(caller, ticket, valid=False)
        raise
    if ticket.mark is not None:
        ticket.reply = found
        return found, ticket
    if error is not None and found is not None and found.fresh and found.entry.kind == ERROR:
        ticket.error, ticket.trace = error, error.__traceback__
    flight.answer(caller, ticket, found)
    return found, None
