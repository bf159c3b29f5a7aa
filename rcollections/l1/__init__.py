"""The in-process tier: its bounded store, the tier of one server upon the store, and the quick call.

Each of the three exists compiled and in pure Python; ``chosen`` takes the compiled one where it was built.
"""

from __future__ import annotations

from . import interpreters as interpreters  # first of all: in a sub-interpreter it ends the import
from . import users
from .calls import ABSENT, PLAIN, SKIP, TOLD, Block, bypassed, is_exact
from .chosen import COMPILED, Hit, Near, Owner, Store, Tier, Token, Words, bypass, enable, renew, watch
from .counts import TierCounts
from .packed import Packed
from .sharing import is_immutable
from .size import estimate
from .stats import StoreStats

__all__ = [
    "ABSENT", "COMPILED", "PLAIN", "SKIP", "TOLD", "Block", "Hit", "Near", "Owner", "Packed", "Store", "StoreStats",
    "Tier", "TierCounts", "Token", "Words", "bypass", "bypassed", "enable", "estimate", "is_exact", "is_immutable",
    "renew", "users", "watch",
]  # fmt: skip
