"""Random draws: stamps, tokens and nonces. They have one source, so that an explorer can number them instead."""

from __future__ import annotations

import os
import platform
import random
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["draw", "new_token", "source", "spread"]

LONGEST_HOST = 64  # characters

# Spreads what would come at the same moment. Not the generator of the ``random`` module, which belongs to the program:
# one that seeds it wants the same numbers in every run, whatever our threads do. A fork copies no state of it.
spread = random.SystemRandom()


def _random() -> bytes:
    return secrets.token_bytes(8)


# The interleaving tests replace the source: they need the same draws in every run.
source: list[Callable[[], bytes]] = [_random]


def draw() -> bytes:
    """8 bytes that were never drawn before. Every message that is sent gets draws of its own.

    Otherwise a copy of an older message that arrives late would revive values that were invalidated in between.
    """
    return source[0]()


@lru_cache(1)
def _host() -> str:
    return platform.node()[:LONGEST_HOST].replace(":", "_")


def new_token() -> bytes:
    """The proof of a lease or a lock: ``host:pid:draw``, so that who looks at the server knows whose it is.

    Scripts compare whole tokens. Host and process are for people.
    """
    return f"{_host()}:{os.getpid()}:{draw().hex()}".encode("utf-8", "backslashreplace")
