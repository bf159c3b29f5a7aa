"""``Lane``: the use that one trip makes of a link that it shares with others."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from ..clock import instant
from ..failures import Late, Unsent
from ..requests import Tried

if TYPE_CHECKING:
    from asyncio import Future

__all__ = ["Lane"]


class Shared(Protocol):
    """A link, as one trip sees it."""

    server: bytes | None
    opened: float
    ready: bool
    failure: Exception | None

    def ask(self, data: bytes, start: float, end: float, count: int) -> Future[Any] | None: ...
    async def room(self, start: float, end: float) -> None: ...
    def retire(self) -> None: ...


class Lane:
    """What a trip takes for its link. ``waited``: the trip had to wait for it, so the reply has its own time.

    ``left``: the trip has gone away from a reply that the link is waiting for.
    """

    __slots__ = ("_left", "_link", "_server", "_waited")

    def __init__(self, link: Shared, waited: bool = False, left: bool = False) -> None:
        self._link = link
        self._waited = waited
        self._server = link.server
        self._left = left

    @property
    def server(self) -> bytes | None:
        """The run_id of the server; None: this trip has not been told. Another trip may ask at the same time."""
        return self._server

    @server.setter
    def server(self, name: bytes | None) -> None:
        self._server = self._link.server = name

    @property
    def opened(self) -> float:
        """When the connection was opened (monotonic)."""
        return self._link.opened

    async def exchange(self, data: bytes, count: int, until: float, timeout: float) -> list[object]:
        """Send, and read that many replies: the first by ``until``, each further one within ``timeout`` seconds.

        Error replies stand in the list.
        """
        now, end, link = monotonic(), instant(), self._link
        if self._waited:
            self._waited = False
            until = max(until, end or now + timeout)  # a deadline stays what it is
        if until <= now:
            raise Late(silent=False)
        start = now if end else until - timeout
        self._left = True
        if not link.ready:
            await link.room(start, end)
        asked = link.ask(data, start, end, count)
        if asked is None:
            raise Unsent(str(link.failure))
        reply = await asked
        if type(reply) is Tried:
            if isinstance(reply.outcome, BaseException):
                raise reply.outcome
            reply = reply.outcome
        elif count == 1:
            reply = [reply]
        self._left = False
        return reply  # type: ignore[no-any-return]

    def release(self) -> None:
        """The trip has ended."""

    def discard(self) -> None:
        """The trip has ended and does not trust the link; nothing to do for one that went away from its reply."""
        if not self._left:
            self._link.retire()
