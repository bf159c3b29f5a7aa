"""redis-py's asyncio connections, which know what server they lead to, and tell which one was used."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import redis.exceptions as theirs

from .tiering import MEMORY, run_id

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["Used", "noting", "told"]


class Used:
    """Which server was asked last in this task; of ``memory://``, which has no connections, that one."""

    __slots__ = ("server",)

    def __init__(self) -> None:
        self.server = MEMORY


_used: ContextVar[Used | None] = ContextVar("rcollections_used", default=None)


def noting() -> Used:
    """From now on, in this task, note who is asked."""
    used = Used()
    _used.set(used)
    return used


def told(base: Any, connection: Connection) -> Any:
    """``base``, a connection class of redis-py, for what may be held in the process."""

    class Told(base):  # type: ignore[misc]
        server = b"?"

        async def connect(self, *args: Any, **kwargs: Any) -> None:
            known = self.is_connected
            await super().connect(*args, **kwargs)
            # Also where nothing is held yet: a connection that does not know its server never lets anything be held.
            if known or not (connection.dsn.l1 or connection.has_tiering):
                return
            await self.send_command("INFO", "server", check_health=False)
            try:
                self.server = run_id(await self.read_response(disable_decoding=True))
            except theirs.ResponseError:  # not allowed: nothing that it reads is held
                self.server = b"?"

        async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            used = _used.get()
            if used is not None:
                used.server = self.server
            await super().send_packed_command(*args, **kwargs)

    return Told
