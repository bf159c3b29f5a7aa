"""The listeners of this process: one for each server and login. At the end of the process they say so."""

from __future__ import annotations

import atexit
import threading
from typing import TYPE_CHECKING

from .listener import Listener

if TYPE_CHECKING:
    from ..wire.dsn.dsn import Dsn

__all__ = ["listener_of"]

_listeners: dict[tuple[object, ...], Listener] = {}
_lock = threading.RLock()


def listener_of(dsn: Dsn) -> Listener:
    """The listener of this server: one for all connections of one address and login."""
    login = dsn.user, dsn.password, dsn.credentials
    place = (dsn.host, dsn.port, dsn.hosts, dsn.master, dsn.path, login, dsn.tls, tuple(sorted(dsn.ssl.items())))
    with _lock:
        if not _listeners:
            atexit.register(_leave)
        found = _listeners.get(place)
        if found is None:
            found = _listeners[place] = Listener(dsn)
        return found


def _leave() -> None:
    for each in list(_listeners.values()):
        each.leave()
