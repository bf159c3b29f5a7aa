"""``Cluster``: a real cluster of Valkey or Redis on this machine, up in two seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import quote

from ..wire.hash_slot import SLOTS, hash_slot
from .kinds import required_binary
from .node_files import layout, node_file
from .nodes import Node
from .places import Place, free_places
from .views import Seen, read_nodes
from .waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Cluster"]

READY_SECONDS = 20.0
Mode = Literal["graceful", "force", "takeover"]


class Cluster:
    """A cluster that the test alone uses: primaries with the slots in equal parts, and their replicas.

    ``kind`` is one of ``available_kinds()``. ``replicas`` are replicas of each primary. ``node_timeout`` is
    cluster-node-timeout in seconds: how long a node may be silent until it counts as failed. ``config`` are settings
    of all nodes, ``password`` is the password of all. Nothing is persisted, and no node starts again by itself.

    It takes about 2 seconds, a constant of the servers. ``wait=False`` returns sooner; then ``ready()`` waits.

    ValueError: no such kind. RuntimeError: this machine has no such server, or the cluster did not come up in 20
    seconds (with a log).
    """

    def __init__(
        self,
        kind: str = "valkey",
        *,
        primaries: int = 3,
        replicas: int = 1,
        node_timeout: float = 1.0,
        password: str | None = None,
        config: Mapping[str, object] | None = None,
        wait: bool = True,
    ) -> None:
        if primaries < 1 or replicas < 0:
            raise ValueError("a cluster has 1 primary or more, and each of them 0 replicas or more")
        if not 0.05 <= node_timeout <= 60:
            raise ValueError(f"node_timeout is in seconds, from 0.05 to 60, not {node_timeout!r}")
        required_binary(kind)
        self.kind = kind
        self.password = password
        self.node_timeout = node_timeout
        self._config = dict(config or {})
        self._replicas = replicas
        self._count = primaries
        self.nodes: list[Node] = []
        self._launch()
        if wait:
            try:
                self.ready()
            except BaseException:
                self.stop()
                raise

    # -- addresses and nodes ---------------------------------------------------------------------------

    @property
    def dsn(self) -> str:
        """For ``configure()``: all nodes, with the password."""
        login = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis+cluster://{login}" + ",".join(f"{node.host}:{node.port}" for node in self.nodes)

    @property
    def primaries(self) -> list[Node]:
        """The running nodes that own slots now, by their slots."""
        owners = self._owners()
        first = {node: slot for slot, node in sorted(owners.items(), reverse=True)}
        return sorted(first, key=first.__getitem__)

    @property
    def replicas(self) -> list[Node]:
        """The running nodes that are replicas now."""
        return [node for node in self._answering() if node.role() == "replica"]

    def owner(self, key: str | bytes | int) -> Node:
        """The node that owns this key, or this slot, now; LookupError if no running node does."""
        slot = key if isinstance(key, int) else self.slot(key)
        node = self._owners().get(slot)
        if node is None:
            raise LookupError(f"no running node owns slot {slot}")
        return node

    def replicas_of(self, primary: Node) -> list[Node]:
        """The running replicas of this node."""
        return [node for node, seen in self._selves().items() if seen.primary == primary.id]

    @staticmethod
    def slot(key: str | bytes) -> int:
        """The slot of this key, from 0 to 16383."""
        return hash_slot(key.encode() if isinstance(key, str) else key)

    def key_on(self, node: Node, prefix: str = "k", number: int = 0) -> str:
        """The ``number``-th key that begins with ``prefix`` and lies on this node now."""
        own = {slot for slot, owner in self._owners().items() if owner is node}
        if not own:
            raise LookupError(f"{node.name} owns no slots")
        left, count = number, 0
        while True:
            key = f"{prefix}{count}"
            if self.slot(key) in own:
                if not left:
                    return key
                left -= 1
            count += 1

    # -- what happens to clusters ----------------------------------------------------------------------

    def failover(self, node: Node, mode: Mode = "graceful") -> Node:
        """Make a replica the primary of its slots, and return it once all running nodes know.

        ``node`` is the replica, or a primary whose first running replica is taken. "graceful" hands over without
        a loss, and the old primary has to be there; "force" asks the other primaries for their votes; "takeover"
        asks nobody.
        """
        if node.alive and node in self._answering() and node.role() == "replica":
            chosen = node
        else:
            running = self.replicas_of(node)
            if not running:
                raise LookupError(f"{node.name} has no running replica")
            chosen = running[0]
        words = {"graceful": (), "force": ("FORCE",), "takeover": ("TAKEOVER",)}[mode]

        def promoted() -> bool:
            if chosen.role() == "primary":
                return True
            if time.monotonic() > asked[0] + 2:
                asked[0] = time.monotonic()
                chosen.ask("CLUSTER", "FAILOVER", *words)
            return False

        asked = [-10.0]
        wait_until(promoted, READY_SECONDS, f"the promotion of {chosen.name}")
        self._agree()
        return chosen

    def wait_for_failover(self, old: Node, seconds: float = READY_SECONDS) -> None:
        """Wait until all slots are served by running nodes other than ``old``, and these agree about the slots."""

        def done() -> bool:
            owners = self._owners()
            return len(owners) == SLOTS and old not in owners.values()

        wait_until(done, seconds, f"a cluster that no longer needs {old.name}")
        self._agree()

    # -- life ------------------------------------------------------------------------------------------

    def ready(self) -> None:
        """Wait until all nodes are well, agree about the slots, and replicas have their copies."""
        end = time.monotonic() + READY_SECONDS
        for node in self.nodes:
            node.wait()
        self._agree(end)
        wait_until(lambda: all(node.linked() for node in self.nodes), end - time.monotonic(), "the replicas' copies")

    def flush(self) -> None:
        """Empty all primaries."""
        for node in self.primaries:
            node.ask("FLUSHALL")

    def stop(self) -> None:
        """End all nodes and remove their directories. May be called twice."""
        for node in self.nodes:
            node.kill()
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Cluster {self.kind} {' '.join(f'{node.name}:{node.port}' for node in self.nodes)}>"

    # -- inside ----------------------------------------------------------------------------------------

    def _launch(self) -> None:
        places = free_places(["127.0.0.1"] * (self._count * (1 + self._replicas)))
        members = layout(places, self._count)
        for number, me in enumerate(members):
            self.nodes.append(self._node(f"n{number}", me.place, me.id, node_file(me, members)))
        for node in self.nodes:
            node.launch()

    def _node(self, name: str, place: Place, node_id: str, text: str) -> Node:
        settings = {
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": int(self.node_timeout * 1000),
            **self._config,
        }
        node = Node(self.kind, name, place, node_id=node_id, password=self.password, settings=settings)
        node.write("nodes.conf", text)
        return node

    def _answering(self) -> list[Node]:
        """The nodes that run and are not frozen."""
        return [node for node in self.nodes if node.answers]

    def _selves(self) -> dict[Node, Seen]:
        """What each running node says of itself."""
        return {node: self._view(node)[node.id] for node in self._answering()}

    @staticmethod
    def _view(node: Node) -> dict[str, Seen]:
        return read_nodes(node.ask("CLUSTER", "NODES"))

    def _owners(self) -> dict[int, Node]:
        """The node of each slot: who says so with the highest epoch."""
        owners: dict[int, Node] = {}
        for node, seen in sorted(self._selves().items(), key=lambda each: each[1].epoch):
            if seen.is_primary:
                owners |= dict.fromkeys(seen.slots, node)
        return owners

    def _agree(self, end: float | None = None) -> None:
        """Wait until all running nodes tell the same of the slots, and take the cluster for whole."""

        def agreed() -> bool:
            told = set()
            for node in self._answering():
                if b"cluster_state:ok" not in node.ask("CLUSTER", "INFO"):
                    return False
                view = self._view(node)
                told.add(frozenset((each.id, each.slots) for each in view.values() if each.slots))
            return len(told) == 1

        left = READY_SECONDS if end is None else max(0.0, end - time.monotonic())
        wait_until(agreed, left, "nodes that agree about the slots")
