"""A bounded free list of connections to one server: safe for threads, sound after fork."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from ..errors import CacheTimeout
from .sockets import renew_fake_locks

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pool"]


class Pool:
    """At most ``limit`` connections; who finds none waits until its instant, then gets CacheTimeout.

    The connection used last is given out first, so that idle ones age at the bottom. One that the
    server closed meanwhile is noticed (it is readable) and replaced: a write must not find out.
    """

    def __init__(self, connect: Callable[[float], Any], limit: int, where: str) -> None:
        self._connect = connect
        self._limit = limit
        self._where = where
        self._reset()
        _follow_forks(self)

    def _reset(self) -> None:
        self._free: list[Any] = []
        self._room = threading.Semaphore(self._limit)
        self._closed = False

    def acquire(self, until: float) -> Any:
        """A connection that is open and idle. The caller gives it back by ``release`` or ``discard``."""
        room = self._room
        if not room.acquire(blocking=False) and not room.acquire(timeout=max(0.0, until - time.monotonic())):
            raise CacheTimeout(
                f"all {self._limit} connections to {self._where} are busy: raise max_connections, or use fewer threads"
            )
        try:
            while True:
                try:
                    link = self._free.pop()
                except IndexError:
                    return self._connect(until)
                if _idle(link):
                    return link
                link.disconnect()
        except BaseException:
            room.release()
            raise

    def release(self, link: Any) -> None:
        """Give back a connection with no reply outstanding."""
        if self._closed:
            link.disconnect()
        else:
            self._free.append(link)
        self._room.release()

    def discard(self, link: Any) -> None:
        """Give back a connection whose replies cannot be trusted any more: it is closed."""
        link.disconnect()
        self._room.release()

    def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        self._closed = True
        while self._free:
            self._free.pop().disconnect()


def _idle(link: Any) -> bool:
    # Anything to read before we asked is either the end of the connection or a reply to somebody else.
    try:
        return not link.can_read(0)
    except Exception:
        return False


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_hooked = False


def _follow_forks(pool: Pool) -> None:
    global _hooked
    _pools.add(pool)
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked = True
        os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    # The sockets belong to the parent. Closing the child's copies sends nothing, so just let go of them.
    renew_fake_locks()
    for pool in list(_pools):
        for link in pool._free:
            link.disconnect()
        pool._reset()
