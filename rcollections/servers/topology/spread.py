"""One MGET of keys in several slots: which node gets which bytes, and which of its words each reply is.

It holds no policy, as ``reading`` holds none. The keys of each slot stay one command, so that they are read at the
same instant. A lone key is a GET: the same as MGET of it, but an error where the key holds no text, and then the plan
of the trip sends MGET.
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ...plans.slots import SLOTS, slot_of
from ...wire.packing import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...plans.effects import Arg
    from ...wire.slotmap import Address, SlotMap
    from .node import ClusterNode

__all__ = ["Lot", "Spread", "Stamps", "laid_out", "lots_of_keys"]

# Who gets which bytes, and how many replies come; and what makes one reply of the replies of each.
Spread: TypeAlias = "tuple[list[tuple[ClusterNode, bytes, int]], Callable[[Sequence[Sequence[Any]]], list[Any]]]"

LAST = SLOTS - 1
_GET = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n"


class Order:
    """The order of some words among the replies of all nodes, in which lists count item by item."""

    __slots__ = ("lists", "order")

    def __init__(self, order: list[int], lists: bool) -> None:
        self.order = order
        self.lists = lists  # whether there are any

    def words(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        """The reply of the one MGET, made of the replies of each node."""
        flat = [reply for replies in found for reply in replies]
        if self.lists:
            flat = [each for reply in flat for each in (reply if type(reply) is list else (reply,))]
        return [flat[n] for n in self.order]


class Lot(NamedTuple):
    """The commands for one node, and which of the keys each of their words is."""

    node: ClusterNode
    commands: list[bytes]
    keys: list[int]


def lots_of_keys(
    keys: Sequence[Arg], found: SlotMap, node_at: Callable[[Address], ClusterNode]
) -> tuple[list[Lot], bool] | None:
    """The lots of these keys by this map, and whether a slot has several of them; None if nobody owns one of them."""
    slots: dict[int, int] = {}  # by slot: its first key
    more: dict[int, list[int]] = {}  # by slot: all its keys, where it has several
    words: list[bytes] = []
    for n, key in enumerate(keys):
        word = key.encode() if type(key) is str else key if type(key) is bytes else str(key).encode()
        slot = slot_of(word) if b"{" in word else crc_hqx(word, 0) & LAST
        words.append(word)
        if slot not in slots:
            slots[slot] = n
        elif slot in more:
            more[slot].append(n)
        else:
            more[slot] = [slots[slot], n]
    numbers = found.numbers()
    lots: dict[int, Lot] = {}  # by number of the owner
    for slot, n in slots.items():
        owner = numbers[slot]
        lot = lots.get(owner)
        if lot is None:
            if owner < 0:
                return None
            lot = lots[owner] = Lot(node_at(found.nodes[owner]), [], [])
        if slot in more:
            mine = more[slot]
            lot.commands.append(pack(("MGET", *[words[each] for each in mine])))
            lot.keys.extend(mine)
        else:
            word = words[n]
            lot.commands.append(_GET % (len(word), word))
            lot.keys.append(n)
    return list(lots.values()), bool(more)


def laid_out(lots: Sequence[Lot], lists: bool) -> Spread:
    """Where all is, and where it comes."""
    places = [n for lot in lots for n in lot.keys]
    order = [0] * len(places)
    for at, n in enumerate(places):
        order[n] = at
    asks = [(node, b"".join(commands), len(commands)) for node, commands, _ in lots]
    return asks, Order(order, lists).words


class Stamps:
    """The lots of the tags of an entry by one map, made once for all entries that have these tags."""

    __slots__ = ("_lists", "_lots", "_whole", "map")

    def __init__(self, found: SlotMap, lots: Sequence[Lot], lists: bool) -> None:
        self.map = found
        self._lots = lots
        self._lists = lists
        self._whole: dict[ClusterNode, Spread] = {}  # by the node of the entry, whose bytes are left out

    def and_entry(self, key: str, node: ClusterNode) -> Spread:
        """The lots of an entry at this node, and of its tags. The entry is the first word."""
        (first, *others), words = self._whole.get(node) or self._made(node)
        word = key.encode()
        return [(node, _GET % (len(word), word) + first[1], first[2]), *others], words

    def _made(self, node: ClusterNode) -> Spread:
        first = Lot(node, [b""], [0])
        lots = [first]
        for lot in self._lots:
            own = [n + 1 for n in lot.keys]
            if lot.node is node:
                first.commands.extend(lot.commands)
                first.keys.extend(own)
            else:
                lots.append(Lot(lot.node, lot.commands, own))
        made = self._whole[node] = laid_out(lots, self._lists)
        return made
