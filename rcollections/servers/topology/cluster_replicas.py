"""``ClusterReplicas``: the road to the replicas of a cluster, for reads that may be a moment old (rule K10).

A read goes to a replica of the slot's owner, over links of its own that only read. What a replica says is never held
in L1, and confirms no change. Stamps of tags are read from the owners, in the same fan-out. A replica that does not
hear its primary, refuses or does not answer is passed over; where none is left, the owner answers.
"""

from __future__ import annotations

import threading
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any

from ...errors import CacheConnectionError, CacheTimeout
from ...forks import after_fork
from ...plans.cluster.scattered import carry, scattered
from ...plans.cluster.splits import together
from ...plans.collections.afar import halves
from ...plans.naming import tags
from ...plans.op import UNSENT
from ...plans.slots import NO_KEY, keys_of, slot_of
from ...wire.clock import passed, until
from ...wire.requests import Tried, packed
from ...wire.routing import Sent, route
from ...wire.trips import translated
from ..drivers.fans import tour
from .reading import Lots, fill, outcome, read_at_once
from .replica import ClusterReplica
from .replicas import Nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...errors import CacheError
    from ...plans.cluster.forms import Round
    from ...plans.effects import Command, Step
    from ...wire.slotmap import Address, SlotMap
    from ..links import Links
    from .node import ClusterNode

__all__ = ["ClusterReplicas"]

TRIES = (1, 2)  # the second one where a replica is left that does not hear its dead primary
LEARN = 10.0  # seconds between two looks whether there are other replicas by now
SOON = 1.0  # the same where none is known: those of a young cluster are not told of at once


