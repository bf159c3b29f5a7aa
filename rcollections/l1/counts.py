"""The counts of a tier, as one immutable reading."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["TierCounts"]


class TierCounts(NamedTuple):
    """Counts since the tier was made, and its content now.

    ``misses`` are lookups that found no value that could be served, also for want of a proof. ``refused`` are
    fills that a change, a loss or a fork made void before they were in. ``invalidations`` are keys of which
    the server said that they changed.
    """

    hits: int
    misses: int
    fills: int
    refused: int
    invalidations: int
    evictions: int
    entries: int
    bytes: int
