"""``LockBlock``: the two ends of a block that has a lock, and what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CacheError, LockLost
from ..observe import events
from .locks import Place, give_back, leave, take
from .naming import channel, fence, lock

if TYPE_CHECKING:
    from .effects import Plan
    from .flights import Flights
    from .locks import Owned

__all__ = ["LockBlock"]


class LockBlock:
    """Blocks of one lock, one after another. ``token`` and ``lost`` are those of the last one."""

    __slots__ = ("_flights", "_lost", "_owned", "_wait", "place", "token")

    def __init__(self, namespace: str, key: str, ms: int, wait: float | None) -> None:
        own = lock(namespace, key)
        self.place = Place(key, own, fence(namespace, key), channel("", own), ms)
        self.token = 0
        self._wait = wait
        self._flights: Flights | None = None
        self._owned: Owned | None = None
        self._lost = False

    @property
    def lost(self) -> bool:
        """Whether the lock ran out or was taken away, as far as this process knows."""
        owned = self._owned
        return self._lost if owned is None else bool(owned.held.lost or owned.held.lapsed)

    @property
    def held(self) -> bool:
        """Whether a block runs."""
        return self._owned is not None

    def begin(self, flights: Flights) -> Plan[None]:
        """Wait for the lock, and take it."""
        if self._owned is not None:
            raise CacheError(
                f"the lock of {self.place.shown!r} is held by this very object, and locks are not re-entrant: "
                "call lock() again for a caller that shall wait"
            )
        self._flights = flights
        owned = yield from take(flights, self.place, self._wait)
        self._owned, self.token, self._lost = owned, owned.number, False

    def end(self, error: BaseException | None) -> Plan[None]:
        """Give it back. LockLost if it was not ours any more, unless the block ended with another error."""
        owned, flights = self._owned, self._flights
        if owned is None or flights is None:
            return
        try:
            self._lost = not (yield from give_back(flights, self.place, owned))
        finally:
            self._owned = None
        if not self._lost:
            return
        told = (
            f"the lock of {self.place.shown!r} (token {self.token}) was lost before its block ended: another caller "
            f"may have had it meanwhile. It lasts {self.place.ms / 1000:g} s without a renewal; give a longer lease=, "
            "and let what it protects refuse older tokens"
        )
        if error is None:
            raise LockLost(told)
        events.log.warning("%s", told)  # the error of the block is what the caller has to see

    def drop(self) -> None:
        """The task of the block is destroyed, and nothing can be awaited any more: the background gives it back."""
        owned, self._owned = self._owned, None
        if owned is not None and self._flights is not None:
            owned.held.stop()
            leave(self._flights, self.place, owned.token)
