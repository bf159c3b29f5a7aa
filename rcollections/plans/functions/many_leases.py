"""The leases of many values: one for each id, one computation for all leases of this caller, one STORE for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import CacheError
from ..draws import draw, new_token
from ..effects import Batch, Hold, Now, Plan, Script, original
from ..entries import VALUE, Entry, pack
from .ended import alone_mark, failed_mark
from .found import ServerFailed
from .lease import free, leave
from .many_computing import compute_all
from .many_reads import entries_in
from .values import kept, returned

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from ..effects import Arg
    from ..marks import Mark
    from .many_computing import Compute
    from .many_reads import Jobs, Values

__all__ = ["compute_owned", "leases", "leave_given"]


class Own:
    """A lease that this caller owns: its token, and the stamps of the moment when the server gave it.

    Without a token: no lease, since the result is not to be stored.
    """

    __slots__ = ("failures", "held", "stamps", "token")

    def __init__(self, token: bytes, stamps: bytes, failures: int = 0) -> None:
        self.token = token
        self.failures = failures  # how many computations before this one have failed in a row
        self.stamps = tuple(stamps[at : at + 8] for at in range(0, len(stamps), 8))
        self.held: Any = None


def leases(jobs: Jobs, mode: str, found: Values) -> Plan[tuple[dict[Hashable, Own], dict[Hashable, bytes]]]:
    """L2 for each id in one round trip: the leases that this caller gets, and the ids that others compute, with the
    tokens of these computations.

    Values that are there by now go to ``found``.
    """
    steps, tokens = [], []
    for job in jobs.values():
        tokens.append(new_token())
        news = (draw() for _ in job.tags)
        args: tuple[Arg, ...] = (tokens[-1], job.recipe.lease_ms, job.recipe.tag_ms, mode, -1, 0, *news)
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
        else:  # cancelled or interrupted; the question may still be on its way, and arrive behind that
            yield from _free_all(jobs, given)
            _leave_all(jobs, given)
        if isinstance(error, CacheError):
            raise ServerFailed(error) from error
        raise
    try:
        mine, others, unreadable = _sorted(jobs, tokens, replies, found)
        if unreadable:
            more, _ = yield from leases(unreadable, "force", found)
            mine.update(more)
    except BaseException:  # the server failed, or this was interrupted at any line
        _leave_all(jobs, dict(zip(jobs, tokens, strict=True)))
        raise
    return mine, others


def _sorted(
    jobs: Jobs, tokens: list[bytes], replies: list[Any], found: Values
) -> tuple[dict[Hashable, Own], dict[Hashable, bytes], Jobs]:
    """The leases that were given, the computations of others, and what is there and cannot be read."""
    mine: dict[Hashable, Own] = {}
    others: dict[Hashable, bytes] = {}
    unreadable: Jobs = {}
    for (each, job), token, (word, data, stamps, _, number, owner) in zip(jobs.items(), tokens, replies, strict=True):
        if word == b"lease":
            mine[each] = Own(token, stamps, number)
        elif word == b"alone":
            mine[each] = Own(b"", stamps)
        elif word == b"wait":
            others[each] = owner
        else:
            seen = entries_in({each: job}, [data, *(stamps[at : at + 8] for at in range(0, len(stamps), 8))])
            if seen:
                found.update(seen)
            else:
                unreadable[each] = job
    return mine, others, unreadable


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

    ``mine`` is empty when it has seen to the leases; what is left there is for ``leave_given``.
    The lease of an id that the function left out, or whose value is not to be stored, is given back; ``drops``: what
    is stored there is older, so it goes as well (D1). A value that cannot be written keeps no other from being
    stored: its error is raised when all is done.
    """
    wanted = [each for each in jobs if each in mine]
    steps: list[Script] = []
    unwritable: Exception | None = None
    began = 0.0
    try:
        began = yield Now()
        for each in wanted:
            if mine[each].token:
                mine[each].held = yield Hold(jobs[each].lease, mine[each].token, jobs[each].recipe.lease_ms)
        values = yield from compute_all(jobs, wanted, compute)
        for each in wanted:
            job, own = jobs[each], mine[each]
            data, ms, failed = None, 0, False
            if each not in values:
                left_out.add(each)
            else:
                try:
                    data, ms = kept(job, values[each])
                    found[each] = returned(job, values[each], data)
                except Exception as error:
                    data, failed, unwritable = None, True, unwritable or error
            if not own.token:
                continue
            if data is not None:
                entry = pack(Entry(data, VALUE, 0, own.stamps))
                steps.append(Script("entry_store", (job.key, job.lease), (own.token, entry, ms, job.channel)))
            elif drops and not failed:
                steps.append(Script("entry_delete", (job.key, job.lease), (job.channel,)))
            else:
                mark = alone_mark(job, own.token, b"".join(own.stamps))
                left = (mark.pack(), mark.life) if each in values and not failed else ()
                steps.append(Script("lease_free", (job.lease,), (own.token, job.channel, *left)))
        _stop(jobs, mine)  # L4: renewing ends before the STORE is sent
    except BaseException as raised:  # failed, cancelled or interrupted: another caller may compute at once
        _stop(jobs, mine)
        tokens = {each: own.token for each, own in mine.items() if own.token}
        if isinstance(raised, GeneratorExit):  # the plan was dropped, no driver is left to act
            _leave_all(jobs, tokens)
        else:
            marks = (yield from _failed_marks(jobs, mine, raised, began)) if isinstance(raised, Exception) else {}
            yield from _free_all(jobs, tokens, marks=marks)
        mine.clear()
        raise
    yield from _store(jobs, mine, wanted, steps)
    if unwritable is not None:
        raise unwritable


