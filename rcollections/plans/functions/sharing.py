"""Which callers may share one read: all that began before the read is sent (rule W2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Plan, Wait
from .found import Found, ServerFailed
from .reads import read_to_hold

if TYPE_CHECKING:
    from ..flight import Flight
    from ..flights import Alone
    from ..rounds import Round, Signal
    from .job import Job

__all__ = ["queue_read", "shared_read"]


def shared_read(job: Job[object], flight: Flight, caller: Alone) -> Plan[Found | None]:
    """The entry that is there, by a read that is shared by all callers that began before it is sent."""
    while True:
        turn, leads, ahead = flight.join(caller)
        if not leads or not (yield from _gather(flight, turn, ahead)):
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


def _gather(flight: Flight, turn: Round, ahead: Signal | None) -> Plan[bool]:
    """The leader lets others join its round. True: it sends the read now; False: a driving caller has sent it."""
    try:
        if ahead is not None:
            yield Wait(ahead)
        gathering = flight.gather(turn)
        if gathering is not None:  # the value is being computed: many callers may come now, so wait for them
            yield Wait(*gathering)
    except BaseException:  # this caller goes away, as above
        if flight.sending(turn):
            flight.end(turn, valid=False)
        raise
    return flight.sending(turn)


def queue_read(job: Job[object], flight: Flight, caller: Alone, needed: bool) -> Plan[Found | None]:
    """The driving caller has ended: it reads for all callers in the queue, and wakes them once, with the result.

    They began before the read is sent; a later caller drives, or queues behind another one. ``needed``: the
    driving caller wants the result, too.
    """
    ticket = flight.land_reading()
    if ticket is None:
        return (yield from shared_read(job, flight, caller)) if needed else None
    try:
        found = yield from read_to_hold(job)
    except ServerFailed as failed:
        if job.recipe.late():  # only the driving caller's deadline has passed: that says nothing to the others
            flight.answer(caller, ticket, valid=False)
        else:
            flight.answer(caller, ticket, error=failed.error)
        if needed:
            raise
        return None
    except BaseException:  # this caller goes away: the others read for themselves
        flight.answer(caller, ticket, valid=False)
        raise
    flight.answer(caller, ticket, found)
    return found
