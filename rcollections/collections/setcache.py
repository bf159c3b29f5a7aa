"""``SetCache``: the set you know, in a set on the server."""

from __future__ import annotations

from collections.abc import MutableSet
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, TypeVar

from ..handles.base import BaseCache
from ..handles.pipeline import Pipelined
from ..missing import MISSING
from ..plans.collections import sets as plans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

    from typing_extensions import TypeVar as TypeVarWithDefault

    T = TypeVarWithDefault("T", default=Any)
else:
    T = TypeVar("T")

__all__ = ["SetCache"]

S = TypeVar("S")
R = TypeVar("R")


class SetCache(BaseCache, MutableSet[T]):
    """A ``set`` on the server: elements are whatever a set takes and the codec carries.

    Operations are atomic and one round trip each unless they say otherwise. Operators, and the methods
    named like them, give plain sets; between SetCaches of one connection they run on the server, and
    in-place forms change the set there in one atomic step. Elements come back as the representative
    of all that are equal to them (``True`` and ``1.0`` as ``1``).

    >>> from rcollections import SetCache
    >>> class Online(SetCache[str]):
    ...     prefix = "online"
    ...     ttl = 60
    >>> web, app = Online("web", data={"ann", "bob"}), Online("app", data=["bob", "eve"])
    >>> web.add("ann"), web & app
    (False, {'bob'})
    >>> web |= app
    >>> sorted(web)
    ['ann', 'bob', 'eve']
    """

    def _elements(self) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
        return self._raw_elements()

    def _replace(self, data: Any) -> None:
        t = self._bound()
        if isinstance(data, SetCache) and self._with(data):
            self._run(plans.replace_by(t, data._bound().key))
            return
        members = plans.encoded(t, data)
        if plans.is_small(members):
            self._run(plans.replace(t, members))
        else:
            self._drive("replace", plans.replace_big(t, members))

    def _copy_onto(self, new: Self) -> None:
        # Not by COPY, after which the two keys of an in-memory server (fakeredis) share one content.
        new._replace(self)

    def _merge(self, data: Any) -> None:
        self.update(data)

    # -- one element -----------------------------------------------------------------------------

    def add(self, elem: T) -> bool:  # type: ignore[override]
        """Add an element; True if it is new. An element that is there already does not arm the ttl."""
        t = self._bound()
        return self._run(plans.add(t, "add", (t.encode(elem),), bool))

    def remove(self, elem: Any) -> None:
        """Remove an element, or KeyError. A set means its frozenset here, as in ``set``."""

        def decode(removed: int) -> None:
            if not removed:
                raise KeyError(elem)

        t = self._bound()
        self._run(plans.remove(t, "remove", (t.encode(_frozen(elem)),), decode))

    delete = remove

    def discard(self, elem: Any) -> bool:  # type: ignore[override]
        """Remove an element if it is there; tells whether it was."""
        t = self._bound()
        return self._run(plans.remove(t, "remove", (t.encode(_frozen(elem)),), bool))

    def pop(self) -> T:
        """Take any element out; KeyError if there is none."""

        def absent() -> Any:
            raise KeyError("pop from an empty set")

        return self._run(plans.pop(self._bound(), absent))  # type: ignore[no-any-return]

    def __contains__(self, elem: object) -> bool:
        return self.contains(elem)

    def contains(self, elem: Any) -> bool:
        """Whether there is such an element: ``in`` under a name. O(1)."""
        return self._run(plans.contains(self._bound(), _frozen(elem)))

    def __len__(self) -> int:
        return self.length()

    def length(self) -> int:
        """How many elements there are: ``len()`` under a name. O(1)."""
        return self._run(plans.length(self._bound()))

    def __bool__(self) -> bool:
        return self.exists()

    # -- whole reads -----------------------------------------------------------------------------

    def __iter__(self) -> Iterator[T]:
        """All elements, in no order. Up to 10,000 are one snapshot.

        Larger sets are read page by page in constant memory: an element that is there all the time
        comes at least once, and may come twice while others change the set.
        """
        t = self._bound()
        found = self._run(plans.read(t))
        if found is not MISSING:
            yield from map(t.read, found)
            return
        cursor = 0
        while True:
            cursor, some = self._run(plans.page(t, cursor))
            yield from map(t.read, some)
            if cursor == 0:
                return

    def to_set(self) -> set[T]:
        """The content as a plain set; one round trip up to 10,000 elements, then one a page."""
        return self._whole("to_set", _same)

    copy = to_set

    def random_sample(self, k: int = 1) -> list[T]:
        """Up to ``k`` different elements at random; they stay in the set. O(k).

        >>> from rcollections import SetCache
        >>> SetCache("prizes", data={"cup"}).random_sample(3)
        ['cup']
        """
        if k < 0:
            raise ValueError("random_sample() takes how many elements, 0 or more")
        return self._run(plans.sample(self._bound(), k))

    # -- many elements ---------------------------------------------------------------------------

    def add_many(self, elems: Iterable[T]) -> int:
        """Add several elements; gives how many were new. Atomic; one round trip up to 5,000."""
        members = plans.encoded(self._bound(), elems)
        return self._grow("add", members, int) if members else 0

    def delete_many(self, elems: Iterable[Any]) -> int:
        """Remove several elements; gives how many were there. Atomic; one round trip up to 5,000."""
        members = plans.known(self._bound(), elems)
        return self._shrink("remove", members, int) if members else 0

    def contains_many(self, elems: Iterable[T]) -> dict[T, bool]:
        """For each of several elements, whether it is there. One round trip, one moment.

        >>> from rcollections import SetCache
        >>> SetCache("seen", data={1, 2}).contains_many([2, 3])
        {2: True, 3: False}
        """
        t = self._bound()
        wanted = list(dict.fromkeys(elems))
        members = list(map(t.encode, wanted))
        return self._ask("contains_many", members, lambda there: dict(zip(wanted, there, strict=True)))

    def _ask(self, name: str, members: list[bytes], finish: Callable[[list[bool]], R]) -> R:
        t = self._bound()
        if not members:
            return finish([])
        if plans.is_small(members):
            return self._run(plans.contains_many(t, name, members, finish))
        return finish(self._drive(name, plans.contains_many_big(t, members)))

    # -- algebra that gives plain sets -----------------------------------------------------------

    def union(self, *others: Iterable[S]) -> set[T | S]:
        """The elements of this set and of all others."""
        keys, plain = self._operands(others)
        return self._algebra("union", "SUNION", keys, lambda found: found.union(*plain))

    def intersection(self, *others: Iterable[Any]) -> set[T]:
        """The elements of this set that all others have too."""
        keys, plain = self._operands(others)
        if not plain or keys:
            return self._algebra("intersection", "SINTER", keys, lambda found: found.intersection(*plain))
        # Plain elements travel, the whole set does not.
        t = self._bound()
        members = plans.known(t, plain[0].intersection(*plain[1:]))

        def finish(there: list[bool]) -> set[Any]:
            return {t.read(member) for member, yes in zip(members, there, strict=True) if yes}

        return self._ask("intersection", members, finish)

    def difference(self, *others: Iterable[Any]) -> set[T]:
        """The elements of this set that no other has."""
        keys, plain = self._operands(others)
        return self._algebra("difference", "SDIFF", keys, lambda found: found.difference(*plain))

    def symmetric_difference(self, other: Iterable[S]) -> set[T | S]:
        """The elements that are in one of the two sets only."""
        keys, plain = self._operands((other,))
        if keys:
            return self._run(plans.xor(self._bound(), keys[0]))
        return self._whole("symmetric_difference", lambda found: found ^ plain[0])

    def _algebra(self, name: str, command: str, keys: Sequence[str], finish: Callable[[set[Any]], R]) -> R:
        if not keys:
            return self._whole(name, finish)
        return self._run(plans.algebra(self._bound(), name, command, keys, finish))

    def _whole(self, name: str, finish: Callable[[set[Any]], R]) -> R:
        t = self._bound()
        if isinstance(self, Pipelined):
            # A pipeline cannot ask for a second page: one reply, whatever the size.
            return self._run(plans.algebra(t, name, "SUNION", (), finish))  # type: ignore[no-any-return]
        return finish(self._drive(name, plans.whole(t)))

    def _with(self, other: Any) -> bool:
        """Whether the two can meet on the server: one connection, members written alike."""
        if not isinstance(other, SetCache) or self.serialize != other.serialize:
            return False
        return self._bound().connection is other._bound().connection

    def _split(self, others: Iterable[Any]) -> tuple[list[str], list[Iterable[Any]]]:
        """The operands that are on our server, as keys, and the rest."""
        others = list(others)
        keys = [other._bound().key for other in others if self._with(other)]
        return keys, [other for other in others if not self._with(other)]

    def _operands(self, others: Iterable[Any]) -> tuple[list[str], list[set[Any]]]:
        keys, rest = self._split(others)
        return keys, [self._plain(other) for other in rest]

    def _plain(self, other: Iterable[Any]) -> set[Any]:
        """An operand as a plain set of what its elements would be if they were read from here."""
        if self.serialize:
            return set(other)
        t = self._bound()
        pairs = ((elem, plans.member(t, elem)) for elem in other)
        return {elem if data is None else t.read(data) for elem, data in pairs}

    # -- algebra that changes this set: atomic, on the server --------------------------------------

    def update(self, *others: Iterable[T]) -> None:
        """Add the elements of all others. Atomic; one round trip unless over 5,000 plain elements are sent."""
        keys, rest = self._split(others)
        members = plans.encoded(self._bound(), (elem for other in rest for elem in other))
        if keys:
            self._combine("update", "union", keys, members or None, _none)
        elif members:
            self._grow("update", members, _none)

    def intersection_update(self, *others: Iterable[Any]) -> None:
        """Keep the elements that all others have too. Atomic."""
        keys, rest = self._split(others)
        t = self._bound()
        plain = [plans.known(t, other) for other in rest]
        if plain:
            members = list(set(plain[0]).intersection(*plain[1:]))
            self._combine("intersection_update", "inter", keys, members, _none)
        elif keys:
            self._combine("intersection_update", "inter", keys, None, _none)

    def difference_update(self, *others: Iterable[Any]) -> None:
        """Remove the elements that any other has. Atomic."""
        keys, rest = self._split(others)
        members = plans.known(self._bound(), (elem for other in rest for elem in other))
        if keys:
            self._combine("difference_update", "diff", keys, members or None, _none)
        elif members:
            self._shrink("difference_update", members, _none)

    def symmetric_difference_update(self, other: Iterable[T]) -> None:
        """Keep what is in one of the two sets only. Atomic."""
        keys, rest = self._split((other,))
        members = plans.encoded(self._bound(), rest[0]) if rest else None
        if keys or members:
            self._combine("symmetric_difference_update", "xor", keys, members, _none)

    def _grow(self, name: str, members: list[bytes], decode: Callable[[int], R]) -> R:
        if plans.is_small(members):
            return self._run(plans.add(self._bound(), name, members, decode))
        return self._combine(name, "union", (), members, lambda before, after: decode(after - before))

    def _shrink(self, name: str, members: list[bytes], decode: Callable[[int], R]) -> R:
        if plans.is_small(members):
            return self._run(plans.remove(self._bound(), name, members, decode))
        return self._combine(name, "diff", (), members, lambda before, after: decode(before - after))

    def _combine(
        self, name: str, op: str, keys: Sequence[str], members: list[bytes] | None, decode: Callable[[int, int], R]
    ) -> R:
        t = self._bound()
        if members is None or plans.is_small(members):
            return self._run(plans.combine(t, name, op, keys, members, decode))
        return self._drive(name, plans.combine_big(t, op, keys, members, decode))

    # -- comparing: sizes decide, and how much both have -------------------------------------------

    def issubset(self, other: Iterable[Any]) -> bool:
        """Whether all elements are in the other."""
        return self._compare(other, lambda mine, _, common: mine == common)

    def issuperset(self, other: Iterable[Any]) -> bool:
        """Whether all elements of the other are here."""
        return self._compare(other, lambda _, theirs, common: theirs == common)

    def isdisjoint(self, other: Iterable[Any]) -> bool:
        """Whether no element is in both."""
        return self._compare(other, lambda _mine, _theirs, common: common == 0)

    def _compare(self, other: Iterable[Any], judge: Callable[[int, int, int], bool]) -> bool:
        t = self._bound()
        if self._with(other):
            return self._run(plans.compare(t, other._bound().key, judge))  # type: ignore[attr-defined]
        plain = self._plain(other)
        members = plans.known(t, plain)
        if plans.is_small(members):
            return self._run(plans.common(t, members, len(plain), judge))
        return self._drive("compare", plans.common_big(t, members, len(plain), judge))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AbstractSet):
            return NotImplemented
        return self._compare(other, lambda mine, theirs, common: mine == theirs == common)

    __hash__ = None  # type: ignore[assignment]

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
        t = self._bound()
        pairs = [(elem, plans.member(t, elem)) for elem in other]

        def finish(there: list[bool]) -> set[S]:
            flags = iter(there)
            return {elem for elem, data in pairs if data is None or not next(flags)}

        return self._ask("difference", [data for _, data in pairs if data is not None], finish)

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

    @classmethod
    def _from_iterable(cls, elems: Iterable[S]) -> set[S]:
        return set(elems)


def _frozen(elem: Any) -> Any:
    return frozenset(elem) if isinstance(elem, set) else elem


def _none(*_: Any) -> None:
    return None


def _same(found: set[Any]) -> set[Any]:
    return found
