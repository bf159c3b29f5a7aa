"""Mends a cluster that a test has left with other roles, slots or settings than it began with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis

from .views import ranges
from .waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from .members import Members
    from .nodes import Node

    Failover = Callable[[Node], Node]
    Reshard = Callable[[set[int], Node, Node], int]

__all__ = ["mend"]

AGREEING = 1.0  # seconds until it is quicker to begin again than to wait on
FEW = 200  # slots that are moved one by one; with more of them it is quicker to begin again


def mend(members: Members, failover: Failover, reshard: Reshard, seconds: float) -> bool:
    """Give back settings, roles and slots, and empty all; False: that would take longer than to begin again."""
    began = members.began
    if members.nodes != list(began) or not all(node.answers for node in members.nodes):
        return False
    try:
        for node, seen in members.selves().items():
            node.unchanged()
            for slot in seen.moving if seen.is_primary else ():
                node.ask("CLUSTER", "SETSLOT", slot, "STABLE")
        members.agree(seconds)
        for node, me in began.items():
            if me.slots and not members.selves()[node].is_primary:
                failover(node)
        members.flush()
        if not _mend_slots(members, reshard):
            return False
        members.ready(seconds)
        wait_until(lambda: _has_first_roles(members), AGREEING, "roles as they were")
    except (AssertionError, LookupError, redis.RedisError):
        return False
    return True


def _has_first_roles(members: Members) -> bool:
    selves = members.selves()
    return all(selves[node].primary == me.primary for node, me in members.began.items())


def _mend_slots(members: Members, reshard: Reshard) -> bool:
    now, began = members.selves(), members.began
    if all(now[node].ranges == ranges(me.slots) for node, me in began.items() if me.slots):
        return True
    away: dict[tuple[Node, Node], set[int]] = {}
    owners = members.owners()
    for node, me in began.items():
        for slot in me.slots:
            if owners[slot] is not node:
                away.setdefault((owners[slot], node), set()).add(slot)
    if sum(map(len, away.values())) > FEW:
        return False
    for (source, target), slots in away.items():
        reshard(slots, source, target)
    return True
