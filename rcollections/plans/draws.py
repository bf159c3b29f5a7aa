"""Random draws: stamps, tokens and nonces. They have one source, so that an explorer can number them instead."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["draw", "source"]


def _random() -> bytes:
    return secrets.token_bytes(8)


# The interleaving tests replace the source: they need the same draws in every run.
source: list[Callable[[], bytes]] = [_random]


def draw() -> bytes:
    """8 bytes that were never drawn before. Every message that is sent gets draws of its own.

    Otherwise a copy of an older message that arrives late would revive values that were invalidated in between.
    """
    return source[0]()
