"""A bounded free list of links to one server: safe for threads, sound after fork."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from ..errors import CacheTimeout
from ..forks import after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pool", "busy"]


def busy(limit: int, where: str) -> CacheTimeout:
    """The error of a caller for whom no link came back in time."""
    error = CacheTimeout(f"all {limit} connections to {where} are busy: raise max_connections, or use fewer threads")
    error._about = "call"  # waiting for a connection tells nothing of the server
    return error


class Pool:
    """At most ``limit`` links. A caller that finds no link waits until its instant, then gets CacheTimeout.

    The pool gives out the link that was used last, so that idle links age at the bottom. It notices a link that
    the server closed meanwhile (the socket is readable) and replaces it: a write that met a closed link would fail.
    """

    def __init__(self, connect: Callable[[float], Any], limit: int, where: str) -> None:
        self._connect = connect
        self._limit = limit
        self._where = where
        self._reset()
        after_fork(self._after_fork)

    def _reset(self) -> None:
        self._free: list[Any] = []
        self._room = threading.Semaphore(self._limit)
        self._closed = False

    def _after_fork(self) -> None:
        # The sockets belong to the parent. Closing the child's copies sends nothing to the server.
        free = self._free
        self._reset()
        for link in free:
            link.close()

    def acquire(self, until: float) -> object:
        """A link that is open and idle. The caller gives it back by its ``release`` or ``discard``."""
        room = self._room
        if not room.acquire(blocking=False) and not room.acquire(timeout=max(0.0, until - time.monotonic())):
            raise busy(self._limit, self._where)
        try:
            while True:
                try:
                    link = self._free.pop()
                except IndexError:
                    link = self._connect(until)
                    link.home = self
                    return link
                if link.idle:
                    return link
                link.close()
        except BaseException:
            room.release()
            raise

    def release(self, link: Any) -> None:
        """Give back a link with no reply outstanding."""
        self._free.append(link)
        if self._closed:  # asked after the append: ``close`` in another thread may have emptied the list just before
            self.drop_idle()
        self._room.release()

    def discard(self, link: Any) -> None:
        """Give back a link whose replies cannot be trusted any more: it is closed."""
        link.close()
        self._room.release()

    def close(self) -> None:
        """Close idle links now, and used links when they come back."""
        self._closed = True
        self.drop_idle()

    def drop_idle(self) -> None:
        """Close idle links now; the links that are in use stay. From any thread."""
        while True:
            try:
                link = self._free.pop()
            except IndexError:  # another thread may have taken the last one
                return
            link.close()
