"""``Patience``: how long the leases of one function last in this process (rule L7).

A lease is renewed while its owner computes, so it may be short: if the owner dies, the others wait that long. But no
renewal goes out while a computation holds the GIL, or while the process is stopped. What was seen of that makes the
next leases longer: twice the longest silence, and twice the lease that had run out when STORE came.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Patience", "Silence"]

MOST_MS = 60_000


class Silence(Protocol):
    """What is known of a lease that was held: see ``servers/leases``."""

    @property
    def ms(self) -> int:
        """What it lasted."""

    @property
    def silent_ms(self) -> int:
        """The longest time in which this process did not come to renew it."""

    @property
    def lapsed(self) -> bool:
        """Whether it ran out before its owner stopped."""


class Patience:
    """The ms of the next lease; never less than what the user chose, and never lengthened beyond a minute."""

    __slots__ = ("ms",)

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def saw(self, held: Silence) -> None:
        """A computation has ended."""
        self._at_least(2 * held.silent_ms)

    def refused(self, held: Silence) -> None:
        """Its STORE came too late, or the entry was invalidated meanwhile; only the first says something."""
        if held.lapsed:
            self._at_least(2 * held.ms)

    def _at_least(self, ms: int) -> None:
        self.ms = max(self.ms, min(ms, MOST_MS))
