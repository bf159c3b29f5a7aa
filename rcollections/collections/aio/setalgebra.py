"""What a set on the server does with other sets: algebra, in place or not, comparing, operators.

Made from ``collections/setalgebra.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ...handles.aio.operations import AsyncOperations
from ...plans.collections import setalgebra as plans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeGuard

__all__ = ["AsyncSetAlgebra"]

T = TypeVar("T")
S = TypeVar("S")


class AsyncSetAlgebra(AsyncOperations, Generic[T]):
    """The part of a set that takes operands. Not a type of its own."""

    _is_set = True

    # -- operands --------------------------------------------------------------------------------

    def _meets(self, other: object) -> TypeGuard[AsyncSetAlgebra[Any]]:
        """Whether the server can combine the two sets: one connection, members written alike."""
        if not isinstance(other, AsyncSetAlgebra) or self.serialize != other.serialize:
            return False
        return self._bound().connection is other._bound().connection

    def _split(self, others: list[Any]) -> tuple[list[str], list[Iterable[Any]]]:
        """The operands that are on the same server, as keys, and the other operands."""
        keys = [other._bound().key for other in others if self._meets(other)]
        return keys, [other for other in others if not self._meets(other)]

    def _operands(self, others: list[Any]) -> tuple[list[str], list[set[Any]]]:
        keys, rest = self._split(others)
        return keys, [self._plain(other) for other in rest]

    def _plain(self, other: Iterable[Any]) -> set[Any]:
        """An operand as a plain set, its elements in the form that a read of this set gives."""
        return set(other) if self.serialize else plans.plain_set(self._bound(), other)

    # -- algebra that gives plain sets -----------------------------------------------------------

    async def union(self, *others: Iterable[S]) -> set[T | S]:
        """The elements of this set and of all others."""
        return await self._run(plans.union(self._bound(), *self._operands(await self._each(others))))

    async def intersection(self, *others: Iterable[Any]) -> set[T]:
        """The elements of this set that all others have too."""
        return await self._run(plans.intersection(self._bound(), *self._operands(await self._each(others))))

    async def difference(self, *others: Iterable[Any]) -> set[T]:
        """The elements of this set that no other has."""
        return await self._run(plans.difference(self._bound(), *self._operands(await self._each(others))))

    async def symmetric_difference(self, other: Iterable[S]) -> set[T | S]:
        """The elements that are in one of the two sets only."""
        return await self._run(plans.symmetric_difference(self._bound(), *self._operands(await self._each((other,)))))

    # -- algebra that changes this set: atomic, on the server --------------------------------------

    async def update(self, *others: Iterable[T]) -> None:
        """Add the elements of all others. Atomic; one round trip unless over 5,000 plain elements are sent."""
        await self._run(plans.union_update(self._bound(), *self._split(await self._each(others))))

    async def intersection_update(self, *others: Iterable[Any]) -> None:
        """Keep the elements that all others have too. Atomic."""
        await self._run(plans.intersection_update(self._bound(), *self._split(await self._each(others))))

    async def difference_update(self, *others: Iterable[Any]) -> None:
        """Remove the elements that any other has. Atomic."""
        await self._run(plans.difference_update(self._bound(), *self._split(await self._each(others))))

    async def symmetric_difference_update(self, other: Iterable[T]) -> None:
        """Keep the elements that are in one of the two sets only. Atomic."""
        await self._run(plans.symmetric_difference_update(self._bound(), *self._split(await self._each((other,)))))

    # -- comparing: by the sizes of both sets and of their intersection ----------------------------

    async def issubset(self, other: Iterable[Any]) -> bool:
        """Whether all elements are in ``other``."""
        return await self._compare(await self._operand(other), lambda mine, _, common: mine == common)

    async def issuperset(self, other: Iterable[Any]) -> bool:
        """Whether all elements of ``other`` are in this set."""
        return await self._compare(await self._operand(other), lambda _, theirs, common: theirs == common)

    async def isdisjoint(self, other: Iterable[Any]) -> bool:
        """Whether no element is in both sets."""
        return await self._compare(await self._operand(other), lambda _mine, _theirs, common: common == 0)

    async def _compare(self, other: Any, judge: Callable[[int, int, int], bool]) -> bool:
        t = self._bound()
        if self._meets(other):
            return await self._run(plans.compare(t, other._bound().key, judge))
        return await self._run(plans.compare_plain(t, self._plain(other), judge))

    async def equals(self, other: object) -> bool:
        """Whether ``other`` is a set of the same elements: ``==`` under a name."""
        other = await self._operand(other)
        if not isinstance(other, (AbstractSet, AsyncSetAlgebra)):
            return False
        return await self._compare(other, lambda mine, theirs, common: mine == theirs == common)

    # -- operators: sets only, as in Python --------------------------------------------------------
