"""``Cluster``: a real cluster of Valkey or Redis on this machine, up in two seconds."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Literal, Self

import redis

from ..plans.slots import SLOTS, slot_of
from .ground import Ground
from .kinds import required_binary
from .members import Members
from .mending import mend
from .resharding import Resharding
from .waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .nodes import Node
    from .switchboard import Switchboard

__all__ = ["Cluster"]

PATIENCE = 20.0  # seconds
AGAIN = 0.7  # seconds until a failover is asked for again: right after another one the primary may not hear of it
Mode = Literal["graceful", "force", "takeover"]
_WORDS: Mapping[Mode, tuple[str, ...]] = {"graceful": (), "force": ("FORCE",), "takeover": ("TAKEOVER",)}


class Cluster:
    """A cluster that the test alone uses: primaries with the slots in equal parts, and their replicas.

    ``kind`` is one of ``available_kinds()``. ``replicas`` are replicas of each primary. ``node_timeout`` is
    cluster-node-timeout in seconds: how long a node may be silent until it counts as failed. ``config`` are settings
    of all nodes, ``password`` is the password of all. Nothing is persisted, and no node starts again by itself.

    ``nodes`` are all of them, first the primaries, then their replicas in the same order. Each has ``host``,
    ``port``, ``id``, ``pid``, ``role()``, ``client()``, ``kill()``, ``start()``, ``restart()``, ``freeze()``,
    ``thaw()`` and ``configure()``.

    With ``network=True`` each node has an address of its own (127.0.1.1 and so on) behind a ``network`` that breaks
    between any two of them, or between them and their clients. With ``tls=True`` clients have to speak TLS. Both
    need Linux and servers from 7.0 on; TLS needs the package ``trustme``.

    It takes about 2 seconds, a constant of the servers. ``wait=False`` returns sooner; then ``ready()`` waits.

    ValueError: no such kind. RuntimeError: this machine has no such server, or a node did not start (with its log).
    AssertionError: the cluster did not come up in 20 seconds.

    >>> from rcollections.testing import Cluster, available_kinds
    >>> for kind in available_kinds()[:1]:
    ...     with Cluster(kind) as cluster:
    ...         old = cluster.owner("colour")
    ...         new = cluster.failover(old)
    ...         assert (old.role(), new.role()) == ("replica", "primary")
    """

    def __init__(
        self,
        kind: str = "valkey",
        *,
        primaries: int = 3,
        replicas: int = 1,
        node_timeout: float = 1.0,
        password: str | None = None,
        tls: bool = False,
        network: bool = False,
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
        settings = {"cluster-node-timeout": int(node_timeout * 1000), **(config or {})}
        self._ground = Ground(kind, network=network, tls=tls)
        with ExitStack() as failing:
            failing.callback(self._ground.stop)
            self._members = Members(kind, self._ground, primaries, replicas, password, settings)
            failing.callback(self._members.stop)
            if wait:
                self.ready()
            failing.pop_all()

    # -- addresses and nodes ---------------------------------------------------------------------------

    @property
    def dsn(self) -> str:
        """For ``configure()``: all nodes, with the password, and with the certificate of TLS."""
        return self._ground.dsn("cluster", self.password, self.nodes)

    @property
    def network(self) -> Switchboard:
        """The network that all bytes go through; RuntimeError without ``network=True``."""
        return self._ground.network

    @property
    def nodes(self) -> list[Node]:
        """All nodes, also those that are down."""
        return self._members.nodes

    @property
    def primaries(self) -> list[Node]:
        """The running nodes that own slots now, by their slots."""
        first = {node: slot for slot, node in sorted(self._members.owners().items(), reverse=True)}
        return sorted(first, key=first.__getitem__)

    @property
    def replicas(self) -> list[Node]:
        """The running nodes that are replicas now."""
        return [node for node in self._members.answering() if node.role() == "replica"]

    def owner(self, key: str | bytes | int) -> Node:
        """The node that owns this key, or this slot, now; LookupError if no running node does."""
        slot = key if isinstance(key, int) else self.slot(key)
        node = self._members.owners().get(slot)
        if node is None:
            raise LookupError(f"no running node owns slot {slot}")
        return node

    def replicas_of(self, primary: Node) -> list[Node]:
        """The running replicas of this node."""
        return [node for node, seen in self._members.selves().items() if seen.primary == primary.id]

    @staticmethod
    def slot(key: str | bytes) -> int:
        """The slot of this key, from 0 to 16383."""
        return slot_of(key)

    def key_on(self, node: Node, prefix: str = "k", number: int = 0) -> str:
        """The ``number``-th key that begins with ``prefix`` and lies on this node now."""
        own = {slot for slot, owner in self._members.owners().items() if owner is node}
        if not own:
            raise LookupError(f"{node.name} owns no slots")
        count = 0
        while True:
            if self.slot(f"{prefix}{count}") in own:
                if not number:
                    return f"{prefix}{count}"
                number -= 1
            count += 1

    # -- failovers -------------------------------------------------------------------------------------

    def failover(self, node: Node, mode: Mode = "graceful") -> Node:
        """Make a replica the primary of its slots, and return it once all running nodes know.

        ``node`` is the replica, or a primary whose first running replica is taken. "graceful" hands over without
        a loss, and the old primary has to be there; "force" asks the other primaries for their votes; "takeover"
        asks nobody.
        """
        chosen = node
        if not node.answers or node.role() == "primary":
            running = self.replicas_of(node)
            if not running:
                raise LookupError(f"{node.name} has no running replica")
            chosen = running[0]
        asked = -AGAIN

        def promoted() -> bool:
            nonlocal asked
            if chosen.role() == "primary":
                return True
            if time.monotonic() > asked + AGAIN:
                with suppress(redis.ResponseError):  # it has not found its primary yet
                    chosen.ask("CLUSTER", "FAILOVER", *_WORDS[mode])
                    asked = time.monotonic()
            return False

        def stays() -> bool:
            # Redis may take votes of an election some seconds ago for those of this one; then the old primary wins.
            wait_until(promoted, PATIENCE, f"the promotion of {chosen.name}")
            self._members.agree(PATIENCE)
            return chosen.role() == "primary"

        wait_until(stays, PATIENCE, f"{chosen.name} to stay a primary")
        return chosen

    def wait_for_failover(self, old: Node, seconds: float = PATIENCE) -> None:
        """Wait until all slots are served by running nodes other than ``old``, and these agree about the slots."""

        def done() -> bool:
            owners = self._members.owners()
            return len(owners) == SLOTS and old not in owners.values()

        wait_until(done, seconds, f"a cluster that no longer needs {old.name}")
        self._members.agree(seconds)

    # -- slots and nodes that move ---------------------------------------------------------------------

    def reshard(self, slots: int | Iterable[int], source: Node, target: Node) -> int:
        """Move these slots with their keys, as ``redis-cli --cluster reshard`` does; returns how many keys went."""
        return self.resharding(slots, source, target).finish()

    def resharding(self, slots: int | Iterable[int], source: Node, target: Node) -> Resharding:
        """Begin to move these slots, so that a test can stop half way: the keys go with the steps of what is returned.

        >>> from rcollections.testing import Cluster, available_kinds
        >>> for kind in available_kinds()[:1]:
        ...     with Cluster(kind, replicas=0) as cluster:
        ...         source, target, _ = cluster.primaries
        ...         key = cluster.key_on(source)
        ...         _ = source.client().set(key, 1)
        ...         move = cluster.resharding(cluster.slot(key), source, target)
        ...         assert move.move_keys(1) == 1         # the key is at the target, the slot is not
        ...         assert cluster.owner(key) is source
        ...         assert move.finish() == 0
        ...         assert cluster.owner(key) is target
        """
        wanted = {slots} if isinstance(slots, int) else set(slots)
        return Resharding(wanted, source, target, self._members.give)

    def move_slots(self, slots: int | Iterable[int], source: Node, target: Node) -> None:
        """Move these slots in one step (``CLUSTER MIGRATESLOTS``), and return once all running nodes know.

        RuntimeError: the servers cannot do it; Valkey can since 9.0.
        """
        wanted = {slots} if isinstance(slots, int) else set(slots)
        self._members.migrate(wanted, source, target, PATIENCE)

    def add_node(self, replica_of: Node | None = None) -> Node:
        """Start one more node and let all meet it: a primary without slots, or a replica. It takes about 1 second."""
        return self._members.add(replica_of, PATIENCE)

    def remove_node(self, node: Node) -> None:
        """Let all forget this node, and end it. Its slots go to the other primaries, with their keys."""
        others = [each for each in self.primaries if each is not node]
        own = [slot for slot, owner in self._members.owners().items() if owner is node]
        if own and not others:
            raise ValueError("the last primary cannot be removed")
        for number, other in enumerate(others):
            if part := own[number * len(own) // len(others) : (number + 1) * len(own) // len(others)]:
                try:
                    self.move_slots(part, node, other)  # servers that can do this take 15 ms for each SETSLOT
                except RuntimeError:
                    self.reshard(part, node, other)
        self._members.remove(node, PATIENCE)

    # -- life ------------------------------------------------------------------------------------------

    def ready(self) -> None:
        """Wait until all nodes are well, agree about the slots, and replicas have their copies."""
        self._members.ready(PATIENCE)

    def flush(self) -> None:
        """Empty all primaries."""
        self._members.flush()

    def heal(self) -> None:
        """Make the cluster again what it was at first, at the same addresses, and empty; for the next test.

        It takes some milliseconds if nothing was broken, 0.1 s for each primary that was replaced by its replica (up to
        4 s with Redis, which does not vote twice in a few seconds),
        and 2 seconds if nodes died or are frozen, came or went, or many slots moved: then all are started again.
        """
        self._ground.heal()
        if not mend(self._members, self.failover, self.reshard, PATIENCE):
            self._members.begin_again()
            self.ready()

    def stop(self) -> None:
        """End all nodes and remove their directories. May be called twice."""
        self._members.stop()
        self._ground.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Cluster {self.kind} {' '.join(f'{node.name}:{node.port}' for node in self.nodes)}>"
