"""The in-process tier: its bounded store, the tier of one server upon it, and the quick call; compiled where possible.

``chosen`` says which of the two are taken.
"""

from __future__ import annotations

from . import users
from .calls import ABSENT, PLAIN, SKIP, TOLD, bypassed, is_exact
from .chosen import COMPILED, Hit, Near, Owner, Store, Tier, Token, bypass, enable, renew, watch
from .counts import TierCounts
from .packed import Packed
from .sharing import is_immutable
from .size import estimate
from .stats import StoreStats

__all__ = [
    "ABSENT", "COMPILED", "PLAIN", "SKIP", "TOLD", "Hit", "Near", "Owner", "Packed", "Store", "StoreStats",
    "Tier", "TierCounts", "Token", "bypass", "bypassed", "enable", "estimate", "is_exact", "is_immutable", "renew",
    "users", "watch",
]  # fmt: skip
