"""Each guard of the protocol: how it looks without it, and the scenario in which that does harm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rcollections.plans.collections import keys
from tests.interleavings.actors import (
    bumper,
    changer,
    clearer,
    failing,
    missing,
    putter,
    reader,
    refresher,
    setter,
    setter_ahead,
    twice,
    writer,
)
from tests.interleavings.mutants import plans, scripts
from tests.interleavings.parts import LEASE
from tests.interleavings.scenario import TAG, TAG_B, Parts, Scenario, stored
from tests.interleavings.stepping import about_to_compute, queue_behind_the_owner
from tests.interleavings.unguarded import (
    EagerFlights,
    LateFlights,
    begin_politely,
    delete_but_marks,
    delete_entry_only,
    expire_entry_only,
    fetch_at_once,
    fetch_over,
    fetch_unseen,
    free_anyway,
    put_entry_only,
    remake_tags,
    renew_anyway,
    store_anyway,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GUARDS", "Guard"]


class Guard(NamedTuple):
    """``without`` makes the parts that lack it; ``scenario`` holds with it and breaks without it."""

    without: Callable[[], Parts]
    scenario: Scenario


CALL, DELETE, WRITE, MISSING = reader(), changer("delete"), writer, missing()


def case(*processes: tuple[Any, ...], **settings: Any) -> Scenario:
    return Scenario(processes, **{"after": (CALL,), **settings})


TAGGED: dict[str, Any] = {"tags": (TAG,)}
OLD_STAMP = stored(grace=50_000, left=40_000, tags=(TAG,))  # stale for 10 s, hard end in 40 s
OLD = stored(grace=50_000, left=40_000)
STALE = stored(grace=3_000, left=1_000)  # stale for 2 s, gone in 1 s
ENDING = stored(grace=10_000, left=8_500)  # stale for 1.5 s
WITH_TTL: dict[str, Any] = {"options": {"soft_timeout": 50.0}}  # so the plan reads, and no caller by itself
SILENCE: dict[str, Any] = {
    "faults": 1, "may_fail": ("entry_fetch", "entry_store"), "late_copies": False, "patience": 100,
}  # fmt: skip
WINDOW: dict[str, Any] = {"options": {"swr": 50.0}, "window": 50_000, "split": True}

GUARDS: dict[str, Guard] = {
    "join-validates": Guard(
        lambda: plans(
            ("driving", "return ((yield from "
             "_own(job, answer, seen, lambda: flight.land_failing(landing), storing)),), b\"\"\n",
             "job.recipe.flights.result = yield from _own(job, answer, seen, lambda: None, None)\n"
             "            return (job.recipe.flights.result,), b\"\"\n"),
            ("call", "            found = ticket.reply if ticket.read else",
             "            return job.recipe.flights.result\n            found = ticket.reply if ticket.read else"),
        ),
        case((CALL, CALL), (DELETE,)),
    ),
    "share-sent-after": Guard(
        lambda: Parts(flights=EagerFlights),
        case((CALL, changer("delete", then_calls=True)), initial=stored(), **WITH_TTL),
    ),
    "share-sent-after, in the queue": Guard(
        lambda: Parts(flights=LateFlights),
        case((CALL, CALL, bumper(TAG, then_calls=True)), initial=queue_behind_the_owner, **TAGGED),
    ),
    "share-sent-after, of what is stored": Guard(
        lambda: plans(
            ("driving", "            flight.stored(landing, ", "            flight.storing(landing)\n"
             "            flight.stored(landing, "),
            ("driving", "        else:\n            flight.storing(landing)\n", ""),
        ),
        case((CALL, CALL, changer("delete", then_calls=True)), initial=queue_behind_the_owner),
    ),
    "what has tags is read after it is stored": Guard(
        lambda: plans(("driving", "plain = not (job.tags or ", "plain = not (")),
        case((CALL, bumper(TAG, then_calls=True)), initial=about_to_compute, **TAGGED),
    ),
    "only what is stored answers": Guard(
        lambda: plans(("lease", "if storing is not None and reply[0] == b\"ok\":", "if storing is not None:")),
        case((CALL, changer("delete", then_calls=True)), initial=about_to_compute),
    ),
    "share-sent-after, of a lone caller": Guard(
        lambda: plans(
            ("flights", "flight.current = Round(sent=True, leader=there)", "flight.current = Round()\n"
             "                flight.current.leader = there"),
        ),
        case((CALL, changer("delete", then_calls=True)), initial=stored(), **WITH_TTL),
    ),
    "nobody waits for a lone caller who is gone": Guard(
        lambda: plans(("call", "        flights.gone(job.key, alone)\n        raise\n", "        raise\n")),
        case((CALL, CALL), cancels=1, may_cancel=(0, 1), initial=stored(), **WITH_TTL),
    ),
    "nobody waits for a lone caller who is gone, from a read of its own": Guard(
        lambda: plans(("lone", "self.gone = flights, flights.gone", "self.gone = flights, lambda *_: 0")),
        case((CALL, CALL), cancels=1, may_cancel=(0, 1), initial=stored()),
    ),
    "a tag that was invalidated counts, alone": Guard(
        lambda: plans(("lone", "if data[FIXED:end] != b\"\".join(stamps):", "if False:")),
        case((CALL,), (bumper(TAG, then_calls=True),), initial=stored(tags=(TAG,)), **TAGGED),
    ),
    "the queue outlives its driver": Guard(
        lambda: plans(
            ("sharing", "        flight.answer(caller, ticket, valid=False)\n        raise\n    if ticket.mark is not",
             "        raise\n    if ticket.mark is not"),
            ("flight", "            if caller.owes is not None:\n"
             "                self.answer(caller, caller.owes, valid=False)\n            if self.refreshing",
             "            if self.refreshing"),
        ),
        case((CALL, CALL), cancels=1, may_cancel=(0, 1)),
    ),
    "fresh-stamp-per-send": Guard(
        lambda: plans(
            ("bump", "    for tries in range(1, TRIES + 1):\n",
             "    news = tuple(draw() for _ in tags)\n    for tries in range(1, TRIES + 1):\n"),
            ("bump", "(DAY_MS, *(draw() for _ in tags))", "(DAY_MS, *news)"),
        ),
        case((CALL,), (bumper(TAG, then_again=(TAG,)),), faults=1, may_fail=("tag_bump",), **TAGGED),
    ),
    "fresh-token-per-send": Guard(
        lambda: plans(
            ("lease",
             "        leave(job, token)\n        raise ServerFailed(error) from error\n",
             '        reply = yield Script("entry_fetch", (job.key, job.lease, *job.tags), args)\n'),
        ),
        case((CALL,), (DELETE,), faults=1, may_fail=("entry_fetch",)),
    ),
    "nobody waits for his own process": Guard(
        lambda: plans(("orphans", "    ahead = orphans.take(lease)\n", "    ahead = []\n")),
        case((twice,), idle=True, after=(), **SILENCE),
    ),
    "a value that was not stored is stored again": Guard(
        lambda: plans(
            ("lease", "            job.recipe.flights.orphans.leave(job.lease, step, job.recipe.lease_ms)  # L6",
             "            leave(job, token)  # L6"),
        ),
        case((twice,), idle=True, after=(), computations=1, faults=1, may_fail=("entry_store",), patience=100),
    ),
    "the background tells of orphans": Guard(
        lambda: plans(("orphans", "        self.told()\n", "")),
        case((CALL,), (CALL,), **SILENCE),
    ),
    "free after errors, told again": Guard(
        lambda: plans(
            ("lease", "        leave(job, token)\n        if not told:\n", "        if not told:\n"),
        ),
        case((failing(),), (CALL,), faults=1, may_fail=("lease_free",), patience=100),
    ),
    "stamps-before": Guard(
        lambda: plans(
            ("lease", "        _stop(job, held)  # L4: renewing ends before the STORE is sent\n",
             "        _stop(job, held)\n        from .effects import Command\n"
             '        stamps = yield Command(("MGET", *job.tags))\n'),
        ),
        case((CALL,), (bumper(TAG),), **TAGGED),
    ),
    "unique stamps": Guard(
        lambda: Parts(draw=lambda _actor: b"the same"),
        case((CALL,), (bumper(TAG),), **TAGGED),
    ),
    "unique tokens": Guard(
        lambda: Parts(draw=lambda _actor: b"the same"),
        case((CALL,), (DELETE,), (CALL,)),
    ),
    "distinct stamps per tag": Guard(
        lambda: plans(("bump", "(DAY_MS, *(draw() for _ in tags))", "(DAY_MS, *([draw()] * len(tags)))")),
        case((reader(tags=(TAG,)),), (bumper(TAG, TAG_B, then_again=(TAG,)),), after=(reader(tags=(TAG_B,)),)),
    ),
    "missing-never-matches": Guard(
        lambda: plans(
            ("entries", "return entry.stamps == tuple(stamps)",
             "return all(b in (None, a) for a, b in zip(entry.stamps, stamps))"),
        ),
        case((CALL,), (bumper(TAG),), initial=stored(tags=(TAG,)), evict=(TAG,), **TAGGED),
    ),
    "every stamp": Guard(
        lambda: plans(
            ("entries", "return entry.stamps == tuple(stamps)", "return entry.stamps[:1] == tuple(stamps)[:1]"),
        ),
        case((CALL,), (bumper(TAG_B),), initial=stored(tags=(TAG, TAG_B)), tags=(TAG, TAG_B)),
    ),
    "make tags by NX": Guard(
        lambda: scripts(entry_fetch=remake_tags),
        case((CALL,), (CALL,), computations=1, **TAGGED),
    ),
    "store-compares-token": Guard(lambda: scripts(entry_store=store_anyway), case((CALL,), (DELETE,))),
    "delete-drops-lease": Guard(lambda: scripts(entry_delete=delete_entry_only), case((CALL,), (DELETE,))),
    "expire-drops-lease": Guard(lambda: scripts(entry_expire=expire_entry_only), case((CALL,), (changer("expire"),))),
    "put-drops-lease": Guard(lambda: scripts(entry_put=put_entry_only), case((CALL,), (putter(),), plain_writers=1)),
    "plain writes drop the lease": Guard(
        lambda: plans(("strings", 'beside=None if t.lease is None else Command(("UNLINK", t.lease))', "beside=None")),
        case((CALL,), (setter,), plain_writers=1),
    ),
    "plain writes in one step with the lease": Guard(
        lambda: plans(
            ("op", "(yield Batch((op.step, op.beside), atomic=True))[0]", "(yield Batch((op.step, op.beside)))[0]"),
        ),
        case((CALL,), (setter_ahead,), plain_writers=1),
    ),
    "clear-drops-leases": Guard(
        lambda: Parts(clear=lambda prefix: keys._removed(f"{prefix}*", [prefix], [])),
        case((CALL,), (clearer,)),
    ),
    "recheck": Guard(lambda: scripts(entry_fetch=fetch_unseen), case((CALL,), (CALL,), computations=1)),
    "one holder": Guard(lambda: scripts(entry_fetch=fetch_over), case((CALL,), (CALL,))),
    "stale-needs-stamps": Guard(
        lambda: plans(
            ("reads", "or not same(entry, stamps) or", "or (not entry.grace and not same(entry, stamps)) or"),
        ),
        case((CALL,), (bumper(TAG),), initial=OLD_STAMP, **WINDOW, **TAGGED),
    ),
    "register-first": Guard(
        lambda: plans(
            ("driving", "        heard = yield from _hear(job)\n        held", "        held"),
            ("driving", "    pause = FIRST_LOOK if heard.deaf else NET\n", "    pause = NET\n"),
            ("driving", "        seconds = pause * job.jitter()\n",
             "        seconds = pause * job.jitter()\n        heard = heard or (yield Subscribe(job.channel))\n"),
        ),
        case((CALL,), (CALL,), prompt=True),
    ),
    "register-first, in a crowd": Guard(
        lambda: plans(
            ("driving", "heard = yield from _hear(job)  # W1: then FETCH is the look that follows\n", "pass\n"),
            ("driving", "    seen = valid(job, answer.data, answer.stamps, answer.ttl, sent)\n",
             "    seen = valid(job, answer.data, answer.stamps, answer.ttl, sent)\n"
             "    if answer.word == b\"wait\" and len(flight.users) >= CROWD:\n"
             "        heard = yield from _hear(job)\n"),
        ),
        case((CALL, CALL), (CALL,), prompt=True),
    ),
    "net": Guard(
        lambda: plans(("driving", "yield Wait(heard, seconds)", "yield Wait(heard, None)")),
        case((CALL,), (CALL,), crashes=1, may_crash=(0,)),
    ),
    "net, for silent leases": Guard(
        lambda: plans(("driving", "yield Wait(heard, seconds)", "yield Wait(heard, None)")),
        case((CALL,), (CALL,), deaf=True),
    ),
    "in-hand-deadline": Guard(
        lambda: plans(("reads", "bool(left > 0 and left - found.entry.grace / 1000 > -window)", "True")),
        case((failing(),), initial=STALE, options={"sie": 3.0}, window=3_000, ticks=(1_500,)),
    ),
    "own window": Guard(
        lambda: plans(("reads", "left > 0 and left - found.entry.grace / 1000 > -window", "left > 0")),
        case((CALL,), initial=stored(grace=50_000, left=10_000), options={"swr": 20.0}, window=20_000, split=True),
    ),
    "own window, in hand": Guard(
        lambda: plans(
            ("reads", "    left = found.until - (yield Now())", "    yield Now()\n    left = found.left or 0"),
        ),
        case((failing(),), initial=ENDING, options={"sie": 2.0}, window=2_000, ticks=(1_000,)),
    ),
    "renew-compares-token": Guard(
        lambda: scripts(lease_renew=renew_anyway),
        case((CALL,), (DELETE,), renewals=1),
    ),
    "free-compares-token": Guard(
        lambda: scripts(lease_free=free_anyway),
        case((failing(),), (refresher,), (CALL,)),
    ),
    "free after errors": Guard(
        lambda: plans(
            ("lease", "        shared = yield from free(job, token, mark=mark)\n", "        shared = False\n"),
        ),
        case((failing(),), (CALL,), prompt=True),
    ),
    "put-stamps-from-server": Guard(
        lambda: plans(
            ("reads", "    return valid(job, words[0], words[1:], ms, sent)\n\n\ndef read_to_hold",
             "    job.recipe.flights.known = words[1:]\n"
             "    return valid(job, words[0], words[1:], ms, sent)\n\n\ndef read_to_hold"),
            ("put", '    yield from job.change(Script("entry_put", (job.key, job.lease, *job.tags), args))\n',
             "    from .effects import Command\n"
             '    yield Command(("SET", job.key, before + b"".join(job.recipe.flights.known) + data, "PX", ms))\n'
             '    yield Command(("UNLINK", job.lease))\n'),
        ),
        case((putter(bumps=(TAG,), exact=True),), initial=stored(tags=(TAG,)), plain_writers=1, **TAGGED),
    ),
    "writing": Guard(lambda: Parts(strong=False), case((WRITE,), (WRITE,))),
    "writing takes the lease over": Guard(lambda: scripts(entry_begin=begin_politely), case((CALL,), (WRITE,))),
    "writing drops what was refused": Guard(
        lambda: plans(("writing", "    else:\n        yield from delete(job)\n", "    else:\n")),
        case((WRITE,), (CALL,), evict=(LEASE,)),
    ),
    "convoy": Guard(
        lambda: plans(("driving", "flight.fail(landing, failure if shared else None)",
                       "flight.fail(landing)")),
        case((failing(), failing()), fails=True),
    ),
    "old errors, in the process": Guard(
        lambda: plans(("driving", "failure if shared else None", "failure")),
        case((MISSING, MISSING), (DELETE,)),
    ),
    "old errors, of those who come while it fails": Guard(
        lambda: plans(
            ("lease", "        if ending is not None:\n            ending()\n", ""),
            ("lease", "        shared = yield from free(job, token, mark=mark)\n",
             "        shared = yield from free(job, token, mark=mark)\n"
             "        if ending is not None:\n            ending()\n"),
        ),
        case((MISSING, changer("delete", then_calls=True, of=MISSING))),
    ),
    "old errors, between processes": Guard(
        lambda: plans(("marks", 'mark.stamps == b"".join(each or b"" for each in stamps)', "True")),
        case((MISSING,), (MISSING,), (bumper(TAG),), **TAGGED),
    ),
    "what deletes drops the mark": Guard(
        lambda: scripts(entry_delete=delete_but_marks),
        case((MISSING,), (MISSING, changer("delete", then_calls=True, of=MISSING))),
    ),
    "only a token is waited for": Guard(
        lambda: plans(("driving", "while held is not None and read_mark(held) is None:", "while held is not None:")),
        case((failing(),), (CALL,), prompt=True),
    ),
    "cooldown": Guard(
        lambda: scripts(entry_fetch=fetch_at_once),
        case((failing(),), (failing(),), after=(), initial=OLD, options={"sie": 50.0}, window=50_000, computations=1),
    ),
}  # fmt: skip
