"""What the listeners of all nodes behind one connection have in common; one server is one node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..forks import after_fork
from ..l1 import Words
from .attendant import Attendant
from .loops import hub
from .prefixes import Wishes

if TYPE_CHECKING:
    from ..wire.dsn.dsn import Dsn
    from ._ear import Hub

__all__ = ["Common"]


class Common:
    """The words of keys, the wanted prefixes, and the two threads: of Python, and without the GIL."""

    def __init__(self, dsn: Dsn) -> None:
        self.words = Words(dsn.l1_entries)  # what a compiled ear moves, and compiled tiers compare
        self.wishes = Wishes(dsn.shown)
        self.attendant = Attendant()
        self.hub: Hub | None = hub()
        after_fork(self._after_fork)

    def _after_fork(self) -> None:
        self.hub = hub()  # the thread of the other one is in the parent
