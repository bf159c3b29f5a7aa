"""One trip to a cluster, as a plan: which node gets what, what is sent again, and what a caller is told. No I/O.

The steps of each slot are one *group*. All groups are sent before the first reply is awaited. Rule K7: a refusal is
not a failure. A node that refuses a step (MOVED, ASK, TRYAGAIN, CLUSTERDOWN …) has run nothing of it, so the step is
sent again, also if it writes, until the call's time is over. Of a group that only reads, all steps are sent again in
their order, so that a later one is never answered before an earlier one; where its keys may be on two nodes, as the
slot is on its way, one step after another. What becomes of a connection that breaks is
as on one server: only what may be sent twice is.
"""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..errors import CacheError
from ..plans.effects import Script
from ..plans.slots import keys_of
from ..plans.steps import writes
from .ahead import ahead
from .clock import until as until_
from .durable import Told
from .failures import FAILURES, ErrorReply
from .groups import LATER, SOON, Group, grouped, note
from .moves import PATIENCE, by_single_keys, has_single_keys, settle
from .redirects import ASK, MOVED, NOSCRIPT, TRYAGAIN, refusal
from .routes import Fan, Routes
from .trips import Pause
from .unanswered import HOPS, RETRIES, give_up, unanswered

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

    from ..plans.effects import Step
    from .redirects import Refusal
    from .routes import Node
    from .slotmap import Address

__all__ = ["Routing", "Sent", "route"]

LOOK = 0.002  # seconds between two looks whether the map is there

Routing: TypeAlias = "Generator[Fan | Pause, Any, list[object]]"


class Sent(NamedTuple):
    """What was sent to one node already, and what came of it: the replies, or the error in their place."""

    node: Node
    outcome: list[Any] | BaseException


def route(
    road: Routes,
    steps: Sequence[Step],
    atomic: bool = False,
    sent: Sent | None = None,
    place: Address | None = None,
    until: float = 0.0,
    first: bool = True,
    witness: dict[int, bytes] | None = None,
    owned: Collection[int] = (),
    told: Told | None = None,
) -> Routing:
    """Send all steps, ``atomic`` those of each slot in one MULTI, and give one reply each.

    Errors stand in the list: of servers as they are, and ours for groups whose node did not answer. ``sent``: all
    steps were sent to one node, and this was seen. ``place``: the node for steps without keys. ``first``: changes on
    purpose that are kept go ahead of it. ``witness``: who answered, by slot, is noted there (F2). ``owned``: the steps
    that only owners of slots answer, where ``road`` leads to replicas (K10). ``told``: the trip that this is part of.
    """
    until = until or until_(road.timeout)
    waited = Told(road) if told is None and road.durable else told
    replies: list[object] = [None] * len(steps)
    groups = grouped(steps, atomic, place, owned)
    try:
        if sent is None and not road.mapped:
            yield from _mapped(road, until)
        apart: list[Group] = []
        singly: list[Group] = []
        while groups:
            if sent is None:
                handovers, by = road.journal.handovers, 0
                if first and road.journal.holds:  # also what a refusal has just brought up (K13)
                    by = road.map_sum()
                    yield from _kept(road, steps, until)
                ready = _ready(groups)
                if not ready:
                    yield Pause(max(0.0, min(each.after for each in groups) - monotonic()))
                    continue
                lots = _lots(road, ready, replies)
                # The map is another one: what it brought up goes first, and what was carried went to others.
                if road.journal.handovers != handovers or (by and road.map_sum() != by):
                    groups = [each for each in groups if not each.done]
                    continue
                outcomes = []
                servers = None if witness is None else [b""] * len(lots)
                if lots:
                    hops = tuple(node.hop(mine, steps, atomic) for node, mine in lots)
                    if waited is not None:
                        hops = waited.behind(hops, lots, steps, until)
                    for node, _ in lots:
                        node.trips += 1
                    road.trips += 1
                    outcomes = yield Fan(hops, until, servers)
            else:
                lots, outcomes, servers, sent = [(sent.node, groups)], [sent.outcome], None, None
            for n, ((node, mine), outcome) in enumerate(zip(lots, outcomes, strict=True)):
                if waited is not None:
                    outcome = waited.taken(n, mine, outcome)
                if isinstance(outcome, BaseException):
                    if not isinstance(outcome, (CacheError, *FAILURES)):
                        raise outcome  # of a signal handler, in the middle of a quick try
                    unanswered(road, node, mine, outcome, steps, replies)
                else:
                    _answered(road, node, mine, outcome, steps, atomic, replies)
                    if witness is not None:
                        note(witness, mine, b"" if servers is None else servers[n])
            groups = [each for each in groups if not each.done]
            apart += [each for each in groups if _is_apart(each, steps)]
            groups = [each for each in groups if each not in apart]
            singly += [each for each in groups if each.asking and each.safe and _on_several_keys(each, steps)]
            groups = [each for each in groups if each not in singly]
            give_up(road, groups, until, steps, replies)
            groups = [each for each in groups if not each.done]
        for each in apart:
            each.end(replies, (yield from _key_by_key(road, [steps[n] for n in each.at], until, waited, each.at)))
        for each in singly:
            found: list[object] = []
            for n in each.at:
                found += yield from route(road, (steps[n],), until=until, first=False, witness=witness)
            each.end(replies, found)
        if road.moves:
            yield from settle(road, steps, replies, until)
        if waited is not None and told is None:
            waited.judge(steps, replies)
    finally:
        road.wrote(steps)
    return replies


