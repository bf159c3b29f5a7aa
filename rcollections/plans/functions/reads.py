"""Reading an entry: what counts as a hit, what as stale, and which callers may share one read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import CacheError
from ..effects import Batch, Command, Look, Now, Plan, Wait
from ..entries import ERROR, same, unpack
from .found import Found, ServerFailed

if TYPE_CHECKING:
    from ..flights import Flight, Round
    from .job import Job

__all__ = [
    "first_look", "in_window", "is_early", "look", "queue_read", "read", "shared_read",
    "valid",
]  # fmt: skip


def read(job: Job, with_ttl: bool = False) -> Plan[Found | None]:
    """E2: PTTL (where it matters) before MGET of entry and tags, in one round trip; no Lua."""
    with_ttl = with_ttl or job.needs_ttl
    sent = (yield Now()) if with_ttl else 0.0
    steps = [Command(("MGET", job.key, *job.tags))]
    if with_ttl:
        steps.insert(0, Command(("PTTL", job.key)))
    try:
        replies = yield Batch(steps) if with_ttl else steps[0]
    except CacheError as error:
        raise ServerFailed(error) from error
    job.breaker.worked()
    ms, words = replies if with_ttl else (None, replies)
    return valid(job, words[0], words[1:], ms, sent)


def look(job: Job) -> Plan[tuple[bool, int]]:
    """The look of a caller who waits: whether there is something fresh, and the ms that the lease lasts."""
    sent = yield Now()
    steps = [Command(("PTTL", job.lease)), Command(("PTTL", job.key)), Command(("MGET", job.key, *job.tags))]
    try:
        lease_left, ms, words = yield Batch(steps)
    except CacheError as error:
        raise ServerFailed(error) from error
    found = valid(job, words[0], words[1:], ms, sent)
    return found is not None and found.fresh, lease_left


def first_look(job: Job) -> Plan[int]:
    """The first one, when wake-ups are heard: only whether there is a lease still, which whatever ends it drops."""
    try:
        return (yield Command(("PTTL", job.lease)))  # type: ignore[no-any-return]
    except CacheError as error:
        raise ServerFailed(error) from error


def read_to_hold(job: Job) -> Plan[Found | None]:
    """The same; what is found may be held in the process, if all is as it was when the token was taken (F1, F2)."""
    token = job.token()
    if token is None:
        return (yield from read(job))
    sent = yield Now()
    try:
        seen = yield Look(job.key, [Command(("MGET", job.key, *job.tags))])
    except CacheError as error:
        raise ServerFailed(error) from error
    job.breaker.worked()
    words = seen.replies[0]
    found = valid(job, words[0], words[1:], seen.ms, sent)
    if found is not None and seen.ms is not None and seen.server == job.tiering.server:
        found.token = token
    return found


def valid(job: Job, data: bytes | None, stamps: list[Any], ms: int | None, sent: float) -> Found | None:
    """What these replies show, if it counts: complete, and made under the stamps of now."""
    if data is None:
        return None
    entry = unpack(data)
    if entry is None or not same(entry, stamps) or (entry.kind == ERROR and not job.cache_errors):
        return None
    if ms == -2:  # it expired between PTTL and MGET, or was stored between them: the lease decides
        return None
    return Found(entry, None if ms is None or ms < 0 else ms / 1000, sent)


def shared_read(job: Job, flight: Flight) -> Plan[Found | None]:
    """The same, shared by all that began before it is sent."""
    while True:
        turn, leads, ahead = flight.join()
        if not leads or not (yield from _gather(flight, turn, ahead)):
            yield Wait(turn.done)
            if not turn.valid:
                continue
            if turn.error is not None:
                raise ServerFailed(turn.error)
            return turn.reply  # type: ignore[no-any-return]
        try:
            found = yield from read_to_hold(job)
        except ServerFailed as failed:
            if job.late():  # it was the leader's own deadline that has passed: no news for the others
                flight.end(turn, valid=False)
            else:
                flight.end(turn, error=failed.error)
            raise
        except BaseException:  # this caller goes away (cancelled, interrupted): the others go on without it
            flight.end(turn, valid=False)
            raise
        flight.end(turn, found)
        return found


def _gather(flight: Flight, turn: Round, ahead: Any) -> Plan[bool]:
    """The leader lets others join its round. True: it sends the read now; False: a driver that ended does."""
    try:
        if ahead is not None:
            yield Wait(ahead)
        gathering = flight.gather(turn)
        if gathering is not None:  # it is being computed: many may come now, so wait a little for them
            yield Wait(*gathering)
    except BaseException:  # as above
        if flight.sending(turn):
            flight.end(turn, valid=False)
        raise
    return flight.sending(turn)


def queue_read(job: Job, flight: Flight, needed: bool) -> Plan[Found | None]:
    """The driver has ended: it reads for all that queue behind it, so that they are woken once, with the result.

    They began before it is sent; who comes later drives, or queues behind somebody else. ``needed``: the
    driver wants to know what is there too.
    """
    ticket = flight.land_reading()
    if ticket is None:
        return (yield from shared_read(job, flight)) if needed else None
    try:
        found = yield from read_to_hold(job)
    except ServerFailed as failed:
        if job.late():  # the driver's own deadline has passed: no news for the others
            flight.answer(ticket, valid=False)
        else:
            flight.answer(ticket, error=failed.error)
        if needed:
            raise
        return None
    except BaseException:  # this caller goes away: the others read for themselves
        flight.answer(ticket, valid=False)
        raise
    flight.answer(ticket, found)
    return found


def is_early(job: Job, found: Found) -> bool:
    """Whether it is time to refresh ahead (``async_ttl``)."""
    early = job.recipe.early
    return early is not None and found.soft is not None and found.soft < early


def in_window(found: Found, window: float) -> Plan[bool]:
    """Whether a stale value may be used now: inside the reader's own window, never past its hard ttl (E3)."""
    if found.until is None:
        return False
    left = found.until - (yield Now())  # it may have been in hand for a while
    return bool(left > 0 and left - found.entry.grace / 1000 > -window)
