"""Orphans: leases that the server may still have for owners of this process that got no answer (rule L7).

A reply was lost, or nobody could be reached, or a plan was dropped and no driver is left to act. The server has to be
told once more, or callers would wait for an owner that does not know of its lease: STORE with the result, if there is
one, else FREE. The background tells it, and so does the next FETCH of this process for the same key, in one trip. So
no caller waits for its own process. Both steps compare the token (L4 to L6): too late, they do nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CacheError
from .effects import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from .effects import Plan, Script

__all__ = ["Orphan", "Orphans", "with_orphans"]

MOST = 1_000  # beyond that a lease runs out by itself
FREE = ("lease_free", "lock_free")
AGAIN = 2  # a FETCH whose link was closed may still be on its way, and arrive behind the FREE over another link


class Orphan:
    """The step that ends one lease, and for how long the lease may last at the most."""

    __slots__ = ("again", "lease", "ms", "step", "until")

    def __init__(self, lease: str, step: Script, ms: int) -> None:
        self.lease = lease
        self.step = step
        self.ms = ms
        self.until: float | None = None  # on the clock of the background, which sees it first
        self.again = AGAIN if step.name in FREE else 0  # how often it is sent again though the server knew of no lease


def _nobody() -> None:
    """``told`` of orphans that only the next FETCH sees to."""


class Orphans:
    """The orphans of one connection. Every method is safe for threads, signal handlers and finalizers: no locks."""

    __slots__ = ("_all", "told")

    def __init__(self, told: Callable[[], None] = _nobody) -> None:
        self._all: dict[tuple[str, object], Orphan] = {}
        self.told = told  # called when one was left

    def __bool__(self) -> bool:
        return bool(self._all)

    def leave(self, lease: str, step: Script, ms: int) -> None:
        """The server is to be told this step. It begins with the token; ``ms`` is what its lease lasts."""
        self.back(Orphan(lease, step, ms))
        self.told()

    def back(self, *orphans: Orphan) -> None:
        """These were taken, and the server did not answer."""
        for each in orphans:
            if len(self._all) < MOST:
                self._all[each.lease, each.step.args[0]] = each

    def take(self, lease: str | None = None) -> list[Orphan]:
        """Those of this lease, or all: the caller tells the server, or gives them ``back``."""
        if not self._all:
            return []
        found = [self._all.pop(key, None) for key in list(self._all) if lease is None or key[0] == lease]
        return [each for each in found if each is not None]

    def forget(self) -> None:
        """Forget them, in the child of a fork: they are the parent's."""
        self._all = {}


def with_orphans(orphans: Orphans, lease: str, step: Script) -> Plan[Any]:
    """The reply to a step that asks for this lease. What the server has to be told of the lease goes ahead of it."""
    ahead = orphans.take(lease)
    if not ahead:
        return (yield step)
    try:
        replies = yield Batch((*(each.step for each in ahead), step), keep_errors=True)
    except BaseException:
        orphans.back(*ahead)
        raise
    if isinstance(replies[-1], CacheError):
        raise replies[-1]
    return replies[-1]
