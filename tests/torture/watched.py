"""The faults of a primary that sentinels watch: it dies, freezes, is replaced while it lives, or is cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis

from rcollections.testing import wait_until

from .faults import Injector

if TYPE_CHECKING:
    from collections.abc import Callable

    from rcollections.testing import SentinelTrio
    from rcollections.testing.nodes import Node

    from .crew import Crew
    from .source import Source

__all__ = ["SentinelFaults"]

PATIENCE = 60.0  # seconds; votes of sentinels may fail, and then they wait


class SentinelFaults(Injector):
    """Of a primary with one replica and three sentinels, with a network."""

    def __init__(self, seed: int, crew: Crew, source: Source, trio: SentinelTrio) -> None:
        super().__init__(seed, crew, source)
        self._trio = trio

    def faults(self) -> list[Callable[[], None]]:
        return [
            self.kill_primary, self.stall_and_kill, self.freeze_primary, self.freeze_for_a_moment,
            self.replace_alive, self.cut_off, self.cut_worker, self.cut_connections, self.slow_network,
            self.stall_replication, self.kill_replica, self.kill_sentinel, self.freeze_sentinels,
            self.cut_sentinels, self.lose_replies, *super().faults(),
        ]  # fmt: skip

    def heal(self) -> None:
        self._trio.network.heal()
        super().heal()

    def _both(self) -> tuple[Node, Node]:
        node = self._trio.primary
        return node, next(each for each in self._trio.nodes if each is not node)

    def _well(self) -> None:
        """Wait until sentinels and servers know one another, and the replica has its copy."""
        wait_until(lambda: self._ready(), PATIENCE, "servers that are well")

    def _ready(self) -> bool:
        """``SentinelTrio.ready()`` without its end, which empties all servers."""
        try:
            return bool(self._trio._complete() and self._trio.primary.ask("WAIT", 1, 500) >= 1)
        except (LookupError, redis.RedisError):
            return False

    def _is_told(self, node: Node) -> bool:
        """Whether most of the sentinels name this primary."""
        try:
            return self._trio.primary is node
        except LookupError:
            return False

    def _demoted(self, node: Node) -> None:
        def done() -> bool:
            try:
                return node.role() == "replica"
            except redis.RedisError:  # its connections are cut at that moment
                return False

        wait_until(done, PATIENCE, f"the demotion of {node.name}")

    # -- the servers -------------------------------------------------------------------------------

    def kill_primary(self) -> None:
        node, _ = self._both()
        with self._losing("kill_primary", two=False):
            node.kill()
        self._replaced(node)

    def stall_and_kill(self) -> None:
        """What the primary has acknowledged meanwhile is lost."""
        node, replica = self._both()
        with self._losing("stall_and_kill", two=False):
            self._trio.network.freeze(node, replica, "replication")
            self._for(0.1, 0.8)
            node.kill()
        self._replaced(node)

    def _replaced(self, node: Node) -> None:
        self._trio.wait_for_failover(node, PATIENCE)
        self._trio.network.heal()
        self._for(0.0, 0.5)
        node.start()
        self._well()

    def freeze_primary(self) -> None:
        """It goes on behind its failover, with what was sent to it meanwhile."""
        node, _ = self._both()
        with self._losing("freeze_primary"):
            node.freeze()
            try:
                self._trio.wait_for_failover(node, PATIENCE)
                self._for(0.0, 0.5)
            finally:
                node.thaw()
            self._demoted(node)
        self._well()

    def freeze_for_a_moment(self) -> None:
        node, replica = self._both()
        with self._losing("freeze_for_a_moment"):
            node.freeze()
            self._for(0.1, 0.4)
            node.thaw()
            self._well()
        if replica.role() == "replica":
            self.losses.pop()

    def replace_alive(self) -> None:
        """SENTINEL FAILOVER: the old primary lives, and takes writes, until a sentinel makes it a replica."""
        node, _ = self._both()
        with self._losing("replace_alive"):
            self._trio.failover()
            self._demoted(node)
        self._well()

    def kill_replica(self) -> None:
        self._raises, self._slots = False, frozenset()
        _, replica = self._both()
        replica.kill()
        self._for(0.0, 0.5)
        replica.start()
        self._well()

    # -- sentinels ---------------------------------------------------------------------------------

    def kill_sentinel(self) -> None:
        self._raises, self._slots = False, frozenset()
        one = self._random.choice(self._trio.sentinels)
        one.kill()
        self._for(0.1, 1.0)
        one.start()
        self._well()

    def freeze_sentinels(self) -> None:
        """Most of them: nobody is proven to be the primary."""
        self._raises, self._slots = False, frozenset()
        some = self._random.sample(self._trio.sentinels, 2)
        for each in some:
            each.freeze()
        self._for(0.2, 1.0)
        for each in some:
            each.thaw()
        self._well()

    def cut_sentinels(self) -> None:
        """Some workers reach none of them, and go on with the last primary."""
        self._raises, self._slots = False, frozenset()
        self._trio.network.freeze(self._crew.some(self._random), self._trio.sentinels)
        self._for(0.2, 1.5)
        self._trio.network.heal()

    # -- the network -------------------------------------------------------------------------------

    def cut_off(self) -> None:
        """The primary, one sentinel and some workers are the minority. It takes their writes until all is healed."""
        node, replica = self._both()
        workers = self._crew.some(self._random)
        with self._losing("cut_off", workers=frozenset(workers)):
            with self._losing("cut_off"):
                self._trio.network.partition({node, self._random.choice(self._trio.sentinels), *workers})
                wait_until(lambda: self._is_told(replica), PATIENCE, "the word of the sentinels")
                self._for(0.3, 0.4)  # until workers have heard it
            self._for(0.0, 1.0)
            self._trio.network.heal()
            self._demoted(node)
        self._well()

    def cut_worker(self) -> None:
        """One worker reaches nobody."""
        self._trio.network.partition({*self._crew.some(self._random, 1)})
        self._for(0.2, 2.5)
        self._trio.network.heal()

    def cut_connections(self) -> None:
        """Of one worker to the primary, or to all."""
        (worker,) = self._crew.some(self._random, 1)
        every = [*self._trio.nodes, *self._trio.sentinels]
        self._trio.network.cut(worker, self._random.choice(([self._trio.primary], every)), "clients")

    def lose_replies(self) -> None:
        """The primary carries out what it is asked, and callers hear nothing of it: the connections break."""
        primary, workers = self._trio.primary, self._crew.some(self._random)
        self._trio.network.freeze(primary, workers, "clients", one_way=True)
        self._for(0.05, 0.15)
        self._trio.network.cut(primary, workers, "clients")
        self._trio.network.heal()

    def slow_network(self) -> None:
        self._raises = False
        delay = self._random.choice((0.005, 0.05))
        self._trio.network.slow(self._crew.some(self._random), self._trio.primary, delay, "clients")
        self._for(0.2, 1.0)
        self._trio.network.heal()

    def stall_replication(self) -> None:
        """For a moment, and nothing dies meanwhile."""
        self._raises, self._slots = False, frozenset()
        self._trio.network.freeze(*self._both(), "replication")
        self._for(0.1, 0.6)
        self._trio.network.heal()
        self._well()
