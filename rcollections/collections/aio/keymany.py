"""Many values of one ``AsyncKeyCache`` class at once.

Made from ``collections/keymany.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ...missing import MISSING
from ...plans.collections import many
from ...plans.naming import lease
from .keylife import AsyncValueLife

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

__all__ = ["AsyncManyValues"]

V = TypeVar("V")


class AsyncManyValues(AsyncValueLife[V], Generic[V]):
    """The class methods of a ``AsyncKeyCache`` that read, store or remove several keys. Not a type of its own."""

    @classmethod
    async def get_many(cls, keys: Iterable[Any], default: Any = MISSING, *, with_ttl: bool = False) -> dict[Any, Any]:
        """Several values in one round trip: ``{parts: value}`` for the keys that are there, in order.

        ``keys`` are part tuples, or single parts. With ``default`` missing keys are in the result
        too. ``with_ttl=True`` gives ``(value, seconds left)`` as values, ``-1.0`` seconds for missing keys.
        """
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return {}
        handles = [_handle(cls, parts) for parts in wanted]
        readers = [handle._reader() for handle in handles]
        return await handles[0]._run(many.get_many(wanted, readers, default, with_ttl))

    @classmethod
    async def set_many(cls, values: Mapping[Any, V], *, ttl: float | timedelta | None = None) -> None:
        """Store several values, ``{parts: value}``, all or nothing, with one ttl. One round trip.

        More than 5,000 keys are sent in steps of 5,000: not atomic then.
        """
        handles = [_handle(cls, parts) for parts in values]
        if handles:
            targets = [handle._bound() for handle in handles]
            await handles[0]._run(many.set_many(targets, list(values.values()), ttl))

    @classmethod
    async def delete_many(cls, keys: Iterable[Any]) -> int:
        """Remove several keys in one round trip; gives how many were there."""
        handles = [_handle(cls, parts) for parts in keys]
        if not handles:
            return 0
        targets = [handle._bound() for handle in handles]
        return await handles[0]._run(
            many.delete_many(targets, [lease(t.connection.namespace, str(t.key)) for t in targets])
        )


def _handle(cls: type[AsyncManyValues[Any]], parts: Any) -> AsyncManyValues[Any]:
    return cls(*parts) if isinstance(parts, tuple) else cls(parts)
