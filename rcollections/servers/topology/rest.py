"""``Rest``: for how long nobody asks a server that did not answer."""

from __future__ import annotations

from time import monotonic

__all__ = ["Rest"]

FIRST, LAST = 0.5, 10.0  # seconds


class Rest:
    """Half a second after the first failure, and twice as long each time, up to ten seconds."""

    __slots__ = ("_pause", "_until")

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = 0.0

    @property
    def lasts(self) -> bool:
        """Whether it is too early to ask again."""
        return bool(self._pause) and monotonic() < self._until

    def begin(self) -> None:
        """It did not answer. Several callers that find out at the same time count once."""
        if self.lasts:
            return
        self._pause = min(LAST, 2 * self._pause) or FIRST
        self._until = monotonic() + self._pause

    def end(self) -> None:
        """It answers, or another one is there."""
        self._pause = 0.0
