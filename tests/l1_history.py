"""A writer of growing values, and the check of what others read meanwhile: was it old?

A value counts as the server's until the *next* write is acknowledged, since nobody knows when in between it went.
"""

from __future__ import annotations

import bisect
import contextlib
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import redis.exceptions

if TYPE_CHECKING:
    from tests.servers import Server

__all__ = ["SLACK", "Old", "Writer", "old_reads"]

SLACK = 0.05


class Old(NamedTuple):
    """A read that broke the promise: its value had been replaced for ``age`` seconds when the read began."""

    value: int
    age: float


class Writer:
    """Writes 1, 2, 3 … under a key with a bare client, in a thread, straight to the server."""

    def __init__(self, server: Server, key: str, pause: float = 0.01) -> None:
        self._client = server.client(socket_timeout=5)
        self._key = key
        self._pause = pause
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.number = 0
        self.acknowledged: list[tuple[int, int]] = []  # value, when its acknowledgement was read (ns)
        self.write()
        self._thread = threading.Thread(target=self._run)

    def write(self) -> None:
        """One write now; after an error nobody knows whether it counts, the next one says."""
        with self._lock:
            self.number += 1
            self._client.set(self._key, self.number)
            self.noted(self.number)

    def noted(self, number: int) -> None:
        """This value is acknowledged now; also for those who write it by other means."""
        self.acknowledged.append((number, time.monotonic_ns()))

    def gone(self) -> None:
        """All data of the server is gone now: what was there is nobody's value any more."""
        with self._lock:
            self.number += 1
            self.noted(self.number)

    def _run(self) -> None:
        while not self._stopping.wait(self._pause):
            with contextlib.suppress(redis.exceptions.RedisError):
                self.write()

    def pause(self) -> contextlib.AbstractContextManager[bool]:
        """Inside the block the thread writes nothing."""
        return self._lock

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


def old_reads(acknowledged: list[tuple[int, int]], seen: dict[int, int], staleness: float) -> list[Old]:
    """The reads that gave what had been replaced for longer than ``staleness`` and a little."""
    found = []
    for value, began in seen.items():
        after = bisect.bisect_right(acknowledged, (value, 1 << 63))
        if after < len(acknowledged):
            age = (began - acknowledged[after][1]) / 1e9
            if age > staleness + SLACK:
                found.append(Old(value, age))
    return found
