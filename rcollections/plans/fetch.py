"""One computation per key, and no stale answer: the plan of a cached call.

The numbers in comments (E2, L2, W1 …) are the rules of docs/stampedes.md. In short: read; if that is no
hit, ask the server for the lease; who gets it computes and stores under its token, the others wait to be
woken, and read again. Nothing that was computed for an earlier call is ever handed to a later one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CacheError
from .draws import draw
from .effects import Batch, Command, Hold, Now, Plan, Script, Spawn, Subscribe, Wait
from .entries import ERROR, VALUE, Entry, head, pack, same, unpack

if TYPE_CHECKING:
    from .flights import Flight, Round
    from .job import Job

__all__ = ["call", "is_early", "lookup", "recompute", "store"]

FIRST_NET, LAST_NET = 0.2, 1.0  # seconds between two looks of a waiter, in case its wake-up was lost


class Found:
    """What a read saw: an entry that is valid now, how long it stays, and how long it is fresh."""

    __slots__ = ("entry", "fresh", "left", "until")

    def __init__(self, entry: Entry, left: float | None, sent: float) -> None:
        self.entry = entry
        # Seconds of the physical ttl that are left (None: for ever or not asked for), and when they end.
        self.left = left
        self.until = None if left is None else sent + left
        grace = entry.grace / 1000
        # Without the ttl at hand, grace means: ask the server, which looks again (E2).
        self.fresh = grace == 0 or (left is not None and left > grace)

    @property
    def soft(self) -> float | None:
        """Seconds until it is no longer fresh, negative when it is stale; None: for ever."""
        return None if self.left is None else self.left - self.entry.grace / 1000


def call(job: Job) -> Plan[Any]:
    """The answer of a cached function: from the cache, or computed by whoever has the right to."""
    if not job.breaker.allows():
        return (yield from _uncached(job))
    try:
        result = yield from _answer(job)
    except _ServerFailed as failed:
        job.breaker.failed(failed.error)
        job.note("error")
        if job.raises:
            raise failed.error from None
        return (yield from _uncached(job))
    job.breaker.worked()
    return result


class _ServerFailed(Exception):
    def __init__(self, error: CacheError) -> None:
        self.error = error


def _uncached(job: Job) -> Plan[Any]:
    if job.raises:
        raise job.breaker.error()
    return (yield from job.compute())


def _answer(job: Job) -> Plan[Any]:
    flight = job.flights.enter(job.key)
    try:
        wanted: Round | None = None
        while True:
            found = yield from _shared_read(job, flight, wanted)
            if found is not None:
                done, result = yield from _use(job, flight, found)
                if done:
                    return result
            job.guard()
            ticket = flight.drive_or_queue()
            if ticket is not None:
                job.note("wait")
                yield Wait(ticket.signal)
                if ticket.error is not None:  # raised while we were waiting for exactly this (W3)
                    return (yield from _after_error(job, ticket.error, found))
                wanted = ticket.round
                continue
            done, result, wanted = yield from _drive(job, flight, found)
            if done:
                return result
    finally:
        flight.leave()


# -- reading ---------------------------------------------------------------------------------------


def _read(job: Job, *more: str, with_ttl: bool = False) -> Plan[tuple[Found | None, list[Any]]]:
    """E2: PTTL (where it matters) before MGET of entry and tags, in one round trip; no Lua."""
    with_ttl = with_ttl or job.needs_ttl
    sent = (yield Now()) if with_ttl else 0.0
    steps = [Command(("MGET", job.key, *job.tags, *more))]
    if with_ttl:
        steps.insert(0, Command(("PTTL", job.key)))
    try:
        replies = yield Batch(steps) if len(steps) > 1 else steps[0]
    except CacheError as error:
        raise _ServerFailed(error) from error
    ms, words = replies if len(steps) > 1 else (None, replies)
    count = 1 + len(job.tags)
    return _valid(job, words[0], words[1:count], ms, sent), words[count:]


def _valid(job: Job, data: bytes | None, stamps: list[Any], ms: int | None, sent: float) -> Found | None:
    if data is None:
        return None
    entry = unpack(data)
    if entry is None or not same(entry, stamps) or (entry.kind == ERROR and not job.cache_errors):
        return None
    if ms == -2:  # it expired between PTTL and MGET, or was stored between them: the lease decides
        return None
    return Found(entry, None if ms is None or ms < 0 else ms / 1000, sent)


def _shared_read(job: Job, flight: Flight, wanted: Round | None) -> Plan[Found | None]:
    """The same, shared by all that began before it is sent."""
    while True:
        turn, leads, ahead = flight.join(wanted)
        wanted = None
        if not leads:
            yield Wait(turn.done)
            if not turn.valid:
                continue
            if turn.error is not None:
                raise turn.error
            return turn.reply  # type: ignore[no-any-return]
        try:
            if ahead is not None:
                yield Wait(ahead)
            found, _ = yield from _read(job)
        except _ServerFailed as failed:
            flight.end(turn, error=failed)
            raise
        except BaseException:  # this caller goes away (cancelled, interrupted): the others go on without it
            flight.end(turn, valid=False)
            raise
        flight.end(turn, found)
        return found


def _use(job: Job, flight: Flight, found: Found) -> Plan[tuple[bool, Any]]:
    """Answer with what was found, if it may be used; (False, None) if a computation is needed."""
    if found.fresh:
        usable, result = job.load(found.entry)
        if not usable:
            return False, None
        if is_early(job, found):
            yield from _refresh_ahead(job, flight)
        job.note("hit")
        return True, job.give(result)
    if not job.swr or not (yield from _in_window(found, job.swr)):
        return False, None
    usable, result = job.load(found.entry)
    if not usable:
        return False, None
    yield from _refresh_ahead(job, flight)
    job.note("stale")
    return True, job.give(result)


def is_early(job: Job, found: Found) -> bool:
    """Whether it is time to refresh ahead (``async_ttl``)."""
    return job.early is not None and found.soft is not None and found.soft < job.early


def _in_window(found: Found, window: float) -> Plan[bool]:
    """Whether a stale value may be used now: inside the reader's own window, never past its hard ttl (E3)."""
    if found.soft is None or found.until is None or found.soft <= -window:
        return False
    return bool((yield Now()) < found.until)


