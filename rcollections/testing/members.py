"""The nodes of a cluster: how they are laid out, what they say of one another, and how they become what they were."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING

import redis

from .node_files import Member, layout, lone_file, node_file
from .nodes import Node
from .views import Seen, ranges, read_nodes
from .waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .ground import Ground
    from .places import Place
    from .resharding import Resharding

__all__ = ["Members"]


class Members:
    """Starts the nodes, and knows how they began."""

    def __init__(
        self,
        kind: str,
        ground: Ground,
        primaries: int,
        replicas: int,
        password: str | None,
        settings: Mapping[str, object],
    ) -> None:
        self._ground = ground
        self._kind = kind
        self._password = password
        self._settings = {"cluster-enabled": "yes", "cluster-config-file": "nodes.conf", **settings}
        self.nodes: list[Node] = []
        self.began: dict[Node, Member] = {}  # the nodes that there were at first, and what they were
        try:
            for me in layout(ground.places(primaries * (1 + replicas)), primaries):
                self.began[self._node(me.place, me.id)] = me
            self.begin_again()
        except BaseException:
            self.stop()
            raise

    def begin_again(self) -> None:
        """Kill all nodes, and start those that there were at first, as they were; ``ready()`` waits for them."""
        for node in self.nodes:
            node.kill()
            if node not in self.began:
                self._ground.disconnect(node.name)
                node.stop()
        self.nodes[:] = self.began
        members = list(self.began.values())
        for node, me in self.began.items():
            node.forget()
            node.write("nodes.conf", node_file(me, members))
            node.launch()

    def stop(self) -> None:
        """End all nodes and remove their directories."""
        everyone = {*self.nodes, *self.began}
        for node in everyone:
            node.kill()
        for node in everyone:
            node.stop()

    def _node(self, place: Place, node_id: str) -> Node:
        taken = {node.name for node in (*self.nodes, *self.began)}
        name = next(name for number in count() if (name := f"n{number}") not in taken)
        settings = {**self._settings, **(_seen_elsewhere(place) if place.behind else {})}
        node = Node(self._kind, name, place, node_id=node_id, password=self._password, settings=settings)
        self.nodes.append(node)
        self._ground.connect(name, place, bus=True)
        return node

    # -- what they say ---------------------------------------------------------------------------------

    def answering(self) -> list[Node]:
        """The nodes that run and are not frozen."""
        return [node for node in self.nodes if node.answers]

    def selves(self) -> dict[Node, Seen]:
        """What each running node says of itself."""
        return {node: _view(node)[node.id] for node in self.answering()}

    def owners(self) -> dict[int, Node]:
        """The node of each slot: who says so with the highest epoch."""
        owners: dict[int, Node] = {}
        for node, seen in sorted(self.selves().items(), key=lambda each: each[1].epoch):
            if seen.is_primary:
                for first, last in seen.ranges:
                    owners |= dict.fromkeys(range(first, last + 1), node)
        return owners

    def agree(self, seconds: float) -> None:
        """Wait until all running nodes tell the same of the slots, and take the cluster for whole."""

        def agreed() -> bool:
            told = set()
            for node in self.answering():
                if b"cluster_state:ok" not in node.look("CLUSTER", "INFO"):
                    return False
                view = _view(node)
                told.add(frozenset((each.id, each.ranges) for each in view.values() if each.ranges))
            return len(told) == 1

        wait_until(agreed, seconds, "nodes that agree about the slots")

    def ready(self, seconds: float) -> None:
        """Wait until all nodes are well, agree about the slots, and replicas have their copies."""
        end = time.monotonic() + seconds
        for node in self.nodes:
            node.wait()
        self.agree(max(0.0, end - time.monotonic()))
        wait_until(
            lambda: all(node.linked() and node.followed() for node in self.nodes),
            max(0.0, end - time.monotonic()),
            "the replicas' copies",
        )

    def flush(self) -> None:
        """Empty all running primaries."""
        for node in self.answering():
            if node.role() == "primary":
                node.ask("FLUSHALL")

    # -- what happens to them --------------------------------------------------------------------------

    def give(self, move: Resharding) -> None:
        """Tell all running nodes that these slots belong to the target now: first the target, then the source."""
        first = [move.target, move.source]
        others = [node for node, seen in self.selves().items() if seen.is_primary and node not in first]
        for node in (*first, *others):
            told = node.ask_all([("CLUSTER", "SETSLOT", slot, "NODE", move.target.id) for slot in move.slots])
            wrong = [each for each in told if isinstance(each, redis.ResponseError)]
            # A source that gave away its last slot is a replica before it is told of the others.
            if wrong and node is move.target:
                raise wrong[0]
        self._wait_for_owner(move.slots, move.target, 20.0)

    def migrate(self, slots: set[int], source: Node, target: Node, seconds: float) -> None:
        """Move these slots in one step; RuntimeError if the servers cannot."""
        bounds = [slot for both in ranges(slots) for slot in both]
        try:
            source.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", *bounds, "NODE", target.id)
        except redis.ResponseError as error:
            if "unknown subcommand" in str(error).lower():
                raise RuntimeError(f"these {self._kind} servers cannot move slots in one step: Valkey 9 can") from None
            raise
        self._wait_for_owner(slots, target, seconds)

    def _wait_for_owner(self, slots: Iterable[int], target: Node, seconds: float) -> None:
        wanted = set(slots)
        wait_until(lambda: wanted <= _view(target)[target.id].slots, seconds, f"slots that belong to {target.name}")
        self.agree(seconds)

    def add(self, replica_of: Node | None, seconds: float) -> Node:
        """One more node, that all have met."""
        (place,) = self._ground.places(1)
        own_id, text = lone_file(place)
        others = self.answering()
        node = self._node(place, own_id)
        node.write("nodes.conf", text)
        node.start()
        for other in others:
            other.ask("CLUSTER", "MEET", place.host, place.port, place.bus)

        def met() -> bool:
            everyone = {each.id for each in (*others, node)}
            return all(
                everyone <= {seen.id for seen in _view(each).values() if seen.is_well} for each in (*others, node)
            )

        wait_until(met, seconds, f"nodes that have all met {node.name}")
        if replica_of is not None:
            node.ask("CLUSTER", "REPLICATE", replica_of.id)
            wait_until(lambda: node.role() == "replica" and node.linked(), seconds, f"the copy of {node.name}")
        self.agree(seconds)
        return node

    def remove(self, node: Node, seconds: float) -> None:
        """End this node, which owns no slots, and let all others forget it; its replicas follow another primary."""
        selves = self.selves()
        other = next(each for each, seen in selves.items() if seen.is_primary and seen.ranges and each is not node)
        for each, seen in selves.items():
            if seen.primary == node.id and each is not node:
                each.ask("CLUSTER", "REPLICATE", other.id)
        node.kill()
        self.nodes.remove(node)
        for each in self.answering():
            each.ask("CLUSTER", "FORGET", node.id)
        if node not in self.began:
            self._ground.disconnect(node.name)
            node.stop()
        self.agree(seconds)


def _view(node: Node) -> dict[str, Seen]:
    return read_nodes(node.look("CLUSTER", "NODES"))


def _seen_elsewhere(place: Place) -> dict[str, object]:
    return {
        "cluster-port": place.own_bus,
        "cluster-announce-ip": place.host,
        "cluster-announce-port": place.port,
        "cluster-announce-bus-port": place.bus,
    }
