"""Reads of several nodes at once, without a plan: what nearly every hit with tags and every ``get_many`` is.

It holds no policy. Where anything is unusual (an error, a node that is away, a slot that moves), nothing is said and
the plan of the trip begins, which sends these reads again.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ...plans.commands import COMMANDS, EACH
from ...plans.effects import Command
from ...plans.slots import by_slot, keys_of, slot_of
from ...plans.steps import reads, repeatable
from ...wire.packing import pack
from ...wire.words import words
from ..drivers.quick import read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...plans.effects import Step
    from ...wire.requests import Tried
    from .node import ClusterNode

__all__ = ["Lots", "fill", "lots_of", "outcome", "read_at_once"]

APART = frozenset(name for name, facts in COMMANDS.items() if facts.apart == EACH)


class Lots:
    """Which node gets which bytes, and where its replies go."""

    __slots__ = ("_places", "data", "nodes", "steps", "writes")

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.writes = False
        self.nodes: list[ClusterNode] = []
        self.data: list[list[bytes]] = []
        self._places: list[list[tuple[int, Sequence[int] | None, int]]] = []

    def add(self, node: ClusterNode, data: bytes, n: int, part: Sequence[int] | None, size: int) -> None:
        """These bytes are step ``n``, or the ``part`` of it with those keys, of ``size`` keys in all."""
        try:
            at = self.nodes.index(node)
        except ValueError:
            at = len(self.nodes)
            self.nodes.append(node)
            self.data.append([])
            self._places.append([])
        self.data[at].append(data)
        self._places[at].append((n, part, size))

    def asks(self) -> list[tuple[ClusterNode, bytes, int]]:
        """Who gets which bytes, and how many replies come."""
        return [(node, b"".join(data), len(data)) for node, data in zip(self.nodes, self.data, strict=True)]

    def replies(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        """The reply of each step."""
        out: list[Any] = [None] * self.steps
        for places, replies in zip(self._places, found, strict=True):
            for (n, part, size), reply in zip(places, replies, strict=True):
                if part is None:
                    out[n] = reply
                    continue
                whole = out[n]
                if whole is None:
                    whole = out[n] = [None] * size
                for at, value in zip(part, reply, strict=True):
                    whole[at] = value
        return out


def lots_of(steps: Sequence[Step], node_of: Callable[[int], ClusterNode | None]) -> Lots | None:
    """The lots of these steps; None if one of them may not be sent twice, or its node is not there."""
    lots = Lots(len(steps))
    return lots if all(fill(lots, n, step, node_of) for n, step in enumerate(steps)) else None


def fill(lots: Lots, n: int, step: Step, node_of: Callable[[int], ClusterNode | None]) -> bool:
    """Add step ``n`` to these lots; False: it may not be sent twice, or its node is not there."""
    if not repeatable(step):
        return False
    lots.writes = lots.writes or not reads(step)
    if isinstance(step, Command) and step.args[0] in APART:
        keys = step.args[1:]
        for slot, part in by_slot(keys).items():
            node = node_of(slot)
            if node is None:
                return False
            lots.add(node, pack((step.args[0], *[keys[at] for at in part])), n, part, len(keys))
        return True
    keys = keys_of(step)
    slot = slot_of(keys[0]) if keys else -1
    node = node_of(slot)
    if slot < 0 or node is None or any(slot_of(key) != slot for key in keys[1:]):
        return False
    if isinstance(step, Command):
        lots.add(node, pack(step.args), n, None, 0)
    elif step.name in node.known:
        lots.add(node, pack(words(step, False)), n, None, 0)
    else:
        return False
    return True


def read_at_once(lots: Lots, until: float) -> list[Any] | None:
    """The reply of each step, by that instant; None: nothing is known, the plan has to begin."""
    found = read_all(lots.asks(), until, monotonic())
    return None if found is None else lots.replies(found)


def outcome(tried: Tried) -> Any:
    """What a quick try has seen; its link goes back, or is closed."""
    if isinstance(tried.outcome, BaseException):
        tried.link.discard()
    else:
        tried.link.release()
    return tried.outcome
