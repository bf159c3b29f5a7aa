"""Which slots have another owner because a replica took the place of their primary, and not because they moved. No I/O.

A slot that moves takes its keys along, and what was acknowledged about them. A replica that takes over may not have
heard of the last writes (K13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from .slotmap import Address, SlotMap

__all__ = ["Handover", "handed_over", "taken_over"]


class Handover(NamedTuple):
    """These slots have a new primary. ``heirs``: which node took the place of which."""

    slots: Container[int]
    heirs: Mapping[Address, Address]


def handed_over(old: SlotMap, new: SlotMap, changed: frozenset[int]) -> Handover | None:
    """What was handed over between two maps that nodes have told, in which these slots have other owners."""
    heirs: dict[Address, Address] = {}
    slots: set[int] = set()
    for slot in changed:
        before, now = old.owner(slot), new.owner(slot)
        if before is None or now is None or now in old.nodes:
            continue
        if now in old.replicas.get(before, ()) or before not in new.nodes:
            slots.add(slot)
            heirs[before] = now
    return Handover(frozenset(slots), heirs) if slots else None


def taken_over(told: SlotMap, slot: int, owner: Address) -> Handover | None:
    """The same where a node has just said that another one owns this slot. ``told``: the last map."""
    before = told.owner(slot)
    if before is None or owner in told.nodes:
        return None
    if owner in told.replicas.get(before, ()) or owner not in told.known:
        return Handover(frozenset((slot,)), {before: owner})
    return None
