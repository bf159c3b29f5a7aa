"""``Found``: what a read of an entry saw. ``ServerFailed``: the server did not answer a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from ...errors import CacheError
    from ...l1 import Token
    from ..effects import Plan
    from ..entries import Entry
    from ..purpose import Breaker
    from ..target import Target

__all__ = ["Found", "ServerFailed", "asked"]

T = TypeVar("T")


class Found:
    """What a read saw: an entry that is valid now, how long it stays, and how long it is fresh."""

    __slots__ = ("decoded", "entry", "fresh", "left", "sent", "token")

    def __init__(self, entry: Entry, left: float | None, sent: float) -> None:
        self.entry = entry
        self.left = left  # seconds of the physical ttl, inf for ever; None: not asked for
        self.sent = sent  # when the read was sent, if that matters
        grace = entry.grace
        # A read without the ttl leaves an entry with a grace to FETCH, which looks again (E2).
        self.fresh = grace == 0 or (left is not None and left > grace / 1000)
        self.token: Token | None = None  # the read token of L1, for one of the callers that share the read
        self.decoded: tuple[Target, object] | None = None  # target and value, if no caller can change the value

    @property
    def until(self) -> float | None:
        """When the physical ttl ends, inf never; None: not asked for."""
        return None if self.left is None else self.sent + self.left

    @property
    def soft(self) -> float | None:
        """Seconds until the entry is no longer fresh, negative when it is stale, inf for ever; None: not asked for."""
        return None if self.left is None else self.left - self.entry.grace / 1000


class ServerFailed(Exception):
    """The server did not do a step; the plan that catches this decides what follows."""

    def __init__(self, error: CacheError, told: bool = False) -> None:
        self.error = error
        self.told = told  # the error is counted already


def asked(breaker: Breaker, plan: Plan[T]) -> Plan[T]:
    """Ask the server on purpose, whether the breaker is open or not (R1): while it is open, one caller at a time."""
    turn = object()
    try:
        if not breaker.may_try(turn):
            plan.close()
            raise ServerFailed(breaker.error())
        reply = yield from plan
    finally:
        breaker.tried(turn)
    breaker.worked()
    return reply
