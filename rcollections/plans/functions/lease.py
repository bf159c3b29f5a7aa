"""The lease: asking for it, computing under it, storing under its token, giving it back (rules L and T1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import CacheConnectionError, CacheError, CacheTimeout
from ..draws import draw, new_token
from ..effects import Hold, Plan, Script, original
from ..entries import ERROR, VALUE, Entry, pack
from ..orphans import with_orphans
from .found import ServerFailed
from .values import dump, dump_error, returned

if TYPE_CHECKING:
    from ..effects import Arg
    from .found import Found
    from .job import Job

__all__ = ["Failed", "compute_and_store", "fetch", "free", "leave"]

R = TypeVar("R")


class Failed(Exception):
    """The user's function raised."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.seen: Found | None = None  # the stale entry that came with the lease


def fetch(job: Job[object], mode: str) -> Plan[list[Any]]:
    """L2, with a new token (L0) and new stamps (T1) in every message. Gives ``[word, token, data, stamps, ttl]``."""
    token = new_token()
    news = tuple(draw() for _ in job.tags)
    recipe = job.recipe
    early = -1 if recipe.early is None else round(recipe.early * 1000)
    args: tuple[Arg, ...] = (token, recipe.lease_ms, recipe.tag_ms, mode, early, *news)
    step = Script("entry_fetch", (job.key, job.lease, *job.tags), args)
    try:
        reply = yield from with_orphans(recipe.flights.orphans, job.lease, step)
    except CacheError as error:
        # The server may have given the lease: no caller shall wait for an owner that does not know of its lease.
        leave(job, token)
        raise ServerFailed(error) from error
    except BaseException as error:  # cancelled, interrupted or dropped
        yield from _free_in_any_case(job, token, error)
        raise
    stamps = [reply[2][at : at + 8] for at in range(0, len(reply[2]), 8)]
    # Empty bytes may be a value: only the ttl tells that there is no entry.
    return [reply[0], token, None if reply[3] == -2 else reply[1], stamps, reply[3]]


def compute_and_store(job: Job[R], token: bytes, stamps: list[bytes]) -> Plan[R]:
    """L3 to L5: compute after the lease was given, store under the token and the stamps of that moment."""
    held: Any = None
    try:
        held = yield Hold(job.lease, token, job.recipe.lease_ms)
        value = yield from job.compute()
        data, ms = dump(job, value)
        _stop(job, held)  # L4: renewing ends before the STORE is sent
    except Exception as raised:
        _stop(job, held)
        data, ms = dump_error(job, original(raised))
        if data is None:
            yield from free(job, token)
        else:
            yield from _put(job, token, stamps, ERROR, data, ms, held)
        raise Failed(original(raised)) from original(raised)
    except BaseException as error:  # cancelled, interrupted or dropped: another caller may compute at once
        _stop(job, held)
        yield from _free_in_any_case(job, token, error)
        raise
    if data is None:
        job.unkept = True
        yield from free(job, token)
    else:
        yield from _put(job, token, stamps, VALUE, data, ms, held)
    return returned(job, value, data)


def _stop(job: Job[object], held: Any) -> None:
    if held is not None:
        held.stop()
        job.recipe.patience.saw(held)


def _put(job: Job[object], token: bytes, stamps: list[bytes], kind: int, data: bytes, ms: int, held: Any) -> Plan[None]:
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
        return
    except BaseException:  # cancelled, interrupted or dropped: the server may have it or not
        job.recipe.flights.orphans.leave(job.lease, step, job.recipe.lease_ms)
        raise
    job.recipe.breaker.stored()
    stored = reply[0] == b"ok"
    if not stored:
        job.recipe.patience.refused(held)
    job.note("store" if stored else "refused")


def free(job: Job[object], token: bytes, *, told: bool = False) -> Plan[None]:
    """L4: give the lease back: another caller may compute now. If the server does not answer, the background does it.

    ``told``: the failure that led here is told already, and this one says nothing new.
    """
    try:
        yield Script("lease_free", (job.lease,), (token, job.channel))
    except CacheError as error:
        leave(job, token)
        if not told:
            job.note("error", error)
    except BaseException:  # cancelled, interrupted or dropped
        leave(job, token)
        raise


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
