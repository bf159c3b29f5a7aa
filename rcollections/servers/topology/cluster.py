"""``ClusterConnection``: one configured cluster. Each step goes to the node that owns the slot of its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...plans.cluster.scattered import carry, scattered
from ...plans.effects import Command, Script, Seen
from ...plans.op import UNSENT
from ...plans.slots import NO_KEY, keys_of, several, slot_of
from ...plans.steps import empty_reply, repeatable
from ...wire.requests import Tried, packed
from ...wire.routing import Sent, route
from ...wire.trips import translated
from ..drivers.fans import seen_by, tour
from ..drivers.quick import ask as quick_ask
from .learning import unmapped
from .reading import APART, lots_of, read_at_once
from .several import Several
from .wakeups import ClusterWakeups

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...errors import CacheError
    from ...plans.cluster.scattered import Rounds
    from ...plans.effects import Step
    from ...values.signing import Keyring
    from ...wire.dsn.dsn import Dsn
    from ...wire.slotmap import Address
    from .node import ClusterNode

__all__ = ["ClusterConnection"]


class ClusterConnection(Several):
    """A connection whose steps go to the nodes of a cluster, all that are concerned at the same time."""

    clustered = True

    def __init__(self, dsn: Dsn, keyring: Callable[[], Keyring | None]) -> None:
        self._wakeups = ClusterWakeups(dsn.namespace, self.node)
        super().__init__(dsn, keyring)

    # -- what trips ask ----------------------------------------------------------------------------

    @property
    def mapped(self) -> bool:
        """Whether the map of the cluster is known."""
        return self.learner.mapped

    @property
    def failures(self) -> int:
        """How often the map could not be learned, since it was known last."""
        return self.learner.failures

    def unmapped(self) -> CacheError:
        """The error of a call for which no map could be learned."""
        return unmapped(self.learner, self.shown)

    @property
    def moves(self) -> bool:
        """Whether any slot has got another owner a moment ago."""
        return self.learner.moves

    def before(self, slot: int) -> Address | None:
        """The node that owned this slot until a moment ago; None: the owner has been the same for a while."""
        return self.learner.before(slot)

    def moved(self, slot: int, owner: Address) -> None:
        """A node has said that another one owns that slot."""
        self.learner.moved(slot, owner)

    def learn_soon(self) -> None:
        """Have the map learned again, unless that was done just now."""
        self.learner.soon()

    def map_sum(self) -> int:
        """A number that changes with the map."""
        return self.learner.map.sum

    def primaries(self) -> tuple[Address, ...]:
        """The owners of slots."""
        return self.learner.map.nodes

    # -- round trips on this thread ----------------------------------------------------------------

    def ask(self, data: bytes, count: int, reads: bool, key: str = "", /) -> Any:
        """The quick try of commands whose keys are all in the slot of ``key``; "": they are not.

        Gives a ``Sent`` where the plan has to go on with what was seen.
        """
        learner = self.learner
        found = (
            learner.map
        )  # before the look whether anything is kept: what a handover brings up is kept before its map
        if not key or learner.moves or self.journal.holds:
            return UNSENT
        place = found.owner(slot_of(key))
        node = None if place is None else self._nodes.get(place)
        if node is None or node.breaker.failure is not None:
            return UNSENT
        seen = quick_ask(node, data, count, reads)
        if type(seen) is Tried:
            return Sent(node, _outcome(seen))
        if seen is not UNSENT:
            self.trips += 1
        return seen

    def _at_once(self, steps: Sequence[Step]) -> list[Any] | None:
        """The replies of reads of several nodes; None: the plan has to begin."""
        lots = lots_of(steps, self._serving) if self.learner.mapped else None
        if self.journal.holds:  # looked at behind the map: what a handover brings up is kept before its map counts
            return None
        found = None if lots is None else read_at_once(lots, self.timeout)
        if found is not None:
            self.trips += 1
        return found

    def _serving(self, slot: int) -> ClusterNode | None:
        node = self.node(slot)
        return node if node is not None and node.breaker.failure is None else None

    def one(self, step: Step, _seen: object = UNSENT) -> Any:
        """Carry out one step and give its reply; see ``Connection.one``."""
        if self.disabled:
            return empty_reply(step)
        if _seen is not UNSENT:
            if type(_seen) is not Sent:
                return _seen
            return translated(self, (step,), tour(route(self, (step,), sent=_seen), self.timeout), keep_errors=False)[0]
        if isinstance(step, Command) and step.args[0] in APART and several(step):
            found = self._at_once((step,))
            if found is not None:
                return found[0]
        plan = scattered((step,), self, False)
        if plan is not None:
            return translated(self, (step,), self._carried(plan), keep_errors=False)[0]
        keys = keys_of(step)
        node = self.node(slot_of(keys[0]) if keys else NO_KEY)
        sent = None
        if node is not None:
            data, count = packed(node.known, (step,))
            reply: Any = None
            try:
                if node.breaker.failure is None and not self.journal.holds:
                    reply = node.ask(data, count, repeatable(step))
                else:
                    reply = UNSENT
            finally:
                if reply is not UNSENT:
                    self.trips += 1
                    self.wrote((step,))
            if type(reply) is not Tried and reply is not UNSENT:
                if type(step) is Script:
                    node.known.add(step.name)
                if not self.learner.moves:
                    return reply
                sent = Sent(node, [reply])
            if type(reply) is Tried:
                sent = Sent(node, _outcome(reply))
        return translated(self, (step,), tour(route(self, (step,), sent=sent), self.timeout), keep_errors=False)[0]

    def many(self, steps: Sequence[Step], atomic: bool, keep_errors: bool, _seen: object = UNSENT) -> list[Any]:
        """Carry out several steps, at all nodes at the same time; ``atomic``: those of each slot in one MULTI."""
        if not steps:
            return []
        if self.disabled:
            return [empty_reply(step) for step in steps]
        if type(_seen) is Sent:
            replies = tour(route(self, steps, atomic, sent=_seen), self.timeout)
            return translated(self, steps, replies, keep_errors)
        if not atomic and (quick := self._at_once(steps)) is not None:
            return quick
        plan = scattered(steps, self, atomic)
        replies = self._carried(plan) if plan is not None else tour(route(self, steps, atomic), self.timeout)
        return translated(self, steps, replies, keep_errors)

    def read_to_hold(self, key: str, steps: Sequence[Step], keep_errors: bool = False) -> Seen:
        """Carry out reads whose replies may be held in the process; see ``ReadToHold``."""
        if self.disabled:
            return Seen([empty_reply(step) for step in steps], None, b"")
        witness: dict[int, bytes] = {}
        asked = (Command(("PTTL", key)), *steps)

        def send(some: Sequence[Step], atomic: bool = False, place: Address | None = None) -> list[Any]:
            return tour(route(self, some, atomic, place=place, witness=witness), self.timeout)

        plan = scattered(asked, self, False)
        replies = send(asked) if plan is None else carry(plan, send)
        return seen_by(witness, key, replies[0], translated(self, steps, replies[1:], keep_errors))

    def turns(self, steps: Sequence[Step]) -> list[Any]:
        """Carry out steps one after another."""
        return [self.one(step) for step in steps]

    def _carried(self, plan: Rounds) -> list[Any]:
        """Carry out a plan of rounds whose steps have their keys in one slot each."""
        return carry(plan, self._routed)

    def _routed(self, steps: Sequence[Step], atomic: bool, place: Address | None) -> list[Any]:
        return tour(route(self, steps, atomic, place=place), self.timeout)

    @property
    def wakeups(self) -> ClusterWakeups:
        """Wakes callers that wait for messages, each heard at the node that owns the key of its channel."""
        return self._wakeups


def _outcome(tried: Tried) -> Any:
    """What a quick try has seen; its link goes back, or is closed."""
    if isinstance(tried.outcome, BaseException):
        tried.link.discard()
    else:
        tried.link.release()
    return tried.outcome
