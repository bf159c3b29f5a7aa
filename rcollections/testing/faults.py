"""What the network of a proxy does wrong at present, and what has gone over it. The proxy's thread alone touches it."""

from __future__ import annotations

from typing import Literal

__all__ = ["Direction", "Faults", "Which"]

Direction = Literal["both", "requests", "replies"]
# Which connections a fault is for: "listeners" are those that have subscribed to something, "data" the others.
Which = Literal["all", "listeners", "data"]


class Faults:
    """The faults that are in force. ``commands`` and ``cuts`` tell what happened, and stay when all is healed."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.cuts = 0
        self.heal()

    def heal(self) -> None:
        """No faults any more."""
        self.frozen = False, False  # requests, replies: of connections that come
        self.unread: Which | None = None  # connections on which nothing is taken from the server
        self.rate: float | None = None  # bytes per second
        self.cut_reply: int | None = None  # bytes of the next reply to let through
        self._left = 0  # requests to count down
        self._name: str | None = None  # ... of this name; None: of any

    def choose(self, n: int, name: str | None) -> None:
        """The n-th request from now on (of that name) is the one whose reply is never seen."""
        self._left, self._name = n, name

    def is_chosen(self, name: str) -> bool:
        """Whether this request is the one; to be asked once for each that goes to the server."""
        if not self._left or self._name not in (None, name):
            return False
        self._left -= 1
        return not self._left
