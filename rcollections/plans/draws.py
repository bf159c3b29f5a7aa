"""Random draws: stamps, tokens and nonces. One place, so that explorers can number them instead."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["draw", "source"]


def _random() -> bytes:
    return secrets.token_bytes(8)


# Replaced by the interleaving tests, which need the same draws in every run.
source: list[Callable[[], bytes]] = [_random]


def draw() -> bytes:
    """8 bytes that nobody drew before. Every message that is sent gets its own: never send one twice.

    (A copy that arrives late would otherwise revive what was invalidated in between.)
    """
    return source[0]()
