"""Groups that got no replies: which of them are sent again, and what the callers of the others are told. No I/O."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from ..errors import CacheConnectionError, CacheError, CacheTimeout
from .failures import Broken, ErrorReply, NotConnected, Unsent
from .groups import LATER
from .translate import translate
from .words import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..plans.effects import Step
    from .groups import Group
    from .routes import Node, Routes

__all__ = ["give_up", "unanswered"]

HOPS = 16  # how often one group is sent on to another node
WAITED = 0.5  # seconds for which a node refuses until calls do not wait for it any more
ENOUGH = 0.02  # seconds that have to be left for one more try where keys are on two nodes
RETRIES = 2  # how often a group is sent again after its connection broke


def unanswered(
    road: Routes,
    node: Node,
    groups: Sequence[Group],
    error: BaseException,
    steps: Sequence[Step],
    replies: list[object],
) -> None:
    """One node gave no replies: which of its groups may be sent again?"""
    unsent = isinstance(error, (NotConnected, Unsent))
    if isinstance(error, (CacheError, TimeoutError)):
        told = translate(error, node.shown, key_of(steps[groups[0].at[0]]))
        if told._about != "call":
            node.failed(told)
            road.learn_soon()
        for each in groups:
            late = each.apart and told._about == "call"
            each.end(replies, [_between(road, each, steps, sent=True) if late else _of_call(told)] * len(each.at))
        return
    road.learn_soon()
    node.doubt()
    passes = not isinstance(error, NotConnected) or error.passes
    if node.lapses(error):  # a replica: another node is asked at once
        for each in groups:
            each.place, each.asking = each.wanted, False
            each.refused(None, error)
        return
    for each in groups:
        each.place, each.asking = each.wanted, False
        each.tries += 1
        if passes and each.hops <= HOPS and (unsent or (each.safe and each.tries <= RETRIES)):
            each.refused(None if type(error) is Unsent else LATER, error)
        else:
            lost = [translate(error, node.shown, key_of(steps[n])) for n in each.at]
            if each.tries > RETRIES:  # not this connection alone
                node.failed(lost[0])
            each.end(replies, list(map(_of_call, lost)))


def give_up(road: Routes, groups: Sequence[Group], until: float, steps: Sequence[Step], replies: list[object]) -> None:
    """End the groups for which no time is left."""
    now = monotonic()
    for each in groups:
        if each.after + (ENOUGH if each.apart else 0.0) < until and now < until:
            continue
        why = each.why
        if isinstance(why, NotConnected):
            node = each.node(road)
            told = translate(why, road.shown if node is None else node.shown, key_of(steps[each.at[0]]))
            if node is not None:
                node.failed(told)
            each.end(replies, [_of_call(told)] * len(each.at))
        elif each.apart:
            each.end(replies, [_between(road, each, steps)] * len(each.at))
        elif isinstance(why, ErrorReply):
            _opens(road, each, why, now)
            each.end(replies, [why] * len(each.at))
        else:
            text = "the connection broke, and no time is left for another try"
            each.end(replies, [_of_call(translate(why or Broken(text), road.shown, key_of(steps[n]))) for n in each.at])


def _opens(road: Routes, group: Group, why: ErrorReply, now: float) -> None:
    """A node that was cut off for a while: this call has waited for it, the next ones need not (K14)."""
    node = group.node(road)
    if node is not None and node.cut and now - node.cut >= WAITED and str(why).startswith("CLUSTERDOWN"):
        told = translate(why, node.shown, "")
        told._about = "server"
        node.failed(told)


def _between(road: Routes, group: Group, steps: Sequence[Step], sent: bool = False) -> CacheError:
    """The error of a call whose keys were on two nodes for as long as it could wait (K8)."""
    owner = road.node(group.slot, None)
    source = "" if owner is None else f" from {owner.address[0]}:{owner.address[1]}"
    target = "" if group.toward is None else f" to {group.toward[0]}:{group.toward[1]}"
    key = key_of(steps[group.at[0]])
    done = "whether it was done is not known" if sent and not group.safe else "nothing was done"
    error = CacheTimeout(
        f"slot {group.slot} is moving{source}{target}, and the keys that a call on {key!r} needs together are on "
        f"both nodes: {done}. Try again when the move has ended, with more time (timeout, deadline) if need "
        "be; a move that was given up is ended by `redis-cli --cluster fix`"
    )
    error._about = "call"
    return error


def _of_call(error: CacheError) -> CacheError:
    """The error of one node says nothing of the others: it opens no breaker of the whole cluster."""
    if isinstance(error, CacheConnectionError) or error._about != "call":
        error._about = "call"
    return error
