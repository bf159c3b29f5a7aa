"""``SlottedConnection``: ``memory://?strict_slots=on``, an in-process server that takes calls as a cluster does.

Each call goes the way that it would go to a cluster: what falls into slots is cut, operands are brought, a pipeline
is one MULTI for each slot. So it raises where a cluster raises, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...plans.cluster.forms import Round
from ...plans.cluster.scattered import carry, scattered
from ...plans.effects import Command, Seen
from ...plans.op import UNSENT
from ...plans.slots import SLOTS, keys_of, slot_of
from ...plans.steps import empty_reply
from ...wire.groups import grouped
from ...wire.run_id import MEMORY
from ...wire.trips import translated
from ..connection import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plans.effects import Step

__all__ = ["SlottedConnection"]


class SlottedConnection(Connection):
    """One server, which owns all slots; calls meet it slot by slot."""

    clustered = True

    def primaries(self) -> tuple[str, ...]:
        """The owners of slots."""
        return (self.shown,)

    def map_sum(self) -> int:
        """A number that changes with the map, as this one never does."""
        return 1

    def slots(self, owner: str) -> range:
        """All."""
        del owner
        return range(SLOTS)

    def moved(self, slot: int, owner: str) -> None:
        """No slot moves."""

    def learn_soon(self) -> None:
        """There is nothing to learn."""

    def ask(self, data: bytes, count: int, reads: bool, key: str = "", /) -> Any:
        """The quick try of commands whose keys are all in the slot of ``key``; "": they are not."""
        return super().ask(data, count, reads) if key else UNSENT

    def at_hand(self, key: str) -> None:
        """None: each call goes by its plan."""
        del key

    def entry_spread(self, key: str, tags: tuple[str, ...]) -> None:
        """None, as well."""
        del key, tags

    def read_tagged(self, key: str, tags: tuple[str, ...]) -> Any:
        """The reply of an MGET of an entry and its tags."""
        return self.one(Command(("MGET", key, *tags)))

    def one(self, step: Step, seen: object = UNSENT) -> Any:
        """Carry out one step and give its reply; see ``Connection.one``."""
        plan = None if self.disabled or seen is not UNSENT else scattered((step,), self, False)
        if plan is None:
            return super().one(step, seen)
        return translated(self, (step,), carry(plan, self._round), keep_errors=False)[0]

    def many(self, steps: Sequence[Step], atomic: bool, keep_errors: bool, seen: object = UNSENT) -> list[Any]:
        """Carry out several steps; ``atomic``: those of each slot in one MULTI."""
        if self.disabled or not steps or seen is not UNSENT:
            return super().many(steps, atomic, keep_errors, seen)
        plan = scattered(steps, self, atomic)
        replies = self._round(Round(steps, atomic)) if plan is None else carry(plan, self._round)
        return translated(self, steps, replies, keep_errors)

    def read_to_hold(self, key: str, steps: Sequence[Step], keep_errors: bool = False) -> Seen:
        """Carry out reads whose replies may be held in the process; see ``ReadToHold``."""
        plan = None if self.disabled else scattered(steps, self, False)
        if plan is None:
            return super().read_to_hold(key, steps, keep_errors)
        ms = super().one(Command(("PTTL", key)))  # before what it is for
        return Seen(translated(self, steps, carry(plan, self._round), keep_errors), ms, MEMORY)

    def turns(self, steps: Sequence[Step]) -> list[Any]:
        """Carry out steps one after another."""
        return [empty_reply(step) if self.disabled else self.one(step) for step in steps]

    def _round(self, some: Round) -> list[Any]:
        """Carry out steps with their keys in one slot each."""
        replies: list[Any] = [None] * len(some.steps)
        for group in grouped(some.steps, some.atomic, None) if some.atomic else ():
            found = super().many([some.steps[n] for n in group.at], True, True)
            for n, reply in zip(group.at, found, strict=True):
                replies[n] = reply
        if not some.atomic:
            replies = list(super().many(some.steps, False, True))
        if some.witness is not None:
            some.witness.update({slot_of(key): MEMORY for step in some.steps for key in keys_of(step)})
        return replies
