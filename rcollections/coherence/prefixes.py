"""Which prefixes of keys a listener asks for: the server refuses two prefixes if one begins with the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["prefix_free"]


def prefix_free(prefixes: Iterable[str]) -> tuple[str, ...]:
    """The fewest prefixes that cover all of them, sorted; ("",) covers every key."""
    kept: list[str] = []
    for each in sorted(set(prefixes)):  # a prefix sorts before the texts that begin with it, and nothing between them
        if not kept or not each.startswith(kept[-1]):
            kept.append(each)
    return tuple(kept)
