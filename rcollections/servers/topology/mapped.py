"""The part of the connection to a cluster that trips ask about the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .learning import unmapped
from .spreads import Spreads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...errors import CacheError
    from ...wire.slotmap import Address

__all__ = ["Mapped"]


class Mapped(Spreads):
    """Not a connection of its own."""

    @property
    def mapped(self) -> bool:
        """Whether the map of the cluster is known."""
        return self.learner.mapped

    @property
    def failures(self) -> int:
        """How often the map could not be learned, since it was known last."""
        return self.learner.failures

    def unmapped(self) -> CacheError:
        """The error of a call for which no map could be learned."""
        return unmapped(self.learner, self.shown)

    @property
    def moves(self) -> bool:
        """Whether any slot has got another owner a moment ago."""
        return self.learner.moves

    def before(self, slot: int) -> Address | None:
        """The node that owned this slot until a moment ago; None: the owner has been the same for a while."""
        return self.learner.before(slot)

    def moved(self, slot: int, owner: Address) -> None:
        """A node has said that another one owns that slot."""
        self.learner.moved(slot, owner)

    def learn_soon(self) -> None:
        """Have the map learned again, unless that was done just now."""
        self.learner.soon()

    def map_sum(self) -> int:
        """A number that changes with the map."""
        return self.learner.map.sum

    def slots(self, owner: Address) -> Sequence[int]:
        """The slots that a node owns."""
        return self.learner.map.slots(owner)

    def primaries(self) -> tuple[Address, ...]:
        """The owners of slots."""
        return self.learner.map.nodes
