"""Which prefixes of keys a listener asks for: few, since the server compares every write with each of them (X1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["MOST", "Wish", "fewest", "prefix_free"]

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
        kept[n : n + 2] = [common]
        behind[n : n + 2] = [max(behind[n : n + 2])]
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
