"""``with K("job", 7).lock() as held:`` keeps others out while the block runs; ``async with`` does so in asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CacheError
from ..observe import events
from ..plans.lockblocks import LockBlock
from ..plans.target import milliseconds
from .drivers.sync import drive

if TYPE_CHECKING:
    from datetime import timedelta
    from types import TracebackType
    from typing import Self

    from .connection import Connection

__all__ = ["Lock"]


class Lock:
    """One owner at a time, over all threads, tasks and processes. ``KeyCache.lock()`` makes it.

    It serves one block at a time. ``token`` and ``lost`` tell of the block that runs, or of the last one.
    """

    def __init__(
        self, name: str, key: str, connection: Connection, lease: float | timedelta, wait: float | timedelta | None
    ) -> None:
        patience = None if wait is None else _ms("wait", wait, zero=True) / 1000
        self._name = name
        self._connection = connection
        self._block = LockBlock(connection.namespace, key, _ms("lease", lease), patience)

    @property
    def token(self) -> int:
        """The number of this owner: each owner gets a larger one than all before (a *fencing token*).

        Hand it to whatever the lock protects, which refuses a number that is smaller than one that it has seen.
        """
        return self._block.token

    @property
    def lost(self) -> bool:
        """Whether the lock ran out, or was taken away, as far as this process knows; asks nobody."""
        return self._block.lost

    def __repr__(self) -> str:
        state = f"held, token {self.token}" if self._block.held else "not held"
        return f"<lock of {self._block.place.shown!r}: {state}>"

    def _possible(self) -> None:
        if self._connection.disabled:
            raise CacheError(
                f"{self._name}.lock() of {self._block.place.shown!r}: CACHES_DISABLE=1 leaves no server to lock on, "
                "and a lock never pretends; run this without CACHES_DISABLE, or do without the lock there"
            )

    def __enter__(self) -> Self:
        self._possible()
        if events.observers:
            events.watched(self._name, "lock", self._block.place.shown, lambda _: self._enter())
        else:
            self._enter()
        return self

    def _enter(self) -> None:
        drive(self._block.begin(self._connection.flights), self._connection)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        drive(self._block.end(error), self._connection)

    async def __aenter__(self) -> Self:
        from .drivers.aio import adrive  # with the first task: `import rcollections` brings no asyncio
        from .loops import flights_of

        self._possible()
        waiting = adrive(self._block.begin(flights_of(self._connection)), self._connection)
        await (events.awatched(self._name, "lock", self._block.place.shown, waiting) if events.observers else waiting)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from .drivers.aio import adrive

        if isinstance(error, GeneratorExit):
            self._block.drop()
        else:
            await adrive(self._block.end(error), self._connection)


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
