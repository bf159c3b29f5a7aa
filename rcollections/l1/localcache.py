"""``LocalCache``: a bounded cache in this process, for values that need not be shared."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

from .chosen import Store

__all__ = ["LocalCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LocalCache(Store[K, V]):
    """Up to ``capacity`` values in this process, and up to ``bytes`` if given; the values worth keeping stay.

    Keys are compared like the keys of a dict (``1`` and ``1.0`` are one key); values are kept as they are, not
    copied. ``ttl`` in seconds, 0 for ever. Threads may share a cache; a child process has a copy of its own. A
    lookup counts as a use when room is needed, unless ``touch_on_read=False``. The cache calls
    ``eviction_callback(key, value, reason)`` for each entry that leaves by itself: reason "evicted" or "expired".

    >>> from rcollections import LocalCache
    >>> names = LocalCache[int, str](1000, ttl=60)
    >>> names.put(7, "ann")
    >>> names.get(7)
    'ann'
    >>> names.get(8, "nobody")
    'nobody'
    """

    __slots__ = ()
