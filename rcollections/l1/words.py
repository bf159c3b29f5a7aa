"""What a listener and its tiers share. In pure Python that is nothing: the ear tells each tier of each change.

``_words.pyx`` has the counters that a compiled ear moves without the GIL; the compiled tiers compare them.
"""

from __future__ import annotations

__all__ = ["Words"]


class Words:
    """Stands where the compiled module has its counters."""

    def __init__(self, entries: int = 10_000) -> None:
        self.entries = entries

    def want(self, staleness: float) -> None:
        """The seconds that values may be old, of the tier that wants the fewest."""

    def enlist(self, ear: object, node: int = 0) -> int:  # noqa: ARG002
        """The number of this ear: all ears are alike here."""
        return 0

    def leave(self, ear: object) -> None:
        """This ear hears no more."""

    def lead(self, ear: object, node: int = 0) -> None:
        """From now on this ear is in charge."""

    def end(self, node: int = 0) -> None:
        """Changes may have been missed: the tiers are told themselves."""
