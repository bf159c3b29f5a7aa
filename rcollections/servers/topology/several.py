"""The part of the connection to a cluster that has its nodes, and learns when they are others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ...forks import after_fork
from .asking import NODE_TIMEOUT
from .cluster_replicas import ClusterReplicas
from .learning import Learner
from .lookout import Lookout
from .mapped import Mapped
from .node import ClusterNode

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...values.signing import Keyring
    from ...wire.dsn.dsn import Dsn
    from ...wire.heirs import Handover
    from ...wire.slotmap import Address, SlotMap
    from ..links import Links

__all__ = ["Several"]


class Several(Mapped):
    """Not a connection of its own."""

    def __init__(self, dsn: Dsn, keyring: Callable[[], Keyring | None]) -> None:
        self._nodes: dict[Address, ClusterNode] = {}
        self._nodes_lock = threading.RLock()
        self._stamps = {}
        self.learner = Learner(dsn, self._renewed, self._handed_over)
        self._lookout = Lookout(self, dsn)
        super().__init__(dsn, keyring)
        self.replicas: Any = ClusterReplicas(self)
        after_fork(self._renew_nodes_lock)

    def _renew_nodes_lock(self) -> None:
        self._nodes_lock = threading.RLock()

    def node(self, slot: int, place: Address | None = None) -> ClusterNode | None:
        """The node at that address, or else the owner of that slot, of slot -1 any; None: nobody owns it."""
        if place is None:
            found = self.learner.map
            place = found.owner(slot) if slot >= 0 else self._any()
            if place is None:
                return None
        return self._node_at(place)

    def _node_at(self, place: Address) -> ClusterNode:
        return self._nodes.get(place) or self._made(place)

    def _any(self) -> Address | None:
        owners = self.learner.map.nodes
        for each in owners:
            node = self._nodes.get(each)
            if node is None or node.breaker.failure is None:
                return each
        return owners[0] if owners else None

    def _made(self, place: Address) -> ClusterNode:
        with self._nodes_lock:
            node = self._nodes.get(place)
            if node is None:
                node = self._nodes[place] = ClusterNode(self.dsn, place, self._first, self._lookout.begin)
            return node

    def _first(self, place: Address) -> int | None:
        return self.learner.map.first(place)

    def in_use(self) -> list[ClusterNode]:
        """The owners of slots that steps were sent to so far."""
        return [each for place in self.learner.map.nodes if (each := self._nodes.get(place)) is not None]

    def _renewed(self, found: SlotMap) -> None:
        """There is a new map: nodes that are not in it are left."""
        with self._nodes_lock:
            left = [self._nodes.pop(place) for place in self._nodes.keys() - set(found.known)]
        for each in left:
            each.close()
        if self._hearers is not None:
            self._hearers.follow(found)
        self.replicas.follow(found)

    def _waits(self) -> bool:
        """No: what is kept goes ahead of each trip to its node, and one of them may be away for long."""
        return False

    def _handed_over(self, handover: Handover, begins: bool) -> None:
        """Replicas have become primaries (K13)."""
        after = self.learner.node_timeout or NODE_TIMEOUT
        self.kept.again(after, handover.slots, handover.heirs, begins=begins)
        if not begins:
            self.kept.hurry()

    def all_links(self) -> list[Links]:
        """The links of all nodes."""
        return [self.links, *self.replicas.all_links(), *(each.links for each in list(self._nodes.values()))]

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        super().close()
        self._lookout.end()
        self.replicas.close()
        self.learner.close()
        with self._nodes_lock:
            nodes = list(self._nodes.values())
            self._nodes.clear()
        for each in nodes:
            each.close()
