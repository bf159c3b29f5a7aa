"""What a server says of its part in the replication."""

from __future__ import annotations

from typing import Any

from .failures import ErrorReply
from .packing import pack

__all__ = ["ROLE", "hears_its_primary"]

ROLE = pack(("ROLE",))
_UNFIT = ("LOADING", "MASTERDOWN", "CLUSTERDOWN")


def hears_its_primary(told: Any) -> bool:
    """Whether a reply to ``ROLE`` is that of a replica whose primary is there. True where it may not tell."""
    if isinstance(told, ErrorReply):
        return not str(told).startswith(_UNFIT)
    return bool(told[0] == b"slave" and told[3] == b"connected")
