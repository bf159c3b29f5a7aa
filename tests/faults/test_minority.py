"""A client and a primary are cut off from the rest of the cluster: it answers each PING, and what it has is old."""

from __future__ import annotations

import bisect
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
import redis

from rcollections import CacheError, KeyCache, l1_info
from rcollections.testing import Cluster, isolated, wait_until
from tests.kits import TOGETHER
from tests.near import settle

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="only Linux has many addresses of its own")]

STALENESS = 0.5
SLACK = 0.05
HEALED = 1.0  # seconds behind the healing


class Held(KeyCache[int]):
    prefix = "held"
    l1 = True


class Writer:
    """Writes growing numbers to whichever node takes them, past the network, and notes when that was acknowledged."""

    def __init__(self, write: Callable[[int], object]) -> None:
        self._write = write
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.acknowledged: list[tuple[float, int]] = []

    def _run(self) -> None:
        value = 0
        while not self._over.wait(0.01):
            value += 1
            try:
                self._write(value)
            except redis.RedisError:
                continue
            self.acknowledged.append((time.monotonic(), value))

    def age(self, value: int, now: float) -> float:
        """For how long before now another value had been acknowledged in the place of this one."""
        later = bisect.bisect_right(self.acknowledged, value, key=lambda each: each[1])
        return now - self.acknowledged[later][0] if later < len(self.acknowledged) else 0.0

    def __enter__(self) -> Writer:
        self._thread.start()
        wait_until(lambda: self.acknowledged, what="a first write")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.long
@pytest.mark.parametrize("reads", ["no", "yes"])
@pytest.mark.parametrize("kind", TOGETHER)
def test_what_is_held_is_no_older_than_staleness(kind: str, reads: str) -> None:
    """Also where the node would answer reads for ever: the proof asks it to write."""
    config = {"cluster-allow-reads-when-down": reads}
    with Cluster(kind, node_timeout=1.0, network=True, config=config) as cluster:
        old, new = cluster.nodes[0], cluster.nodes[3]
        number = cluster.key_on(old, "held.").removeprefix("held.")

        def write(value: int) -> None:
            (new if new.role() == "primary" else old).ask("SET", f"held.{number}", value)

        options = f"?staleness={STALENESS}&timeout=0.5&connect_timeout=0.5"
        with isolated(cluster.dsn + options), Writer(write) as writer:
            settle(Held(number).get)
            cluster.network.partition({"client", old})
            hits, oldest = [0, 0], 0.0  # before and after the promotion
            promoted = False
            end = time.monotonic() + 4.0
            while time.monotonic() < end:
                promoted = promoted or new.role() == "primary"
                before, began = l1_info().hits, time.monotonic()
                try:
                    value = Held(number).get()
                except CacheError:
                    continue
                if l1_info().hits > before:
                    hits[promoted] += 1
                    oldest = max(oldest, writer.age(value or 0, began))
                time.sleep(0.0005)
            assert hits[0] > 20
            assert promoted
            assert oldest < STALENESS + SLACK
            cluster.network.heal()
            wait_until(lambda: old.role() == "replica", what="the demotion")

            def back() -> bool:
                try:
                    return writer.age(Held(number).get() or 0, time.monotonic()) < STALENESS
                except CacheError:
                    return False

            wait_until(back, what="the new primary's values")
            settle(Held(number).get)
