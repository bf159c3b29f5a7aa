"""redis-py's asyncio connections, which know what server they lead to, and tell which one was used."""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import redis.exceptions as theirs

from .run_id import MEMORY, run_id

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


def told(base: Any) -> Any:
    """``base``, a connection class of redis-py, for what may be held in the process."""

    class Told(base):  # type: ignore[misc]
        server: bytes | None = None  # None: it was not asked yet
        ready = False  # connected, and logged in

        async def connect(self, *args: Any, **kwargs: Any) -> None:
            await super().connect(*args, **kwargs)
            self.ready = True

        async def disconnect(self, *args: Any, **kwargs: Any) -> None:
            self.ready, self.server = False, None
            await super().disconnect(*args, **kwargs)

        async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
            used = _used.get()
            if used is not None:
                if self.ready and self.server is None:
                    await self.ask()
                used.server = self.server or b"?"
            await super().send_packed_command(*args, **kwargs)

        async def ask(self) -> None:
            self.ready = False  # this is sent by the same way
            await self.send_command("INFO", "server", check_health=False)
            with suppress(theirs.ResponseError):  # it is busy: it will be asked again
                try:
                    self.server = run_id(await self.read_response(disable_decoding=True))
                except theirs.NoPermissionError:
                    self.server = b"?"  # nothing that it reads is held
            self.ready = True

    return Told
