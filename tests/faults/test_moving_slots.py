"""Slots with keys move under calls: leases, invalidations, counts, and what is held in the process."""

from __future__ import annotations

import itertools
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CounterCache, KeyCache, cached, invalidate_tags, l1_info
from rcollections.testing import Cluster, isolated, wait_until
from tests.kits import TOGETHER
from tests.near import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here")]

STALENESS = 0.5
APART = 0.25  # seconds after which callers do without the lease (K8)
FILLERS = 3000  # keys beside ours, so that a slot takes its time
SLOW = 0.02  # seconds that a computation takes


@pytest.fixture(params=TOGETHER)
def running(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    options = f"?timeout=5&connect_timeout=5&staleness={STALENESS}"
    with Cluster(request.param, replicas=0, node_timeout=5.0) as cluster, isolated(cluster.dsn + options):
        yield cluster


class Computing:
    """Two processes' worth of callers of one function, over connections of their own, and what they saw."""

    def __init__(self, cluster: Cluster, slot: str) -> None:
        from rcollections import configure

        configure({"default": cluster.dsn + "?timeout=5", "other": cluster.dsn + "?timeout=5"})
        self.source = dict.fromkeys(range(6), 0)
        self.computed: list[tuple[int, float, float]] = []
        self.old: list[str] = []
        self.returned = dict.fromkeys(range(6), 0)  # the version that was told, by number
        self._over = threading.Event()

        def compute(n: int) -> int:
            began, value = time.monotonic(), self.source[n]
            time.sleep(SLOW)
            self.computed.append((n, began, time.monotonic()))
            return value

        self.functions = [
            cached(ttl=60, key=f"{{{{{slot}}}}}:{{n}}", l1=False, connection_name=name)(compute)
            for name in ("default", "other")
        ]
        self._threads = [threading.Thread(target=self._call, args=(n % 2,)) for n in range(4)]
        self._threads.append(threading.Thread(target=self._change))
        self.failed: list[BaseException] = []

    def _call(self, which: int) -> None:
        chosen = random.Random(which)
        try:
            while not self._over.is_set():
                n = chosen.randrange(6)
                least = self.returned[n]
                value = self.functions[which](n)
                if value < least:
                    self.old.append(f"{value} of {n}, {least} was told")
                time.sleep(0.002)
        except BaseException as error:
            self.failed.append(error)

    def _change(self) -> None:
        chosen = random.Random(7)
        try:
            while not self._over.wait(0.05):
                n = chosen.randrange(6)
                self.source[n] += 1
                value = self.source[n]
                self.functions[0].invalidate(n)
                self.returned[n] = value
        except BaseException as error:
            self.failed.append(error)

    def __enter__(self) -> Computing:
        for each in self._threads:
            each.start()
        wait_until(lambda: len(self.computed) > 5, what="computations")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join()

    def shared(self, apart: list[tuple[float, float]]) -> None:
        """Each computation was alone with its key, but where an invalidation ended its lease, or keys were apart."""
        by_number: dict[int, list[tuple[float, float]]] = {}
        for n, began, ended in self.computed:
            by_number.setdefault(n, []).append((began, ended))
        twice = 0
        for found in by_number.values():
            found.sort()
            for (_, ended), (later, _) in itertools.pairwise(found):
                near = any(start + APART <= later and later <= end + SLOW + 0.1 for start, end in apart)
                twice += later < ended and not near
        assert twice <= self.source_changes, f"{twice} computations of a key at the time of another one"

    @property
    def source_changes(self) -> int:
        return sum(self.source.values())


def filled(cluster: Cluster) -> tuple[str, int, Any, Any]:
    """A hash tag whose slot has many keys, the slot, its owner, and where it will go."""
    source, target, _ = cluster.primaries
    tag = cluster.key_on(source, "s")
    with source.client() as bare, bare.pipeline(transaction=False) as pipe:
        for n in range(FILLERS):
            pipe.set(f"{{{tag}}}:filler:{n}", "x" * 200)
        pipe.execute()
    return tag, cluster.slot(tag), source, target


@pytest.mark.long
def test_leases_while_a_full_slot_moves(running: Cluster) -> None:
    """Nothing older than an invalidation, no error, and no key is computed twice at a time for longer than K8 says."""
    tag, slot, source, target = filled(running)
    apart = []
    with Computing(running, tag) as computing:
        for one, other in (source, target), (target, source):
            began = time.monotonic()
            running.reshard(slot, one, other)
            apart.append((began, time.monotonic()))
            time.sleep(0.2)
    assert not computing.failed
    assert not computing.old
    computing.shared(apart)


@pytest.mark.long
def test_leases_while_a_slot_stays_half_way(running: Cluster) -> None:
    """For two seconds some keys are here and some there."""
    tag, slot, source, target = filled(running)
    with Computing(running, tag) as computing:
        began = time.monotonic()
        move = running.resharding(slot, source, target)
        for _ in range(4):
            move.move_keys(FILLERS // 5)
            time.sleep(0.4)
        before = len(computing.computed)
        wait_until(lambda: len(computing.computed) > before, what="computations in the middle of it")
        move.finish()
        apart = [(began, time.monotonic())]
        count = len(computing.computed)
        wait_until(lambda: len(computing.computed) > count + 5, what="computations at the new owner")
    assert not computing.failed
    assert not computing.old
    computing.shared(apart)


@pytest.mark.long
def test_an_invalidation_while_entry_and_lease_wander(running: Cluster) -> None:
    """K8's D1 against a STORE: whatever is moved when, nothing old is there once the invalidation has returned."""
    source, target, _ = running.primaries
    chosen = random.Random(7)
    version = [0]
    go = threading.Event()

    @cached(ttl=60, key="wander:{n}", l1=False)
    def f(n: int) -> int:
        value = version[0]
        go.wait(5)
        time.sleep(chosen.random() * 0.004)
        return value

    numbers = [n for n in range(3000) if running.owner(f.key(n)) is source][:60]
    left = 0
    with ThreadPoolExecutor(3) as pool:
        for n in numbers:
            key, lease = f.key(n), f"rc:l:{{{f.key(n)}}}"
            go.clear()
            version[0] = 1
            storing = pool.submit(f, n)
            wait_until(lambda lease=lease: source.ask("EXISTS", lease), what="the lease")
            move = running.resharding(running.slot(key), source, target)

            def wander(move: Any = move, names: list[str] = chosen.sample([key, lease], 2)) -> None:  # noqa: B008
                for name in names:
                    time.sleep(chosen.random() * 0.003)
                    move.move(name)
                time.sleep(chosen.random() * 0.003)
                move.finish()

            moving = pool.submit(wander)
            go.set()
            time.sleep(chosen.random() * 0.006)
            version[0] = 2
            f.invalidate(n)
            assert f(n) == 2, "an old value behind an invalidation"
            storing.result()
            moving.result()
            left += running.owner(key).look("EXISTS", key) and f.peek(n) != 2
    assert left == 0


@pytest.mark.long
def test_slots_that_move_in_one_step() -> None:
    """Under increments, pipelines, held values and tags on all nodes: each count is there once, nothing is old."""
    if "valkey" not in TOGETHER:
        pytest.skip("Valkey 9 moves slots in one step")
    options = f"?timeout=5&connect_timeout=5&staleness={STALENESS}"
    with Cluster("valkey", replicas=0, node_timeout=5.0) as cluster, isolated(cluster.dsn + options):
        _all_at_once(cluster)


def _all_at_once(cluster: Cluster) -> None:
    source, target, third = cluster.primaries
    tags = [next(f"t{n}" for n in range(1000) if cluster.owner(f"rc:t:t{n}") is node) for node in cluster.primaries]
    version = [0]
    told: list[tuple[float, int]] = [(time.monotonic(), 0)]

    @cached(ttl=60, tags=tuple(tags), key="near")
    def near() -> int:
        return version[0]

    names = ["counts", "multi", "near", *(f"rc:t:{tag}" for tag in tags)]
    over = threading.Event()
    done = {"counts": 0, "multi": 0}
    old: list[float] = []
    hits = [0]
    failed: list[BaseException] = []

    def whole(call: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                while not over.is_set():
                    call()
            except BaseException as error:
                failed.append(error)

        return run

    def count() -> None:
        KeyCache("counts").increment()
        done["counts"] += 1

    def pipeline() -> None:
        with CounterCache("multi").pipeline() as p:
            p["a"] += 1
            p["b"] += 1
        done["multi"] += 1

    def read() -> None:
        before, began = l1_info().hits, time.monotonic()
        value = near()
        mine = l1_info().hits > before
        hits[0] += mine
        told_before = [at for at, each in told if each > value]
        if told_before and began - told_before[0] > (STALENESS + 0.05 if mine else 0.0):
            old.append(began - told_before[0])
        time.sleep(0.0005)

    def change() -> None:
        time.sleep(0.05)
        version[0] += 1
        value = version[0]
        invalidate_tags(random.choice(tags))
        told.append((time.monotonic(), value))

    settle(near)
    threads = [threading.Thread(target=whole(each)) for each in (count, pipeline, read, change)]
    for each in threads:
        each.start()
    for _ in range(3):
        for key in names:
            owner = cluster.owner(key)
            cluster.move_slots(cluster.slot(key), owner, {source: target, target: third, third: source}[owner])
            time.sleep(0.05)
    over.set()
    for each in threads:
        each.join()
    assert not failed
    assert not old
    assert hits[0] > 100
    assert KeyCache("counts").get() == done["counts"] > 100
    assert CounterCache("multi").to_counter() == {"a": done["multi"], "b": done["multi"]}
