"""Failovers by sentinels: the new primary is found, the old one is left, and nothing stays held that changed there."""

from __future__ import annotations

import asyncio
import bisect
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from rcollections import (
    AsyncCounterCache,
    CacheError,
    CounterCache,
    KeyCache,
    cached,
    connection,
    invalidate_tags,
    l1_info,
)
from rcollections.testing import SentinelTrio, isolated, wait_until
from tests.kinds import SERVERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rcollections.testing.nodes import Node

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here")

RECOVERY = 60.0  # seconds; votes of sentinels may fail, and then they wait


@pytest.fixture(params=SERVERS)
def trio(request: pytest.FixtureRequest) -> Iterator[SentinelTrio]:
    with SentinelTrio(request.param) as running:
        yield running


class Held(KeyCache[int]):
    prefix = "held"
    l1 = True


def hit() -> bool:
    before = l1_info().hits
    return Held(1).get() is not None and l1_info().hits > before


def until_served(call: Callable[[], Any]) -> Any:
    """What the call gives as soon as it is served: until then it raises nothing but our errors."""
    end = time.monotonic() + RECOVERY
    while True:
        try:
            return call()
        except CacheError:
            assert time.monotonic() < end, "the connection does not recover"
            time.sleep(0.01)


def by_hand(trio: SentinelTrio) -> None:
    """Have a sentinel begin a failover now, without the votes of others."""

    def begun() -> bool:
        try:
            trio.sentinels[0].ask("SENTINEL", "FAILOVER", trio.master)
        except redis.ResponseError as error:
            return "INPROG" in str(error)
        return True

    wait_until(begun, what="a failover")


class Writer:
    """Writes ascending numbers to whichever server most sentinels name, asked each 20 ms, and notes when."""

    def __init__(self, trio: SentinelTrio) -> None:
        self.trio = trio
        self.acknowledged: list[tuple[float, int]] = []
        self.told = 0.0  # when a majority first named another primary
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Writer:
        self._thread.start()
        wait_until(lambda: self.acknowledged, what="a first write")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        first = self.trio.primary
        value = 0
        while not self._stop.is_set():
            try:
                node = self.trio.primary
                if node is not first and not self.told:
                    self.told = time.monotonic()
                if node.answers:
                    value += 1
                    node.ask("SET", "held.1", value)
                    self.acknowledged.append((time.monotonic(), value))
            except (redis.RedisError, LookupError):
                pass
            self._stop.wait(0.02)

    def age(self, value: int, now: float) -> float:
        """How long before now another value was acknowledged in the place of this one."""
        later = bisect.bisect_right(self.acknowledged, value, key=lambda each: each[1])
        return max(0.0, now - self.acknowledged[later][0]) if later < len(self.acknowledged) else 0.0


