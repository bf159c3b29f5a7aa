"""What an ear tells, told to the tiers and the followers of a listener."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..l1 import Tier, Token, Words
    from ..plans.effects import Seen
    from .ear import Ear

__all__ = ["Telling"]


class Telling:
    """The part of a listener that tells others, about one node. Not a listener of its own."""

    _ear: Ear | None
    prefixes: tuple[str, ...]  # that are heard
    server: bytes  # that is heard

    def __init__(self, words: Words, node: int) -> None:
        self._tiers: list[Tier] = []
        self.followers: WeakSet[Any] = WeakSet()  # the ``Wakeups`` that want published messages
        self.words = words  # what a compiled ear moves, and compiled tiers compare
        self.node = node  # its number among the servers behind one connection

    def token(self, tier: Tier, key: str, watched: tuple[str, ...]) -> Token | None:
        """A token of this tier, if changes of all these keys are heard (F1)."""
        prefixes = self.prefixes
        if not key.startswith(prefixes) or any(not each.startswith(prefixes) for each in watched):
            return None
        return tier.token(key, watched)

    def answered(self, _key: str, _watched: tuple[str, ...], seen: Seen) -> bool:
        """Whether the server has answered that is heard (F2)."""
        return seen.server == self.server

    def changed(self, ear: Ear, keys: Sequence[bytes]) -> None:  # noqa: ARG002 - an ear that is not confirmed may tell too
        """These keys changed."""
        for tier in self._tiers:
            tier.changed(keys)

    def announced(self, ear: Ear, numbers: Sequence[int]) -> None:  # noqa: ARG002
        """The words of these keys have moved: what the tiers hold of them can go."""
        for tier in self._tiers:
            tier.announced(numbers)

    def flushed(self, ear: Ear) -> None:  # noqa: ARG002
        """All keys changed."""
        for tier in self._tiers:
            tier.void(self.node)

    def published(self, ear: Ear, message: list[object]) -> None:
        """A message on another channel: for the followers, which wake waiting callers."""
        if ear is self._ear:
            for each in list(self.followers):
                each.heard(message)

    def missed(self, ear: Ear) -> None:
        """Messages for the followers may have been missed: they look for themselves."""
        for each in list(self.followers):
            each.lost(ear)

    def _empty(self) -> None:
        """Nothing that was read before counts any more (F4)."""
        self.words.end(self.node)
        for tier in self._tiers:
            tier.lost(self.node)
