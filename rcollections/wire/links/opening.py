"""The one choice of how links are opened: to the server of a DSN, to the primary that sentinels name, or a replica."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..imports import load
from . import connecting

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dsn.dsn import Dsn

__all__ = ["connector", "reader"]


def connector(dsn: Dsn) -> Callable[[float], Any]:
    """A function that opens a link for this DSN, by an instant, and logs in."""
    if dsn.kind != "sentinel":
        return connecting.connector(dsn)
    load("rcollections.wire.sentinels.following")  # only where there are sentinels
    from ..sentinels.following import following

    return following(dsn)


def reader(dsn: Dsn) -> Callable[[float], Any]:
    """A function that opens a link to a replica, by an instant: of the primary that sentinels name, or this node."""
    if dsn.kind != "sentinel":
        load("rcollections.wire.links.readonly")  # only where there are clusters
        from .readonly import read_only

        return read_only(dsn)
    load("rcollections.wire.sentinels.reading")  # only where there are sentinels
    from ..sentinels.reading import reading

    return reading(dsn)
