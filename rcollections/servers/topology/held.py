"""The part of the connection to a cluster that knows who hears changes for the values that this process holds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...coherence.nodes import Nodes, place_at
from ...coherence.places import own_ids
from ...plans.cluster.settling import Stone, settle
from ...plans.settling import Listeners
from ...plans.slots import slot_of
from ...wire.clock import until
from ..connection import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plans.effects import Plan
    from .learning import Learner

__all__ = ["Held"]

STEADY = 10.0  # seconds after which all processes that hold values have the same map: they look every two seconds


class Held(Connection):
    """Not a connection of its own."""

    learner: Learner
    _hearers: Nodes | None = None

    def renew_links(self) -> None:
        """Close idle links now, and used ones when they come back: the next use opens new ones."""
        for each in self.all_links():
            each.renew()

    def _listeners(self) -> Listeners | None:
        """Where the listeners of all processes are asked: at each primary that has a part of the change."""
        if self.disabled:
            return None
        end = partial(until, float("inf"))
        return Listeners("", "", self.dsn.staleness, own_ids, end, {}, self._settled)

    def _settled(self, where: Listeners, acked: float, keys: Sequence[str] | None) -> Plan[None]:
        return settle(where, acked, keys, self._stones, self._entered)

    def _stones(self, keys: Sequence[str] | None) -> list[Stone] | None:
        """Where the listeners are that hear of these keys; None: the map may be another one to other processes."""
        found = self.learner.map
        if self.learner.steady < STEADY:
            return None
        owners = found.nodes if keys is None else {found.owner(slot_of(each)) for each in keys}
        places = [None if each is None else place_at(self.dsn, found, each) for each in owners]
        return [Stone(each.key, each.channel.decode()) for each in places if each] if all(places) else None

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
