"""Blocks around a change of the source, ``async with K(…).writing()``, and for one owner, ``async with K(…).lock()``.

Made from ``collections/keyblocks.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from ...errors import ConfigError
from .keymany import AsyncManyValues

if TYPE_CHECKING:
    from datetime import timedelta

    from ...functions.aio_writing import AsyncWriting
    from ...servers.locking import Lock

__all__ = ["AsyncValueBlocks"]

V = TypeVar("V")


class AsyncValueBlocks(AsyncManyValues[V], Generic[V]):
    """The part of a ``AsyncKeyCache`` that gives blocks. Not a type of its own."""

    # -- around a change of the source -----------------------------------------------------------

    def writing(self, *, settle: bool | None = None) -> AsyncWriting[V]:
        """``async with K(…).writing() as w:`` around a change of the source; ``w.put(value)`` stores the new value.

        The value is dropped first, and while the block runs no caller can store an older value that it
        computed. Without ``w.put``, or with an exception, nothing is stored. With ``settle`` (None: what the class
        says) leaving the block takes until no process can serve the old value; see ``invalidate_tags``.
        """
        from ...functions.aio_writing import of_value

        if not self.computed:
            raise ConfigError(
                f"{type(self).__name__}.writing() keeps other writers out by a lease, and with computed=False plain "
                "writes do not look at it"
            )
        return of_value(type(self).__name__, self._bound(), self.ttl, settle=self.settle if settle is None else settle)

    # -- excluding others ------------------------------------------------------------------------

    def lock(self, lease: float | timedelta = 10, wait: float | timedelta | None = None) -> Lock:
        """``async with K(…).lock() as held:`` keeps all others out while the block runs: threads, tasks and processes.

        The lock is a key of its own, and does not touch the value. ``lease``: seconds after which it is free again if
        this process dies or stops; a living process renews it at a third of that. ``wait``: at most that many seconds
        for a lock that another caller has, then CacheTimeout (0: at once; None: as long as it takes). Callers of one
        process get it in the order in which they came. Not re-entrant. In asyncio: ``async with K(…).lock():``.

        ``held.token`` is a number that grows with each owner; ``held.lost`` says whether the lock ran out while
        the block still runs. If it was lost, the end of the block raises LockLost. If the server does not answer,
        entering raises; under CACHES_DISABLE too, since a lock never pretends. Two round trips, one to enter and
        one to leave.
        """
        from ...servers.locking import Lock  # with the first lock

        t = self._bound()
        return Lock(type(self).__name__, str(t.key), t.connection, lease, wait)
