"""``Resharding``: slots that move from one node to another, step by step as ``redis-cli --cluster reshard`` does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .nodes import Node

__all__ = ["Resharding"]

AT_ONCE = 100  # keys a MIGRATE
MIGRATE_MS = 5000


class Resharding:
    """Slots on their way. As long as ``finish()`` was not called, a key of theirs is at the source or at the target.

    ``Cluster.resharding()`` makes it; the source answers ASK for keys that it does not have (any more).
    """

    def __init__(self, slots: Collection[int], source: Node, target: Node, tell: Callable[[Resharding], None]) -> None:
        self.slots = sorted(slots)
        self.source = source
        self.target = target
        self._tell = tell
        for node, word, other in (target, "IMPORTING", source), (source, "MIGRATING", target):
            for told in node.ask_all([("CLUSTER", "SETSLOT", slot, word, other.id) for slot in self.slots]):
                if isinstance(told, Exception):
                    raise told

    def move_keys(self, most: int | None = None) -> int:
        """Move up to ``most`` keys (None: all), and return how many went."""
        moved = 0
        counts = self.source.ask_all([("CLUSTER", "COUNTKEYSINSLOT", slot) for slot in self.slots])
        for slot in (slot for slot, count in zip(self.slots, counts, strict=True) if count):
            while most is None or moved < most:
                room = AT_ONCE if most is None else min(AT_ONCE, most - moved)
                keys = self.source.ask("CLUSTER", "GETKEYSINSLOT", slot, room)
                if not keys:
                    break
                self._migrate(keys)
                moved += len(keys)
        return moved

    def move(self, *keys: str | bytes) -> None:
        """Move these keys; one that does not exist is left out."""
        self._migrate([key.encode() if isinstance(key, str) else key for key in keys])

    def finish(self) -> int:
        """Move the keys that are left, give the slots to the target, and return once all running nodes know.

        Returns how many keys were left.
        """
        moved = self.move_keys()
        self._tell(self)
        return moved

    def _migrate(self, keys: list[bytes]) -> None:
        login = ("AUTH", self.target.password) if self.target.password else ()
        where = self.target.host, self.target.place.own_port  # MIGRATE does not say from whom it comes
        self.source.ask("MIGRATE", *where, "", 0, MIGRATE_MS, *login, "KEYS", *keys)
