"""The lease: asking for it, computing under it, storing under its token, giving it back (rules L and T1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ...errors import CacheConnectionError, CacheError, CacheTimeout
from ..draws import draw, new_token
from ..effects import Hold, Now, Plan, Script, original
from ..entries import ERROR, VALUE, Entry, pack
from ..orphans import with_orphans
from .ended import alone_mark, failed_mark
from .found import ServerFailed
from .values import dump_error, kept, returned

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..effects import Arg
    from ..marks import Mark
    from .found import Found
    from .job import Job

__all__ = ["Answer", "Failed", "compute_and_store", "fetch", "free", "leave"]

R = TypeVar("R")


class Failed(Exception):
    """The user's function raised."""

    def __init__(self, error: BaseException, shared: bool = False, stored: bool = False) -> None:
        self.error = error
        self.shared = shared  # W3': no invalidation came between the lease and the end of it
        self.stored = stored  # it is cached like a result
        self.seen: Found | None = None  # the stale entry that came with the lease


class Answer(NamedTuple):
    """What FETCH answers."""

    word: bytes  # hit, lease, wait; cool and alone: a mark is there, see ``lua/entry_fetch.lua``
    token: bytes  # that was sent
    data: bytes | None
    stamps: list[bytes]
    ttl: int
    number: int  # lease: how many computations have failed in a row; cool, alone: ms
    owner: bytes  # wait: the token of the computation that runs


def fetch(job: Job[object], mode: str) -> Plan[Answer]:
    """L2, with a new token (L0) and new stamps (T1) in every message."""
    token = new_token()
    news = tuple(draw() for _ in job.tags)
    recipe = job.recipe
    early = -1 if recipe.early is None else round(recipe.early * 1000)
    args: tuple[Arg, ...] = (token, recipe.lease_ms, recipe.tag_ms, mode, early, round(recipe.sie * 1000), *news)
    step = Script("entry_fetch", (job.key, job.lease, *job.tags), args)
    try:
        reply = yield from with_orphans(recipe.flights.orphans, job.lease, step)
        stamps = [reply[2][at : at + 8] for at in range(0, len(reply[2]), 8)]
        # Empty bytes may be a value: only the ttl tells that there is no entry.
        return Answer(reply[0], token, None if reply[3] == -2 else reply[1], stamps, *reply[3:])
    except CacheError as error:
        # The server may have given the lease: no caller shall wait for an owner that does not know of its lease.
        leave(job, token)
        raise ServerFailed(error) from error
    except BaseException as error:  # cancelled, interrupted or dropped
        yield from _free_in_any_case(job, token, error)
        leave(job, token)  # the question may still be on its way, and arrive behind that
        raise


def compute_and_store(
    job: Job[R], token: bytes, stamps: list[bytes], failures: int = 0, ending: Callable[[], None] | None = None
) -> Plan[R]:
    """L3 to L5: compute after the lease was given, store under the token and the stamps of that moment.

    ``failures``: how many computations before this one have failed in a row. ``ending`` is called when this one has
    failed, before the lease is given back.
    """
    held: Any = None
    began, before = 0.0, job.number
    try:
        held = yield Hold(job.lease, token, job.recipe.lease_ms)
        began = yield Now()
        value = yield from job.compute()
        data, ms = kept(job, value)
        _stop(job, held)  # L4: renewing ends before the STORE is sent
    except Exception as raised:
        _stop(job, held)
        error = original(raised)
        data, ms = dump_error(job, error)
        if data is not None:
            stored = yield from _put(job, token, stamps, ERROR, data, ms, held)
            raise Failed(error, stored=stored) from error
        mark = yield from _failed_mark(job, token, stamps, error, failures, began)
        if ending is not None:
            ending()
        shared = yield from free(job, token, mark=mark)
        shared = shared and job.number == before  # what is kept meanwhile may arrive behind this FREE (J1)
        raise Failed(error, shared) from error
    except BaseException as error:  # cancelled, interrupted or dropped: another caller may compute at once
        _stop(job, held)
        yield from _free_in_any_case(job, token, error)
        raise
    if job.recipe.trouble.open:
        job.recipe.trouble.worked(job.key)
    if data is None:
        yield from free(job, token, mark=alone_mark(job, token, b"".join(stamps)))
    else:
        yield from _put(job, token, stamps, VALUE, data, ms, held)
    return returned(job, value, data)


def _failed_mark(
    job: Job[object], token: bytes, stamps: list[bytes], error: BaseException, failures: int, began: float
) -> Plan[Mark]:
    """The mark of the computation that has just raised."""
    try:
        took = (yield Now()) - began
    except BaseException:  # cancelled, interrupted or dropped
        leave(job, token)
        raise
    return failed_mark(job, error, token, b"".join(stamps), failures + 1, took)


def _stop(job: Job[object], held: Any) -> None:
    if held is not None:
        held.stop()
        job.recipe.patience.saw(held)


def _put(job: Job[object], token: bytes, stamps: list[bytes], kind: int, data: bytes, ms: int, held: Any) -> Plan[bool]:
    grace = job.recipe.grace if kind == VALUE and ms else 0
    entry = pack(Entry(data, kind, grace, tuple(stamps)))
    step = Script("entry_store", (job.key, job.lease), (token, entry, ms + grace if ms else 0, job.channel))
    try:
        reply = yield step
    except CacheError as error:
        job.unanswered = True
        job.note("error", error)
        job.failed(error)
        if isinstance(error, (CacheConnectionError, CacheTimeout)):
            job.recipe.flights.orphans.leave(job.lease, step, job.recipe.lease_ms)  # L6: it may be sent again
        else:  # refused, as by a full server: nobody shall wait for a value that does not come
            yield from free(job, token, told=True)
        if job.recipe.raises and kind == VALUE:
            raise ServerFailed(error, told=True) from error
        return False
    except BaseException:  # cancelled, interrupted or dropped: the server may have it or not
        job.recipe.flights.orphans.leave(job.lease, step, job.recipe.lease_ms)
        raise
    job.recipe.breaker.stored()
    stored: bool = reply[0] == b"ok"
    if not stored:
        job.recipe.patience.refused(held)
    job.note("store" if stored else "refused")
    return stored


def free(job: Job[object], token: bytes, *, told: bool = False, mark: Mark | None = None) -> Plan[bool]:
    """L4: give the lease back: another caller may compute now. If the server does not answer, the background does it.

    ``told``: the failure that led here is told already, and this one says nothing new. ``mark`` is left for those
    that waited. Gives whether the lease was still ours, and the tags still have the stamps of the mark (W3').
    """
    left: tuple[Arg, ...] = () if mark is None else (mark.pack(), mark.life)
    keys = (job.lease,) if mark is None else (job.lease, *job.tags)
    try:
        reply = yield Script("lease_free", keys, (token, job.channel, *left))
    except CacheError as error:
        leave(job, token)
        if not told:
            job.note("error", error)
        return False
    except BaseException:  # cancelled, interrupted or dropped
        leave(job, token)
        raise
    return mark is not None and reply[0] == b"ok" and reply[1] == mark.stamps


def leave(job: Job[object], token: bytes) -> None:
    """L7: let the background give the lease back, or the next call of this process that needs it."""
    step = Script("lease_free", (job.lease,), (token, job.channel))
    job.recipe.flights.orphans.leave(job.lease, step, job.recipe.lease_ms)


def _free_in_any_case(job: Job[object], token: bytes, error: BaseException) -> Plan[None]:
    """Give the lease back, also where the plan was dropped and no driver is left to act."""
    if isinstance(error, GeneratorExit):
        leave(job, token)
    else:
        yield from free(job, token)
