"""Many values by one computation: one read for all, one lease each, one call for all that are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import CacheError
from ..circles import CircleError
from ..draws import draw
from ..effects import Batch, Call, Command, Hold, Plan, Script, Subscribe, Wait
from ..entries import VALUE, Entry, pack
from .found import ServerFailed
from .job import computing
from .lease import free
from .reads import valid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .job import Job

__all__ = ["look", "many", "recompute"]

NET = 0.5  # seconds between two looks of a waiter, in case its wake-up was lost

Jobs = dict[Any, "Job"]


def many(jobs: Jobs, compute: Callable[[list[Any]], Any]) -> Plan[dict[Any, Any]]:
    """The values of all ids, in their order: what is cached, and what ``compute`` gives for the others."""
    if not jobs:
        return {}
    job = next(iter(jobs.values()))
    if job.disabled:
        return (yield from _uncached(jobs, list(jobs), {}, compute))
    if not job.breaker.allows():
        error = job.breaker.error()
        if job.raises:
            job.note("error", error)
        else:
            _missed(jobs, jobs)
        return (yield from _without_server(jobs, list(jobs), {}, compute, error))
    found: dict[Any, Any] = {}
    left_out: set[Any] = set()
    missed: set[Any] = set()
    try:
        yield from _answer(jobs, found, left_out, missed, compute)
    except ServerFailed as failed:
        error, told = failed.error, failed.told
    else:
        return {each: found[each] for each in jobs if each in found}
    if job.late():
        raise error
    if not told:
        job.failed(error)
        job.note("error", error)
    wanted = [each for each in jobs if each not in found and each not in left_out]
    if not job.raises:
        _missed(jobs, (each for each in wanted if each not in missed))
    return (yield from _without_server(jobs, wanted, found, compute, error))


def _missed(jobs: Jobs, ids: Iterable[Any]) -> None:
    for each in ids:
        jobs[each].note("miss")


def _without_server(
    jobs: Jobs, wanted: list[Any], found: dict[Any, Any], compute: Callable[[list[Any]], Any], error: CacheError
) -> Plan[dict[Any, Any]]:
    if next(iter(jobs.values())).raises:
        raise error
    return (yield from _uncached(jobs, wanted, found, compute))


def _uncached(
    jobs: Jobs, wanted: list[Any], found: dict[Any, Any], compute: Callable[[list[Any]], Any]
) -> Plan[dict[Any, Any]]:
    if wanted:
        found.update((yield from _compute(jobs, wanted, compute)))
    return {each: found[each] for each in jobs if each in found}


def _answer(
    jobs: Jobs, found: dict[Any, Any], left_out: set[Any], missed: set[Any], compute: Callable[[list[Any]], Any]
) -> Plan[None]:
    found.update((yield from look(jobs)))
    for each in found:
        jobs[each].note("hit")
    missing = [each for each in jobs if each not in found]
    for each in missing:
        jobs[each].guard()
        jobs[each].note("miss")
        missed.add(each)
    while missing:
        mine, others = yield from _lease({each: jobs[each] for each in missing}, "miss", found)
        if mine:  # before we wait for anybody: so no two callers wait for each other
            yield from _own(jobs, mine, found, left_out, compute)
        if others:
            for each in others:
                jobs[each].note("wait")
            yield from _await({each: jobs[each] for each in others}, found)
        missing = [each for each in others if each not in found]


def look(jobs: Jobs) -> Plan[dict[Any, Any]]:
    """What is cached and counts, by one MGET: E2."""
    if not jobs:
        return {}
    job = next(iter(jobs.values()))
    try:
        words = yield Command(("MGET", *(each.key for each in jobs.values()), *job.tags))
    except CacheError as error:
        raise ServerFailed(error) from error
    job.breaker.worked()
    return _read(jobs, words)


def _read(jobs: Jobs, words: list[Any]) -> dict[Any, Any]:
    stamps = words[len(jobs) :]
    found = {}
    for (each, job), data in zip(jobs.items(), words, strict=False):
        seen = valid(job, data, stamps, None, 0.0)
        if seen is not None and seen.fresh:
            usable, value = job.load(seen.entry)
            if usable:
                found[each] = value
    return found


# -- the leases --------------------------------------------------------------------------------------


class Own:
    """A lease of ours: its token, and the stamps of the moment when it was given."""

    __slots__ = ("held", "stamps", "token")

    def __init__(self, token: bytes, stamps: bytes) -> None:
        self.token = token
        self.stamps = tuple(stamps[at : at + 8] for at in range(0, len(stamps), 8))
        self.held: Any = None


def _lease(jobs: Jobs, mode: str, found: dict[Any, Any]) -> Plan[tuple[dict[Any, Own], list[Any]]]:
    """L2 for each in one round trip: those whose lease is ours, and those that others compute; what is there by now
    goes to ``found``."""
    steps, tokens = [], []
    for job in jobs.values():
        tokens.append(draw())
        news = (draw() for _ in job.tags)
        args = (tokens[-1], job.lease_ms, job.tag_ms, mode, -1, *news)
        steps.append(Script("entry_fetch", (job.key, job.lease, *job.tags), args))
    try:
        replies = yield Batch(steps)
    except CacheError as error:  # some may be ours: nobody shall wait for a token that no one knows to have
        yield from _free_all(jobs, dict(zip(jobs, tokens, strict=True)))
        raise ServerFailed(error) from error
    except GeneratorExit:
        raise
    except BaseException:  # cancelled or interrupted
        yield from _free_all(jobs, dict(zip(jobs, tokens, strict=True)))
        raise
    mine: dict[Any, Own] = {}
    others: list[Any] = []
    unreadable: Jobs = {}
    for (each, job), token, (word, data, stamps, *_) in zip(jobs.items(), tokens, replies, strict=True):
        if word == b"lease":
            mine[each] = Own(token, stamps)
        elif word == b"wait":
            others.append(each)
        else:
            seen = _read({each: job}, [data, *(stamps[at : at + 8] for at in range(0, len(stamps), 8))])
            if seen:
                found.update(seen)
            else:
                unreadable[each] = job
    if unreadable:
        more, _ = yield from _lease(unreadable, "force", found)
        mine.update(more)
    return mine, others


def _own(
    jobs: Jobs, mine: dict[Any, Own], found: dict[Any, Any], left_out: set[Any], compute: Callable[[list[Any]], Any]
) -> Plan[None]:
    """Compute all of ours in one call, store each under its token; what was left out is given back."""
    wanted = [each for each in jobs if each in mine]
    steps: list[Script] = []
    try:
        for each in wanted:
            mine[each].held = yield Hold(jobs[each].lease, mine[each].token, jobs[each].lease_ms)
        values = yield from _compute(jobs, wanted, compute)
        for each in wanted:
            job, own = jobs[each], mine[each]
            data, ms = job.dump(values[each]) if each in values else (None, 0)
            if each in values:
                found[each] = job.returns(values[each], data)
            else:
                left_out.add(each)
            if data is None:
                steps.append(Script("lease_free", (job.lease,), (own.token, job.channel)))
            else:
                entry = pack(Entry(data, VALUE, 0, own.stamps))
                steps.append(Script("entry_store", (job.key, job.lease), (own.token, entry, ms, job.channel)))
    except GeneratorExit:  # the plan was dropped: nobody is left to act; the leases run out
        _stop(mine)
        raise
    except BaseException:  # it failed, or was cancelled or interrupted: somebody else may compute at once
        _stop(mine)
        yield from _free_all(jobs, {each: own.token for each, own in mine.items()})
        raise
    _stop(mine)  # L4: renewing ends before the STORE is sent
    yield from _store(jobs, wanted, steps)


def _store(jobs: Jobs, wanted: list[Any], steps: list[Script]) -> Plan[None]:
    try:
        replies = yield Batch(steps, keep_errors=True)
    except CacheError as error:
        replies = [error] * len(steps)
    for each, step, reply in zip(wanted, steps, replies, strict=True):
        job = jobs[each]
        if isinstance(reply, CacheError):
            job.note("error", reply)
            job.failed(reply)
            if job.raises:
                raise ServerFailed(reply, told=True)
        elif step.name == "entry_store":
            job.note("store" if reply[0] == b"ok" else "refused")


def _stop(mine: dict[Any, Own]) -> None:
    for own in mine.values():
        if own.held is not None:
            own.held.stop()


def _free_all(jobs: Jobs, tokens: dict[Any, bytes]) -> Plan[None]:
    """Give leases back; if the server cannot be told, they run out by themselves."""
    if len(tokens) == 1:
        for each, token in tokens.items():
            yield from free(jobs[each], token)
        return
    steps = [Script("lease_free", (jobs[each].lease,), (token, jobs[each].channel)) for each, token in tokens.items()]
    try:
        yield Batch(steps, keep_errors=True)
    except CacheError as error:
        next(iter(jobs.values())).note("error", error)


def _await(waiting: Jobs, found: dict[Any, Any]) -> Plan[None]:
    """W1: until each of them is there, or nobody computes it any more: then it is for us to do."""
    job = next(iter(waiting.values()))
    computing, keys = job.computing(), [each.key for each in waiting.values()]
    try:
        job.waits.begin(computing, keys)
    except CircleError as circle:
        raise next(each for each in waiting.values() if each.key == circle.wanted).circle() from None
    try:
        while waiting:
            waiting = yield from _await_first(waiting, found)
    finally:
        job.waits.end(computing, keys)


def _await_first(waiting: Jobs, found: dict[Any, Any]) -> Plan[Jobs]:
    """Wait for the first one; gives those that are left."""
    job = next(iter(waiting.values()))
    heard = yield Subscribe(job.channel)  # registered first, then look
    steps = [
        Command(("MGET", *(each.key for each in waiting.values()), *job.tags)),
        *(Command(("PTTL", each.lease)) for each in waiting.values()),
    ]
    try:
        words, *left = yield Batch(steps)
    except CacheError as error:
        raise ServerFailed(error) from error
    found.update(_read(waiting, words))
    leases = dict(zip(waiting, left, strict=True))
    still = {each: one for each, one in waiting.items() if each not in found and leases[each] != -2}
    if len(still) == len(waiting):  # else some are done: the others are looked at with a subscription of their own
        lease_left = leases[next(iter(still))]
        longest = max(lease_left / 1000, 0.01) if lease_left >= 0 else NET
        yield Wait(heard, min(NET * job.jitter(), longest))
    return still


# -- the user's function -----------------------------------------------------------------------------


def _compute(jobs: Jobs, wanted: list[Any], compute: Callable[[list[Any]], Any]) -> Plan[Mapping[Any, Any]]:
    """One call for all of them, with their keys marked as being computed."""
    for each in wanted:
        jobs[each].guard()
        jobs[each].note("compute")
    first = jobs[wanted[0]]
    mark = computing.get() | {(id(first.waits), jobs[each].key) for each in wanted}

    def run() -> Any:
        token = computing.set(mark)
        try:
            result = compute(wanted)
        finally:
            computing.reset(token)
        return first.marked(result, mark)

    values = yield Call(run)
    if not isinstance(values, Mapping):
        raise TypeError(f"{first.name} gave a {type(values).__name__}: it gives a mapping of ids to values")
    return values


def recompute(jobs: Jobs, compute: Callable[[list[Any]], Any]) -> Plan[dict[Any, Any]]:
    """Compute all now, whatever is there and whoever else computes: the leases are taken over."""
    if not jobs:
        return {}
    job = next(iter(jobs.values()))
    found: dict[Any, Any] = {}
    left_out: set[Any] = set()
    try:
        if job.disabled:
            return (yield from _uncached(jobs, list(jobs), {}, compute))
        if not job.breaker.allows():
            raise ServerFailed(job.breaker.error())
        mine, _ = yield from _lease(jobs, "force", found)
        yield from _own(jobs, mine, found, left_out, compute)
        return found
    except ServerFailed as failed:
        error, told = failed.error, failed.told
    if not told:
        job.failed(error)
        job.note("error", error)
    wanted = [each for each in jobs if each not in found and each not in left_out]
    return (yield from _without_server(jobs, wanted, found, compute, error))
