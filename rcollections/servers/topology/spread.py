"""One MGET of keys in several slots: which node gets which bytes, and which of its words each reply is.

It holds no policy, as ``reading`` holds none. The keys of each slot stay one command, so that they are read at the
same instant. A lone key is a GET: the same as MGET of it, but an error where the key holds no text, and then the plan
of the trip sends MGET.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...plans.slots import slot_of
from ...wire.packing import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...plans.effects import Arg
    from ...wire.slotmap import SlotMap
    from .node import ClusterNode

__all__ = ["Spread", "Stamps", "spread"]

_GET = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n"


class Spread(NamedTuple):
    """The lots of some keys, node by node."""

    asks: list[tuple[ClusterNode, bytes, int]]  # who gets which bytes, and how many replies come
    places: list[list[int]]  # of each reply, or of each item of a reply that is a list
    size: int
    lists: bool  # whether there are such replies

    def words(self, found: Sequence[list[Any]]) -> list[Any]:
        """The reply of the one MGET, made of the replies of each node."""
        words: list[Any] = [None] * self.size
        for places, replies in zip(self.places, found, strict=True):
            if self.lists:
                replies = [each for reply in replies for each in (reply if type(reply) is list else (reply,))]
            for at, word in zip(places, replies, strict=True):
                words[at] = word
        return words


def spread(keys: Sequence[Arg], node_of: Callable[[int], ClusterNode | None]) -> Spread | None:
    """The lots of these keys; None if a node is not there."""
    slots: dict[int, list[int]] = {}
    for n, key in enumerate(keys):
        slot = slot_of(key)
        if slot in slots:
            slots[slot].append(n)
        else:
            slots[slot] = [n]
    lots: dict[ClusterNode, tuple[list[bytes], list[int]]] = {}
    for slot, mine in slots.items():
        node = node_of(slot)
        if node is None:
            return None
        lot = lots.get(node)
        if lot is None:
            lot = lots[node] = [], []
        if len(mine) > 1:
            lot[0].append(pack(("MGET", *[keys[n] for n in mine])))
        else:
            key = keys[mine[0]]
            word = key.encode() if type(key) is str else key
            lot[0].append(_GET % (len(word), word) if type(word) is bytes else pack(("GET", word)))
        lot[1].extend(mine)
    asks = [(node, b"".join(data), len(data)) for node, (data, _) in lots.items()]
    return Spread(asks, [places for _, places in lots.values()], len(keys), len(slots) < len(keys))


class Stamps:
    """The lots of the tags of an entry by one map, made once for all entries that have these tags."""

    __slots__ = ("_tags", "_whole", "map")

    def __init__(self, found: SlotMap, tags: Spread) -> None:
        self.map = found
        self._tags = tags
        self._whole: dict[ClusterNode, Spread] = {}  # with the entry, whose bytes are left out, by its node

    def and_entry(self, key: str, node: ClusterNode) -> Spread:
        """The lots of an entry at this node, and of its tags. The entry is the first word."""
        found = self._whole.get(node)
        if found is None:
            found = self._whole[node] = self._made(node)
        (_, behind, count), *others = found.asks
        word = key.encode()
        return Spread([(node, _GET % (len(word), word) + behind, count), *others], *found[1:])

    def _made(self, node: ClusterNode) -> Spread:
        near, first, asks, places = b"", [0], [], []
        count = 1
        for each, part in zip(self._tags.asks, self._tags.places, strict=True):
            own = [n + 1 for n in part]
            if each[0] is node:
                near, count = each[1], 1 + each[2]
                first += own
            else:
                asks.append(each)
                places.append(own)
        return Spread([(node, near, count), *asks], [first, *places], 1 + self._tags.size, self._tags.lists)
