"""What ``AsyncDictCache`` and ``AsyncCounterCache`` share: reading a hash of the server whole, and page by page.

Made from ``collections/hashcache.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ...handles.aio.operations import AsyncOperations
from ...plans.collections import fields as single
from ...plans.collections import hashes as plans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

__all__ = ["AsyncHashCache"]

K = TypeVar("K")
V = TypeVar("V")


class AsyncHashCache(AsyncOperations, Generic[K, V]):
    """A hash of the server that can be read. Not a type of its own."""

    async def _replace(self, data: object) -> None:
        await self._run(self._replacement(await self._operand(data, plain=True)))

    def _iterate_items(self) -> AsyncIterator[tuple[K, V]]:
        return self._iterate(plans.items(self._bound()))

    def __aiter__(self) -> AsyncIterator[K]:
        """All fields, in no particular order; O(n), one round trip a page above 10,000."""
        return self._iterate(plans.fields(self._bound()))

    async def length(self) -> int:
        """How many fields there are: ``len()`` under a name. One round trip, O(1)."""
        return await self._run(single.length(self._bound()))

    async def contains(self, field: object) -> bool:
        """Whether there is such a field: ``in`` under a name. One round trip, O(1)."""
        return await self._run(single.contains(self._bound(), field))

    def keys(self) -> AsyncIterator[K]:
        """All fields, page by page: ``async for``."""
        return self._iterate(plans.fields(self._bound()))

    def values(self) -> AsyncIterator[V]:
        """All values, page by page: ``async for``."""
        return self._iterate(plans.values(self._bound()))

    def items(self) -> AsyncIterator[tuple[K, V]]:
        """All fields with their values, page by page: ``async for``."""
        return self._iterate(plans.items(self._bound()))

    # Old names, which code that was written for other libraries may use.
    iterkeys, itervalues, iteritems = keys, values, items

    async def discard(self, field: Any) -> bool:
        """Remove a field if it is there; tells whether it was. One round trip."""
        return await self._run(single.delete(self._bound(), field))

    async def delete_many(self, fields: Iterable[Any]) -> int:
        """Remove several fields; gives how many were there. One round trip."""
        return await self._run(single.delete_many(self._bound(), fields))


def plain(other: Any) -> Any:
    """A mapping as a plain dict; a collection of this library without a round trip per element."""
    return dict(other) if isinstance(other, Mapping) else other


def mapping(other: Any) -> dict[Any, Any]:
    """What ``dict(other)`` gives, with dict's own exceptions."""
    found = plain(other)
    return found if isinstance(found, dict) else dict(found)


def writes_alike(a: AsyncHashCache[Any, Any], b: AsyncHashCache[Any, Any]) -> bool:
    """Whether the server can store the fields of one hash in the other as they are."""
    if a._bound().connection is not b._bound().connection or a._bound().may_sign or b._bound().may_sign:
        return False
    return a.serialize == b.serialize and (a.serializer is b.serializer or a.serializer == b.serializer)