def _kept(road: Routes, steps: Sequence[Step], until: float) -> Generator[Any, Any, None]:
    """What is kept goes ahead (J1), and waits for no replicas."""
    quick = Told(road, active=False)
    carry = partial(route, road, until=until, first=False, told=quick)
    yield from ahead(road.journal, steps, until, carry, road.shown, lambda slot: road.node(slot, None))


def _on_several_keys(group: Group, steps: Sequence[Step]) -> bool:
    """Whether some keys of this group may be at the node that the slot comes from, others where it goes to."""
    return len({key for n in group.at for key in keys_of(steps[n])}) > 1 < len(group.at)


def _key_by_key(
    road: Routes, steps: Sequence[Step], until: float, told: Told | None, at: Sequence[int]
) -> Generator[Any, Any, list[object]]:
    """K8; ``told`` is told of all pieces as of the steps ``at`` these numbers."""
    pieces: list[Told] = []

    def carry(some: Sequence[Step]) -> Routing:
        pieces.append(Told(road))
        return route(road, some, until=until, first=False, told=pieces[-1])

    replies = yield from by_single_keys(steps, carry)
    if told is not None:
        told.follow(pieces, at)
    return replies


def _is_apart(group: Group, steps: Sequence[Step]) -> bool:
    """Whether the keys of this group have been on two nodes for long (K8), and it can be carried out key by key."""
    if not group.apart or monotonic() - group.apart < PATIENCE:
        return False
    return has_single_keys([steps[n] for n in group.at])


def _mapped(road: Routes, until: float) -> Generator[Pause, Any, None]:
    """Wait for the first map of the cluster."""
    failures = road.failures
    while not road.mapped:
        road.learn_soon()
        if monotonic() >= until or road.failures >= failures + RETRIES:
            error = road.unmapped()
            road.failed(error)
            raise error
        yield Pause(LOOK)


def _ready(groups: Sequence[Group]) -> list[Group]:
    now = monotonic()
    return [each for each in groups if each.after <= now]


def _lots(road: Routes, groups: Sequence[Group], replies: list[object]) -> list[tuple[Node, list[Group]]]:
    """Which node gets which groups now."""
    lots: dict[Node, list[Group]] = {}
    for each in groups:
        node = each.node(road)
        if node is None:
            road.learn_soon()
            each.refused(LATER, ErrorReply("CLUSTERDOWN Hash slot not served"))
            continue
        away = node.away()
        if away is not None:  # this node did not answer just now: nobody waits for it again
            road.learn_soon()
            each.end(replies, [away] * len(each.at))
            continue
        lots.setdefault(node, []).append(each)
    return list(lots.items())


def _answered(
    road: Routes,
    node: Node,
    groups: Sequence[Group],
    outcome: Sequence[Any],
    steps: Sequence[Step],
    atomic: bool,
    replies: list[object],
) -> None:
    """Put the replies of one node in their places; groups with refused steps stay to be sent again."""
    node.answered()
    at = 0
    for each in groups:
        asked = bool(each.noop)
        found, at = each.replies(outcome, at, atomic)
        if node.cut and asked:
            node.told(found[0])
        kept = [refusal(reply) for reply in found]
        for n, no in zip(each.at, kept, strict=True):
            step = steps[n]
            if no is None and type(step) is Script:
                node.known.add(step.name)
        each.place, each.asking = each.wanted, False
        first = next((no for no in kept if no is not None), None)
        if first is None or each.hops >= HOPS:
            each.end(replies, found)
            continue
        said = next(reply for reply, no in zip(found, kept, strict=True) if no is not None)
        _redirected(road, node, each, first, said, [steps[n] for n in each.at])
        each.narrow(replies, found, kept)


def _redirected(road: Routes, node: Node, group: Group, why: Refusal, said: Any, steps: Sequence[Step]) -> None:
    """Where and when a refused group is sent again."""
    if why.word != NOSCRIPT and node.lapses(said):
        road.learn_soon()
        group.refused(None, said)
        return
    where = None if why.place is None else (why.place[0] or node.address[0], why.place[1])
    if why.word == MOVED and where is not None and where != node.address and where[0] != "?":
        road.moved(why.slot, where)
        group.place = where
        group.refused(None, said)
    elif why.word == ASK and where is not None and where[0] != "?":
        group.place = group.toward = where
        group.asking = True
        group.refused(None, said)
    elif why.word == NOSCRIPT:
        node.known.clear()
        group.refused(None, said)
    elif why.word == TRYAGAIN:
        group.refused(SOON, said)
        group.apart = group.apart or monotonic()
    else:  # WAIT, or a node that is the owner and says that another one is
        road.learn_soon()
        group.refused(LATER, said)
        if any(writes(step) for step in steps):
            node.told(said)
    if why.word == MOVED:
        road.learn_soon()
