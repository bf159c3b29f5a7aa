"""Invalidating tags, in O(1) however many values carry them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CacheConnectionError, CacheTimeout
from .draws import draw
from .effects import Plan, Script, Sleep

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DAY_MS", "bump", "tag_ms"]

DAY_MS = 86_400_000  # how long a tag lives at least
TRIES = 3


def tag_ms(ms: int) -> int:
    """T3: how many ms a tag lives at least, for entries of this ttl; 0 is for ever."""
    return 0 if ms == 0 else max(DAY_MS, 2 * ms)


def bump(tags: Sequence[str]) -> Plan[None]:
    """T4: new stamps for these tags, all in one step.

    Every message draws its own stamps: a copy that arrives late must not bring back a stamp that entries carry.
    """
    for tries in range(1, TRIES + 1):
        try:
            yield Script("tag_bump", tuple(tags), (DAY_MS, *(draw() for _ in tags)))
            return
        except (CacheConnectionError, CacheTimeout):
            if tries == TRIES:
                raise
            yield Sleep(0.01 * tries)
