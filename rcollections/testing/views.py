"""What a node of a cluster says of all of them: the answer to ``CLUSTER NODES``, read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Ranges", "Seen", "ranges", "read_nodes"]

Ranges = tuple[tuple[int, int], ...]  # the first and the last slot of each range, both in it


class Seen(NamedTuple):
    """One node as another one, or the node itself, sees it."""

    id: str
    flags: frozenset[str]
    primary: str  # the id of its primary; empty for a primary
    epoch: int
    ranges: Ranges
    moving: tuple[int, ...]  # slots that migrate or are imported; only of the node itself

    @property
    def is_primary(self) -> bool:
        """Whether the node counts as a primary."""
        return "master" in self.flags

    @property
    def is_well(self) -> bool:
        """Whether nobody takes the node for failed, and it has been heard of."""
        return not self.flags & {"fail", "fail?", "handshake", "noaddr"}

    @property
    def slots(self) -> set[int]:
        """All slots of the node."""
        return {slot for first, last in self.ranges for slot in range(first, last + 1)}


def read_nodes(answer: bytes) -> dict[str, Seen]:
    """All nodes by id."""
    found = {}
    for line in answer.decode().splitlines():
        each, _, flags, primary, _, _, epoch, _, *parts = line.split()
        owned = [part.partition("-") for part in parts if not part.startswith("[")]
        found[each] = Seen(
            each,
            frozenset(flags.split(",")),
            "" if primary == "-" else primary,
            int(epoch),
            tuple((int(first), int(last or first)) for first, _, last in owned),
            tuple(int(part[1:].partition("-")[0]) for part in parts if part.startswith("[")),
        )
    return found


def ranges(slots: Iterable[int]) -> Ranges:
    """These slots as ranges."""
    found: list[tuple[int, int]] = []
    for slot in sorted(slots):
        if found and found[-1][1] == slot - 1:
            found[-1] = found[-1][0], slot
        else:
            found.append((slot, slot))
    return tuple(found)
