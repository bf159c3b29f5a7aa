"""Reading an entry: when it is a hit, and when it is stale. ``sharing`` says which callers may share a read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import CacheError
from ..effects import Batch, Command, Now, Plan, ReadToHold
from ..entries import ERROR, same, unpack
from ..target import seconds_left
from .found import Found, ServerFailed
from .held import token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...l1 import Token
    from .job import Job

__all__ = [
    "in_window",
    "is_early",
    "read",
    "read_to_hold",
    "valid",
    "waiters_check",
    "waiters_first_check",
]  # fmt: skip


def read(job: Job[object], with_ttl: bool = False) -> Plan[Found | None]:
    """E2: PTTL (where it matters) before MGET of entry and tags, in one round trip; no Lua."""
    ms, sent = None, 0.0
    entry_and_tags = Command(("MGET", job.key, *job.tags))
    try:
        if with_ttl or job.recipe.needs_ttl:
            sent = yield Now()
            ms, words = yield Batch([Command(("PTTL", job.key)), entry_and_tags])
        else:
            words = yield entry_and_tags
    except CacheError as error:
        raise ServerFailed(error) from error
    job.recipe.breaker.worked()
    return valid(job, words[0], words[1:], ms, sent)


def read_to_hold(job: Job[object]) -> Plan[Found | None]:
    """Read; L1 may hold the value that is found, if nothing has changed since the read token was taken (F1, F2)."""
    mine = token(job)
    return read(job) if mine is None else _looked(job, mine)


def _looked(job: Job[object], mine: Token) -> Plan[Found | None]:
    sent = yield Now()
    try:
        seen = yield ReadToHold(job.key, [Command(("MGET", job.key, *job.tags))])
    except CacheError as error:
        raise ServerFailed(error) from error
    job.recipe.breaker.worked()
    words = seen.replies[0]
    found = valid(job, words[0], words[1:], seen.ms, sent)
    tiering = job.recipe.tiering
    if found is None or seen.ms is None or tiering is None:
        return found
    if tiering.answered(job.key, job.tags, seen):
        found.token = mine
    return found


def waiters_check(job: Job[object]) -> Plan[tuple[bool, bytes | None, int]]:
    """What a caller sees that waits for an owner: whether the entry is fresh, and who has the lease for how many ms."""
    sent = yield Now()
    steps = [
        Command(("GET", job.lease)), Command(("PTTL", job.lease)), Command(("PTTL", job.key)),
        Command(("MGET", job.key, *job.tags)),
    ]  # fmt: skip
    try:
        held, lease_left, ms, words = yield Batch(steps)
    except CacheError as error:
        raise ServerFailed(error) from error
    found = valid(job, words[0], words[1:], ms, sent)
    return found is not None and found.fresh, held, lease_left


def waiters_first_check(job: Job[object]) -> Plan[bytes | None]:
    """The first look, when wake-ups are heard: only who has the lease, since what ends a wait changes that."""
    try:
        held: bytes | None = yield Command(("GET", job.lease))
    except CacheError as error:
        raise ServerFailed(error) from error
    return held


def valid(
    job: Job[object], data: bytes | None, stamps: Sequence[bytes | None], ms: int | None, sent: float
) -> Found | None:
    """The entry in these replies, if it counts: its bytes are whole, and its stamps are those of its tags now."""
    if data is None:
        return None
    entry = unpack(data)
    if entry is None or not same(entry, stamps) or (entry.kind == ERROR and not job.recipe.cache_errors):
        return None
    if ms == -2:  # stored between PTTL and MGET, so its ttl is not known: the lease decides
        return None
    return Found(entry, None if ms is None else seconds_left(ms), sent)


def is_early(job: Job[object], found: Found) -> bool:
    """Whether it is time to refresh ahead (``async_ttl``)."""
    early = job.recipe.early
    return early is not None and found.soft is not None and found.soft < early


def in_window(found: Found, window: float) -> Plan[bool]:
    """Whether a stale value may be used now: inside the reader's own window, never past the hard end (E3)."""
    if found.until is None:
        return False
    left = found.until - (yield Now())  # the caller may have had it in hand for a while
    return bool(left > 0 and left - found.entry.grace / 1000 > -window)
