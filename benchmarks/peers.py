"""The libraries that we measure beside, each only if it is installed. None is needed to run ours.

``pip install pottery`` and ``pip install --no-deps redis-collections``: the latter asks for redis-py
below 6, and runs on later ones.
"""

from __future__ import annotations

from typing import Any

try:
    import redis_collections as collections_peer
except ImportError:
    collections_peer = None
try:
    import pottery as pottery_peer
    from pottery.base import _Common
except ImportError:
    pottery_peer = None
else:
    # It removes the key of a handle that is collected: after the last benchmark there is no server for that.
    _Common.__del__ = lambda _self: None

__all__ = ["collections_peer", "pottery_for_bulk", "pottery_peer", "say_what_is_missing"]

PEERS: dict[str, Any] = {"redis-collections": collections_peer, "pottery": pottery_peer}


def pottery_for_bulk(client: Any) -> Any:
    """Pottery where it can do whole collections: it looks for a host, which unix sockets have not."""
    return pottery_peer if "host" in client.connection_pool.connection_kwargs else None


def say_what_is_missing() -> None:
    for name, module in PEERS.items():
        if module is None:
            print(f"{name} is not installed: its rows are left out\n")
