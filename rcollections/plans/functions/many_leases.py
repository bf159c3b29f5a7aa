"""The leases of many values: one for each id, one computation for all leases of this caller, one STORE for each."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import CacheError
from ..draws import draw, new_token
from ..effects import Batch, Call, Hold, Plan, Script
from ..entries import VALUE, Entry, pack
from ..waiting import marked
from .found import ServerFailed
from .lease import free, leave
from .many_reads import entries_in
from .values import dump, returned

if TYPE_CHECKING:
    from ..effects import Arg
    from .many_reads import Jobs, Values

__all__ = ["Compute", "compute_all", "compute_owned", "leases"]

Compute: TypeAlias = Callable[[list[Hashable]], object]  # the user's function: ids to a mapping of ids to values


class Own:
    """A lease that this caller owns: its token, and the stamps of the moment when the server gave it."""

    __slots__ = ("held", "stamps", "token")

    def __init__(self, token: bytes, stamps: bytes) -> None:
        self.token = token
        self.stamps = tuple(stamps[at : at + 8] for at in range(0, len(stamps), 8))
        self.held: Any = None


def leases(jobs: Jobs, mode: str, found: Values) -> Plan[tuple[dict[Hashable, Own], list[Hashable]]]:
    """L2 for each id in one round trip: the leases that this caller gets, and the ids that others compute.

    Values that are there by now go to ``found``.
    """
    steps, tokens = [], []
    for job in jobs.values():
        tokens.append(new_token())
        news = (draw() for _ in job.tags)
        args: tuple[Arg, ...] = (tokens[-1], job.recipe.lease_ms, job.recipe.tag_ms, mode, -1, *news)
        steps.append(Script("entry_fetch", (job.key, job.lease, *job.tags), args))
    orphans = next(iter(jobs.values())).recipe.flights.orphans
    ahead = [each for job in jobs.values() for each in orphans.take(job.lease)] if orphans else []
    try:
        replies = (yield Batch((*(each.step for each in ahead), *steps), keep_errors=True))[len(ahead) :]
        ahead = []
        for reply in replies:
            if isinstance(reply, CacheError):
                raise reply
    except BaseException as error:  # the server may have given leases: give all back
        orphans.back(*ahead)
        given = dict(zip(jobs, tokens, strict=True))
        if isinstance(error, (CacheError, GeneratorExit)):
            _leave_all(jobs, given)
        else:  # cancelled or interrupted
            yield from _free_all(jobs, given)
        if isinstance(error, CacheError):
            raise ServerFailed(error) from error
        raise
    mine: dict[Hashable, Own] = {}
    others: list[Hashable] = []
    unreadable: Jobs = {}
    for (each, job), token, (word, data, stamps, *_) in zip(jobs.items(), tokens, replies, strict=True):
        if word == b"lease":
            mine[each] = Own(token, stamps)
        elif word == b"wait":
            others.append(each)
        else:
            seen = entries_in({each: job}, [data, *(stamps[at : at + 8] for at in range(0, len(stamps), 8))])
            if seen:
                found.update(seen)
            else:
                unreadable[each] = job
    if unreadable:
        more, _ = yield from leases(unreadable, "force", found)
        mine.update(more)
    return mine, others


def compute_owned(
    jobs: Jobs,
    mine: dict[Hashable, Own],
    found: Values,
    left_out: set[Hashable],
    compute: Compute,
    *,
    drops: bool = False,
) -> Plan[None]:
    """Compute all ids whose lease is in ``mine`` in one call, and store each value under its token.

    The lease of an id that the function left out, or whose value is not to be stored, is given back; ``drops``: what
    is stored there is older, so it goes as well (D1). A value that cannot be written keeps no other from being
    stored: its error is raised when all is done.
    """
    wanted = [each for each in jobs if each in mine]
    steps: list[Script] = []
    unwritable: Exception | None = None
    try:
        for each in wanted:
            mine[each].held = yield Hold(jobs[each].lease, mine[each].token, jobs[each].recipe.lease_ms)
        values = yield from compute_all(jobs, wanted, compute)
        for each in wanted:
            job, own = jobs[each], mine[each]
            data, ms, failed = None, 0, False
            if each not in values:
                left_out.add(each)
            else:
                try:
                    data, ms = dump(job, values[each])
                    found[each] = returned(job, values[each], data)
                except Exception as error:
                    data, failed, unwritable = None, True, unwritable or error
            if data is not None:
                entry = pack(Entry(data, VALUE, 0, own.stamps))
                steps.append(Script("entry_store", (job.key, job.lease), (own.token, entry, ms, job.channel)))
            elif drops and not failed:
                steps.append(Script("entry_delete", (job.key, job.lease), (job.channel,)))
            else:
                steps.append(Script("lease_free", (job.lease,), (own.token, job.channel)))
        _stop(jobs, mine)  # L4: renewing ends before the STORE is sent
    except BaseException as error:  # failed, cancelled or interrupted: another caller may compute at once
        _stop(jobs, mine)
        tokens = {each: own.token for each, own in mine.items()}
        if isinstance(error, GeneratorExit):  # the plan was dropped, no driver is left to act
            _leave_all(jobs, tokens)
        else:
            yield from _free_all(jobs, tokens)
        raise
    yield from _store(jobs, mine, wanted, steps)
    if unwritable is not None:
        raise unwritable


def _store(jobs: Jobs, mine: dict[Hashable, Own], wanted: list[Hashable], steps: list[Script]) -> Plan[None]:
    try:
        replies = yield Batch(steps, keep_errors=True)
    except BaseException as error:  # L6: these may be sent again
        for each, step in zip(wanted, steps, strict=True):
            if step.name != "entry_delete":
                jobs[each].recipe.flights.orphans.leave(jobs[each].lease, step, jobs[each].recipe.lease_ms)
        if not isinstance(error, CacheError):  # cancelled, interrupted or dropped
            raise
        replies = [error] * len(steps)
    for each, step, reply in zip(wanted, steps, replies, strict=True):
        job = jobs[each]
        if isinstance(reply, CacheError):
            job.unanswered = True
            job.note("error", reply)
            job.failed(reply)
            if job.recipe.raises:
                raise ServerFailed(reply, told=True)
        elif step.name == "entry_store":
            stored = reply[0] == b"ok"
            if not stored:
                job.recipe.patience.refused(mine[each].held)
            job.note("store" if stored else "refused")


def _stop(jobs: Jobs, mine: dict[Hashable, Own]) -> None:
    for each, own in mine.items():
        if own.held is not None:
            own.held.stop()
            jobs[each].recipe.patience.saw(own.held)


def _leave_all(jobs: Jobs, tokens: dict[Hashable, bytes]) -> None:
    for each, token in tokens.items():
        leave(jobs[each], token)


def _free_all(jobs: Jobs, tokens: dict[Hashable, bytes], *, told: bool = False) -> Plan[None]:
    """Give leases back; if the server does not answer, they run out by themselves. ``told`` as in ``free``."""
    if len(tokens) == 1:
        for each, token in tokens.items():
            yield from free(jobs[each], token, told=told)
        return
    steps = [Script("lease_free", (jobs[each].lease,), (token, jobs[each].channel)) for each, token in tokens.items()]
    try:
        yield Batch(steps, keep_errors=True)
    except BaseException as error:
        _leave_all(jobs, tokens)
        if not isinstance(error, CacheError):  # cancelled, interrupted or dropped
            raise
        if not told:
            next(iter(jobs.values())).note("error", error)


# -- the user's function -----------------------------------------------------------------------------


def compute_all(jobs: Jobs, wanted: list[Hashable], compute: Compute) -> Plan[Mapping[Hashable, object]]:
    """One call of the user's function for all wanted ids, with their keys marked as being computed."""
    for each in wanted:
        jobs[each].guard()
        jobs[each].note("compute")
    first = jobs[wanted[0]]
    values = yield Call(marked(lambda: first.checked(compute(wanted)), [jobs[each] for each in wanted]))
    if not isinstance(values, Mapping):
        raise TypeError(f"{first.recipe.name} gave a {type(values).__name__}: it gives a mapping of ids to values")
    return values
