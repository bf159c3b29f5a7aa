"""``Links``: the links of one connection, whatever its DSN: for threads, for event loops, for listeners."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

from ..forks import after_fork
from ..wire.imports import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..wire.aio_pool import AsyncPool
    from ..wire.dsn.dsn import Dsn
    from ..wire.pool import Pool
    from .embedded.server import EmbeddedServer

__all__ = ["Links"]

# What calls import when they need it first: loaded before the first link is opened, since calls may be interrupted.
BEFORE = (
    "encodings.idna",  # socket.getaddrinfo does, for each name; stopped there, no thread could open a link any more
    "hashlib",
    "json",
    "rcollections.servers.background",
    "rcollections.servers.leases",
    "rcollections.values.pickling",
    "rcollections.wire.links.compiled",
    "rcollections.wire.links.opening",
    "rcollections.wire.pool",
)
ANY = 1 << 30  # links


class Links:
    """Opens links, and knows the pools that keep open links. The first link imports redis-py."""

    def __init__(self, dsn: Dsn, *, replicas: bool = False) -> None:
        self._dsn = dsn
        self._replicas = replicas  # whether they lead to replicas of the server
        self._embedded: EmbeddedServer | None = None
        self._opener: Callable[[float], object] | None = None
        # A server in this process has no sockets that could run out: any number of threads and tasks may ask it.
        self._limit = dsn.max_connections if dsn.kind != "memory" else ANY
        self.pool: Pool | None = None  # of all threads, made on first use
        self._pools: WeakSet[AsyncPool] = WeakSet()  # one pool per event loop, held by ``loops``
        self.lately: Callable[[], AsyncPool | None] = _none  # the pool that was used last: most processes have one loop
        self._lock = threading.RLock()
        after_fork(self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        self._pools = WeakSet()  # the old pools belong to loops of the parent
        self.lately = _none

    def place(self) -> Dsn:
        """The server that the links really lead to: an embedded server is started if needed, and is a unix socket."""
        if self._dsn.kind != "embedded":
            return self._dsn
        with self._lock:
            if self._embedded is None:
                from .embedded.server import open_embedded

                self._embedded = open_embedded(self._dsn.path)
            self._embedded.ensure()
            return self._dsn.replace(kind="server", path=str(self._embedded.socket))

    def open(self, until: float) -> object:
        """A new link, by that instant; blocks. NotConnected or TimeoutError if no link can be opened."""
        opener = self._opener
        if opener is None:
            load(*BEFORE)
            from ..wire.links.opening import connector, reader

            opener = self._opener = reader(self.place()) if self._replicas else connector(self.place())
        return opener(until)

    def _open_quick(self, until: float) -> object:
        """A new link for threads."""
        from ..wire.links.compiled import quickened

        return quickened(self.open(until), self._dsn.timeout)

    def open_pool(self) -> Pool:
        """The pool of all threads."""
        load(*BEFORE)
        from ..wire.pool import Pool

        with self._lock:
            if self.pool is None:
                self.pool = Pool(self._open_quick, self._limit, self._dsn.shown)
            return self.pool

    def open_async_pool(self, buffer: bytearray) -> AsyncPool:
        """A pool for the running loop; its links read into ``buffer``. The caller keeps it with the loop."""
        from ..wire.aio_pool import AsyncPool

        pool = AsyncPool(self.open, self._limit, self._dsn.timeout, buffer)
        with self._lock:
            self._pools.add(pool)
        return pool

    def doubt(self) -> None:
        """Use no link again that is idle now: links that were opened before a failure may lead nowhere."""
        pool = self.pool
        if pool is not None:
            pool.drop_idle()
        for each in list(self._pools):
            each.drop_idle_soon()

    def heal(self) -> None:
        """Start an embedded server again, if it is gone; blocks. Nothing to do for other servers."""
        if self._embedded is not None:
            self._embedded.ensure()

    def renew(self) -> None:
        """Close idle links now and used ones when they come back, also of event loops; new ones take their place."""
        pool, self.pool = self.pool, None
        if pool is not None:
            pool.close()
        # Loops open other pools as soon as theirs are closed: these are among the new ones.
        with self._lock:
            pools, self._pools, self.lately = self._pools, WeakSet(), _none
        for each in list(pools):
            each.close_soon()

    def close(self) -> None:
        """Close all links, also of event loops; the next use opens new links. Gives the embedded server back."""
        self.renew()
        self._opener = None
        embedded, self._embedded = self._embedded, None
        if embedded is not None:
            embedded.close()


def _none() -> None:
    """No pool."""
