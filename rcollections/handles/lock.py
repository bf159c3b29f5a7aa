"""``with K("job", 7).lock() as held:`` keeps others out while the block runs; ``async with`` does so in asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CacheError, LockLost
from ..observe import events
from ..plans.locks import Place, give_back, leave, take
from ..plans.naming import channel, fence, lock
from ..plans.target import milliseconds
from ..servers.drivers.sync import drive

if TYPE_CHECKING:
    from datetime import timedelta
    from types import TracebackType
    from typing import Self

    from ..plans.effects import Plan
    from ..plans.flights import Flights
    from ..plans.locks import Owned
    from ..servers.connection import Connection

__all__ = ["Lock"]


class Lock:
    """One owner at a time, over all threads, tasks and processes. ``KeyCache.lock()`` makes it.

    ``token`` and ``lost`` tell of the block that runs, or of the last one.
    """

    def __init__(
        self, name: str, key: str, connection: Connection, lease: float | timedelta, wait: float | timedelta | None
    ) -> None:
        self._ms = _ms("lease", lease)
        self._wait = None if wait is None else _ms("wait", wait, zero=True) / 1000
        self._name = name
        self._connection = connection
        space = connection.namespace
        own = lock(space, key)
        self._place = Place(key, own, fence(space, key), channel("", own), self._ms)
        self._flights: Flights = connection.flights
        self._owned: Owned | None = None
        self._token = 0
        self._lost = False

    @property
    def token(self) -> int:
        """The number of this owner: each owner gets a larger one than all before (a *fencing token*).

        Hand it to whatever the lock protects, which refuses a number that is smaller than one that it has seen.
        """
        return self._token

    @property
    def lost(self) -> bool:
        """Whether the lock ran out, or was taken away, as far as this process knows; asks nobody."""
        owned = self._owned
        return self._lost if owned is None else bool(owned.held.lost or owned.held.lapsed)

    def __repr__(self) -> str:
        return f"<lock of {self._place.shown!r}: {'free' if self._owned is None else f'held, token {self._token}'}>"

    # -- entering and leaving -----------------------------------------------------------------------

    def _begin(self, flights: Flights) -> Plan[None]:
        if self._connection.disabled:
            raise CacheError(
                f"{self._name}.lock() of {self._place.shown!r}: CACHES_DISABLE=1 leaves no server to lock on, and a "
                "lock never pretends; run this without CACHES_DISABLE, or do without the lock there"
            )
        if self._owned is not None:
            raise CacheError(
                f"the lock of {self._place.shown!r} is held by this very object, and locks are not re-entrant: "
                "call lock() again for a caller that shall wait"
            )
        self._flights = flights
        owned = yield from take(flights, self._place, self._wait)
        self._owned, self._token, self._lost = owned, owned.number, False

    def _end(self, error: BaseException | None) -> Plan[None]:
        owned = self._owned
        if owned is None:
            return
        try:
            self._lost = not (yield from give_back(self._flights, self._place, owned))
        finally:
            self._owned = None
        if not self._lost:
            return
        told = (
            f"the lock of {self._place.shown!r} (token {self._token}) was lost before its block ended: another caller "
            f"may have had it meanwhile. It lasts {self._ms / 1000:g} s without a renewal; give a longer lease=, and "
            "let what it protects refuse older tokens"
        )
        if error is None:
            raise LockLost(told)
        events.log.warning("%s", told)  # the error of the block is what the caller has to see

    def _drop(self) -> None:
        """The task of the block is destroyed: nothing can be awaited any more."""
        owned, self._owned = self._owned, None
        if owned is not None:
            owned.held.stop()
            leave(self._flights, self._place, owned.token)

    def __enter__(self) -> Self:
        def run(_event: Any = None) -> None:
            drive(self._begin(self._connection.flights), self._connection)

        if events.observers:
            events.watched(self._name, "lock", self._place.shown, run)
        else:
            run()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        drive(self._end(error), self._connection)

    async def __aenter__(self) -> Self:
        from ..servers.drivers.aio import adrive  # with the first task: `import rcollections` brings no asyncio
        from ..servers.loops import flights_of

        waiting = adrive(self._begin(flights_of(self._connection)), self._connection)
        await (events.awatched(self._name, "lock", self._place.shown, waiting) if events.observers else waiting)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from ..servers.drivers.aio import adrive

        if isinstance(error, GeneratorExit):
            self._drop()
        else:
            await adrive(self._end(error), self._connection)


def _ms(name: str, given: Any, *, zero: bool = False) -> int:
    allowed = f"{name}= of lock() is a number of seconds" + (", 0 or more, or None" if zero else ", more than 0")
    try:
        ms = milliseconds(given)
    except TypeError:
        raise TypeError(f"{allowed}, or a timedelta, not {type(given).__name__}") from None
    except ValueError:
        raise ValueError(f"{allowed}, not {given!r}") from None
    if not ms and not zero:
        raise ValueError(f"{allowed}, not {given!r}")
    return ms
