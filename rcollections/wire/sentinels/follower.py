"""``Follower``: what a watch tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .words import Verdict

__all__ = ["Follower"]


class Follower(Protocol):
    """A connection that leads to the primary."""

    trips: int  # so far: what tells that it is used

    def moved(self, verdict: Verdict) -> None:
        """The primary is another one by now; called before anybody can connect there."""

    def arrived(self) -> None:
        """New connections lead to it from now on."""

    def others(self) -> None:
        """Other servers are its healthy replicas."""

    def looked(self) -> None:
        """The sentinels were asked, whatever they said."""

    def unwatched(self) -> None:
        """Nobody looks after open connections any more: the next use opens new ones."""
