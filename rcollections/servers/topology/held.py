"""The part of the connection to a cluster that knows who hears changes for the values that this process holds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...coherence.nodes import Nodes, place_at
from ...coherence.places import own_ids
from ...plans.settling import Listeners
from ...wire.clock import until
from ..connection import Connection

if TYPE_CHECKING:
    from .learning import Learner

__all__ = ["Held"]


class Held(Connection):
    """Not a connection of its own."""

    learner: Learner
    _hearers: Nodes | None = None

    def renew_links(self) -> None:
        """Close idle links now, and used ones when they come back: the next use opens new ones."""
        for each in self.all_links():
            each.renew()

    def _listeners(self) -> Listeners | None:
        """All processes are waited out: which of them hear a node, by which map, nobody knows for sure."""
        if self.disabled:
            return None
        end = partial(until, float("inf"))
        return Listeners("", "", self.dsn.staleness, own_ids, end, {}, self._entered)

    def _entered(self) -> list[str]:
        found = self.learner.map
        places = [place_at(self.dsn, found, each) for each in found.nodes]
        return [each.key for each in places if each is not None]

    def _hears(self) -> Nodes:
        """Who hears changes, at each primary."""
        made = self._hearers = Nodes(self.dsn, self.learner.soon)
        if self.learner.mapped:
            made.follow(self.learner.map)
        return made

    def _renew(self) -> None:
        """An address leads to another server by now."""
        self.renew_links()
