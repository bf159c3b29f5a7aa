"""Warns of large values: each one keeps its connection, and the server, busy for as long as it travels."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .words import key_of, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..plans.effects import Step

__all__ = ["LARGE", "LargeReplies", "tell_read", "tell_stored"]

log = logging.getLogger("rcollections")

LARGE = 8 << 20  # bytes of one value
MOST = 100  # keys that are told of in one process

_told: set[str] = set()


class LargeReplies(list[object]):
    """Replies of more bytes than ``LARGE``, which may hold a large value. So links mark them at no cost for others."""


def tell_stored(steps: Sequence[Step]) -> None:
    """Warn of large values among the words that are sent, once for each key."""
    for step in steps:
        _tell(
            step, "stored", max((len(word) for word in words(step, False) if isinstance(word, (bytes, str))), default=0)
        )


def tell_read(steps: Sequence[Step], replies: Sequence[object]) -> None:
    """Warn of large values in these replies, once for each key."""
    for step, reply in zip(steps, replies, strict=False):
        _tell(step, "read", _longest(reply))


def _longest(reply: object) -> int:
    if isinstance(reply, list):
        return max(map(_longest, reply), default=0)
    return len(reply) if isinstance(reply, bytes) else 0


def _tell(step: Step, done: str, size: int) -> None:
    key = key_of(step)
    if size < LARGE or key in _told or len(_told) >= MOST:
        return
    _told.add(key)
    log.warning(
        "a value of %.1f MB was %s under %r: while it travels its connection and the server serve nobody else, and it "
        "may miss the timeout; keep less under one key, or compress it (compress_above=)",
        size / (1 << 20),
        done,
        key,
    )