def leave_given(jobs: Jobs, given: Mapping[Hashable, Own]) -> None:
    """The caller was interrupted before anybody saw to these leases: let the background give them back."""
    _leave_all(jobs, {each: own.token for each, own in given.items() if own.token})


def _failed_marks(jobs: Jobs, mine: dict[Hashable, Own], raised: Exception, began: float) -> Plan[dict[Hashable, Mark]]:
    """The marks of the computation that has just raised, one for each lease."""
    owned = {each: own for each, own in mine.items() if own.token}
    try:
        took = (yield Now()) - began
    except BaseException:  # cancelled, interrupted or dropped
        _leave_all(jobs, {each: own.token for each, own in owned.items()})
        raise
    return {
        each: failed_mark(jobs[each], original(raised), own.token, b"".join(own.stamps), own.failures + 1, took)
        for each, own in owned.items()
    }


def _store(jobs: Jobs, mine: dict[Hashable, Own], wanted: list[Hashable], steps: list[Script]) -> Plan[None]:
    wanted = [each for each in wanted if mine[each].token]
    owned = {each: mine[each] for each in wanted}
    try:
        mine.clear()
        replies = (yield Batch(steps, keep_errors=True)) if steps else []
    except BaseException as error:  # L6: these may be sent again
        for each, step in zip(wanted, steps, strict=True):
            if step.name != "entry_delete":
                jobs[each].recipe.flights.orphans.leave(jobs[each].lease, step, jobs[each].recipe.lease_ms)
        if not isinstance(error, CacheError):  # cancelled, interrupted or dropped
            raise
        replies = [error] * len(steps)
    else:
        _leave_all(jobs, _refused(wanted, [owned[each].token for each in wanted], replies))
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
                job.recipe.patience.refused(owned[each].held)
            job.note("store" if stored else "refused")


def _stop(jobs: Jobs, mine: dict[Hashable, Own]) -> None:
    for each, own in mine.items():
        if own.held is not None:
            own.held.stop()
            jobs[each].recipe.patience.saw(own.held)


def _refused(ids: Iterable[Hashable], tokens: Iterable[bytes], replies: Iterable[object]) -> dict[Hashable, bytes]:
    """The leases whose last step failed, as on a full server: nobody shall wait for a value that does not come."""
    return {
        each: token for each, token, reply in zip(ids, tokens, replies, strict=True) if isinstance(reply, CacheError)
    }


def _leave_all(jobs: Jobs, tokens: dict[Hashable, bytes]) -> None:
    for each, token in tokens.items():
        leave(jobs[each], token)


def _free_all(
    jobs: Jobs, tokens: dict[Hashable, bytes], *, told: bool = False, marks: dict[Hashable, Mark] | None = None
) -> Plan[None]:
    """Give leases back; if the server does not answer, they run out by themselves. ``told`` as in ``free``.

    ``marks`` are left for those that waited.
    """
    marks = marks or {}
    if len(tokens) == 1:
        for each, token in tokens.items():
            yield from free(jobs[each], token, told=told, mark=marks.get(each))
        return
    steps = []
    for each, token in tokens.items():
        mark = marks.get(each)
        left: tuple[Arg, ...] = () if mark is None else (mark.pack(), mark.life)
        steps.append(Script("lease_free", (jobs[each].lease,), (token, jobs[each].channel, *left)))
    if not steps:
        return
    try:
        replies = yield Batch(steps, keep_errors=True)
        _leave_all(jobs, _refused(tokens, tokens.values(), replies))
    except BaseException as error:
        _leave_all(jobs, tokens)
        if not isinstance(error, CacheError):  # cancelled, interrupted or dropped
            raise
        if not told:
            next(iter(jobs.values())).note("error", error)
