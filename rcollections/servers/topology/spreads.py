"""The part of the connection to a cluster that reads from several nodes at once, before any plan begins."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ...plans.effects import Command
from ...plans.slots import slot_of
from ...wire.clock import around
from ...wire.clock import until as until_
from ..drivers.quick import read_all
from .held import Held
from .reading import lots_of, read_at_once
from .spread import Stamps, laid_out, lots_of_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plans.effects import Step
    from ...wire.slotmap import Address
    from .node import ClusterNode
    from .spread import Spread

__all__ = ["Spreads"]

MOST = 512  # kinds of entries, by their tags, whose places are remembered


class Spreads(Held):
    """Not a connection of its own."""

    _nodes: dict[Address, ClusterNode]
    _stamps: dict[tuple[str, ...], Stamps]  # by tags

    def read_tagged(self, key: str, tags: tuple[str, ...]) -> Any:
        """The reply of an MGET of an entry and its tags."""
        spread, until = self.entry_spread(key, tags), 0.0
        if spread is not None:  # as ``_words``, of which every call counts here
            began = monotonic()
            until = began + self.timeout if around() is None else until_(self.timeout)
            found = read_all(spread.asks, until, began)
            if found is not None:
                self.trips += 1
                return spread.words(found)
        return self._one((Command(("MGET", key, *tags)),), until)

    def entry_spread(self, key: str, tags: tuple[str, ...]) -> Spread | None:
        """Where an entry and its tags are; None where nobody knows at present."""
        now = self.learner.map
        place = now.owner(slot_of(key))
        node = None if place is None else self._nodes.get(place)
        if node is None or self.journal.holds:
            return None
        stamps = self._stamps.get(tags)
        if stamps is None or stamps.map is not now:
            made = lots_of_keys(tags, now, self._node_at)
            if made is None:
                return None
            if len(self._stamps) >= MOST:
                self._stamps = {}
            stamps = self._stamps[tags] = Stamps(now, *made)
        return stamps.and_entry(key, node)

    def spread_of(self, step: Command) -> Spread | None:
        """Where the keys of an MGET are; None where nobody knows at present."""
        made = None if self.journal.holds else lots_of_keys(step.args[1:], self.learner.map, self._node_at)
        return None if made is None else laid_out(*made)

    def _at_once(self, steps: Sequence[Step], until: float) -> list[Any] | None:
        """The replies of reads of several nodes; None: the plan has to begin."""
        if self.journal.holds or not self.learner.mapped:
            return None
        lots = lots_of(steps, self.node)
        if lots is None or (lots.writes and (self.durable or self.learner.moves)):
            return None
        try:
            found = read_at_once(lots, until)
        finally:
            if lots.writes:
                self.wrote(steps)
        if found is None or (lots.writes and self.learner.moves):
            return None
        self.trips += 1
        return found

    def _words(self, step: Command, spread: Spread | None) -> Any:
        """The reply of an MGET."""
        began = monotonic()
        until = began + self.timeout if around() is None else until_(self.timeout)
        found = None if spread is None else read_all(spread.asks, until, began)
        if spread is None or found is None:
            return self._one((step,), until)
        self.trips += 1
        return spread.words(found)

    def node(self, slot: int, place: Address | None = None) -> ClusterNode | None:
        """The node at that address, or else the owner of that slot."""
        raise NotImplementedError

    def _node_at(self, place: Address) -> ClusterNode:
        raise NotImplementedError

    def _one(self, steps: tuple[Step], until: float = 0.0) -> Any:
        raise NotImplementedError
