"""The part of the connection to a cluster that reads from several nodes at once, before any plan begins."""

from __future__ import annotations

from binascii import crc_hqx
from time import monotonic
from typing import TYPE_CHECKING, Any

from ...plans.effects import Command
from ...plans.slots import SLOTS, slot_of
from ...wire.clock import around
from ...wire.clock import until as until_
from ..drivers.quick import read_all
from .held import Held
from .reading import lots_of, read_at_once
from .spread import Stamps, laid_out, lots_of_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plans.effects import Step
    from ...wire.slotmap import Address, SlotMap
    from .node import ClusterNode
    from .reading import Lots
    from .spread import Spread

__all__ = ["Spreads"]

MOST = 512  # kinds of entries, by their tags, whose places are remembered


class Spreads(Held):
    """Not a connection of its own."""

    _stamps: dict[tuple[str, ...], Stamps]  # by tags
    _numbered: tuple[SlotMap | None, Sequence[int], list[ClusterNode]] = None, (), []  # a map, its numbers and nodes

    def at_hand(self, key: str) -> ClusterNode | None:
        """The owner of a key, for a quick try; None where a plan is needed: changes are kept, the node was away …"""
        found, owners, nodes = self._numbered
        if found is not self.learner.map:
            found = self.learner.map
            owners, nodes = found.numbers(), [self._node_at(each) for each in found.nodes]
            self._numbered = found, owners, nodes
        word = key.encode()
        at = owners[slot_of(word) if b"{" in word else crc_hqx(word, 0) & (SLOTS - 1)]  # ``slot_of``, without a call
        if at < 0 or self.journal.holds or (node := nodes[at]).out:
            return None
        return node

    def read_tagged(self, key: str, tags: tuple[str, ...]) -> Any:
        """The reply of an MGET of an entry and its tags."""
        spread, until = self.entry_spread(key, tags), 0.0
        if spread is not None:  # as ``_words``, of which every call counts here
            began = monotonic()
            until = began + self.timeout if around() is None else until_(self.timeout)
            found = read_all(spread[0], until, began)
            if found is not None:
                self.trips += 1
                return spread[1](found)
        return self._one((Command(("MGET", key, *tags)),), until)

    def entry_spread(self, key: str, tags: tuple[str, ...]) -> Spread | None:
        """Where an entry and its tags are; None where nobody knows at present."""
        now = self.learner.map  # before the look whether anything is kept (K13)
        node = self.at_hand(key)
        if node is None:
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
        made = lots_of_keys(step.args[1:], self.learner.map, self._node_at)
        return None if made is None or self.journal.holds else laid_out(*made)  # behind the map: K13

    def lots(self, steps: Sequence[Step]) -> Lots | None:
        """Where steps go that may be sent twice; None where a plan is needed."""
        lots = lots_of(steps, self.node) if self.learner.mapped else None
        if self.journal.holds:  # looked at behind the map: what a handover brings up is kept before its map counts
            return None
        return None if lots is None or (lots.writes and (self.durable or self.learner.moves)) else lots

    def _at_once(self, steps: Sequence[Step], until: float) -> list[Any] | None:
        """The replies of steps that may be sent twice; None: the plan has to begin."""
        lots = self.lots(steps)
        if lots is None:
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
        found = None if spread is None else read_all(spread[0], until, began)
        if spread is None or found is None:
            return self._one((step,), until)
        self.trips += 1
        return spread[1](found)

    def node(self, slot: int, place: Address | None = None) -> ClusterNode | None:
        """The node at that address, or else the owner of that slot."""
        raise NotImplementedError

    def _node_at(self, place: Address) -> ClusterNode:
        raise NotImplementedError

    def _one(self, steps: tuple[Step], until: float = 0.0) -> Any:
        raise NotImplementedError
