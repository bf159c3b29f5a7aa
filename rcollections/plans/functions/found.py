"""``Found``: what a read of an entry saw; and ``ServerFailed``: that the server did not answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...errors import CacheError
    from ..entries import Entry

__all__ = ["Found", "ServerFailed"]


class Found:
    """What a read saw: an entry that is valid now, how long it stays, and how long it is fresh."""

    __slots__ = ("decoded", "entry", "fresh", "left", "token", "until")

    def __init__(self, entry: Entry, left: float | None, sent: float) -> None:
        self.entry = entry
        self.token: Any = None  # the right to hold it in the process, for one of those who share the read
        self.decoded: tuple[Any, Any] | None = None  # by which target, and the value: if nobody can change it
        # Seconds of the physical ttl that are left (None: for ever or not asked for), and when they end.
        self.left = left
        self.until = None if left is None else sent + left
        grace = entry.grace / 1000
        # Without the ttl at hand, grace means: ask the server, which looks again (E2).
        self.fresh = grace == 0 or (left is not None and left > grace)

    @property
    def soft(self) -> float | None:
        """Seconds until it is no longer fresh, negative when it is stale; None: for ever."""
        return None if self.left is None else self.left - self.entry.grace / 1000


class ServerFailed(Exception):
    """The server did not do what was asked; what to do about it is the caller's business."""

    def __init__(self, error: CacheError, told: bool = False) -> None:
        self.error = error
        self.told = told  # it is counted already
