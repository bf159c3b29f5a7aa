"""The operations that fit any content: what each of the five types can do with its key.

Made from ``handles/operations.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...missing import MISSING
from ...plans.collections import keys as plans
from ...plans.collections import loads
from ...plans.guards import Refused
from ...plans.naming import guard, lease
from ...plans.op import Trips
from ...plans.parts import join
from ...servers import registry
from ...servers.drivers.aio import adrive
from ..filling import Since
from .operands import AsyncOperands
from .pipeline import AsyncPipeline

if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Self

__all__ = ["AsyncOperations"]


class AsyncOperations(AsyncOperands):
    """The part of a collection that works on its key as a whole. Not a type of its own."""

    @classmethod
    async def create(cls, *parts: object, data: object = MISSING, **overrides: object) -> Self:
        """The same as calling the class, under the name that the Async classes have too (awaited there)."""
        if data is MISSING:
            return cls(*parts, **overrides)
        new = cls(*parts, **overrides)
        await new._replace(data)
        return new

    async def exists(self, ttl: float | None = None) -> bool:
        """Whether the key is on the server; with ``ttl``, whether it stays for more than that many seconds.

        One round trip. ``has`` is another name of it.
        """
        t = self._bound()
        return await self._run(plans.exists(t) if ttl is None else plans.lives_longer(t, ttl))

    has = exists

    async def clear(self) -> bool:
        """Remove this key with all its content; True if there was some. One round trip.

        Content that was invalidated by a tag counts as none. A computation that runs now will not be stored.
        """
        t = self._bound()
        space = t.connection.namespace
        return await self._run(plans.clear(t, guard(space, t.key), lease(space, t.key)))

    async def expires_in(self) -> float | None:
        """The seconds that the key stays: ``inf`` for ever, None if there is no key. One round trip."""
        return await self._run(plans.expires_in(self._bound()))

    async def expire(self, seconds: float | timedelta) -> bool:
        """Let the key live that long from now; 0 for ever. False if there is no key. One round trip."""
        return await self._run(plans.expire(self._bound(), seconds))

    async def touch(self) -> bool:
        """Let the class's ttl begin anew. False if there is no key. One round trip."""
        return await self._run(plans.touch(self._bound()))

    async def renew(self, ttl: float | timedelta | None = None) -> bool:
        """Lengthen the life of the key to ``ttl`` seconds (default: the class's), never shorten it.

        True if it was lengthened, False if it lives longer already or is missing. One round trip.
        """
        return await self._run(plans.renew(self._bound(), ttl))

    async def since(self) -> Since:
        """A token of this moment, to be taken before a slow read of the source: see ``fill``. One round trip."""
        t = self._bound()
        key = self._guarded_key(t.connection, str(t.key))
        return Since(
            str(key),
            await self._run(Trips("since", loads.mark(key, lease(t.connection.namespace, key), self._open_mode))),
        )

    async def fill(self, data: object, *, since: Since, merge: bool = False) -> bool:
        """Make ``data`` the content, unless it is out of date; with ``merge`` add it to the content.

        ``since`` is what ``since()`` gave before the source was read. Nothing is stored, and the answer is
        False, if one of the class's tags was invalidated since then, and also, with or without tags, if this
        key was cleared or filled. A class with tags or ``load`` notices too that the key expired or was replaced
        as a whole. No class notices single writes: ``docs/tags.md`` has the table.
        """
        handle = self._fenced(since)
        try:
            await handle._merge(data) if merge else await handle._replace(data)
        except Refused:
            return False
        return True

    async def _replace(self, data: object) -> None:
        """Make ``data`` the whole content."""
        await self._run(self._replacement(await self._operand(data)))

    async def _merge(self, data: object) -> None:  # noqa: ARG002 - the types override it that have elements
        raise TypeError(f"{type(self).__name__} holds one value: there is nothing to merge")

    async def copy_to(self, *parts: object) -> Self:
        """Copy the content to another key of this class, on the server; gives the handle of the copy.

        The copy replaces the content of the other key, an empty source leaves nothing there; the class's ttl
        begins anew.
        Atomic, one round trip, O(n) on the server.
        """
        new = self._like(join(type(self).__name__, self.prefix, parts))
        if new._own_key != self._own_key:
            await self._copy_onto(new)
        return new

    async def _copy_onto(self, new: Self) -> None:
        await self._run(plans.copy(self._bound(), new._bound().key))

    @classmethod
    async def clean(cls) -> int:
        """Remove every key under the class's prefix, in batches; gives how many were removed.

        ValueError for a class without prefix, which would mean all keys of the database. Not atomic; it
        scans all keys of the database, O(keys), in steps that do not block the server.
        """
        if not cls.prefix:
            raise ValueError(f"{cls.__name__}.clean() needs a prefix: without one it would remove everybody's keys")
        connection = registry.connection(cls.connection_name)
        return await adrive(plans.clean(connection.namespace, cls.prefix), connection)

    def pipeline(self) -> AsyncPipeline[Any]:
        """Collect calls and send them together on exit of the block: one round trip, in MULTI.

        ``async with d.pipeline() as p:`` gives a handle like ``d`` whose calls are kept; ``p(other)`` is
        the same for another collection of the same connection. Reads give a pending result, whose
        ``value`` is there after the block; ``p.results`` lists all. An exception inside sends nothing.
        """
        return AsyncPipeline(self)
