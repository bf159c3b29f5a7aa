"""The clusters and sentinels of a run: each is started once, and is as new for each test.

They come up while the first tests run: ``begin`` starts the processes as soon as it is known that a test needs them.
With pytest-xdist a worker starts them when the first of its tests asks for them.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from rcollections.testing import Cluster, SentinelTrio
from tests.kinds import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["TOGETHER", "Kits", "one_together"]

# The kinds that run as clusters and behind sentinels. Redis 6.2 needs ten times as long for some failovers.
TOGETHER = tuple(kind for kind in SERVERS if kind != "redis62")

MAKERS = {"cluster": Cluster, "sentinels": SentinelTrio}


def one_together() -> str:
    """The first of these kinds, for tests to which the kind does not matter; skips the test without any."""
    if not TOGETHER:
        pytest.skip("this run has no server that is tested as a cluster")
    return TOGETHER[0]


class Kits:
    """What runs, by fixture and kind."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], Cluster | SentinelTrio] = {}
        self._ready: set[tuple[str, str]] = set()

    def begin(self, items: Iterable[pytest.Item]) -> None:
        """Start what these tests will ask for, and wait for nothing."""
        if "PYTEST_XDIST_WORKER" in os.environ or sys.platform != "linux":
            return
        for item in items:
            for name in MAKERS:
                kind = getattr(item, "callspec", None) and item.callspec.params.get(name)
                if kind in TOGETHER:
                    self._start(name, kind)

    def get(self, name: str, kind: str) -> Cluster | SentinelTrio:
        """The one of this fixture and kind, as it was at first."""
        if sys.platform != "linux":
            pytest.skip("several servers together are tested on Linux")
        kit = self._start(name, kind)
        if (name, kind) not in self._ready:  # later its nodes may be down, as the test before has left them
            kit.ready()
            self._ready.add((name, kind))
        kit.heal()
        return kit

    def stop(self) -> None:
        """End all."""
        for kit in self._running.values():
            kit.stop()
        self._running.clear()

    def _start(self, name: str, kind: str) -> Cluster | SentinelTrio:
        if (name, kind) not in self._running:
            self._running[name, kind] = MAKERS[name](kind, wait=False)
        return self._running[name, kind]
