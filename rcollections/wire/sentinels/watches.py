"""The watches of this process: one for each set of sentinels, master and login."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from ...forks import at_fork
from ..links.connecting import connector
from .dialing import Dialed, dial
from .voices import Voices
from .watch import Watch

if TYPE_CHECKING:
    from ..dsn.dsn import Dsn

__all__ = ["watch_of"]

_watches: dict[tuple[object, ...], Watch] = {}
_lock = threading.RLock()


def _renew() -> None:
    global _lock
    _lock = threading.RLock()


at_fork(_renew)


def watch_of(dsn: Dsn) -> Watch:
    """The watch of this DSN, which names sentinels: one for all connections that ask the same ones."""
    login = dsn.sentinel_user, dsn.sentinel_password
    place = dsn.hosts, dsn.master, login, dsn.tls, tuple(sorted(dsn.ssl.items())), dsn.timeout, dsn.connect_timeout
    with _lock:
        found = _watches.get(place)
        if found is None:
            voices = partial(Voices, dsn.hosts, dsn.master, partial(_dial, dsn), dsn.timeout, dsn.shown)
            found = _watches[place] = Watch(voices, dsn.shown, dsn.master, dsn.timeout)
        return found


def _dial(dsn: Dsn, address: tuple[str, int]) -> Dialed:
    return dial(dsn, address, connector)
