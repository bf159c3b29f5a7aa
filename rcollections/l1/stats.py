"""The counts of a store, as one immutable reading."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["StoreStats"]


class StoreStats(NamedTuple):
    """Counts since the store was made, and its content now.

    ``evictions`` are entries that left because there was no room, ``expirations`` entries whose time was over.
    Deleted, cleared and replaced entries are in neither.
    """

    hits: int
    misses: int
    evictions: int
    expirations: int
    entries: int
    bytes: int

    @property
    def hit_ratio(self) -> float:
        """Hits per lookup, 0.0 before the first."""
        return self.hits / (self.hits + self.misses) if self.hits else 0.0