def _refresh_ahead(job: Job, flight: Flight) -> Plan[None]:
    """Refresh in the background, if nobody does; the caller is not kept waiting for more than one trip."""
    if not flight.start_refresh():
        return
    started = False
    try:
        answer = yield from _fetch(job, "early")
        if answer[0] == b"lease":
            plan = _background(job, flight, answer[1], answer[3])
            started = (yield Spawn(plan)) is not None
            if not started:
                plan.close()
                yield Script("lease_free", (job.lease,), (answer[1], job.channel))
    except _ServerFailed:
        pass  # the value at hand is good
    finally:
        if not started:
            flight.end_refresh()


def _background(job: Job, flight: Flight, token: bytes, stamps: list[bytes]) -> Plan[None]:
    try:
        yield from _compute_and_store(job, token, stamps)
    except _Failed as failed:
        job.lost(failed.error)
    except _ServerFailed as failed:
        job.breaker.failed(failed.error)
        job.lost(failed.error)
    finally:
        flight.end_refresh()


# -- the lease -------------------------------------------------------------------------------------


def _fetch(job: Job, mode: str) -> Plan[list[Any]]:
    """L2, with a new token and new stamps for every send. ``[word, token, data, stamps, ttl, lease ttl]``."""
    token = draw()
    news = tuple(draw() for _ in job.tags)
    early = -1 if job.early is None else round(job.early * 1000)
    args = (token, job.lease_ms, job.tag_ms, mode, early, *news)
    try:
        reply = yield Script("entry_fetch", (job.key, job.lease, *job.tags), args)
    except CacheError as error:
        raise _ServerFailed(error) from error
    stamps = [reply[2][at : at + 8] for at in range(0, len(reply[2]), 8)]
    # An empty value is a value: that there is none is told by the ttl.
    return [reply[0], token, None if reply[3] == -2 else reply[1], stamps, reply[3], reply[4]]


def _drive(job: Job, flight: Flight, found: Found | None) -> Plan[tuple[bool, Any, Round | None]]:
    """Settle it with the server: (True, the answer, None), or (False, None, the round to read again in)."""
    shared: BaseException | None = None
    landed = False
    try:
        sent = yield Now()
        word, token, data, stamps, ms, lease_left = yield from _fetch(job, "miss")
        seen = _valid(job, data, stamps, ms, sent)
        if word == b"hit" and seen is not None:
            usable, result = job.load(seen.entry)
            if usable:
                job.note("hit")
                return True, job.give(result), None
            word, token, data, stamps, ms, lease_left = yield from _fetch(job, "force")
        if word == b"lease":
            try:
                return True, (yield from _own(job, token, stamps, seen)), None
            except _Failed as failed:
                shared = failed.error
                flight.land(shared)
                landed = True
                return True, (yield from _after_error(job, failed.error, seen or found)), None
        job.note("wait")
        if seen is not None and job.swr and (yield from _in_window(seen, job.swr)):
            usable, result = job.load(seen.entry)
            if usable:
                job.note("stale")
                return True, job.give(result), None
        yield from _await_other(job, lease_left / 1000)
        landed = True
        return False, None, flight.land()
    finally:
        if not landed:
            flight.land()


