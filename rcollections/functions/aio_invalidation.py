"""Invalidating tags on one connection, awaited: the part of ``ainvalidate_tags`` that brings asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plans.tags import bump
from ..servers.drivers.aio import adrive

if TYPE_CHECKING:
    from ..servers.connection import Connection

__all__ = ["abump"]


async def abump(keys: list[str], connection: Connection) -> None:
    """Give these tags new stamps."""
    await adrive(bump(keys), connection)