@pytest.mark.parametrize("frozen", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", SERVERS)
def test_an_old_primary_that_is_alive_is_left_with_the_word_of_the_sentinels(kind: str, frozen: bool) -> None:
    """With their usual periods it goes on for 10 s: it answers pings, takes writes, and its role is master.

    The same if it was frozen until another one was named, and goes on then.
    """
    staleness = 0.6
    with SentinelTrio(kind, fast=False) as trio, isolated(f"{trio.dsn}?staleness={staleness}"):
        old = trio.primary
        with Writer(trio) as writer:
            wait_until(hit, what="a held value")
            began = time.monotonic()
            if frozen:
                old.freeze()
                threading.Thread(target=lambda: (trio.wait_for_failover(old), old.thaw())).start()
            else:
                by_hand(trio)
            worst, left = 0.0, 0.0
            while time.monotonic() < began + 6 or (frozen and time.monotonic() < writer.told + 4):
                try:
                    value = Held(1).get()
                except CacheError:
                    assert frozen
                    continue
                now = time.monotonic()
                worst = max(worst, writer.age(value or 0, now))
                if not left and connection().topology.primary() != old.address:
                    left = now
                time.sleep(0.002)
            told = writer.told
            assert told
            assert left
        assert left - told < staleness / 3 + 0.5, "it follows as soon as it is asked"
        assert worst < staleness + (told - began) + 0.5
        assert old.role() == "primary" or told - began > 4, "the old one was alive all the time"
        wait_until(hit, what="a value that is held of the new primary")
        trio.primary.ask("SET", "held.1", -1)
        wait_until(lambda: Held(1).get() == -1, what="changes there are heard")


def test_kill_9_under_increments(trio: SentinelTrio) -> None:
    """Each acknowledged increment counts once, but for those that no replica had; errors are ours."""
    with isolated(trio.dsn):
        counts = CounterCache("counts")
        acknowledged = failed = 0
        old = trio.primary

        def run(seconds: float) -> None:
            nonlocal acknowledged, failed
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                try:
                    counts.increment("n")
                    acknowledged += 1
                except CacheError:
                    failed += 1
                    time.sleep(0.005)

        run(0.3)
        old.kill()
        end = time.monotonic() + RECOVERY
        while connection().topology.primary() == old.address:
            assert time.monotonic() < end
            run(0.1)
        until_served(lambda: counts["n"])
        failed = 0
        run(0.3)
        assert failed == 0
        lost = acknowledged - counts["n"]
        assert -1 <= lost <= 50, "replication is behind by so little here"


def test_kill_9_in_event_loops(trio: SentinelTrio) -> None:
    async def run() -> None:
        counts = AsyncCounterCache("counts")
        await counts.increment("n")
        old = trio.primary
        await asyncio.to_thread(old.kill)
        end = time.monotonic() + RECOVERY
        while True:
            try:
                await asyncio.gather(*(counts.increment("n") for _ in range(20)))
                break
            except CacheError:
                assert time.monotonic() < end
                await asyncio.sleep(0.01)
        assert await counts.get("n") >= 20
        assert connection().topology.primary() != old.address

    with isolated(trio.dsn):
        asyncio.run(run())


def test_a_failover_by_hand_in_event_loops(trio: SentinelTrio) -> None:
    """Calls that run all the time, over a link that they share."""

    async def run() -> None:
        counts = AsyncCounterCache("counts")
        old, over = trio.primary, False

        async def increments() -> int:
            acknowledged = 0
            while not over:
                try:
                    await counts.increment("n")
                    acknowledged += 1
                except CacheError:
                    await asyncio.sleep(0.005)
            return acknowledged

        await counts.increment("n")
        (replica,) = trio.replicas
        while await asyncio.to_thread(replica.ask, "EXISTS", "counts") != 1:
            await asyncio.sleep(0.01)
        tasks = [asyncio.create_task(increments()) for _ in range(4)]
        await asyncio.to_thread(trio.failover)
        end = time.monotonic() + 5
        while connection().topology.primary() == old.address and time.monotonic() < end:
            await asyncio.sleep(0.01)
        before = await counts.get("n")
        await asyncio.sleep(0.2)
        over = True
        await asyncio.gather(*tasks)
        assert await asyncio.to_thread(trio.primary.ask, "HGET", "counts", "n") is not None
        assert await counts.get("n") > before

    with isolated(trio.dsn):
        asyncio.run(run())


def test_a_frozen_primary_that_goes_on_later(trio: SentinelTrio) -> None:
    """It has the old values, and takes what was queued; nobody reads there."""
    with isolated(trio.dsn):
        KeyCache("a").set("old")
        old = trio.primary
        old.freeze()
        try:
            until_served(lambda: KeyCache("a").set("new"))
            assert connection().topology.primary() != old.address
        finally:
            old.thaw()
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert KeyCache("a").get() == "new"
            connection().links.renew()


def _detached(node: Node) -> None:
    """A replica that hears its primary no more, with all that it has."""
    node.ask("REPLICAOF", "127.0.0.1", "1")


@pytest.mark.parametrize("l1", [False, True])
@pytest.mark.parametrize("by_tag", [False, True])
def test_an_invalidation_that_no_replica_had_is_sent_again(trio: SentinelTrio, by_tag: bool, l1: bool) -> None:
    """The replica that becomes the primary has the entry under the old stamp: without the journal it is a hit."""
    source = [1]

    with isolated(trio.dsn):

        @cached(ttl=600, tags=["t"], l1=l1)
        def f() -> int:
            return source[0]

        assert f() == 1
        (replica,) = trio.replicas
        old = trio.primary
        wait_until(lambda: replica.ask("EXISTS", f.key()), what="replication")
        entry = replica.ask("DUMP", f.key())
        _detached(replica)
        source[0] = 2
        if by_tag:
            invalidate_tags("t")
        else:
            f.invalidate()
        old.kill()
        assert replica.ask("DUMP", f.key()) == entry, "the replica has not heard of it"
        by_hand(trio)
        wait_until(lambda: connection().topology.primary() == replica.address, RECOVERY, "the failover")
        assert until_served(f) == 2
        assert until_served(f.peek) == 2


def test_too_few_replicas() -> None:
    """It is the primary, so nothing else helps: the error says what is wrong, and comes soon. Reads go on."""
    settings = {"min-replicas-to-write": 1, "min-replicas-max-lag": 1}
    with SentinelTrio(SERVERS[0], config=settings) as trio, isolated(trio.dsn):
        KeyCache("a").set(1)
        (replica,) = trio.replicas
        replica.kill()
        wait_until(lambda: _refused(lambda: KeyCache("a").set(2)), 10, "a refusal")
        began = time.monotonic()
        with pytest.raises(CacheError, match=r"too few good replicas \(key 'a'\).*min-replicas-to-write"):
            KeyCache("a").set(2)
        assert time.monotonic() - began < 0.5
        assert KeyCache("a").get() == 1
        replica.start()
        until_served(lambda: KeyCache("a").set(3))


def _refused(call: Callable[[], Any]) -> bool:
    try:
        call()
    except CacheError:
        return True
    return False


def test_all_sentinels_gone_and_back(trio: SentinelTrio) -> None:
    """The last primary serves on; the sentinels are found again at their names."""
    with isolated(trio.dsn):
        KeyCache("a").set(1)
        for each in trio.sentinels:
            each.kill()
        wait_until(lambda: not connection().topology.watch.answered, what="a question without an answer")
        connection().links.renew()
        KeyCache("a").set(2)
        assert KeyCache("a").get() == 2
        for each in trio.sentinels:
            each.start()
        wait_until(lambda: connection().topology.watch.answered, what="an answer")
        trio.ready()
        new = trio.failover()
        wait_until(lambda: connection().topology.primary() == new.address, what="the new primary")
        until_served(lambda: KeyCache("a").set(3))


def test_a_child_of_a_fork_asks_for_itself(trio: SentinelTrio) -> None:
    import os

    with isolated(trio.dsn):
        KeyCache("a").set(1)
        pid = os.fork()
        if not pid:
            ok = False
            try:
                KeyCache("b").set(2)
                ok = KeyCache("a").get() == 1 and connection().topology.watch.runs
            finally:
                os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert KeyCache("b").get() == 2


@pytest.mark.parametrize("believed", [False, True])
def test_a_primary_that_is_cut_off_with_this_process(believed: bool) -> None:
    """K14: it has too few replicas, and no sentinel is reached: what it gives may be old, so it does not count."""
    settings = {"min-replicas-to-write": 1, "min-replicas-max-lag": 1}
    with SentinelTrio(SERVERS[0], network=True, down_after=0.5, config=settings) as trio:
        old, (replica,) = trio.primary, trio.replicas
        source = 1
        options = "?timeout=0.5&connect_timeout=0.5" + "&reads_when_down=on" * believed
        with isolated(trio.dsn + options):

            @cached(ttl=600, l1=False)
            def f() -> int:
                return source

            until_served(lambda: KeyCache("a").set(1))
            assert f() == 1
            trio.network.partition([old, "client"], [replica, *trio.sentinels])
            wait_until(lambda: replica.role() == "primary", RECOVERY, "the failover on the other side")
            source = 2
            if believed:
                wait_until(lambda: _refused(lambda: KeyCache("b").set(2)), 10, "too few replicas")
                end = time.monotonic() + 1.5
                while time.monotonic() < end:
                    assert KeyCache("a").get() == 1
                    assert f() == 1
            else:
                wait_until(lambda: f() and connection().topology.cut, 10, "nobody believes it")
                end = time.monotonic() + 2
                while time.monotonic() < end:
                    assert f() == 2
                    with pytest.raises(CacheError):
                        KeyCache("a").get()
                    time.sleep(0.01)
                with pytest.raises(CacheError, match="was cut off"):
                    KeyCache("a").get()
            trio.network.heal()
            wait_until(lambda: connection().topology.primary() == replica.address, RECOVERY, "the new primary")
            until_served(lambda: KeyCache("a").set(3))
            until_served(f.invalidate)
            assert until_served(f) == 2
