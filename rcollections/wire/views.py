"""Views of a cluster by several of its nodes, and the one map that is made of them. No I/O.

Nodes may disagree: one that was cut off, or that was restarted, tells an old map for a while, and says that all is
well. What decides is what decides among the nodes themselves: of two nodes that claim a slot, the one with the higher
config epoch owns it. Every failover and every move of a slot gives the new owner a higher one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from .slotmap import changed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .slotmap import Address, SlotMap

__all__ = ["View", "agree", "decided", "read_nodes"]


class View(NamedTuple):
    """What one node has told: the map, whether the cluster serves, and the current epoch of the whole of it.

    ``epochs``: the config epoch of each node, by its id; {} where nobody has asked, or the user may not know.
    """

    map: SlotMap
    serves: bool
    epoch: int
    place: Address = ("", 0)
    epochs: Mapping[str, int] = {}  # nobody changes it


def agree(views: Sequence[View]) -> bool:
    """Whether all tell the same owners."""
    return all(not changed(views[0].map, each.map) for each in views[1:])


def decided(views: Sequence[View]) -> SlotMap:
    """The map by these views: those that serve count, if any does. Each slot goes to the claim of the highest config
    epoch; where that is not known, to what most of the views say, and of as many to the highest current epoch.
    """
    counted = [each for each in views if each.serves] or list(views)
    counted.sort(key=lambda view: (view.map.covered, view.epoch), reverse=True)
    found = counted[0].map
    doubtful = {slot for each in counted[1:] for slot in changed(found, each.map)}
    for slot in doubtful:
        owner = _owner(slot, counted)
        if owner is not None and owner != found.owner(slot):
            found = found.moved(slot, owner)
    return found.with_replicas([each.map for each in counted[1:]]) if doubtful else found


def _owner(slot: int, views: Sequence[View]) -> Address | None:
    claims = [(owner, each) for each in views if (owner := each.map.owner(slot)) is not None]
    if not claims:
        return None
    votes = Counter(owner for owner, _ in claims)
    best = max(claims, key=lambda claim: (_epoch(*claim), votes[claim[0]]))  # the first of equal ones
    return best[0]


def _epoch(owner: Address, view: View) -> int:
    return view.epochs.get(view.map.ids.get(owner, ""), -1)


def read_nodes(reply: Any) -> dict[str, int]:
    """The config epochs in a reply of CLUSTER NODES, by node id; lines that are none are passed over."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 8 and words[6].isdigit():
            found[words[0]] = int(words[6])
    return found
