"""What a store counts, as one immutable reading."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["StoreStats"]


class StoreStats(NamedTuple):
    """Counts since the store was made, and its content now.

    ``evictions`` left because there was no room, ``expirations`` because their time was over; what was
    deleted, cleared or replaced is in neither.
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
