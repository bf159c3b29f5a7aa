"""The faults of a cluster: nodes die, freeze, come and go, sides are cut off, slots move."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import redis

from rcollections.testing import wait_until
from rcollections.testing.views import read_nodes

from .faults import Injector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rcollections.testing import Cluster
    from rcollections.testing.nodes import Node

    from .crew import Crew
    from .source import Source

__all__ = ["ClusterFaults"]

PATIENCE = 30.0  # seconds until the servers have to be well again


class ClusterFaults(Injector):
    """Of a cluster with a network. ``keys`` are those that the workers use: slots with keys are worth moving."""

    def __init__(self, seed: int, crew: Crew, source: Source, cluster: Cluster, keys: Callable[[], Sequence[str]]):
        super().__init__(seed, crew, source)
        self._cluster = cluster
        self._keys = keys

    def faults(self) -> list[Callable[[], None]]:
        atomic = [self.move_slots] if self._cluster.kind == "valkey" else []
        return [
            self.kill_primary, self.stall_and_kill, self.freeze_primary, self.freeze_for_a_moment, self.cut_off,
            self.cut_worker, self.cut_connections, self.slow_node, self.stall_replication, self.graceful_failover,
            self.reshard, self.reshard_half_way, self.add_and_remove, self.kill_replica, self.forget_scripts, *atomic,
            self.lose_replies, *super().faults(),
        ]  # fmt: skip

    def heal(self) -> None:
        self._cluster.network.heal()
        super().heal()

    # -- who ---------------------------------------------------------------------------------------

    def _primary(self) -> tuple[Node, Node, frozenset[int]]:
        """A primary that owns slots, its replica, and the slots."""
        both = [(node, self._cluster.replicas_of(node)) for node in self._cluster.primaries]
        node, replicas = self._random.choice([each for each in both if each[1]])
        return node, replicas[0], self._owned(node)

    def _owned(self, node: Node) -> frozenset[int]:
        return frozenset(read_nodes(node.look("CLUSTER", "NODES"))[node.id].slots)

    def _used(self, node: Node, most: int) -> set[int]:
        """Some slots of this node with keys of the workers."""
        owned = self._owned(node)
        used = sorted({slot for key in self._keys() if (slot := self._cluster.slot(key)) in owned})
        return set(self._random.sample(used, min(most, len(used)))) if used else {min(owned)}

    def _well(self) -> None:
        """Wait until all nodes are well, and replicas have their copies."""
        wait_until(lambda: self._ready(), PATIENCE, "a cluster that is well")

    def _ready(self) -> bool:
        """``Cluster.ready()`` without its end, which empties all nodes."""
        try:
            self._cluster._members.agree(PATIENCE)
            both = [(node, self._cluster.replicas_of(node)) for node in self._cluster.primaries]
            return all(each.answers and each.linked() for each in self._cluster.nodes) and all(
                node.ask("WAIT", len(replicas), 500) >= len(replicas) for node, replicas in both
            )
        except (AssertionError, LookupError, redis.RedisError):
            return False

    def _demoted(self, node: Node) -> None:
        wait_until(lambda: node.role() == "replica", PATIENCE, f"the demotion of {node.name}")

    # -- nodes -------------------------------------------------------------------------------------

    def kill_primary(self) -> None:
        node, _, slots = self._primary()
        with self._losing("kill_primary", slots, two=False):
            node.kill()
        self._replaced(node)

    def stall_and_kill(self) -> None:
        """What the primary has acknowledged meanwhile is lost."""
        node, replica, slots = self._primary()
        with self._losing("stall_and_kill", slots, two=False):
            self._cluster.network.freeze(node, replica, "replication")
            self._for(0.1, 1.0)
            node.kill()
        self._replaced(node)

    def _replaced(self, node: Node) -> None:
        self._cluster.wait_for_failover(node, PATIENCE)
        self._cluster.network.heal()
        self._for(0.0, 0.5)
        node.start()
        self._well()

    def freeze_primary(self) -> None:
        """It goes on behind its failover, with what was sent to it meanwhile."""
        node, _, slots = self._primary()
        with self._losing("freeze_primary", slots):
            node.freeze()
            try:
                self._cluster.wait_for_failover(node, PATIENCE)
                self._for(0.0, 0.5)
            finally:
                node.thaw()
            self._demoted(node)
        self._well()

    def freeze_for_a_moment(self) -> None:
        """For less than it takes to be replaced, as a rule."""
        node, replica, slots = self._primary()
        with self._losing("freeze_for_a_moment", slots):
            node.freeze()
            self._for(0.1, self._cluster.node_timeout / 2)
            node.thaw()
            self._well()
        if replica.role() == "replica":
            self.losses.pop()

    def kill_replica(self) -> None:
        _, replica, self._slots = self._primary()
        self._raises = False
        replica.kill()
        self._for(0.0, 0.5)
        replica.start()
        self._well()

    def add_and_remove(self) -> None:
        """A primary comes, gets slots with keys, and goes."""
        self._raises, self._slots = False, None
        node = self._cluster.add_node()
        source, _, _ = self._primary()
        self._cluster.reshard(self._used(source, 3), source, node)
        self._for(0.0, 0.5)
        self._cluster.remove_node(node)
        self._well()

    def forget_scripts(self) -> None:
        self._raises, self._slots = False, frozenset()
        for node in self._cluster.primaries:
            node.ask("SCRIPT", "FLUSH")

    # -- roles and slots ---------------------------------------------------------------------------

    def graceful_failover(self) -> None:
        node, _, self._slots = self._primary()
        self._raises = False
        self._cluster.failover(node)
        self._well()

    def _two(self) -> tuple[Node, Node, set[int]]:
        source, target = self._random.sample(self._cluster.primaries, 2)
        slots = self._used(source, 4)
        self._slots, self._raises = frozenset(slots), False
        return source, target, slots

    def reshard(self) -> None:
        """Some slots, as redis-cli does it."""
        source, target, slots = self._two()
        self._cluster.reshard(slots, source, target)

    def reshard_half_way(self) -> None:
        """Keys go one by one, and stay apart for longer than callers wait."""
        source, target, slots = self._two()
        move = self._cluster.resharding(slots, source, target)
        for _ in range(self._random.randint(0, 3)):
            move.move_keys(1)
            self._for(0.0, 0.4)
        move.finish()

    def move_slots(self) -> None:
        """Some slots, in one step."""
        source, target, slots = self._two()
        self._cluster.move_slots(slots, source, target)

    # -- the network -------------------------------------------------------------------------------

    def cut_off(self) -> None:
        """A primary and some workers are the minority: it takes their writes until it notices."""
        node, replica, slots = self._primary()
        workers = self._crew.some(self._random)
        began = len(self.losses)
        with self._losing("cut_off", slots, frozenset(workers)):
            with self._losing("cut_off", slots):
                self._cluster.network.partition({node, *workers})
                wait_until(lambda: replica.role() == "primary", PATIENCE, "the promotion")
            self._for(0.0, 1.0)
            self._cluster.network.heal()
            self._demoted(node)
        assert len(self.losses) == began + 2
        self._well()

    def cut_worker(self) -> None:
        """One worker reaches nobody."""
        self._cluster.network.partition({*self._crew.some(self._random, 1)})
        self._for(0.2, 2.5)
        self._cluster.network.heal()

    def cut_connections(self) -> None:
        """Of one worker to one node, or all of them."""
        (worker,) = self._crew.some(self._random, 1)
        nodes = self._random.sample(self._cluster.primaries, self._random.randint(1, 3))
        self._cluster.network.cut(worker, nodes, "clients")

    def lose_replies(self) -> None:
        """A primary carries out what it is asked, and callers hear nothing of it: the connections break."""
        node = self._random.choice(self._cluster.primaries)
        workers = self._crew.some(self._random)
        self._cluster.network.freeze(node, workers, "clients", one_way=True)
        self._for(0.05, 0.15)
        self._cluster.network.cut(node, workers, "clients")
        self._cluster.network.heal()

    def slow_node(self) -> None:
        self._raises = False
        workers = self._crew.some(self._random)
        node = self._random.choice(self._cluster.primaries)
        self._cluster.network.slow(workers, node, self._random.choice((0.005, 0.05)), "clients")
        self._for(0.2, 1.0)
        self._cluster.network.heal()

    def stall_replication(self) -> None:
        """For a moment, and nothing dies meanwhile."""
        self._raises, self._slots = False, frozenset()
        node, replica, _ = self._primary()
        self._cluster.network.freeze(node, replica, "replication")
        began = time.monotonic()
        self._for(0.1, 1.0)
        assert time.monotonic() - began < 10
        self._cluster.network.heal()
        self._well()
