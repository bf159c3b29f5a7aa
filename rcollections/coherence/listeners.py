"""The listeners of this process: one for each server and login. At the end of the process they say so."""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

from .listener import Listener

if TYPE_CHECKING:
    from ..wire.dsn.dsn import Dsn
    from .nodes import Nodes

__all__ = ["enrolled", "listener_of"]

_listeners: dict[tuple[object, ...], Listener] = {}
_nodes: WeakSet[Nodes] = WeakSet()
_lock = threading.RLock()


def listener_of(dsn: Dsn) -> Listener:
    """The listener of this server: one for all connections of one address and login."""
    login = dsn.user, dsn.password, dsn.credentials
    place = (dsn.host, dsn.port, dsn.hosts, dsn.master, dsn.path, login, dsn.tls, tuple(sorted(dsn.ssl.items())))
    with _lock:
        _at_exit()
        found = _listeners.get(place)
        if found is None:
            found = _listeners[place] = Listener(dsn)
        return found


def enrolled(nodes: Nodes) -> Nodes:
    """These listeners of a cluster are told of the end of the process too. Each connection has its own."""
    with _lock:
        _at_exit()
        _nodes.add(nodes)
    return nodes


def _at_exit() -> None:
    if not _listeners and not _nodes:
        atexit.unregister(_leave)
        atexit.register(_leave)


def _leave() -> None:
    everyone: list[Listener | Nodes] = [*_listeners.values(), *_nodes]
    for each in everyone:
        each.leave()
