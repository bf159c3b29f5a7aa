"""How long the value of a ``AsyncKeyCache`` stays.

Made from ``collections/keylife.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from ...handles.aio.operations import AsyncOperations
from ...plans.collections import strings as plans
from ...plans.target import milliseconds
from ..keybinding import KeyBinding

if TYPE_CHECKING:
    from datetime import timedelta

    from ...plans.collections.reader import Reader
    from ...plans.op import Op

__all__ = ["AsyncValueLife"]

V = TypeVar("V")


class AsyncValueLife(AsyncOperations, KeyBinding, Generic[V]):
    """The part of a ``AsyncKeyCache`` that asks for its ttl and arms it. Not a type of its own."""

    @abstractmethod
    def _reader(self) -> Reader:
        """Reads what the server gives for this key."""

    async def expires_in(self) -> float | None:
        """The seconds that the value stays: ``inf`` for ever, None if there is none. One round trip.

        Of a value with stale windows it is how long the value is fresh; ``get_ttl`` gives the value as well.
        """
        seen: Op[tuple[V, float]] = plans.get_ttl(self._bound(), self._reader(), lambda: None)
        return await self._run(seen.named("expires_in").then(lambda found: found[1]))

    async def exists(self, ttl: float | None = None) -> bool:
        """Whether there is a value; with ``ttl``, whether it stays for more than that many seconds.

        This method reads the value, so that it never differs from ``get()``. One round trip. ``has`` is another
        name of it.
        """
        t, read = self._bound(), self._reader()
        return await self._run(plans.exists(t, read) if ttl is None else plans.lives_longer(t, read, ttl))

    has = exists

    async def expire(self, seconds: float | timedelta) -> bool:
        """Let the value live that long from now; 0 for ever. False if there is none. One round trip.

        A value with stale windows is fresh for that long, and its windows follow.
        """
        return await self._run(plans.arm(self._bound(), self._place(), "expire", milliseconds(seconds)))

    async def touch(self) -> bool:
        """Let the class's ttl begin anew. False if there is no value. One round trip."""
        t = self._bound()
        return await self._run(plans.arm(t, self._place(), "touch", t.ms()))

    async def renew(self, ttl: float | timedelta | None = None) -> bool:
        """Lengthen the life of the value to ``ttl`` seconds (default: the class's), never shorten it.

        True if it was lengthened, False if it lives longer already or is missing. One round trip.
        """
        t = self._bound()
        return await self._run(plans.arm(t, self._place(), "renew", t.ms(ttl)))
