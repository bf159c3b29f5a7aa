"""A writer of growing values, and the check of what others read meanwhile: was it old?

It writes under some keys in turn, each seldom: a change that was missed is not healed by the next one. A value
counts as the server's until the *next* write of its key is acknowledged, since nobody knows when in between it went.
"""

from __future__ import annotations

import bisect
import contextlib
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import redis.exceptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rcollections.testing import Server

__all__ = ["SLACK", "Old", "Writer", "old_reads"]

SLACK = 0.05


class Old(NamedTuple):
    """A read that broke the promise: its value had been replaced for ``age`` seconds when the read began."""

    value: int
    age: float


class Writer:
    """Writes 0, 1, 2 … with a bare client, in a thread, straight to the server: n under key n modulo their number."""

    def __init__(self, server: Server, keys: Sequence[str], pause: float = 0.02) -> None:
        self._client = server.client(socket_timeout=5)
        self.keys = keys
        self._pause = pause
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.number = -1
        self.acknowledged: list[tuple[int, int]] = []  # value, when its acknowledgement was read (ns)
        for _ in keys:
            self.write()
        self._thread = threading.Thread(target=self._run)

    def write(self) -> None:
        """One write now; after an error nobody knows whether it counts, the next one says."""
        with self._lock:
            number = self.next()
            self._client.set(self.key(number), number)
            self.noted(number)

    def next(self) -> int:
        """The next value; also for those who write it by other means."""
        self.number += 1
        return self.number

    def key(self, number: int) -> str:
        """Where it belongs."""
        return self.keys[number % len(self.keys)]

    def noted(self, number: int) -> None:
        """This value is acknowledged now."""
        self.acknowledged.append((number, time.monotonic_ns()))

    def gone(self) -> None:
        """All data of the server is gone now: what was there is nobody's value any more."""
        with self._lock:
            for _ in self.keys:
                self.noted(self.next())

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


def old_reads(acknowledged: list[tuple[int, int]], seen: dict[int, int], size: int, staleness: float) -> list[Old]:
    """The reads that gave what had been replaced for longer than ``staleness`` and a little; ``size`` keys."""
    written: list[list[tuple[int, int]]] = [[] for _ in range(size)]
    for value, at in acknowledged:
        written[value % size].append((value, at))
    found = []
    for value, began in seen.items():
        mine = written[value % size]
        after = bisect.bisect_right(mine, (value, 1 << 63))
        if after < len(mine):
            age = (began - mine[after][1]) / 1e9
            if age > staleness + SLACK:
                found.append(Old(value, age))
    return found
