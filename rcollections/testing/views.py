"""What a node of a cluster says of all of them: the answer to ``CLUSTER NODES``, read."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Seen", "read_nodes"]


class Seen(NamedTuple):
    """One node as another one, or the node itself, sees it."""

    id: str
    flags: frozenset[str]
    primary: str  # the id of its primary; empty for a primary
    epoch: int
    slots: frozenset[int]
    moving: frozenset[int]  # slots that migrate or are imported; only of the node itself

    @property
    def is_primary(self) -> bool:
        """Whether the node counts as a primary."""
        return "master" in self.flags

    @property
    def is_well(self) -> bool:
        """Whether nobody takes the node for failed, and it has been heard of."""
        return not self.flags & {"fail", "fail?", "handshake", "noaddr"}


def read_nodes(answer: bytes) -> dict[str, Seen]:
    """All nodes by id."""
    found = {}
    for line in answer.decode().splitlines():
        each, _, flags, primary, _, _, epoch, _, *parts = line.split()
        slots: set[int] = set()
        moving: set[int] = set()
        for part in parts:
            if part.startswith("["):
                moving.add(int(part[1:].partition("-")[0]))
                continue
            first, _, last = part.partition("-")
            slots |= set(range(int(first), int(last or first) + 1))
        found[each] = Seen(
            each,
            frozenset(flags.split(",")),
            "" if primary == "-" else primary,
            int(epoch),
            frozenset(slots),
            frozenset(moving),
        )
    return found
