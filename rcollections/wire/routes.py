"""What the plan of a trip to a cluster knows of the cluster and its nodes, and the one effect that it yields."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..errors import CacheError
    from ..plans.effects import Step
    from .due import Journal
    from .groups import Group
    from .slotmap import Address

__all__ = ["Fan", "Hop", "Node", "Routes"]


class Hop(NamedTuple):
    """These bytes go to that node, and that many replies come."""

    node: Node
    data: bytes
    wanted: int
    safe: bool  # whether they may be sent twice


class Fan(NamedTuple):
    """Send to all of these nodes, then read all replies by that instant.

    Gives for each hop the list of its replies, or the error in their place. ``servers``: a place for each hop, where
    it is noted who has answered; None: nobody wants to know.
    """

    hops: tuple[Hop, ...]
    until: float
    servers: list[bytes] | None = None


class Node(Protocol):
    """One node, as trips see it."""

    address: Address
    shown: str
    known: set[str]  # scripts whose text was sent
    trips: int
    cut: float  # since when it refuses writes because the cluster is down (monotonic); 0.0: it does not

    def hop(self, groups: Sequence[Group], steps: Sequence[Step], atomic: bool) -> Hop:
        """The bytes of these groups for this node."""

    def away(self) -> CacheError | None:
        """Why this node is not asked at present."""

    def answered(self) -> None:
        """The node has answered."""

    def told(self, reply: object) -> None:
        """It has answered a write so."""

    def failed(self, error: CacheError) -> None:
        """The node did not answer."""

    def doubt(self) -> None:
        """A connection to it broke: none that is idle now is used again."""

    def lapses(self, why: BaseException) -> bool:
        """Whether it is a replica, which is passed over from now on, since it refused or did not answer (K10)."""


class Routes(Protocol):
    """A cluster, as trips see it."""

    shown: str
    namespace: str
    timeout: float
    trips: int
    durable: int  # how many replicas have to have a write

    @property
    def journal(self) -> Journal:
        """Changes that failed, to be sent ahead of all else."""

    @property
    def mapped(self) -> bool:
        """Whether the map of the cluster is known."""

    @property
    def failures(self) -> int:
        """How often the map could not be learned, since it was known last."""

    def unmapped(self) -> CacheError:
        """The error of a call for which no map could be learned."""

    def node(self, slot: int, place: Address | None) -> Node | None:
        """The node at that address, or else the owner of that slot, of slot -1 any; None: nobody owns it."""

    @property
    def moves(self) -> bool:
        """Whether any slot has got another owner a moment ago."""

    def before(self, slot: int) -> Address | None:
        """The node that owned this slot until a moment ago; None: the owner has been the same for a while."""

    def moved(self, slot: int, owner: Address) -> None:
        """A node has said that another one owns that slot."""

    def map_sum(self) -> int:
        """A number that changes with the map."""

    def learn_soon(self) -> None:
        """Have the map learned again, by somebody else, unless that was done just now."""

    def failed(self, error: CacheError) -> None:
        """No node answers."""

    def lacks(self, replicas: int) -> str:
        """Why a write that so many replicas have does not count as done; "": it does."""

    def wrote(self, steps: Sequence[Step]) -> None:
        """The cluster has carried out these steps, or may have."""
