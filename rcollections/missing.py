"""``MISSING``: the one object that means "no value", so that ``None`` stays a value."""

from __future__ import annotations

from enum import Enum
from typing import Literal

__all__ = ["MISSING", "Missing"]


class Missing(Enum):
    """The type of ``MISSING``: an Enum, so that type checkers narrow ``x is MISSING``."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> Literal[False]:
        return False


MISSING = Missing.MISSING
