"""What ``DictCache`` and ``CounterCache`` share: reading a hash of the server whole, page by page, by views."""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..handles.operations import Operations
from ..missing import MISSING
from ..plans.collections import fields as single
from ..plans.collections import hashes as plans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["HashCache"]

K = TypeVar("K")
V = TypeVar("V")


class HashCache(Operations, Generic[K, V]):
    """A hash of the server that can be read. Not a type of its own."""

    def _replace(self, data: object) -> None:
        self._run(self._replacement(self._operand(data, plain=True)))

    def _iterate_items(self) -> Iterator[tuple[K, V]]:
        return self._iterate(plans.items(self._bound()))

    def __iter__(self) -> Iterator[K]:
        """All fields, in no particular order; O(n), one round trip a page above 10,000."""
        return self._iterate(plans.fields(self._bound()))

    def __len__(self) -> int:
        return self.length()

    def length(self) -> int:
        """How many fields there are: ``len()`` under a name. One round trip, O(1)."""
        return self._run(single.length(self._bound()))

    def __contains__(self, field: object) -> bool:
        return self.contains(field)

    def contains(self, field: object) -> bool:
        """Whether there is such a field: ``in`` under a name. One round trip, O(1)."""
        return self._run(single.contains(self._bound(), field))

    def __bool__(self) -> bool:
        return self.exists()

    if TYPE_CHECKING:
        # The views call this.
        def get(self, field: Any, default: Any) -> Any: ...

        def __getitem__(self, field: K) -> V: ...

    def keys(self) -> KeysView[K]:
        """A view of the fields, which asks the server whenever it is used."""
        return FieldsView(self)

    def values(self) -> ValuesView[V]:
        """A view of the values, which asks the server whenever it is used."""
        return HashValuesView(self)

    def items(self) -> ItemsView[K, V]:
        """A view of fields and values, which asks the server whenever it is used."""
        return HashItemsView(self)

    # Old names, which code that was written for other libraries may use.
    iterkeys, itervalues, iteritems = keys, values, items

    def discard(self, field: Any) -> bool:
        """Remove a field if it is there; tells whether it was. One round trip."""
        return self._run(single.delete(self._bound(), field))

    def delete_many(self, fields: Iterable[Any]) -> int:
        """Remove several fields; gives how many were there. One round trip."""
        return self._run(single.delete_many(self._bound(), fields))


class FieldsView(KeysView[K]):
    """The fields of a hash, live."""

    _mapping: HashCache[K, Any]

    def __repr__(self) -> str:
        return f"{self._mapping!r}.keys()"


class HashValuesView(ValuesView[V]):
    """The values of a hash, live."""

    _mapping: HashCache[Any, V]

    def __iter__(self) -> Iterator[V]:
        return self._mapping._iterate(plans.values(self._mapping._bound()))

    def __contains__(self, value: object) -> bool:
        return any(value is each or value == each for each in self)

    def __repr__(self) -> str:
        return f"{self._mapping!r}.values()"


class HashItemsView(ItemsView[K, V]):
    """Fields and values of a hash, live."""

    _mapping: HashCache[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._mapping._iterate_items()

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, tuple) or len(item) != 2:
            return False
        # By get(): a missing field must not seem to be there, neither by __missing__ nor as a count of 0.
        found = self._mapping.get(item[0], MISSING)
        return found is not MISSING and bool(found is item[1] or found == item[1])

    def __repr__(self) -> str:
        return f"{self._mapping!r}.items()"


def plain(other: Any) -> Any:
    """A mapping as a plain dict; a collection of this library without a round trip per element."""
    if isinstance(other, HashCache):
        return dict(other._iterate_items())
    return dict(other) if isinstance(other, Mapping) else other


def mapping(other: Any) -> dict[Any, Any]:
    """What ``dict(other)`` gives, with dict's own exceptions."""
    found = plain(other)
    return found if isinstance(found, dict) else dict(found)


def writes_alike(a: HashCache[Any, Any], b: HashCache[Any, Any]) -> bool:
    """Whether the server can store the fields of one hash in the other as they are."""
    if a._bound().connection is not b._bound().connection or a._bound().may_sign or b._bound().may_sign:
        return False
    return a.serialize == b.serialize and (a.serializer is b.serializer or a.serializer == b.serializer)
