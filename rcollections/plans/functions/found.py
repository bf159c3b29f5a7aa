"""``Found``: what a read of an entry saw; and ``ServerFailed``: that the server did not answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...errors import CacheError
    from ...l1 import Token
    from ..entries import Entry
    from ..target import Target

__all__ = ["Found", "ServerFailed"]


class Found:
    """What a read saw: an entry that is valid now, how long it stays, and how long it is fresh."""

    __slots__ = ("decoded", "entry", "fresh", "left", "sent", "token")

    def __init__(self, entry: Entry, left: float | None, sent: float) -> None:
        self.entry = entry
        self.left = left  # seconds of the physical ttl; None: for ever, or not asked for
        self.sent = sent  # when the read was sent, if that matters
        grace = entry.grace
        # Without the ttl at hand, grace means: ask the server, which looks again (E2).
        self.fresh = grace == 0 or (left is not None and left > grace / 1000)
        self.token: Token | None = None  # the right to hold it in the process, for one of those who share the read
        self.decoded: tuple[Target, Any] | None = None  # by which target, and the value: if nobody can change it

    @property
    def until(self) -> float | None:
        """When the physical ttl ends."""
        return None if self.left is None else self.sent + self.left

    @property
    def soft(self) -> float | None:
        """Seconds until it is no longer fresh, negative when it is stale; None: for ever."""
        return None if self.left is None else self.left - self.entry.grace / 1000


class ServerFailed(Exception):
    """The server did not do what was asked; what to do about it is the caller's business."""

    def __init__(self, error: CacheError, told: bool = False) -> None:
        self.error = error
        self.told = told  # it is counted already
