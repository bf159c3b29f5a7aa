"""What ``DictCache`` and ``CounterCache`` share: reading a hash of the server whole, page by page, by views."""

from __future__ import annotations

from collections.abc import ItemsView, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..handles.base import BaseCache
from ..missing import MISSING
from ..plans.collections import hashes as plans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import timedelta

__all__ = ["HashCache"]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class HashCache(BaseCache, Generic[K, V]):
    """A hash of the server that can be read. Not a type of its own."""

    # -- whole reads: one snapshot reply up to 10,000 fields, then cursors in constant memory ------

    def _pages(self) -> Iterator[tuple[bytes, bytes]]:
        t = self._bound()
        cursor = 0
        while True:
            cursor, some = self._run(plans.page(t, cursor))
            yield from some
            if cursor == 0:
                return

    def _iterate(self) -> Iterator[tuple[K, V]]:
        t = self._bound()
        read, load = t.read, t.load
        op = plans.read(t)
        op.absent = self._pages
        for field, value in self._run(op):
            yield read(field), load(value)

    def _whole(self, build: Callable[[Iterable[tuple[K, V]]], T]) -> T:
        """What ``build`` makes of all items: one operation, unless they are very many."""
        t = self._bound()
        read, load = t.read, t.load

        def made(pairs: Iterable[tuple[bytes, bytes]]) -> T:
            return build((read(field), load(value)) for field, value in pairs)

        op = plans.read(t)
        raw = op.decode

        def decode(reply: Any) -> Any:
            pairs = raw(reply)
            return MISSING if pairs is MISSING else made(pairs)

        op.decode = decode
        op.absent = lambda: made(self._pages())
        return self._run(op)  # type: ignore[no-any-return]

    def _fields(self) -> Iterator[K]:
        t = self._bound()
        op = plans.read_half(t, "HKEYS")
        op.absent = lambda: (field for field, _ in self._pages())
        yield from map(t.read, self._run(op))

    def _values(self) -> Iterator[V]:
        t = self._bound()
        op = plans.read_half(t, "HVALS")
        op.absent = lambda: (value for _, value in self._pages())
        yield from map(t.load, self._run(op))

    def _many(self, fields: Iterable[Any], build: Callable[[dict[Any, Any]], T]) -> T:
        """What ``build`` makes of ``{field: value or MISSING}``, in one round trip."""
        wanted = list(dict.fromkeys(fields))
        if not wanted:
            return self._now(build({}))
        op: Any = plans.get_many(self._bound(), wanted)
        raw = op.decode
        op.decode = lambda reply: build(dict(zip(wanted, raw(reply), strict=True)))
        return self._run(op)  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[K]:
        """All fields, in no particular order; O(n), one round trip a page above 10,000."""
        return self._fields()

    def __len__(self) -> int:
        return self.length()

    def length(self) -> int:
        """How many fields there are: ``len()`` under a name. One round trip, O(1)."""
        return self._run(plans.length(self._bound()))

    def __contains__(self, field: object) -> bool:
        return self.contains(field)

    def contains(self, field: object) -> bool:
        """Whether there is such a field: ``in`` under a name. One round trip, O(1)."""
        return self._run(plans.contains(self._bound(), field))

    def __bool__(self) -> bool:
        return self.exists()

    def keys(self) -> KeysView[K]:
        """A view of the fields, which asks the server whenever it is used."""
        return FieldsView(self)

    def values(self) -> ValuesView[V]:
        """A view of the values, which asks the server whenever it is used."""
        return HashValuesView(self)  # type: ignore[arg-type]

    def items(self) -> ItemsView[K, V]:
        """A view of fields and values, which asks the server whenever it is used."""
        return HashItemsView(self)  # type: ignore[arg-type]

    # The names of old, which code that comes from other libraries may use.
    iterkeys, itervalues, iteritems = keys, values, items

    def discard(self, field: Any) -> bool:
        """Remove a field if it is there; tells whether it was. One round trip."""
        op: Any = plans.delete(self._bound(), (field,))
        op.decode = bool
        return self._run(op)  # type: ignore[no-any-return]

    def delete_many(self, fields: Iterable[Any]) -> int:
        """Remove several fields; gives how many were there. One round trip."""
        gone = list(fields)
        return self._run(plans.delete(self._bound(), gone)) if gone else self._now(0)

    def _store(self, items: Iterable[tuple[Any, Any]], ttl: float | timedelta | None = None) -> None:
        """Store fields, with ``ttl`` each with one of its own: atomic up to 5,000 of them."""
        t = self._bound()
        flat = plans.encoded(t, items)
        if not flat:
            self._now(None)
        elif plans.is_small(flat):
            self._run(plans.update(t, flat, ttl))
        else:
            self._drive("update", plans.update_big(t, flat, ttl))

    def _replace_items(self, items: Iterable[tuple[Any, Any]]) -> None:
        t = self._bound()
        flat = plans.encoded(t, items)
        if plans.is_small(flat):
            self._run(plans.replace(t, flat))
        else:
            self._drive("replace", plans.replace_big(t, flat))


class FieldsView(KeysView[Any]):
    """The fields of a hash, live."""

    def __repr__(self) -> str:
        return f"{self._mapping!r}.keys()"  # type: ignore[attr-defined]


class HashValuesView(ValuesView[Any]):
    """The values of a hash, live."""

    def __iter__(self) -> Iterator[Any]:
        return self._mapping._values()  # type: ignore[attr-defined,no-any-return]

    def __contains__(self, value: object) -> bool:
        return any(value is each or value == each for each in self)

    def __repr__(self) -> str:
        return f"{self._mapping!r}.values()"  # type: ignore[attr-defined]


class HashItemsView(ItemsView[Any, Any]):
    """Fields and values of a hash, live."""

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping._iterate()  # type: ignore[attr-defined,no-any-return]

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, tuple) or len(item) != 2:
            return False
        # By get: a missing field must not become one, neither by __missing__ nor as a count of 0.
        found = self._mapping.get(item[0], MISSING)  # type: ignore[attr-defined]
        return found is not MISSING and bool(found is item[1] or found == item[1])

    def __repr__(self) -> str:
        return f"{self._mapping!r}.items()"  # type: ignore[attr-defined]


def plain(other: Any) -> Any:
    """A mapping as a plain dict, without a round trip per element where it is one of ours."""
    if isinstance(other, HashCache):
        return dict(other._iterate())
    return dict(other) if isinstance(other, Mapping) else other
