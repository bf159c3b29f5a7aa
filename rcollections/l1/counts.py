"""What a tier counts, as one immutable reading."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["TierCounts"]


class TierCounts(NamedTuple):
    """Counts since the tier was made, and its content now.

    ``misses`` are lookups that found nothing that could be served, for want of a proof too; ``refused`` are
    fills that something made void while they were read; ``invalidations`` are keys of which the server said
    that they changed.
    """

    hits: int
    misses: int
    fills: int
    refused: int
    invalidations: int
    evictions: int
    entries: int
    bytes: int
