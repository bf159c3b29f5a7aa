"""Many values of one ``KeyCache`` class at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..missing import MISSING
from ..plans.collections import many
from ..plans.naming import lease
from .keylife import ValueLife

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

__all__ = ["ManyValues"]

V = TypeVar("V")


class ManyValues(ValueLife[V], Generic[V]):
    """The class methods of a ``KeyCache`` that read, store or remove several keys. Not a type of its own."""

    @classmethod
    def get_many(cls, keys: Iterable[Any], default: Any = MISSING, *, with_ttl: bool = False) -> dict[Any, Any]:
        """Several values in one round trip: ``{parts: value}`` for the keys that are there, in order.

        ``keys`` are part tuples, or single parts. With ``default`` missing keys are in the result
        too. ``with_ttl=True`` gives ``(value, seconds left)`` as values, ``-1.0`` seconds for missing keys.

        >>> from rcollections import KeyCache
        >>> class Name(KeyCache[str]):
        ...     prefix = "name"
        >>> Name.set_many({1: "ann", (2, "x"): "bob"})
        >>> Name.get_many([1, (2, "x"), 3])
        {1: 'ann', (2, 'x'): 'bob'}
        """
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return {}
        handles = [_handle(cls, parts) for parts in wanted]
        readers = [handle._reader() for handle in handles]
        return handles[0]._run(many.get_many(wanted, readers, default, with_ttl))

    @classmethod
    def set_many(cls, values: Mapping[Any, V], *, ttl: float | timedelta | None = None) -> None:
        """Store several values, ``{parts: value}``, all or nothing, with one ttl. One round trip.

        More than 5,000 keys are sent in steps of 5,000: not atomic then.
        """
        handles = [_handle(cls, parts) for parts in values]
        if handles:
            targets = [handle._bound() for handle in handles]
            handles[0]._run(many.set_many(targets, list(values.values()), ttl))

    @classmethod
    def delete_many(cls, keys: Iterable[Any]) -> int:
        """Remove several keys in one round trip; gives how many were there."""
        handles = [_handle(cls, parts) for parts in keys]
        if not handles:
            return 0
        targets = [handle._bound() for handle in handles]
        return handles[0]._run(many.delete_many(targets, [lease(t.connection.namespace, str(t.key)) for t in targets]))


def _handle(cls: type[ManyValues[Any]], parts: Any) -> ManyValues[Any]:
    return cls(*parts) if isinstance(parts, tuple) else cls(parts)
