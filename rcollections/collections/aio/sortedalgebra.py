"""What a sorted set on the server does with sorted sets, mappings and sets: algebra, in place or not.

Made from ``collections/sortedalgebra.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from collections.abc import ItemsView, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ...handles.aio.operations import AsyncOperations
from ...handles.base import BaseCache
from ...plans.collections import sortedalgebra as plans
from ...plans.collections.sortedsets import encoded, encoded_known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeGuard

    from ...plans.target import Target

__all__ = ["AsyncSortedAlgebra", "pairs_of"]

T = TypeVar("T")


class AsyncSortedAlgebra(AsyncOperations, Generic[T]):
    """The part of a sorted set that takes operands. Not a type of its own.

    Operands are SortedSetCaches, mappings or pairs, and sets, whose elements have the score 1.
    """

    async def union(self, *others: Any, aggregate: str = "sum") -> dict[Any, float]:
        """The elements of this and all other sets; ``aggregate`` (sum, min, max) joins several scores of an element."""
        return await self._run(
            plans.union(self._bound(), *self._operands(await self._each(others), aggregate), aggregate)
        )

    async def intersection(self, *others: Any, aggregate: str = "sum") -> dict[T, float]:
        """The elements that all sets have, with the sum, minimum or maximum of their scores."""
        return await self._run(
            plans.intersection(
                self._bound(), *self._operands(await self._each(others), aggregate, encoded_known), aggregate
            )
        )

    async def difference(self, *others: Any) -> dict[T, float]:
        """The elements of this set that no other has, with their scores."""
        return await self._run(
            plans.difference(self._bound(), *self._operands(await self._each(others), "sum", encoded_known))
        )

    async def union_update(self, *others: Any, aggregate: str = "sum") -> None:
        """Add the elements of all others, with the sum, minimum or maximum of the scores. Atomic."""
        await self._run(
            plans.union_update(self._bound(), *self._operands(await self._each(others), aggregate), aggregate)
        )

    async def intersection_update(self, *others: Any, aggregate: str = "sum") -> None:
        """Keep the elements that all others have, with the sum, minimum or maximum of the scores. Atomic."""
        own = self._operands(await self._each(others), aggregate, encoded_known)
        await self._run(plans.intersection_update(self._bound(), *own, aggregate))

    async def difference_update(self, *others: Any) -> None:
        """Remove the elements that any other has. Atomic."""
        await self._run(
            plans.difference_update(self._bound(), *self._operands(await self._each(others), "sum", encoded_known))
        )

    def _meets(self, other: object) -> TypeGuard[BaseCache]:
        """Whether the server can combine the two sets: one connection, members written alike."""
        if not isinstance(other, AsyncSortedAlgebra) and not (isinstance(other, BaseCache) and other._is_set):
            return False
        return self.serialize == other.serialize and self._bound().connection is other._bound().connection

    def _operands(
        self,
        others: list[Any],
        aggregate: str,
        read: Callable[[Target, Iterable[Any]], dict[bytes, float]] = encoded,
    ) -> tuple[list[str], list[dict[bytes, float]]]:
        """The operands that are on the same server, as keys, and the other operands as members and scores."""
        plans.check_aggregate(aggregate)
        t = self._bound()
        keys = [other._bound().key for other in others if self._meets(other)]
        return keys, [read(t, pairs_of(other)) for other in others if not self._meets(other)]


def pairs_of(data: Any) -> Iterable[Any]:
    """A mapping, a set or pairs, as pairs. The items view of a mapping is a set by its type, but gives pairs."""
    if isinstance(data, Mapping):
        return data.items()
    if isinstance(data, AbstractSet) and not isinstance(data, ItemsView):
        return ((elem, 1.0) for elem in data)
    pairs: Iterable[Any] = data
    return pairs
