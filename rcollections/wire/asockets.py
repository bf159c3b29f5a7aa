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
    """The connection that was used last in this task; ``memory://`` has none."""

    __slots__ = ("link",)

    def __init__(self) -> None:
        self.link: Any = None

    @property
    def server(self) -> bytes | None:
        """Which server that is; None: not known yet."""
        return MEMORY if self.link is None else self.link.server

    def identify(self, info: Any) -> None:
        """This is its INFO."""
        if self.link is not None:
            self.link.server = run_id(info)


_used: ContextVar[Used | None] = ContextVar("rcollections_used", default=None)


def noting() -> Used:
    """From now on, in this task, note who is asked."""
    used = Used()
    _used.set(used)
    return used


def told(base: Any, connection: Connection) -> Any:
    """``base``, a connection class of redis-py, for what may be held in the process."""

    class Told(base):  # type: ignore[misc]
        server: bytes | None = None

        async def connect(self, *args: Any, **kwargs: Any) -> None:
            known = self.is_connected
            await super().connect(*args, **kwargs)
            if known:
                return
            self.server = None
            if connection.has_tiering:
                await self.send_command("INFO", "server", check_health=False)
                try:
                    self.server = run_id(await self.read_response(disable_decoding=True))
                except theirs.ResponseError:  # not allowed: nothing that it reads is held
                    self.server = run_id(None)

        async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            used = _used.get()
            if used is not None:
                used.link = self
            await super().send_packed_command(*args, **kwargs)

    return Told
