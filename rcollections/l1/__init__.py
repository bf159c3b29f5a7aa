"""The in-process tier: its bounded store, compiled where that was possible.

``Store`` is the compiled one if it was built, else the one in Python; ``RCOLLECTIONS_PURE=1`` in the
environment takes the one in Python in any case. This is the one choice, and ``COMPILED`` tells how it fell.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .stats import StoreStats

__all__ = ["COMPILED", "Store", "StoreStats"]

COMPILED = False

if TYPE_CHECKING or os.environ.get("RCOLLECTIONS_PURE"):
    from .store import Store
else:
    try:
        from ._store import Store
    except ImportError:  # not built: no compiler, or a bare checkout
        from .store import Store
    else:
        COMPILED = True
