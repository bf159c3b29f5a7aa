"""``opened``: the connection of a DSN, of the kind that its servers want."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..connection import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...values.signing import Keyring
    from ...wire.dsn.dsn import Dsn

__all__ = ["opened"]


def opened(dsn: Dsn, keyring: Callable[[], Keyring | None]) -> Connection:
    """A connection for this DSN; nothing is sent before its first use."""
    if dsn.kind == "cluster":
        from .cluster import ClusterConnection  # only for clusters: `import rcollections` shall be quick

        return ClusterConnection(dsn, keyring)
    if dsn.strict_slots:
        from .slotted import SlottedConnection

        return SlottedConnection(dsn, keyring)
    return Connection(dsn, keyring)
