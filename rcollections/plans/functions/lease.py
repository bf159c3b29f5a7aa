"""The lease: asking for it, computing under it, storing under its token, giving it back (rules L and T1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import CacheError
from ..draws import draw
from ..effects import Hold, Plan, Script, Spawn, original
from ..entries import ERROR, VALUE, Entry, pack
from .found import ServerFailed
from .values import dump, dump_error, returned

if TYPE_CHECKING:
    from ..effects import Arg
    from .found import Found
    from .job import Job

__all__ = ["Failed", "compute_and_store", "fetch", "free"]

R = TypeVar("R")


class Failed(Exception):
    """The user's function raised."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.seen: Found | None = None  # the stale entry that came with the lease


def fetch(job: Job[object], mode: str) -> Plan[list[Any]]:
    """L2, with a new token (L0) and new stamps (T1) in every message. Gives ``[word, token, data, stamps, ttl]``."""
    token = draw()
    news = tuple(draw() for _ in job.tags)
    recipe = job.recipe
    early = -1 if recipe.early is None else round(recipe.early * 1000)
    args: tuple[Arg, ...] = (token, recipe.lease_ms, recipe.tag_ms, mode, early, *news)
    try:
        reply = yield Script("entry_fetch", (job.key, job.lease, *job.tags), args)
    except CacheError as error:
        # The server may have given the lease: no caller shall wait for an owner that does not know of its lease.
        yield Spawn(free(job, token, told=True))
        raise ServerFailed(error) from error
    except GeneratorExit:
        raise
    except BaseException:  # cancelled or interrupted
        yield from free(job, token)
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
        held.stop()  # L4: renewing ends before the STORE is sent
    except GeneratorExit:  # the plan was dropped, no driver is left to act: the lease runs out
        if held is not None:
            held.stop()
        raise
    except Exception as raised:
        if held is not None:
            held.stop()
        data, ms = dump_error(job, original(raised))
        if data is None:
            yield from free(job, token)
        else:
            yield from _put(job, token, stamps, ERROR, data, ms)
        raise Failed(original(raised)) from original(raised)
    except BaseException:  # cancelled or interrupted: another caller may compute at once
        if held is not None:
            held.stop()
        yield from free(job, token)
        raise
    if data is None:
        job.unkept = True
        yield from free(job, token)
    else:
        yield from _put(job, token, stamps, VALUE, data, ms)
    return returned(job, value, data)


def _put(job: Job[object], token: bytes, stamps: list[bytes], kind: int, data: bytes, ms: int) -> Plan[None]:
    grace = job.recipe.grace if kind == VALUE and ms else 0
    entry = pack(Entry(data, kind, grace, tuple(stamps)))
    step = Script("entry_store", (job.key, job.lease), (token, entry, ms + grace if ms else 0, job.channel))
    try:
        reply = yield step
    except CacheError as error:
        job.unanswered = True
        job.note("error", error)
        job.failed(error)
        if job.recipe.raises and kind == VALUE:
            raise ServerFailed(error, told=True) from error
        return
    job.recipe.breaker.stored()
    job.note("store" if reply[0] == b"ok" else "refused")


def free(job: Job[object], token: bytes, *, told: bool = False) -> Plan[None]:
    """L4: give the lease back: another caller may compute now. If the server does not answer, the lease runs out.

    ``told``: the failure that led here is told already, and this one says nothing new.
    """
    try:
        yield Script("lease_free", (job.lease,), (token, job.channel))
    except CacheError as error:
        if not told:
            job.note("error", error)
