"""``Shards``: the primaries of a cluster, for the connection that leads to all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...plans.slots import slot_of
from .single import Single

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from ...plans.purpose import Due
    from .learning import Learner

__all__ = ["Shards"]


class Shards(Single):
    """Who has acknowledged what: one of them may be followed by a replica that has not heard of it (K13)."""

    remembers = True

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._learner: Learner = connection.learner

    def parts(self, dues: Sequence[Due], everywhere: bool) -> Mapping[Hashable, Sequence[Due]]:
        """By the owner of their slots."""
        found = self._learner.map
        parts: dict[Hashable, list[Due]] = {each: [] for each in found.nodes} if everywhere else {}
        for each in dues:
            parts.setdefault(found.owner(slot_of(each.key)), []).append(each)
        return parts
