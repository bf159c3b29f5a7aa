"""``nodes.conf`` by hand: servers that start with it are a cluster at once, without meeting one another first."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple

from ..plans.slots import SLOTS

if TYPE_CHECKING:
    from .places import Place

__all__ = ["Member", "layout", "lone_file", "node_file"]


class Member(NamedTuple):
    """What ``nodes.conf`` says of one node. A primary has its slots, from the first to the last."""

    id: str
    place: Place
    primary: str  # the id of the primary; empty for a primary
    epoch: int
    slots: range


def layout(places: list[Place], primaries: int) -> list[Member]:
    """Members for these places: first the primaries, then their replicas in turn."""
    ids = [secrets.token_hex(20) for _ in places]
    bounds = [number * SLOTS // primaries for number in range(primaries + 1)]
    members = []
    for number, (each, place) in enumerate(zip(ids, places, strict=True)):
        of = number % primaries
        primary = "" if number < primaries else ids[of]
        slots = range(0) if primary else range(bounds[of], bounds[of + 1])
        members.append(Member(each, place, primary, of + 1, slots))
    return members


def node_file(me: Member, members: list[Member]) -> str:
    """The text of ``nodes.conf`` for one of these members."""
    lines = [_line(each, me) for each in members]
    epoch = max(each.epoch for each in members)
    return "\n".join([*lines, f"vars currentEpoch {epoch} lastVoteEpoch 0\n"])


def lone_file(place: Place) -> tuple[str, str]:
    """The id and the ``nodes.conf`` of a node that knows no other yet."""
    me = Member(secrets.token_hex(20), place, "", 0, range(0))
    return me.id, node_file(me, [me])


def _line(each: Member, me: Member) -> str:
    place = each.place
    flags = ("myself," if each is me else "") + ("slave" if each.primary else "master")
    slots = f" {each.slots[0]}-{each.slots[-1]}" if each.slots else ""
    where = f"{place.host}:{place.port}@{place.bus}"
    return f"{each.id} {where} {flags} {each.primary or '-'} 0 0 {each.epoch} connected{slots}"
