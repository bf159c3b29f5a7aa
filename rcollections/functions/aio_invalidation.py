"""The part of ``ainvalidate_tags`` that brings asyncio."""

from __future__ import annotations

from ..servers.drivers.aio import adrive
from ..servers.loops import all_of

__all__ = ["adrive", "all_of"]