class ClusterReplicas:
    """The replicas of one cluster, as trips see a cluster. ``primary`` is the connection to it."""

    clustered = True
    durable = 0
    moves = False  # nothing that is read here has to settle
    journal: Any = Nothing()
    failures = 0

    def __init__(self, connection: Any) -> None:
        self.primary = connection
        self.dsn = connection.dsn
        self.shown = connection.shown
        self.namespace = connection.namespace
        self.timeout = connection.timeout
        self.disabled = connection.disabled
        self.trips = 0
        self._tags = tags(connection.namespace)
        self._turns = count()
        self._nodes: dict[Address, ClusterReplica] = {}
        self._learned = -LEARN
        self._renew_lock()
        after_fork(self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    # -- reads -------------------------------------------------------------------------------------

    @property
    def rest(self) -> bool:
        """Whether nobody asks a replica for now."""
        return self.disabled or not self.primary.mapped

    def spread_of(self, step: Step) -> None:
        """Reads go by a plan: replicas take turns."""

    def halves(self, step: Step) -> tuple[Any, Any]:
        """What replicas are asked of a read, and what owners."""
        return halves(step, self._tags)

    def one(self, step: Step) -> Any:
        """The reply of replicas to a read, stamps of tags from the owners; of these alone where no replica answers."""
        far, near = self.halves(step)
        for _ in TRIES if far is not None else ():
            if self.rest:
                break
            try:
                return self._read(far) if near is None else self._both(far, near)
            except (CacheConnectionError, CacheTimeout):  # the nodes were told
                if not self.deaf or passed():
                    break
        return self.primary.one(step)

    @property
    def deaf(self) -> bool:
        """Whether any replica does not hear its primary: it is asked once that is known to be away."""
        return any(each.deaf for each in list(self._nodes.values()))

    def _read(self, step: Step) -> Any:
        plan = scattered((step,), self, False)
        if plan is not None:
            found = self._at_once(step, None)
            replies = carry(plan, self._routed) if found is None else found
            return translated(self, (step,), replies, keep_errors=False)[0]
        keys = keys_of(step)
        node = self.node(slot_of(keys[0]) if keys else NO_KEY)
        sent = None
        if node is not None and node.breaker.failure is None:
            reply = node.ask(*packed(node.known, (step,)), True)
            if reply is not UNSENT:
                self.trips += 1
                if type(reply) is not Tried:
                    return reply
                sent = Sent(node, outcome(reply))
        return translated(self, (step,), tour(route(self, (step,), sent=sent), self.timeout), keep_errors=False)[0]

    def _both(self, far: Command, near: Command) -> list[Any]:
        found = self._at_once(far, near)
        if found is not None:
            return [*found[0], *found[1]]
        parts = together(far, near)
        replies = tour(route(self, parts.steps, owned=parts.second), self.timeout)
        return parts.fold(translated(self, parts.steps, replies, keep_errors=False))

    def _at_once(self, far: Step, near: Step | None) -> list[Any] | None:
        """The replies of reads of several nodes; None: the plan has to begin."""
        lots = Lots(1 if near is None else 2)
        if not fill(lots, 0, far, self._serving):
            return None
        if near is not None and (self.primary.journal.holds or not fill(lots, 1, near, self.primary.node)):
            return None
        found = read_at_once(lots, until(self.timeout))
        if found is not None:
            self.trips += 1
        return found

    def _serving(self, slot: int) -> ClusterNode | None:
        node = self.node(slot)
        return node if node is not None and node.breaker.failure is None else None

    def _routed(self, some: Round) -> list[Any]:
        plan = route(self, some.steps, some.atomic, place=some.place, witness=some.witness)
        return tour(plan, self.timeout)

    # -- what trips ask ----------------------------------------------------------------------------

    def node(self, slot: int, place: Address | None = None) -> ClusterNode | None:
        """A replica of the owner of that slot, in turn; the owner where none serves, and for ``place`` that node.

        While the owner is away, a replica answers that does not hear it.
        """
        owner: ClusterNode | None = self.primary.node(slot, place)
        if place is not None or slot < 0 or owner is None:
            return owner
        others = self.primary.learner.map.replicas.get(owner.address, ())
        if not others:
            self._learn(SOON)
        first, deaf = next(self._turns), None
        for n in range(len(others)):
            address = others[(first + n) % len(others)]
            replica = self._nodes.get(address) or self._made(address)
            if replica.serves:
                if not replica.deaf:
                    return replica
                deaf = replica
        return owner if deaf is None or owner.breaker.failure is None else deaf

    def _made(self, address: Address) -> ClusterReplica:
        with self._lock:
            replica = self._nodes.get(address)
            if replica is None:
                replica = self._nodes[address] = ClusterReplica(self.dsn, address, self._learn)
            return replica

    def _learn(self, apart: float = LEARN) -> None:
        """Look from time to time whether there are other replicas."""
        now = monotonic()
        if now >= self._learned + apart:
            self._learned = now
            self.primary.learn_soon()

    def follow(self, found: SlotMap) -> None:
        """There is a new map: who is no replica any more is left."""
        others = {each for some in found.replicas.values() for each in some}
        with self._lock:
            gone = [self._nodes.pop(each) for each in self._nodes.keys() - others]
        for each in gone:
            each.close()

    @property
    def mapped(self) -> bool:
        """Whether the map of the cluster is known."""
        known: bool = self.primary.mapped
        return known

    def unmapped(self) -> CacheError:
        """The error of a call for which no map could be learned."""
        error: CacheError = self.primary.unmapped()
        return error

    def before(self, slot: int) -> Address | None:  # noqa: ARG002 - as of a road
        """Nothing has to settle."""
        return None

    def moved(self, slot: int, owner: Address) -> None:
        """An owner has said that another one owns that slot."""
        self.primary.moved(slot, owner)

    def learn_soon(self) -> None:
        """Have the map learned again."""
        self.primary.learn_soon()

    def map_sum(self) -> int:
        """A number that changes with the map."""
        number: int = self.primary.map_sum()
        return number

    def slots(self, owner: Address) -> Sequence[int]:
        """The slots that a node owns."""
        found: Sequence[int] = self.primary.slots(owner)
        return found

    def primaries(self) -> tuple[Address, ...]:
        """The owners of slots."""
        owners: tuple[Address, ...] = self.primary.primaries()
        return owners

    def wrote(self, steps: Sequence[Step]) -> None:
        """Reads write nothing."""

    def failed(self, error: CacheError) -> None:
        """The nodes were told."""

    def lacks(self, replicas: int) -> str:  # noqa: ARG002 - as of a road
        """Nothing is written here."""
        return ""

    # -- life --------------------------------------------------------------------------------------

    @property
    def out(self) -> bool:
        """Whether any replica is passed over."""
        return any(not each.serves or each.deaf for each in list(self._nodes.values()))

    def all_links(self) -> list[Links]:
        """The links to all replicas."""
        return [each.links for each in list(self._nodes.values())]

    def close(self) -> None:
        """Close the links."""
        with self._lock:
            nodes, self._nodes = self._nodes, {}
        for each in nodes.values():
            each.close()
