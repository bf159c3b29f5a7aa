"""``Nodes``: hears for the tiers of one connection that leads to several servers: one listener for each primary.

Values are held by key, whoever owns it: a change is heard at whatever node announces it. What is proven is proven of
each node by itself. So a value counts as long as the nodes do that answered for its key and its tags (F4, Q5), and
while one node is dead the values of all others are served. The map of slots says which nodes have to answer; what was
read in slots that have another owner now goes, and so does what was on its way (F9).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from ..forks import after_fork
from ..plans.draws import spread
from ..plans.naming import settling
from ..plans.slots import slot_of
from ..wire.slotmap import SlotMap, changed
from .attendant import Wait
from .common import Common
from .listener import Listener
from .places import Place
from .prefixes import Wish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..l1 import Tier, Token
    from ..plans.effects import Seen
    from ..wire.dsn.dsn import Dsn
    from ..wire.slotmap import Address
    from .attendant import Job

__all__ = ["MOST", "Nodes", "place_at"]

MOST = 64  # nodes that are listened to
LOOK = 2.0  # seconds between two looks whether the map is still right: not all that leaves with a slot is announced


class View(NamedTuple):
    """A map, and who hears each of its nodes. Replaced whole."""

    map: SlotMap
    listeners: dict[Address, Listener]

    def listener(self, slot: int) -> Listener | None:
        """Who hears the owner of this slot."""
        owner = self.map.owner(slot)
        return None if owner is None else self.listeners.get(owner)


class Nodes:
    """The listeners of a cluster. ``refresh`` has the map learned again, and ``follow`` called if it has changed."""

    def __init__(self, dsn: Dsn, refresh: Callable[[], None] | None = None) -> None:
        self._dsn = dsn
        self._refresh = refresh
        self._common = Common(dsn)
        self.wishes = self._common.wishes
        self._tiers: list[tuple[Tier, float, Callable[[], None] | None]] = []
        self._view = View(SlotMap.empty(), {})
        self._started = False
        self._after_fork()
        after_fork(self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        self._looking = False

    # -- tiers and prefixes ------------------------------------------------------------------------

    def add(
        self, tier: Tier, staleness: float, _place: Place | None = None, renew: Callable[[], None] | None = None
    ) -> None:
        """Tell this tier of changes from now on; see ``Listener.add``."""
        with self._lock:
            tier.follow(self._common.words)
            self._tiers = [*self._tiers, (tier, staleness, renew)]
            for address, listener in self._view.listeners.items():
                listener.add(tier, staleness, place_at(self._dsn, self._view.map, address), renew)

    def remove(self, tier: Tier) -> None:
        """Tell this tier no more. Listening ends with the last tier."""
        with self._lock:
            self._tiers = self._others(tier)
            for listener in self._view.listeners.values():
                listener.remove(tier)
            tier.lost()
            if not self._tiers:
                self._started = False
                self.wishes.clear()
        self._common.attendant.wake()

    def _others(self, tier: Tier) -> list[tuple[Tier, float, Callable[[], None] | None]]:
        return [each for each in self._tiers if each[0] is not tier]

    def want(self, prefixes: Iterable[str], wish: Wish = Wish()) -> None:  # noqa: B008 - it cannot be changed
        """Note that a tier wants keys with these prefixes; ``start`` asks the nodes for them."""
        self.wishes.add(prefixes, wish)

    def start(self) -> None:
        """Listen to all wanted prefixes, at each primary."""
        with self._lock:
            self._started = bool(self._tiers)
            begin = self._started and not self._looking and self._refresh is not None
            self._looking = self._looking or begin
        if begin:
            try:
                self._common.attendant.attend(self._look())
            except RuntimeError:  # in an exit handler, or too many threads
                self._looking = False
        for listener in list(self._view.listeners.values()):
            listener.start()

    def _look(self) -> Job:
        """Have the map compared from time to time, as long as anything is held."""
        while self._started:
            if self._refresh is not None:
                self._refresh()
            yield Wait((), LOOK * spread.uniform(0.75, 1.0), lambda: not self._started)
        self._looking = False

    # -- the nodes ---------------------------------------------------------------------------------

    def follow(self, found: SlotMap) -> None:
        """From now on this map counts: listen at new primaries; what was read from those that left goes, and what was
        read in slots that have another owner (F4, F9).
        """
        with self._lock:
            old = self._view
            if found is old.map:
                return
            places = {each: place_at(self._dsn, found, each) for each in found.nodes}
            listeners, made = self._listeners(old.listeners, places)
            slots = changed(old.map, found)
            self._view = View(found, listeners)  # before anything goes: who took a token before it sees that (F9)
            for address in old.listeners.keys() - listeners.keys():
                old.listeners[address].end()
            if slots:
                for tier, _, _ in self._tiers:
                    tier.moved(slots)
            for address, listener in made:
                for tier, staleness, renew in self._tiers:
                    listener.add(tier, staleness, places[address], renew)
            for address, listener in listeners.items():
                listener.put(places[address])
        if self._started:
            self.start()

    def _listeners(
        self, old: Mapping[Address, Listener], places: Mapping[Address, object]
    ) -> tuple[dict[Address, Listener], list[tuple[Address, Listener]]]:
        """The listeners at these places, those that are there already and new ones; and the new ones alone."""
        wanted = [each for each, place in places.items() if place is not None]
        listeners = {each: listener for each, listener in old.items() if each in wanted}
        free = iter(set(range(MOST)) - {each.node for each in listeners.values()})
        made = []
        for address in wanted:
            number = None if address in listeners else next(free, None)
            if number is not None:
                listener = listeners[address] = self._made(address, number)
                made.append((address, listener))
        return listeners, made

    def _made(self, address: Address, number: int) -> Listener:
        host, port = address
        return Listener(self._dsn.replace(kind="server", host=host, port=port), number, self._common)

    # -- tokens ------------------------------------------------------------------------------------

    def token(self, tier: Tier, key: str, watched: tuple[str, ...]) -> Token | None:
        """A token that names the nodes which have to answer, by the map as it is now (F1, F2)."""
        view = self._view
        slots = (slot_of(key), *map(slot_of, watched))
        nodes = 0
        for name, slot in zip((key, *watched), slots, strict=True):
            listener = view.listener(slot)
            if listener is None or not name.startswith(listener.prefixes):
                return None
            nodes |= 1 << listener.node
        token = tier.token(key, watched, nodes, slots)
        return token if view is self._view else None

    def answered(self, key: str, watched: tuple[str, ...], seen: Seen) -> bool:
        """Whether each key was answered by the server that is heard as the owner of its slot (F2, F9)."""
        view = self._view
        for name in (key, *watched):
            slot = slot_of(name)
            listener = view.listener(slot)
            if listener is None or seen.servers.get(slot, b"") != listener.server or not listener.server:
                return False
        return True

    # -- what is known -----------------------------------------------------------------------------

    def listener_at(self, address: Address) -> Listener | None:
        """Who hears the node at this address."""
        return self._view.listeners.get(address)

    @property
    def version(self) -> tuple[int, ...]:
        """The lowest (major, minor, whether it is Valkey) of all nodes; () before all are known."""
        versions = [each.version for each in self._view.listeners.values()]
        return () if not versions or () in versions else min(versions)

    @property
    def state(self) -> str:
        """``live`` as soon as values of any node may be held; else what keeps the nodes from it."""
        states = [each.state for each in self._view.listeners.values()]
        if not states:
            return "starting" if self._started else "idle"
        return "live" if "live" in states else states[0]

    @property
    def why(self) -> str:
        """A sentence about the state."""
        listeners = self._view.listeners
        if not listeners:
            return "the map of the cluster is not known yet" if self._started else "nothing was asked for yet"
        missing = [(address, each) for address, each in listeners.items() if each.state != "live"]
        if not missing:
            return "changes are heard"
        (host, port), first = missing[0]
        if len(missing) == len(listeners):
            return first.why
        return f"changes are heard, but not of {len(missing)} of {len(listeners)} nodes; {host}:{port}: {first.why}"

    def demoted(self) -> None:
        """A node has become a replica: its ear finds that by itself. Who is it now has to be learned."""
        if self._refresh is not None:
            self._refresh()

    def disagrees(self, _server: bytes, _opened: float) -> bool:
        """Which server answers is compared with each reply that is to be held."""
        return False

    def leave(self) -> None:
        """At the end of the process: hold nothing any more, and tell so, so that nobody waits for this process."""
        for listener in list(self._view.listeners.values()):
            listener.leave()


def place_at(dsn: Dsn, found: SlotMap, address: Address) -> Place | None:
    """Where the ears of a node enter themselves: under a key of a slot that it owns. None: there is no such key, and
    nothing of this namespace is there, since the namespace itself is a hash tag.
    """
    key = settling(dsn.namespace)
    if slot_of(f"{key}{{0}}") == slot_of(f"{key}{{1}}"):
        return Place(dsn.db, dsn.namespace) if found.owner(slot_of(key)) == address else None
    if found.first(address) is None:
        return None
    n = 0
    while found.owner(slot_of(f"{{{n}}}")) != address:
        n += 1
    return Place(dsn.db, dsn.namespace, f"{{{n}}}")
