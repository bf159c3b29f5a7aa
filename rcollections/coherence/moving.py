"""What a listener does when its address leads to another server (rule Q7), and where its tiers are (rule Z1)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from ..wire.run_id import UNKNOWN
from .places import Moved
from .telling import Telling

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from ..l1 import Tier, Words
    from .ear import Ear
    from .places import Place

__all__ = ["Member", "Moving", "others", "stop"]

SOON = 60.0  # seconds between two changes of the server that say that the address leads to several servers


class Member(NamedTuple):
    """What a listener knows of the connection of a tier: where it is, and how its links are renewed."""

    staleness: float
    place: Place | None = None
    renew: Callable[[], None] | None = None


class Moving(Telling):
    """The part of a listener that knows the connections of its tiers. Not a listener of its own."""

    _lock: threading.RLock
    _next: Ear | None

    def __init__(self, words: Words, node: int) -> None:
        super().__init__(words, node)
        self._members: dict[int, Member] = {}  # by the id of the tier
        self._moved = -SOON  # when the address led to another server
        self._heard = b""  # the server that was heard last

    def _is_there(self, ear: Ear, tier: Tier) -> bool:
        """Whether those who settle know of this ear where the tier is (Z1)."""
        member = self._members[id(tier)]
        return member.place is None or ear.places.get(member.place, 0) >= round(member.staleness * 1000)

    def put(self, place: Place | None) -> None:
        """From now on all tiers are there."""
        for number, member in list(self._members.items()):
            self._members[number] = member._replace(place=place)

    def _places(self) -> dict[Place, int]:
        found: dict[Place, int] = {}
        for member in list(self._members.values()):
            if member.place is not None:
                found[member.place] = max(found.get(member.place, 0), round(member.staleness * 1000))
        return found

    # -- an address that moves ---------------------------------------------------------------------

    def _renew(self) -> None:
        for member in list(self._members.values()):
            if member.renew is not None:
                member.renew()
        for each in list(self.followers):
            each.renew()

    def disagrees(self, server: bytes, opened: float) -> bool:
        """Q7: a link that was opened at that instant leads to this server. Whether the link has to go, or the ear went.

        Of two connections with different servers the one that was opened earlier goes.
        """
        ear = self._ear
        if ear is None or server in (UNKNOWN, ear.server):
            return False
        if opened < ear.opened:
            return True
        self._break_off(ear, Moved("the address leads to another server by now"))
        return False

    def demoted(self) -> None:
        """A server of this address has become a replica: the address may lead to another one by now."""
        self._renew()
        if self._ear is not None:
            self._break_off(self._ear, ConnectionError("the server has become a replica"))

    def left(self, address: tuple[str, int]) -> None:
        """The primary is at this address by now: an ear elsewhere goes, and what it heard of with it (M4)."""
        ear = self._ear
        if ear is not None and ear.address != address:
            self._break_off(ear, ConnectionError("the primary is another server by now"))

    def _break_off(self, ear: Ear, reason: Exception) -> None:
        with self._lock:
            if ear is not self._ear:
                return
            self._empty()
        ear.break_off(reason)

    def leave(self) -> None:
        """At the end of the process: hold nothing any more, and tell so, so that nobody waits for this process."""
        with self._lock:
            ears = _present(self._ear, self._next)
            for ear in ears:
                ear.stop_telling()
            self._empty()
        for ear in ears:
            ear.leave()

    def _moves(self, error: Moved) -> tuple[str, bool]:
        """Why the ear went, and whether the address leads to several servers: then listening makes a pause."""
        before, self._moved = self._moved, time.monotonic()
        if self._moved - before >= SOON:
            return str(error), False
        return "the address leads to several servers, and what one reads another does not announce", True

    def _hears(self, ear: Ear) -> None:
        """This ear is in charge: links that were opened before may lead to another server."""
        if self._heard not in (b"", ear.server):
            self._renew()
        self._heard = ear.server


# Loops in functions of their own, not where the lock is held: see ``wire/pool.py``.


def _present(*ears: Ear | None) -> list[Ear]:
    return [each for each in ears if each is not None]


def others(tiers: Sequence[Tier], tier: Tier) -> list[Tier]:
    """All tiers but this one."""
    return [each for each in tiers if each is not tier]


def stop(*ears: Ear | None) -> None:
    """Let these ears end."""
    for ear in _present(*ears):
        ear.stop()
