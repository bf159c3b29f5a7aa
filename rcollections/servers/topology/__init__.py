"""Which server gets a step: where it is, what follows when it is another one by now, and the nodes of a cluster.

``topology_of(connection)`` gives a ``Single``, a ``Followed`` (by sentinels) or the ``Shards`` of a cluster. Trips tell
it of doubts; it tells its connection when the primary has moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .single import Single

if TYPE_CHECKING:
    from .topology import Topology

__all__ = ["topology_of"]


def topology_of(connection: Any) -> Topology:
    """What looks after the place of this connection's server."""
    if connection.dsn.kind == "cluster":
        from .shards import Shards  # only where there are clusters

        return Shards(connection)
    if connection.dsn.kind != "sentinel":
        return Single(connection)
    from .sentinel import Followed  # only where there are sentinels

    return Followed(connection)
