"""The one choice: the compiled modules if they were built, else the modules in Python.

``RCOLLECTIONS_PURE=1`` in the environment takes the modules in Python in any case. ``COMPILED`` tells the choice.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

__all__ = ["COMPILED", "Hit", "Near", "Owner", "Store", "Tier", "Token", "Words", "bypass", "enable", "renew", "watch"]

COMPILED = False

if TYPE_CHECKING or os.environ.get("RCOLLECTIONS_PURE"):
    from .hit import Hit, Near, Owner, bypass, enable, renew, watch
    from .store import Store
    from .tier import Tier, Token
    from .words import Words
else:
    try:
        from ._hit import Hit, Near, Owner, bypass, enable, renew, watch
        from ._store import Store
        from ._tier import Tier, Token
        from ._words import Words
    except ImportError:  # not built: no compiler, or a bare checkout
        from .hit import Hit, Near, Owner, bypass, enable, renew, watch
        from .store import Store
        from .tier import Tier, Token
        from .words import Words
    else:
        COMPILED = True
