"""What a trip asks its driver for, and the facts about a connection that its trips need."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from ..plans.effects import Step
    from ..plans.purpose import Due

__all__ = ["Acquire", "Exchange", "Heal", "Journal", "Pause", "Road", "Taken", "Trip", "TripEffect"]


class Acquire(NamedTuple):
    """Lend a link by that instant (monotonic). NotConnected, or CacheTimeout where all links are busy."""

    until: float


class Exchange(NamedTuple):
    """Send these bytes on the link, and read that many replies, by that instant."""

    link: object
    data: bytes
    wanted: int
    until: float


class Pause(NamedTuple):
    """Wait that many seconds."""

    seconds: float


class Heal(NamedTuple):
    """No link could be opened: start the server again, if it is a server that we start (``embedded://``)."""


TripEffect: TypeAlias = "Acquire | Exchange | Pause | Heal"
Trip: TypeAlias = Generator[TripEffect, object, list[object]]


class Taken(NamedTuple):
    """What one trip carries: names that are kept, each with its number, and own keys of a kept ``Whole``."""

    dues: list[tuple[Due, int]]
    more: list[str]


class Journal(Protocol):
    """The failed changes of one server and database."""

    holds: bool  # whether there is anything

    def take(self, words: frozenset[str], /) -> Taken | None: ...
    def delivered(self, taken: Taken, /) -> None: ...
    def put_back(self, taken: Taken, /) -> None: ...
    def refused(self, taken: Taken, /) -> None: ...


class Road(Protocol):
    """The facts about a connection that its trips need."""

    shown: str  # its DSN without passwords, for messages
    timeout: float  # seconds for a reply
    known: set[str]  # scripts whose text was sent
    trips: int  # round trips so far

    @property
    def journal(self) -> Journal:
        """Changes that failed, to be sent ahead of all else."""

    def wrote(self, steps: Sequence[Step]) -> None:
        """The server has carried out these steps, or may have."""
