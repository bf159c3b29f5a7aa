"""Which prefixes of keys a listener asks for: few, since the server compares every write with each of them (X1)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MOST", "Wish", "Wishes", "fewest", "prefix_free"]

log = logging.getLogger("rcollections")

MOST = 16
SHORTEST = 2  # characters behind the namespace, at least: a prefix that covers much costs much
_FIRST = ("fn:", "rc:t:")  # functions with automatic keys, and tags, are never left out


class Wish(NamedTuple):
    """What is known of a wanted prefix: the length of its namespace with its dot, and whether keys were read."""

    behind: int = 0
    used: bool = True


def prefix_free(prefixes: Iterable[str]) -> tuple[str, ...]:
    """The fewest prefixes that cover all of them, sorted; ("",) covers every key.

    The server refuses two prefixes if one begins with the other.
    """
    kept: list[str] = []
    for each in sorted(set(prefixes)):  # a prefix sorts before the texts that begin with it, and nothing between them
        if not kept or not each.startswith(kept[-1]):
            kept.append(each)
    return tuple(kept)


def fewest(wanted: Mapping[str, Wish]) -> tuple[str, ...]:
    """At most ``MOST`` prefixes that cover as many of the wanted ones as can be.

    Neighbours with the longest common beginning become one first. If that is not enough, those are left out first whose
    keys nobody has read, and of the others the latest.
    """
    kept = list(prefix_free(wanted))
    behind = [wanted[each].behind for each in kept]
    while len(kept) > MOST:
        found = [(_common(kept, behind, n), n) for n in range(len(kept) - 1)]
        common, n = max(found, key=lambda each: len(each[0]))
        if not common:
            break
        # The neighbours behind the two may begin like that too.
        end = next((at for at in range(n + 2, len(kept)) if not kept[at].startswith(common)), len(kept))
        start = next(at for at in range(n + 1) if kept[at].startswith(common))
        behind[start:end] = [max(behind[start:end])]
        kept[start:end] = [common]
    if len(kept) > MOST:
        age = {each: (not wish.used, n) for n, (each, wish) in enumerate(wanted.items())}
        known = dict(zip(kept, behind, strict=True))
        kept.sort(key=lambda each: (each[known[each] :] not in _FIRST, *age.get(each, (False, 0))))
        del kept[MOST:]
    return tuple(sorted(kept))


def _common(kept: list[str], behind: list[int], n: int) -> str:
    """What two neighbours begin with, or "" if that covers too much: leases, guards and what is being built."""
    one, other = kept[n : n + 2]
    common = one[: next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))]
    own = common[max(behind[n : n + 2]) :]
    return "" if len(own) < SHORTEST or own.startswith("rc:") or "rc:".startswith(own) else common


class Wishes:
    """All prefixes that the tiers of one listener want, and the fewest that cover them."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._wanted: dict[str, Wish] = {}
        self._version = object()  # of what is wanted; a number would lose one of two changes at a time
        self._fewest: tuple[object, tuple[str, ...]] = self._version, ()
        self._told = False
        self.left_out = 0  # prefixes of keys that are read, and found no place

    def add(self, prefixes: Iterable[str], wish: Wish) -> None:
        """These are wanted too. From any thread."""
        for each in prefixes:
            known = self._wanted.get(each)
            if known is None or (wish.used and not known.used):
                self._wanted[each] = wish
                self._version = object()

    def clear(self) -> None:
        """Nothing is wanted any more."""
        self._wanted.clear()
        self._version, self.left_out = object(), 0

    def fewest(self) -> tuple[str, ...]:
        """The prefixes to ask the server for."""
        version, found = self._fewest
        if version is not self._version:
            version = self._version
            wanted = self._wanted.copy()
            found = fewest(wanted)
            self._fewest = version, found
            self.left_out = sum(wish.used and not each.startswith(found) for each, wish in wanted.items())
            if self.left_out and not self._told:
                self._told = True
                log.warning(
                    "%s: values of %d classes or functions are not held in this process: their keys have more than "
                    "%d beginnings; give classes prefixes with a common beginning, or l1=False where nothing is gained",
                    self._shown, self.left_out, MOST,
                )  # fmt: skip
        return found
