"""Many values by one computation: one read for all ids, one lease for each, one call for all missing ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import CacheError
from ..admission import admitted
from ..effects import Batch, Command, Plan, Subscribe, Wait, carried, original
from ..marks import ALONE, counting, read_mark
from ..waiting import waiting_for
from .ended import raised_by, spread
from .found import ServerFailed, asked
from .many_computing import compute_all
from .many_leases import Own, compute_owned, leases, leave_given
from .many_reads import entries_in, read_cached
from .unserved import answer, begin, end, over, wait_unserved

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from ..marks import Mark
    from .job import Job
    from .many_computing import Compute
    from .many_reads import Jobs, Values

__all__ = ["many", "recompute"]

NET = 0.5  # seconds between two looks of a waiting caller, in case its wake-up was lost


def many(jobs: Jobs, compute: Compute) -> Plan[Values]:
    """The values of all ids, in their order: the cached ones, and those that ``compute`` gives for the other ids."""
    if not jobs:
        return {}
    job = next(iter(jobs.values()))
    if job.recipe.disabled:
        return (yield from _uncached(jobs, list(jobs), {}, compute))
    if not job.recipe.breaker.allows() and not (yield from admitted(job.recipe.breaker)):
        error = job.recipe.breaker.error()
        if job.recipe.raises:
            job.note("error", error)
        else:
            _missed(jobs, jobs)
        return (yield from _without_server(jobs, list(jobs), {}, compute, error))
    found: Values = {}
    left_out: set[Hashable] = set()
    missed: set[Hashable] = set()
    try:
        yield from _answer(jobs, found, left_out, missed, compute)
    except ServerFailed as failed:
        error, told = failed.error, failed.told
    else:
        return {each: found[each] for each in jobs if each in found}
    if job.recipe.late():
        raise error
    if not told:
        job.failed(error)
        job.note("error", error)
    wanted = [each for each in jobs if each not in found and each not in left_out]
    if not job.recipe.raises:
        _missed(jobs, (each for each in wanted if each not in missed))
    return (yield from _without_server(jobs, wanted, found, compute, error))


def _missed(jobs: Jobs, ids: Iterable[Hashable]) -> None:
    for each in ids:
        jobs[each].note("miss")


def _without_server(
    jobs: Jobs, wanted: list[Hashable], found: Values, compute: Compute, error: CacheError
) -> Plan[Values]:
    if next(iter(jobs.values())).recipe.raises:
        raise error
    return (yield from _unserved(jobs, wanted, found, compute))


def _uncached(jobs: Jobs, wanted: list[Hashable], found: Values, compute: Compute) -> Plan[Values]:
    if wanted:
        found.update((yield from compute_all(jobs, wanted, compute)))
    return {each: found[each] for each in jobs if each in found}


def _unserved(jobs: Jobs, wanted: list[Hashable], found: Values, compute: Compute) -> Plan[Values]:
    """Without the server: compute what no other caller of this process computes, then wait for the others (W7)."""
    alone: list[Hashable] = []
    left, flights = list(wanted), next(iter(jobs.values())).recipe.flights
    while left:
        own = {each: begin(jobs[each]) for each in left}
        theirs = {}
        try:
            there = {each: flights.share(jobs[each].key, mine) for each, mine in own.items()}
            mine = [each for each in left if there[each] is own[each]]
            theirs = {each: other for each, other in there.items() if other is not own[each]}
            if mine:
                values = yield from compute_all(jobs, mine, compute)
                found.update(values)
                for each in mine:
                    if each in values:
                        end(jobs[each], own[each], values[each])
                    else:
                        own[each].alone = True
        except Exception as raised:
            for one in own.values():
                one.error, one.trace = original(raised), raised.__traceback__
            raise
        finally:
            for each, one in own.items():
                over(jobs[each], one)
        left = []
        for each, other in theirs.items():
            if not (yield from wait_unserved(jobs[each], other)):
                alone.append(each)
                continue
            usable, value = answer(jobs[each], other) if other.valued else (False, None)
            if usable:
                found[each] = value
            else:
                (alone if other.alone or other.valued else left).append(each)
    return (yield from _uncached(jobs, alone, found, compute))


def _answer(jobs: Jobs, found: Values, left_out: set[Hashable], missed: set[Hashable], compute: Compute) -> Plan[None]:
    found.update((yield from read_cached(jobs)))
    for each in found:
        jobs[each].note("hit")
    missing = [each for each in jobs if each not in found]
    for each in missing:
        jobs[each].guard()
        jobs[each].note("miss")
        missed.add(each)
    while missing:
        mine, others = yield from leases({each: jobs[each] for each in missing}, "miss", found)
        try:
            if mine:  # before this caller waits for an owner: so no two callers wait for each other
                yield from compute_owned(jobs, mine, found, left_out, compute)
        except BaseException:
            leave_given(jobs, mine)
            raise
        ended: dict[Hashable, Mark] = {}
        if others:
            for each in others:
                jobs[each].note("wait")
            waiting = {each: jobs[each] for each in others}
            with waiting_for(*waiting.values()):
                while waiting:
                    waiting = yield from _await_first(waiting, others, found, ended)
        if ended:
            yield from _after_marks(jobs, ended, found, left_out, compute)
        missing = [each for each in others if each not in found and each not in ended]


def _after_marks(
    jobs: Jobs, ended: dict[Hashable, Mark], found: Values, left_out: set[Hashable], compute: Compute
) -> Plan[None]:
    """W4: computations of others, for which this caller has waited, left only marks: raise what they hold.

    Where they hold no exception, this caller computes these ids for itself.
    """
    for each, mark in ended.items():
        error = raised_by(jobs[each], mark)
        if error is not None:
            raise carried(error)
    failed = [(jobs[each], mark) for each, mark in ended.items() if mark.kind != ALONE]
    if failed:
        yield from spread(*failed[0])
    unkept = {each: Own(b"", b"") for each in ended}
    yield from compute_owned(jobs, unkept, found, left_out, compute)


def recompute(jobs: Jobs, compute: Compute) -> Plan[Values]:
    """Compute all ids now, also those that are cached or that others compute: this caller takes the leases over."""
    if not jobs:
        return {}
    job = next(iter(jobs.values()))
    found: Values = {}
    left_out: set[Hashable] = set()
    try:
        if job.recipe.disabled:
            return (yield from _uncached(jobs, list(jobs), {}, compute))
        mine, _ = yield from asked(job.recipe.breaker, leases(jobs, "force", found))
        try:
            yield from compute_owned(jobs, mine, found, left_out, compute, drops=True)
        except BaseException:
            leave_given(jobs, mine)
            raise
        _keep(each for each in jobs.values() if each.unanswered)
        return {each: found[each] for each in jobs if each in found}
    except ServerFailed as failed:
        error, told = failed.error, failed.told
    _keep(jobs.values())
    if job.recipe.late():
        raise error
    if not told:
        job.failed(error)
        job.note("error", error)
    wanted = [each for each in jobs if each not in found and each not in left_out]
    return (yield from _without_server(jobs, wanted, found, compute, error))


def _keep(jobs: Iterable[Job[object]]) -> None:
    """The older values could not be replaced: they have to go (J1)."""
    for each in jobs:
        each.keep()


def _await_first(
    waiting: Jobs, tokens: dict[Hashable, bytes], found: Values, ended: dict[Hashable, Mark]
) -> Plan[Jobs]:
    """W1: wait for the first id. Gives the ids that are left: they have no value yet, and their lease still lives.

    ``tokens`` are those that are waited for; the marks of computations without a result go to ``ended``.
    """
    job = next(iter(waiting.values()))
    heard = yield Subscribe(job.channel)  # subscribe first, then look
    steps = [
        Command(("MGET", *(each.lease for each in waiting.values()))),
        Command(("MGET", *(each.key for each in waiting.values()), *job.tags)),
        *(Command(("PTTL", each.lease)) for each in waiting.values()),
    ]
    try:
        held, words, *left = yield Batch(steps)
    except CacheError as error:
        raise ServerFailed(error) from error
    found.update(entries_in(waiting, words))
    lasts = dict(zip(waiting, left, strict=True))
    still: Jobs = {}
    for (each, one), owner in zip(waiting.items(), held, strict=True):
        if each in found or owner is None or lasts[each] == -2:
            continue
        mark = read_mark(owner)
        if mark is None:
            tokens[each], still[each] = owner, one
        elif (counts := counting(mark, tokens[each], words[len(waiting) :])) is not None:
            ended[each] = counts
    if len(still) == len(waiting):  # else some ids are done: the next look subscribes for the first id that is left
        lease_left = lasts[next(iter(still))]
        longest = max(lease_left / 1000, 0.01) if lease_left >= 0 else NET
        yield Wait(heard, min(NET * job.jitter(), longest))
    return still
