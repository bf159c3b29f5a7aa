"""``SlotMap``: which node of a cluster owns which slot, as one node has told it. No I/O, and never changed in place."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, TypeAlias
from zlib import crc32

from ..plans.slots import SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Address", "SlotMap", "changed", "read_info", "read_slots", "read_timeout"]

Address: TypeAlias = "tuple[str, int]"

NOBODY = -1


class SlotMap:
    """The owner of each slot, and the replicas of each owner."""

    __slots__ = ("_owners", "ids", "nodes", "replicas")

    def __init__(
        self,
        owners: array[int],
        nodes: tuple[Address, ...],
        replicas: dict[Address, tuple[Address, ...]],
        ids: Mapping[Address, str] | None = None,
    ) -> None:
        self._owners = owners
        self.nodes = nodes  # the owners of slots
        self.replicas = replicas
        self.ids = ids or {}  # of the owners, as the nodes call each other

    @classmethod
    def empty(cls) -> SlotMap:
        """A map without any owner."""
        return cls(array("h", [NOBODY]) * SLOTS, (), {})

    def owner(self, slot: int) -> Address | None:
        """The node that owns a slot; None: nobody does."""
        at = self._owners[slot]
        return None if at < 0 else self.nodes[at]

    def moved(self, slot: int, owner: Address) -> SlotMap:
        """This map with another owner of one slot."""
        nodes = self.nodes if owner in self.nodes else (*self.nodes, owner)
        owners = self._owners[:]
        owners[slot] = nodes.index(owner)
        return SlotMap(owners, nodes, self.replicas, self.ids)

    def with_replicas(self, others: Sequence[SlotMap]) -> SlotMap:
        """This map without nodes that own nothing, and with what other maps know of its owners."""
        nodes = tuple(each for each in self.nodes if self.first(each) is not None)
        numbers = {self.nodes.index(each): n for n, each in enumerate(nodes)}
        owners = array("h", [numbers.get(each, NOBODY) for each in self._owners])
        known = (self, *others)
        replicas = {each: next((m.replicas[each] for m in known if each in m.replicas), ()) for each in nodes}
        ids = {each: next((m.ids[each] for m in known if each in m.ids), "") for each in nodes}
        return SlotMap(owners, nodes, replicas, ids)

    def numbers(self) -> Sequence[int]:
        """The owner of each slot, as a number in ``nodes``; a negative one where nobody owns it."""
        return self._owners

    def slots(self, owner: Address) -> list[int]:
        """The slots that a node owns."""
        if owner not in self.nodes:
            return []
        at = self.nodes.index(owner)
        return [slot for slot, each in enumerate(self._owners) if each == at]

    def first(self, owner: Address) -> int | None:
        """One slot that a node owns; None: it owns none."""
        try:
            return self._owners.index(self.nodes.index(owner))
        except ValueError:
            return None

    @property
    def sum(self) -> int:
        """A number that changes with the owners."""
        return crc32(repr(self.nodes).encode(), crc32(self._owners.tobytes())) | 1

    @property
    def covered(self) -> bool:
        """Whether each slot has an owner."""
        return NOBODY not in self._owners

    @property
    def known(self) -> tuple[Address, ...]:
        """All nodes, owners first."""
        more = [each for owner in self.nodes for each in self.replicas.get(owner, ())]
        return tuple(dict.fromkeys((*self.nodes, *more)))


def read_slots(reply: Any, asked: Address) -> SlotMap:
    """The map in a reply of CLUSTER SLOTS that the node ``asked`` gave; ValueError for what is no such reply.

    A node without a name or address ("" or null) is at the host that was asked; of one that is "?" the address among
    the metadata counts, where there is one.
    """
    owners = array("h", [NOBODY]) * SLOTS
    numbers: dict[Address, int] = {}
    replicas: dict[Address, dict[Address, None]] = {}
    ids: dict[Address, str] = {}
    try:
        for first, last, *members in reply:
            places = [_place(each, asked[0]) for each in members]
            owner = places[0] if places else None
            if owner is None or not 0 <= first <= last < SLOTS:
                continue
            at = numbers.setdefault(owner, len(numbers))
            if len(members[0]) > 2:
                ids[owner] = _text(members[0][2])
            owners[first : last + 1] = array("h", [at]) * (last + 1 - first)
            replicas.setdefault(owner, {}).update(dict.fromkeys(each for each in places[1:] if each is not None))
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise ValueError("this is no reply of CLUSTER SLOTS") from error
    return SlotMap(owners, tuple(numbers), {owner: tuple(found) for owner, found in replicas.items()}, ids)


def _place(member: Sequence[Any], asked: str) -> Address | None:
    """The address of a node; None: it has none that can be used."""
    host, port = _text(member[0]), int(member[1])
    if host == "?":
        told = {_text(name): _text(value) for name, value in _pairs(member[3])} if len(member) > 3 else {}
        host = told.get("ip") or told.get("hostname") or ""
        if not host or host == "?":
            return None
    return host or asked, port


def _pairs(metadata: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(metadata, dict):
        return metadata.items()
    return zip(metadata[::2], metadata[1::2], strict=False)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else "" if value is None else str(value)


def changed(old: SlotMap, new: SlotMap) -> frozenset[int]:
    """The slots that have another owner in the new map."""
    if old.nodes == new.nodes and old._owners == new._owners:
        return frozenset()
    return frozenset(slot for slot in range(SLOTS) if old.owner(slot) != new.owner(slot))


def read_timeout(reply: Any) -> float:
    """cluster-node-timeout in seconds, in a reply of CONFIG GET; 0.0: it is not told."""
    found = list(reply.values()) if isinstance(reply, dict) else reply[1:2] if isinstance(reply, list) else []
    text = _text(found[0]) if found else ""
    return int(text) / 1000 if text.isdigit() else 0.0


def read_info(reply: Any) -> tuple[bool, int]:
    """Whether the cluster serves, and its epoch, in a reply of CLUSTER INFO."""
    found = dict(line.partition(":")[::2] for line in _text(reply).splitlines())
    epoch = found.get("cluster_current_epoch", "0")
    return found.get("cluster_state") == "ok", int(epoch) if epoch.isdigit() else 0
