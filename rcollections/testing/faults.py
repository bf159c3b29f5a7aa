"""The faults of a proxy's network, and the commands that went over it. Only the proxy's thread touches them."""

from __future__ import annotations

from typing import Literal

__all__ = ["Direction", "Faults", "Which"]

Direction = Literal["both", "requests", "replies"]
# Which connections a fault is for: "listeners" have subscribed to a channel, "data" are all other connections.
Which = Literal["all", "listeners", "data"]


class Faults:
    """The faults that are in force. ``commands`` and ``cuts`` tell what happened, and stay after ``heal``."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.cuts = 0
        self.heal()

    def heal(self) -> None:
        """End all faults."""
        self.frozen = False, False  # requests, replies: of new connections
        self.unread: Which | None = None  # connections on which the proxy takes nothing from the server
        self.rate: float | None = None  # bytes per second
        self.cut_reply: int | None = None  # bytes of the next reply to let through
        self._left = 0  # requests to count down
        self._name: str | None = None  # the name of the requests to count; None: all requests

    def choose(self, n: int, name: str | None) -> None:
        """Choose the n-th request from now on (of that name): no client will see its reply."""
        self._left, self._name = n, name

    def is_chosen(self, name: str) -> bool:
        """Whether this is the chosen request; the link asks once for each request that goes to the server."""
        if not self._left or self._name not in (None, name):
            return False
        self._left -= 1
        return not self._left
