"""Which prefixes of keys a listener asks for: the server takes no two of which one begins with the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["prefix_free"]


def prefix_free(prefixes: Iterable[str]) -> tuple[str, ...]:
    """The shortest of these that cover all of them, sorted; ("",) covers everything."""
    kept: list[str] = []
    for each in sorted(set(prefixes)):  # a prefix sorts right before what begins with it
        if not kept or not each.startswith(kept[-1]):
            kept.append(each)
    return tuple(kept)
