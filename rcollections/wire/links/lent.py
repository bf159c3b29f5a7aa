"""A link that a pool lends out, and how the link goes back."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

__all__ = ["Home", "Lent"]


class Home(Protocol):
    """The pool that lends a link out."""

    def release(self, link: Any) -> None:
        """Take back a link with no reply outstanding."""

    def discard(self, link: Any) -> None:
        """Take back a link whose replies cannot be trusted any more: it is closed."""


class Lent:
    """The part of every link that knows its pool. Not a link of its own."""

    __slots__ = ("home", "lent", "seat", "used")

    home: Home | None
    lent: object  # what stands for the caller that has it; False while it lies in its pool
    seat: Any  # of a pool of threads: the right to this link
    used: (
        float  # by when its last quick try had to be answered (monotonic): who comes long after that looks at it first
    )

    def __init__(self) -> None:
        self.home = None
        self.lent = False
        self.seat = None
        self.used = 0.0

    def release(self) -> None:
        """Give the link back, with no reply outstanding."""
        if self.home is not None:
            self.home.release(self)

    def discard(self) -> None:
        """Give the link back, to be closed."""
        if self.home is not None:
            self.home.discard(self)
        else:
            self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""
