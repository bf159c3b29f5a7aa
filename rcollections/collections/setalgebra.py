"""What a set on the server does with other sets: algebra, in place or not, comparing, operators."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, TypeVar

from ..handles.operations import Operations
from ..plans.collections import setalgebra as plans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self, TypeGuard

__all__ = ["SetAlgebra"]

T = TypeVar("T")
S = TypeVar("S")


class SetAlgebra(Operations, AbstractSet[T]):
    """The part of a set that takes operands. Not a type of its own."""

    _is_set = True

    # -- operands --------------------------------------------------------------------------------

    def _meets(self, other: object) -> TypeGuard[SetAlgebra[Any]]:
        """Whether the server can combine the two sets: one connection, members written alike."""
        if not isinstance(other, SetAlgebra) or self.serialize != other.serialize:
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

    def union(self, *others: Iterable[S]) -> set[T | S]:
        """The elements of this set and of all others."""
        return self._run(plans.union(self._bound(), *self._operands(self._each(others))))

    def intersection(self, *others: Iterable[Any]) -> set[T]:
        """The elements of this set that all others have too."""
        return self._run(plans.intersection(self._bound(), *self._operands(self._each(others))))

    def difference(self, *others: Iterable[Any]) -> set[T]:
        """The elements of this set that no other has."""
        return self._run(plans.difference(self._bound(), *self._operands(self._each(others))))

    def symmetric_difference(self, other: Iterable[S]) -> set[T | S]:
        """The elements that are in one of the two sets only."""
        return self._run(plans.symmetric_difference(self._bound(), *self._operands(self._each((other,)))))

    # -- algebra that changes this set: atomic, on the server --------------------------------------

    def update(self, *others: Iterable[T]) -> None:
        """Add the elements of all others. Atomic; one round trip unless over 5,000 plain elements are sent."""
        self._run(plans.union_update(self._bound(), *self._split(self._each(others))))

    def intersection_update(self, *others: Iterable[Any]) -> None:
        """Keep the elements that all others have too. Atomic."""
        self._run(plans.intersection_update(self._bound(), *self._split(self._each(others))))

    def difference_update(self, *others: Iterable[Any]) -> None:
        """Remove the elements that any other has. Atomic."""
        self._run(plans.difference_update(self._bound(), *self._split(self._each(others))))

    def symmetric_difference_update(self, other: Iterable[T]) -> None:
        """Keep the elements that are in one of the two sets only. Atomic."""
        self._run(plans.symmetric_difference_update(self._bound(), *self._split(self._each((other,)))))

    # -- comparing: by the sizes of both sets and of their intersection ----------------------------

    def issubset(self, other: Iterable[Any]) -> bool:
        """Whether all elements are in ``other``."""
        return self._compare(self._operand(other), lambda mine, _, common: mine == common)

    def issuperset(self, other: Iterable[Any]) -> bool:
        """Whether all elements of ``other`` are in this set."""
        return self._compare(self._operand(other), lambda _, theirs, common: theirs == common)

    def isdisjoint(self, other: Iterable[Any]) -> bool:
        """Whether no element is in both sets."""
        return self._compare(self._operand(other), lambda _mine, _theirs, common: common == 0)

    def _compare(self, other: Any, judge: Callable[[int, int, int], bool]) -> bool:
        t = self._bound()
        if self._meets(other):
            return self._run(plans.compare(t, other._bound().key, judge))
        return self._run(plans.compare_plain(t, self._plain(other), judge))

    def equals(self, other: object) -> bool:
        """Whether ``other`` is a set of the same elements: ``==`` under a name."""
        other = self._operand(other)
        if not isinstance(other, (AbstractSet, SetAlgebra)):
            return False
        return self._compare(other, lambda mine, theirs, common: mine == theirs == common)

    def __eq__(self, other: object) -> bool:
        return self.equals(other) if isinstance(other, AbstractSet) else NotImplemented

    def __le__(self, other: AbstractSet[Any]) -> bool:
        return self.issubset(other) if isinstance(other, AbstractSet) else NotImplemented

    def __lt__(self, other: AbstractSet[Any]) -> bool:
        if not isinstance(other, AbstractSet):
            return NotImplemented
        return self._compare(other, lambda mine, theirs, common: mine == common < theirs)

    def __ge__(self, other: AbstractSet[Any]) -> bool:
        return self.issuperset(other) if isinstance(other, AbstractSet) else NotImplemented

    def __gt__(self, other: AbstractSet[Any]) -> bool:
        if not isinstance(other, AbstractSet):
            return NotImplemented
        return self._compare(other, lambda mine, theirs, common: mine > common == theirs)

    # -- operators: sets only, as in Python --------------------------------------------------------

    def __or__(self, other: AbstractSet[S]) -> set[T | S]:
        return self.union(other) if isinstance(other, AbstractSet) else NotImplemented

    __ror__ = __or__

    def __and__(self, other: AbstractSet[Any]) -> set[T]:
        return self.intersection(other) if isinstance(other, AbstractSet) else NotImplemented

    __rand__ = __and__

    def __sub__(self, other: AbstractSet[Any]) -> set[T]:
        return self.difference(other) if isinstance(other, AbstractSet) else NotImplemented

    def __rsub__(self, other: AbstractSet[S]) -> set[S]:  # type: ignore[misc]
        if not isinstance(other, AbstractSet):
            return NotImplemented
        return self._run(plans.reverse_difference(self._bound(), other))

    def __xor__(self, other: AbstractSet[S]) -> set[T | S]:
        return self.symmetric_difference(other) if isinstance(other, AbstractSet) else NotImplemented

    __rxor__ = __xor__

    def __ior__(self, other: AbstractSet[T]) -> Self:  # type: ignore[override,misc]
        return self._in_place(self.update, other)

    def __iand__(self, other: AbstractSet[Any]) -> Self:
        return self._in_place(self.intersection_update, other)

    def __isub__(self, other: AbstractSet[Any]) -> Self:
        return self._in_place(self.difference_update, other)

    def __ixor__(self, other: AbstractSet[T]) -> Self:  # type: ignore[override,misc]
        return self._in_place(self.symmetric_difference_update, other)

    def _in_place(self, change: Callable[[Any], None], other: Any) -> Self:
        if not isinstance(other, AbstractSet):
            return NotImplemented  # type: ignore[no-any-return]
        change(other)
        return self
