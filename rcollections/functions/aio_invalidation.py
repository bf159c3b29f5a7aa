"""The part of ``ainvalidate_tags`` that brings asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..servers.drivers.aio import adrive
from ..servers.loops import all_of, flights_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..servers.connection import Connection

__all__ = ["adrive", "all_of", "asettle"]


async def asettle(connection: Connection, keys: Sequence[str]) -> None:
    """Wait until no process can serve what was under these keys before."""
    await adrive(flights_of(connection).settling.settle(keys), connection)
