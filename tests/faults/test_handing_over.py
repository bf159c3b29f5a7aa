"""A primary is replaced while it lives, or while it sleeps: nothing old is read behind a change."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import redis

from rcollections import CacheError, CounterCache, KeyCache, cached, invalidate_tags
from rcollections.testing import Cluster, isolated, wait_until
from tests.kits import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rcollections.testing.nodes import Node

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here")]

AGAIN = 6  # handovers each
LAG = 0.3  # seconds by which a replica may be behind on a busy machine


@pytest.fixture(params=TOGETHER)
def running(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with Cluster(request.param, node_timeout=1.0) as cluster, isolated(f"{cluster.dsn}?timeout=5&connect_timeout=5"):
        yield cluster


class Watching:
    """Reads a key at one node all the time, as others do that know of nothing, and notes what came when."""

    def __init__(self, node: Node, key: str) -> None:
        self.seen: list[tuple[float, bytes | None]] = []  # when the question was sent, and the answer
        self._client = node.client(socket_timeout=5)
        self._key = key
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                found: Any = self._client.get(self._key)
            except redis.RedisError:  # MOVED: it knows by now
                time.sleep(0.001)
                continue
            self.seen.append((began, found))

    def __enter__(self) -> Watching:
        self._thread.start()
        wait_until(lambda: len(self.seen) > 10, what="reads")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.long
@pytest.mark.parametrize("by_tag", [True, False])
def test_nobody_reads_what_was_changed_during_a_failover(running: Cluster, by_tag: bool) -> None:
    """K9: once a change has returned, the node that was the primary a moment ago answers with the old value no more."""
    source = [0]

    @cached(ttl=600, tags=("t",), key="told")
    def told() -> int:
        return source[0]

    name = "rc:t:t" if by_tag else "told"
    for _ in range(AGAIN):
        old = running.owner(name)
        over = threading.Event()
        returned: list[tuple[float, bytes]] = []  # when, and what counted until then

        def change(over: threading.Event = over, returned: list[Any] = returned) -> None:
            while not over.is_set():
                told()
                before: Any = running.owner(name).look("GET", name)
                source[0] += 1
                if by_tag:
                    invalidate_tags("t")
                else:
                    told.invalidate()
                returned.append((time.monotonic(), before))

        with Watching(old, name) as watching:
            changer = threading.Thread(target=change)
            changer.start()
            wait_until(lambda: len(returned) > 3, what="changes")  # noqa: B023 - of this round
            running.failover(old)
            count = len(returned)
            wait_until(lambda: len(returned) > count + 3, what="changes at the new primary")  # noqa: B023
            over.set()
            changer.join()
        gone: set[bytes] = set()
        at = 0
        for began, found in watching.seen:
            while at < len(returned) and returned[at][0] < began:
                gone.add(returned[at][1])
                at += 1
            assert found is None or found not in gone, "an old value behind a change that has returned"
        running.ready()


@pytest.mark.long
def test_a_frozen_primary_that_goes_on(running: Cluster) -> None:
    """It takes what was sent to it meanwhile, and that is lost. All else that was acknowledged is there, once."""
    counts = CounterCache("counts")
    old = running.owner("counts")
    acknowledged: list[tuple[float, float]] = []
    sent = [0]
    over = threading.Event()

    def count() -> None:
        while not over.is_set():
            began = time.monotonic()
            sent[0] += 1
            try:
                counts.increment("n")
            except CacheError:
                time.sleep(0.005)
                continue
            acknowledged.append((began, time.monotonic()))

    worker = threading.Thread(target=count)
    worker.start()
    wait_until(lambda: len(acknowledged) > 50, what="increments")
    queued = running.key_on(old, "queued")
    with old.client(socket_timeout=10) as bare:
        early = bare.connection_pool.get_connection()
        frozen = time.monotonic()
        old.freeze()
        early.send_command("SET", queued, 1)  # the kernel takes it
        try:
            running.wait_for_failover(old)
        finally:
            old.thaw()
        with suppress(redis.ResponseError):  # MOVED; or OK, and that is lost
            early.read_response()
        bare.connection_pool.release(early)
    wait_until(lambda: old.role() == "replica", what="the demotion")
    demoted = time.monotonic()
    wait_until(old.linked, what="the copy of the new primary")
    assert KeyCache(queued).get() is None, "what it took behind its failover is nobody's"
    before = len(acknowledged)
    wait_until(lambda: len(acknowledged) > before + 50, what="increments at the new primary")
    over.set()
    worker.join()
    value = counts["n"]
    lasting = sum(ended < frozen - LAG or began > demoted for began, ended in acknowledged)
    assert lasting <= value <= sent[0]
    assert lasting > 50
