"""``ClusterConnection``: one configured cluster. Each step goes to the node that owns the slot of its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...plans.cluster.forms import Round
from ...plans.cluster.scattered import carry, scattered
from ...plans.effects import Command, Script, Seen
from ...plans.op import UNSENT
from ...plans.slots import NO_KEY, keys_of, slot_of
from ...plans.steps import empty_reply, repeatable
from ...wire.clock import until as until_
from ...wire.durable import durably
from ...wire.requests import Tried, packed
from ...wire.routing import Sent, route
from ...wire.trips import translated
from ..drivers.fans import both, seen_by, tour
from ..drivers.quick import ask as quick_ask
from .reading import outcome
from .several import Several
from .wakeups import ClusterWakeups

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...plans.cluster.forms import Rounds
    from ...plans.effects import Step
    from ...values.signing import Keyring
    from ...wire.dsn.dsn import Dsn

__all__ = ["ClusterConnection"]


class ClusterConnection(Several):
    """A connection whose steps go to the nodes of a cluster, all that are concerned at the same time."""

    clustered = True

    def __init__(self, dsn: Dsn, keyring: Callable[[], Keyring | None]) -> None:
        self._wakeups = ClusterWakeups(dsn.namespace, self.node)
        super().__init__(dsn, keyring)

    # -- round trips on this thread ----------------------------------------------------------------

    def ask(self, data: bytes, count: int, reads: bool, key: str = "", /) -> Any:
        """The quick try of commands whose keys are all in the slot of ``key``; "": they are not.

        Gives a ``Sent`` where the plan has to go on with what was seen.
        """
        node = self.at_hand(key) if key and (reads or not (self.durable or self.learner.moves)) else None
        if node is None:
            return UNSENT
        seen = quick_ask(node, data, count, reads)
        if type(seen) is Tried:
            return Sent(node, outcome(seen))
        if seen is not UNSENT:
            self.trips += 1
        return seen

    def one(self, step: Step, _seen: object = UNSENT) -> Any:
        """Carry out one step and give its reply; see ``Connection.one``."""
        if self.disabled:
            return empty_reply(step)
        if _seen is not UNSENT:
            if type(_seen) is not Sent:
                return _seen
            return translated(self, (step,), tour(route(self, (step,), sent=_seen), self.timeout), keep_errors=False)[0]
        if type(step) is Command and step.args[0] == "MGET" and len(step.args) > 2:
            return self._words(step, self.spread_of(step))
        return self._one((step,))

    def _one(self, steps: tuple[Step], until: float = 0.0) -> Any:
        """Carry out one step: the quick try, where its keys are in one slot, and the plan."""
        step = steps[0]
        plan = scattered(steps, self, False)
        if plan is not None:
            return translated(self, steps, self._carried(plan, until), keep_errors=False)[0]
        keys = keys_of(step)
        node = self.node(slot_of(keys[0]) if keys else NO_KEY)
        sent = None
        if node is not None:
            data, count = packed(node.known, steps)
            reply: Any = None
            try:
                if (
                    node.breaker.failure is None
                    and not self.journal.holds
                    and not (self.durable and durably(self, steps))
                ):
                    reply = node.ask(data, count, repeatable(step))
                else:
                    reply = UNSENT
            finally:
                if reply is not UNSENT:
                    self.trips += 1
                    self.wrote(steps)
            if type(reply) is not Tried and reply is not UNSENT:
                if type(step) is Script:
                    node.known.add(step.name)
                if not self.learner.moves:
                    return reply
                sent = Sent(node, [reply])
            if type(reply) is Tried:
                sent = Sent(node, outcome(reply))
        replies = tour(route(self, steps, sent=sent, until=until), self.timeout)
        return translated(self, steps, replies, keep_errors=False)[0]

    def many(self, steps: Sequence[Step], atomic: bool, keep_errors: bool, _seen: object = UNSENT) -> list[Any]:
        """Carry out several steps, at all nodes at the same time; ``atomic``: those of each slot in one MULTI."""
        if not steps:
            return []
        if self.disabled:
            return [empty_reply(step) for step in steps]
        if type(_seen) is Sent:
            replies = tour(route(self, steps, atomic, sent=_seen), self.timeout)
            return translated(self, steps, replies, keep_errors)
        until = until_(self.timeout)
        if not atomic and (quick := self._at_once(steps, until)) is not None:
            return quick
        plan = scattered(steps, self, atomic)
        replies = (
            self._carried(plan, until)
            if plan is not None
            else tour(route(self, steps, atomic, until=until), self.timeout)
        )
        return translated(self, steps, replies, keep_errors)

    def read_to_hold(self, key: str, steps: Sequence[Step], keep_errors: bool = False) -> Seen:
        """Carry out reads whose replies may be held in the process; see ``ReadToHold``."""
        if self.disabled:
            return Seen([empty_reply(step) for step in steps], None, b"")
        witness: dict[int, bytes] = {}
        asked = (Command(("PTTL", key)), *steps)

        def send(some: Round) -> list[Any]:
            seen: dict[int, bytes] = {}
            try:
                return self._routed(some._replace(witness=seen))
            finally:
                both(witness, seen)
                if some.witness is not None:
                    some.witness.update(seen)

        plan = scattered(asked, self, False)
        replies = send(Round(asked)) if plan is None else carry(plan, send)
        return seen_by(witness, key, replies[0], translated(self, steps, replies[1:], keep_errors))

    def turns(self, steps: Sequence[Step]) -> list[Any]:
        """Carry out steps one after another."""
        return [self.one(step) for step in steps]

    def _carried(self, plan: Rounds, until: float) -> list[Any]:
        """Carry out a plan of rounds whose steps have their keys in one slot each."""

        def send(some: Round) -> list[Any]:
            nonlocal until
            if some.witness is not None:  # a page of many: each has the time of a call
                until = 0.0
            return self._routed(some, until)

        return carry(plan, send)

    def _routed(self, some: Round, until: float = 0.0) -> list[Any]:
        plan = route(self, some.steps, some.atomic, place=some.place, until=until, witness=some.witness)
        return tour(plan, self.timeout)

    @property
    def wakeups(self) -> ClusterWakeups:
        """Wakes callers that wait for messages, each heard at the node that owns the key of its channel."""
        return self._wakeups
