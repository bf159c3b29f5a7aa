"""Blocks around a change of the source, ``with K(…).writing()``, and for one owner, ``with K(…).lock()``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import ConfigError
from .keymany import ManyValues

if TYPE_CHECKING:
    from datetime import timedelta

    from ..functions.writing import Writing
    from ..servers.locking import Lock

__all__ = ["ValueBlocks"]

V = TypeVar("V")


class ValueBlocks(ManyValues[V], Generic[V]):
    """The part of a ``KeyCache`` that gives blocks. Not a type of its own."""

    # -- around a change of the source -----------------------------------------------------------

    def writing(self, *, settle: bool | None = None) -> Writing[V]:
        """``with K(…).writing() as w:`` around a change of the source; ``w.put(value)`` stores the new value.

        The value is dropped first, and while the block runs no caller can store an older value that it
        computed. Without ``w.put``, or with an exception, nothing is stored. With ``settle`` (None: what the class
        says) leaving the block takes until no process can serve the old value; see ``invalidate_tags``.

        >>> from rcollections import KeyCache
        >>> price = KeyCache("price", "tea", data=3)
        >>> with price.writing() as w:
        ...     # change the source here, commit, then
        ...     w.put(4)
        >>> price.data
        4
        """
        from ..functions.writing import of_value

        if not self.computed:
            raise ConfigError(
                f"{type(self).__name__}.writing() keeps other writers out by a lease, and with computed=False plain "
                "writes do not look at it"
            )
        return of_value(type(self).__name__, self._bound(), self.ttl, settle=self.settle if settle is None else settle)

    # -- excluding others ------------------------------------------------------------------------

    def lock(self, lease: float | timedelta = 10, wait: float | timedelta | None = None) -> Lock:
        """``with K(…).lock() as held:`` keeps all others out while the block runs: threads, tasks and processes.

        The lock is a key of its own, and does not touch the value. ``lease``: seconds after which it is free again if
        this process dies or stops; a living process renews it at a third of that. ``wait``: at most that many seconds
        for a lock that another caller has, then CacheTimeout (0: at once; None: as long as it takes). Callers of one
        process get it in the order in which they came. Not re-entrant. In asyncio: ``async with K(…).lock():``.

        ``held.token`` is a number that grows with each owner; ``held.lost`` says whether the lock ran out while
        the block still runs. If it was lost, the end of the block raises LockLost. If the server does not answer,
        entering raises; under CACHES_DISABLE too, since a lock never pretends. Two round trips, one to enter and
        one to leave.

        >>> from rcollections import KeyCache
        >>> with KeyCache("report", 7).lock(lease=5, wait=1) as held:
        ...     held.token, held.lost
        (1, False)
        """
        from ..servers.locking import Lock  # with the first lock

        t = self._bound()
        return Lock(type(self).__name__, str(t.key), t.connection, lease, wait)