def _await_other(job: Job, lease_left: float) -> Plan[None]:
    """W1: registered first, then look; then until woken, or the net: 0.2 s, 0.4 s, … or the lease's end."""
    heard = yield Subscribe(job.channel)
    pause = FIRST_NET
    while True:
        found, (holder,) = yield from _read(job, job.lease)
        if holder is None or (found is not None and found.fresh):
            return
        if (yield Wait(heard, min(pause * job.jitter(), max(lease_left, 0.01)))):
            return
        pause = min(2 * pause, LAST_NET)


def _own(job: Job, token: bytes, stamps: list[bytes], seen: Found | None) -> Plan[Any]:
    """We have the lease. With ``soft_timeout`` and a stale value at hand, only wait that long."""
    if job.soft_timeout is None or seen is None:
        return (yield from _compute_and_store(job, token, stamps))
    handle = yield Spawn(_compute_and_store(job, token, stamps))
    if handle is None:
        return (yield from _compute_and_store(job, token, stamps))
    if not (yield Wait(handle.done, job.soft_timeout)):
        now = yield Now()
        usable, result = job.load(seen.entry)
        if usable and (seen.until is None or now < seen.until):
            handle.abandon()  # it goes on, and stores
            job.note("stale")
            return job.give(result)
        yield Wait(handle.done)
    return handle.result()


class _Failed(Exception):
    """The user's function raised."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _compute_and_store(job: Job, token: bytes, stamps: list[bytes]) -> Plan[Any]:
    """L3 to L5: compute after the lease was given, store under the token and the stamps of that moment."""
    held = yield Hold(job.lease, token, job.lease_ms)
    try:
        value = yield from job.compute()
        data, ms = job.dump(value)
    except GeneratorExit:  # the plan was dropped: nobody is left to act; the lease runs out
        held.stop()
        raise
    except Exception as error:
        held.stop()
        if isinstance(error, job.cache_errors):
            yield from _put(job, token, stamps, ERROR, *job.dump_error(error))
        else:
            yield from _free(job, token)
        raise _Failed(error) from error
    except BaseException:  # cancelled or interrupted: somebody else may compute at once
        held.stop()
        yield from _free(job, token)
        raise
    held.stop()  # L4: renewing ends before the STORE is sent
    if data is None:
        yield from _free(job, token)
    else:
        yield from _put(job, token, stamps, VALUE, data, ms)
    return job.returns(value, data)


def _put(job: Job, token: bytes, stamps: list[bytes], kind: int, data: bytes, ms: int) -> Plan[None]:
    grace = job.grace if kind == VALUE and ms else 0
    entry = pack(Entry(data, kind, grace, tuple(stamps)))
    step = Script("entry_store", (job.key, job.lease), (token, entry, ms + grace if ms else 0, job.channel))
    try:
        reply = yield step
    except CacheError as error:
        job.note("error")
        job.breaker.failed(error)
        if job.raises:
            raise _ServerFailed(error) from error
        return
    job.note("store" if reply[0] == b"ok" else "refused")


def _free(job: Job, token: bytes) -> Plan[None]:
    try:
        yield Script("lease_free", (job.lease,), (token, job.channel))
    except CacheError:
        job.note("error")  # the lease runs out by itself


def _after_error(job: Job, error: BaseException, found: Found | None) -> Plan[Any]:
    """The computation failed: a stale value if this caller's own read allows it, else the error."""
    if found is not None and job.sie and isinstance(error, Exception) and (yield from _in_window(found, job.sie)):
        usable, result = job.load(found.entry)
        if usable:
            job.note("stale")
            return job.give(result)
    raise error


# -- the other methods -------------------------------------------------------------------------------


def lookup(job: Job, always_ttl: bool = True) -> Plan[Found | None]:
    """Only look: what is there and valid, or None. Raises what the server raises."""
    try:
        found, _ = yield from _read(job, with_ttl=always_ttl)
    except _ServerFailed as failed:
        raise failed.error from None
    return found


def recompute(job: Job) -> Plan[Any]:
    """Compute now, whatever is there and whoever else computes: the lease is taken over."""
    try:
        answer = yield from _fetch(job, "force")
        result = yield from _compute_and_store(job, answer[1], answer[3])
    except _Failed as failed:
        raise failed.error from None
    except _ServerFailed as failed:
        job.breaker.failed(failed.error)
        job.note("error")
        if job.raises:
            raise failed.error from None
        return (yield from job.compute())
    return result


def store(job: Job, value: Any) -> Plan[None]:
    """P1: a value given by hand takes effect at the server, under the stamps of that moment."""
    data, ms = job.dump(value)
    if data is None:
        return
    grace = job.grace if ms else 0
    before = head(VALUE, grace, len(job.tags))
    news = tuple(draw() for _ in job.tags)
    args = (before, data, ms + grace if ms else 0, job.tag_ms, job.channel, *news)
    yield Script("entry_put", (job.key, job.lease, *job.tags), args)
    job.note("store")
