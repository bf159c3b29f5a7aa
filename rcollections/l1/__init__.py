"""The in-process tier: its bounded store, the tier of one server upon it, and the quick call; compiled where possible.

The compiled modules are taken if they were built, else those in Python; ``RCOLLECTIONS_PURE=1`` in the
environment takes the ones in Python in any case. This is the one choice, and ``COMPILED`` tells how it fell.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import users
from .calls import ABSENT, PLAIN, SKIP, TOLD, bypassed, is_exact
from .counts import TierCounts
from .packed import Packed
from .sharing import is_immutable
from .size import estimate
from .stats import StoreStats

__all__ = [
    "ABSENT", "COMPILED", "PLAIN", "SKIP", "TOLD", "Hit", "Near", "Owner", "Packed", "Ready", "Store", "StoreStats",
    "Tier", "TierCounts", "Token", "bypass", "bypassed", "enable", "estimate", "is_exact", "is_immutable", "renew",
    "users", "watch",
]  # fmt: skip

COMPILED = False

if TYPE_CHECKING or os.environ.get("RCOLLECTIONS_PURE"):
    from .hit import Hit, Near, Owner, Ready, bypass, enable, renew, watch
    from .store import Store
    from .tier import Tier, Token
else:
    try:
        from ._hit import Hit, Near, Owner, Ready, bypass, enable, renew, watch
        from ._store import Store
        from ._tier import Tier, Token
    except ImportError:  # not built: no compiler, or a bare checkout
        from .hit import Hit, Near, Owner, Ready, bypass, enable, renew, watch
        from .store import Store
        from .tier import Tier, Token
    else:
        COMPILED = True
