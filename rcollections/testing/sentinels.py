"""``SentinelTrio``: a primary with replicas and three sentinels that watch them, up in less than a second."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Self

import redis

from .ground import Ground
from .kinds import required_binary
from .nodes import Node
from .sentinel import Sentinel
from .waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .switchboard import Switchboard

__all__ = ["SentinelTrio"]

READY_SECONDS = 60.0  # with periods of their own, sentinels may need half of that after a failover
COUNT = 3


class SentinelTrio:
    """A primary, ``replicas`` replicas and three sentinels, of which two agree when the primary is down.

    ``kind`` is one of ``available_kinds()``. ``down_after`` are the seconds after which a silent primary counts as
    down. ``fast=False`` leaves the sentinels their own periods: then an old primary that is alive after a failover
    goes on for 10 seconds. ``password`` is the password of the servers, ``sentinel_user`` and ``sentinel_password``
    the login of the sentinels. ``config`` are settings of the servers. Nothing is persisted, no server starts again
    by itself.

    ``nodes`` are the servers, at first with the primary before the others, ``sentinels`` the sentinels; each has
    ``host``, ``port``, ``pid``, ``client()``, ``kill()``, ``start()``, ``restart()``, ``freeze()`` and ``thaw()``.
    ``network=True`` and ``tls=True`` are as for ``Cluster``.

    ValueError: no such kind. RuntimeError: this machine has no such server, or it did not come up (with a log).
    """

    def __init__(
        self,
        kind: str = "valkey",
        *,
        replicas: int = 1,
        master: str = "mymaster",
        down_after: float = 1.0,
        failover_timeout: float = 3.0,
        fast: bool = True,
        password: str | None = None,
        sentinel_user: str | None = None,
        sentinel_password: str | None = None,
        tls: bool = False,
        network: bool = False,
        config: Mapping[str, object] | None = None,
        wait: bool = True,
    ) -> None:
        if replicas < 0:
            raise ValueError("there are 0 replicas or more")
        if sentinel_user and not sentinel_password:
            raise ValueError("a sentinel_user needs a sentinel_password")
        required_binary(kind)
        self.kind = kind
        self.master = master
        self.password = password
        self.sentinel_user = sentinel_user
        self.sentinel_password = sentinel_password
        self._fast = fast
        times = {"down-after-milliseconds": down_after, "failover-timeout": failover_timeout}
        self._times = {name: int(seconds * 1000) for name, seconds in times.items()}
        self._ground = Ground(kind, network=network, tls=tls)
        self.nodes: list[Node] = []
        self.sentinels: list[Sentinel] = []
        try:
            self._lay_out(replicas, dict(config or {}))
            self._begin()
            if wait:
                self.ready()
        except BaseException:
            self.stop()
            raise

    @property
    def dsn(self) -> str:
        """For ``configure()``: all sentinels, with the passwords."""
        own = {"sentinel_user": self.sentinel_user, "sentinel_password": self.sentinel_password}
        options = {name: value for name, value in own.items() if value}
        return self._ground.dsn("sentinel", self.password, self.sentinels, f"/{self.master}/0", **options)

    @property
    def network(self) -> Switchboard:
        """The network that all bytes go through; RuntimeError without ``network=True``."""
        return self._ground.network

    @property
    def primary(self) -> Node:
        """The server that most of the running sentinels name; LookupError if there are not two that agree."""
        told = [self._named(each) for each in self.sentinels if each.answers]
        for node in self.nodes:
            if told.count(node.address) * 2 > COUNT:
                return node
        raise LookupError(f"the sentinels do not agree about {self.master}: {told}")

    @property
    def replicas(self) -> list[Node]:
        """The running servers that are not the primary."""
        primary = self.primary
        return [node for node in self.nodes if node is not primary and node.answers]

    def failover(self) -> Node:
        """``SENTINEL FAILOVER``: a replica becomes the primary; returns it once all running sentinels name it.

        The old primary is not told at once: it acknowledges writes until a sentinel makes it a replica.
        """
        before = self.primary
        running = [each for each in self.sentinels if each.answers]

        def begun() -> bool:
            try:
                running[0].ask("SENTINEL", "FAILOVER", self.master)
            except redis.ResponseError:  # another failover is under way, or no replica is good yet
                return self._named(running[0]) != before.address
            return True

        wait_until(begun, READY_SECONDS, "a sentinel that begins a failover")
        return self.wait_for_failover(before)

    def wait_for_failover(self, old: Node, seconds: float = READY_SECONDS) -> Node:
        """Wait until all running sentinels name another primary than ``old``, and return that."""

        def done() -> Node | None:
            told = {self._named(each) for each in self.sentinels if each.answers}
            found = [node for node in self.nodes if {node.address} == told]
            return found[0] if found and found[0] is not old else None

        found = wait_until(done, seconds, f"another primary than {old.name}")
        assert found is not None  # noqa: S101 - wait_until returns what is true
        return found

    def ready(self) -> None:
        """Wait until replicas have their copies, and all sentinels know one another and the replicas."""
        end = time.monotonic() + READY_SECONDS
        for daemon in (*self.nodes, *self.sentinels):
            daemon.wait()

        wait_until(self._complete, end - time.monotonic(), "sentinels that know one another and all replicas")

    def flush(self) -> None:
        """Empty the primary."""
        self.primary.ask("FLUSHALL")

    def heal(self) -> None:
        """Make all again what it was at first, at the same addresses, and empty; for the next test.

        It takes some milliseconds if nothing was broken, or else about 1 second: then all are started again.
        """
        self._ground.heal()
        try:
            if all(each.answers for each in self._all()) and self.primary is self.nodes[0] and self._complete():
                for node in self.nodes:
                    node.unchanged()
                self.flush()
                return
        except (LookupError, redis.RedisError):
            pass
        self._begin()
        self.ready()

    def stop(self) -> None:
        """End all servers and remove their directories. May be called twice."""
        for each in self._all():
            each.kill()
        for each in self._all():
            each.stop()
        self._ground.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<SentinelTrio {self.kind} {' '.join(f'{each.name}:{each.port}' for each in self._all())}>"

    # -- inside ----------------------------------------------------------------------------------------

    def _all(self) -> list[Node | Sentinel]:
        return [*self.nodes, *self.sentinels]

    def _named(self, sentinel: Sentinel) -> tuple[str, int] | None:
        told = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.master)
        return (told[0].decode(), int(told[1])) if told else None

    def _complete(self) -> bool:
        primary = self.primary
        running = [each for each in self.sentinels if each.answers]
        replicas = [node for node in self.nodes if node.answers and node is not primary]
        if not all(
            sentinel.is_complete(self.master, COUNT - 1, {each.address for each in replicas}) for sentinel in running
        ):
            return False
        return (
            primary.role() == "primary"
            and primary.followed()
            and all(each.role() == "replica" and each.linked() for each in replicas)
        )

    def _lay_out(self, replicas: int, config: dict[str, object]) -> None:
        places = self._ground.places(1 + replicas + COUNT)
        first = places[0]
        for number, place in enumerate(places[: 1 + replicas]):
            of = {"replicaof": f"{first.host} {first.port}"} if number else {}
            node = Node(self.kind, f"n{number}", place, password=self.password, settings={**config, **of})
            self.nodes.append(node)
        for number, place in enumerate(places[1 + replicas :]):
            name = f"s{number}"
            self.sentinels.append(Sentinel(self.kind, name, place, self.sentinel_user, self.sentinel_password))
        for each in self._all():
            self._ground.connect(each.name, each.place)

    def _begin(self) -> None:
        """Start all from the beginning; ``ready()`` waits for them."""
        for each in self._all():
            each.kill()
        for number, node in enumerate(self.nodes):
            node.forget()
            node.launch()
            if not number:  # a replica that finds no primary waits for a second
                node.wait()
        for node in self.nodes:
            node.wait()
        # What a sentinel has missed it asks for a second later.
        wait_until(lambda: all(node.linked() for node in self.nodes), READY_SECONDS, "the replicas' copies")
        known = {each: f"{each.host} {each.port} {secrets.token_hex(20)}" for each in self.sentinels}
        for each in self.sentinels:
            others = [f"sentinel known-sentinel {self.master} {known[other]}" for other in known if other is not each]
            own = f"sentinel myid {known[each].rpartition(' ')[2]}"
            each.write("\n".join([own, *self._lines(), *others, ""]))
            each.launch()
        for each in self.sentinels:
            each.wait()
            if self._fast:
                each.hurry()

    def _lines(self) -> list[str]:
        name, primary = self.master, self.nodes[0]
        lines = [
            f"sentinel monitor {name} {primary.host} {primary.port} {COUNT // 2 + 1}",
            *(f"sentinel {option} {name} {value}" for option, value in self._times.items()),
            *(f"sentinel known-replica {name} {each.host} {each.port}" for each in self.nodes[1:]),
        ]
        if self.password:
            lines.append(f'sentinel auth-pass {name} "{self.password}"')
        if self.sentinel_user:
            lines += [
                "user default off",
                f"user {self.sentinel_user} on >{self.sentinel_password} ~* &* +@all",
                f"sentinel sentinel-user {self.sentinel_user}",
            ]
        elif self.sentinel_password:
            lines.append(f'requirepass "{self.sentinel_password}"')
        if self.sentinel_password:
            lines.append(f'sentinel sentinel-pass "{self.sentinel_password}"')
        return lines
