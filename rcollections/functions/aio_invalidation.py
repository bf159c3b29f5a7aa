"""Invalidating tags on one connection, awaited: the part of ``ainvalidate_tags`` that brings asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plans.tags import bump
from ..servers.drivers.aio import adrive
from ..servers.loops import flights_of

if TYPE_CHECKING:
    from ..servers.connection import Connection

__all__ = ["abump", "asettle"]


async def abump(keys: list[str], connection: Connection) -> None:
    """Give these tags new stamps."""
    await adrive(bump(keys), connection)


async def asettle(connection: Connection) -> None:
    """Wait until no process can serve what was replaced before."""
    await adrive(flights_of(connection).settling.settle(), connection)
