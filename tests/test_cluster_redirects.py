"""Slots that move and nodes that change their roles, under calls: refusals are no failures (rules K7 to K9)."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    AsyncKeyCache,
    CacheError,
    CacheTimeout,
    CounterCache,
    KeyCache,
    SetCache,
    cached,
    connection,
    deadline,
    invalidate_tags,
)
from rcollections.plans.effects import Command
from rcollections.testing import Cluster, isolated, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def moving(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster whose slots move, as the default connection."""
    with isolated(cluster.dsn + "?timeout=5&connect_timeout=5"):
        KeyCache("warm").set(1)
        yield cluster


def test_a_key_is_found_wherever_it_is(moving: Cluster) -> None:
    """Before, on the way and after: reads and writes of single keys never fail."""
    source, target, _ = moving.primaries
    key = moving.key_on(source)
    k = KeyCache(key)
    k.set(1)
    move = moving.resharding(moving.slot(key), source, target)
    assert k.get() == 1
    k.set(2)
    move.move(key)
    assert k.get() == 2
    assert k.increment(3) == 5
    k.clear()
    k.set(7)
    assert k.get() == 7
    move.finish()
    assert k.get() == 7
    assert moving.owner(key) is target
    rounds = connection().learner.rounds  # type: ignore[attr-defined]
    for n in range(50):
        k.set(n)
    assert connection().learner.rounds <= rounds + 1  # type: ignore[attr-defined]


def test_a_moved_slot_costs_one_refusal(moving: Cluster) -> None:
    """MOVED corrects the map, so the next call goes to the right node at once."""
    source, target, _ = moving.primaries
    key = moving.key_on(source)
    KeyCache(key).set(1)
    moving.reshard(moving.slot(key), source, target)
    assert KeyCache(key).get() == 1
    assert connection().node(moving.slot(key)).address[1] == target.port  # type: ignore[attr-defined]


def test_many_keys_while_one_slot_moves(moving: Cluster) -> None:
    """Only the group of that slot is sent again."""
    source, target, _ = moving.primaries
    keys = [moving.key_on(node, number=n) for node in moving.primaries for n in range(5)]
    KeyCache.set_many({key: n for n, key in enumerate(keys)})
    move = moving.resharding({moving.slot(key) for key in keys[:3]}, source, target)
    move.move(keys[0])
    move.move(keys[2])
    assert list(KeyCache.get_many(keys).values()) == list(range(15))
    KeyCache.set_many({key: n + 1 for n, key in enumerate(keys)})
    move.finish()
    assert list(KeyCache.get_many(keys).values()) == list(range(1, 16))
    assert KeyCache.delete_many(keys) == 15


def test_multi_while_the_slot_moves(moving: Cluster) -> None:
    """A pipeline whose slot has gone is sent again as a whole: nothing of it ran."""
    source, target, _ = moving.primaries
    key = moving.key_on(source)
    c = CounterCache(key)
    c["a"] += 1
    move = moving.resharding(moving.slot(key), source, target)
    move.move(key)
    with c.pipeline() as p:
        p["a"] += 1
        p["b"] += 1
    assert c.to_counter() == {"a": 2, "b": 1}
    move.finish()
    with c.pipeline() as p:
        p["a"] += 1
        p["b"] += 1
    assert c.to_counter() == {"a": 3, "b": 2}


def test_a_lease_while_the_slot_moves(moving: Cluster) -> None:
    """K8: entry and lease may be apart for long. Calls compute for themselves then, and an invalidation counts."""
    source, target, _ = moving.primaries
    computed: list[int] = []

    @cached(ttl=60, key="apart:{n}")
    def f(n: int) -> int:
        computed.append(n)
        return len(computed)

    n = next(n for n in range(1000) if moving.owner(f.key(n)) is source)
    assert f(n) == 1
    move = moving.resharding(moving.slot(f.key(n)), source, target)
    assert f(n) == 1
    move.move(f.key(n))
    assert f(n) == 1
    f.invalidate(n)
    assert f(n) == 2
    assert f(n) == 3  # FETCH got no lease, so nothing is stored
    move.finish()
    assert f(n) == 4
    assert f(n) == 4


def test_tags_while_their_slot_moves(moving: Cluster) -> None:
    """A tag is one key: it is read and changed wherever it is."""
    source, target, _ = moving.primaries
    computed: list[int] = []
    name = next(f"t{n}" for n in range(1000) if moving.owner(f"rc:t:t{n}") is source)

    @cached(ttl=60, tags=(name,))
    def f(n: int) -> int:
        computed.append(n)
        return len(computed)

    assert f(1) == 1
    move = moving.resharding(moving.slot(f"rc:t:{name}"), source, target)
    assert f(1) == 1
    invalidate_tags(name)
    assert f(1) == 2
    move.move(f"rc:t:{name}")
    assert f(1) == 2
    invalidate_tags(name)
    assert f(1) == 3
    move.finish()
    assert f(1) == 3
    invalidate_tags(name)
    assert f(1) == 4


def test_increments_under_resharding(moving: Cluster) -> None:
    """Each acknowledged increment counts once, in threads and tasks, while the slot goes to and fro."""
    source, target, _ = moving.primaries
    key = moving.key_on(source, "counted")
    over = threading.Event()
    done: list[int] = []

    def threads() -> None:
        n = 0
        while not over.is_set():
            KeyCache(key).increment()
            n += 1
        done.append(n)

    async def tasks() -> None:
        async def one() -> None:
            n = 0
            while not over.is_set():
                await AsyncKeyCache(key).increment()
                n += 1
            done.append(n)

        await asyncio.gather(*(one() for _ in range(4)))

    workers = [threading.Thread(target=each) for each in (threads, threads, lambda: asyncio.run(tasks()))]
    for each in workers:
        each.start()
    slot = moving.slot(key)
    for _ in range(3):
        moving.reshard(slot, source, target)
        moving.reshard(slot, target, source)
    over.set()
    for each in workers:
        each.join()
    assert len(done) == 6
    assert KeyCache(key).get() == sum(done)


def test_a_graceful_failover(moving: Cluster) -> None:
    """Nothing is lost and nothing fails; each acknowledged increment counts once."""
    old = moving.primaries[0]
    key = moving.key_on(old, "counted")
    over = threading.Event()
    done: list[int] = []

    def count() -> None:
        n = 0
        while not over.is_set():
            KeyCache(key).increment()
            n += 1
        done.append(n)

    workers = [threading.Thread(target=count) for _ in range(3)]
    for each in workers:
        each.start()
    new = moving.failover(old)
    wait_until(lambda: KeyCache(key).increment(0) and moving.owner(key) is new, what="the new primary")
    over.set()
    for each in workers:
        each.join()
    assert len(done) == 3
    assert KeyCache(key).get() == sum(done)


def test_a_killed_primary(moving: Cluster) -> None:
    """Its keys raise our errors or wait until a replica takes over; the other primaries' are served again soon."""
    old, other, _ = moving.primaries
    key, theirs = moving.key_on(old), moving.key_on(other)
    KeyCache(key).set(1)
    KeyCache(theirs).set(2)
    wait_until(lambda: moving.replicas_of(old)[0].linked(), what="the copy")
    old.kill()

    def works(key: str) -> bool:
        try:
            KeyCache(key).set(3)
        except CacheError:
            return False
        return True

    wait_until(lambda: works(key), seconds=20, what="the promotion")
    wait_until(lambda: works(theirs), seconds=20, what="the others")
    assert KeyCache(key).get() == KeyCache(theirs).get() == 3


def test_all_nodes_gone_and_back(cluster: Cluster) -> None:
    """The cluster is found again under the names of the DSN."""
    with isolated(cluster.dsn + "?timeout=1&connect_timeout=1"):
        s = SetCache("s", data={1})
        for node in cluster.nodes:
            node.kill()
        with pytest.raises(CacheError):
            s.add(2)
        cluster.heal()

        def works() -> bool:
            try:
                SetCache("s").add(3)
            except CacheError:
                return False
            return True

        wait_until(works, seconds=20, what="the cluster")
        assert set(SetCache("s")) == {3}


def half_moved(cluster: Cluster, key: str, *others: str) -> Any:
    """A migration that stopped: this key is at the target, the others are where they were."""
    source = cluster.owner(key)
    target = next(node for node in cluster.primaries if node is not source)
    move = cluster.resharding(cluster.slot(key), source, target)
    move.move(key)
    for each in others:
        assert cluster.slot(each) == cluster.slot(key)
    return move, source, target


class Tagged(SetCache[int]):
    prefix = "apart"
    tags = ("of-apart",)


class TaggedValue(KeyCache[int]):
    prefix = "apart-value"
    tags = ("of-apart",)


def test_a_collection_with_tags_between_two_nodes(moving: Cluster) -> None:
    """K8: a write needs data and guard together. It waits, and says for which slot; nothing is done."""
    with isolated(moving.dsn + "?timeout=0.6&connect_timeout=5"):
        box = Tagged(1)
        box.update({1, 2})
        move, source, _ = half_moved(moving, box.key, f"rc:g:{{{box.key}}}")
        began = time.monotonic()
        for call in (lambda: box.add(3), lambda: box.update({7, 8})):
            with pytest.raises(CacheTimeout) as raised:
                call()
            said = str(raised.value)
            assert f"slot {moving.slot(box.key)} is moving" in said
            assert f"moving from {source.host}:{source.port}" in said
            assert repr(box.key) in said
            assert "cluster fix" in said
        assert 1.0 < time.monotonic() - began < 6
        assert set(box) == {1, 2}  # reads go key by key
        assert box.clear()  # this goes key by key
        SetCache("elsewhere").add(1)
        assert set(SetCache("elsewhere")) == {1}  # nobody takes the node for dead
        move.finish()
        assert set(box) == set()
        box.add(4)
        assert set(box) == {4}


def test_reads_of_several_keys_between_two_nodes(moving: Cluster) -> None:
    """Each is read where it is, never where it will be."""
    keys = [f"{{apart}}.{n}" for n in range(6)]
    for n, key in enumerate(keys):
        SetCache(key).add(n)
    moves = half_moved(moving, keys[0])[0]
    for done in range(len(keys)):
        if done:
            moves.move(keys[done])
        assert connection().many([Command(("SCARD", key)) for key in keys], False, False) == [1] * len(keys)

    async def main() -> list[bool]:
        return await asyncio.gather(*(SetCache(key).aio.contains(n) for n, key in enumerate(keys)))

    assert asyncio.run(main()) == [True] * len(keys)
    moves.finish()


def test_a_call_waits_for_a_slot_that_arrives_in_time(moving: Cluster) -> None:
    """As long as its timeout, and no longer than the move."""
    box = Tagged(2)
    box.update({1, 2})
    move, _, _ = half_moved(moving, box.key)
    ended = threading.Timer(0.7, move.finish)
    ended.start()
    box.add(3)
    ended.join()
    assert set(box) == {1, 2, 3}


def test_put_between_two_nodes(moving: Cluster) -> None:
    """K8: a value that is put has to drop the computations before it, which needs the lease: so it is an error."""

    @cached(ttl=60, key="put:{n}")
    def f(n: int) -> int:
        return n

    n = next(n for n in range(1000) if moving.owner(f.key(n)) is moving.primaries[0])
    with isolated(moving.dsn + "?timeout=0.6&connect_timeout=5"):
        assert f(n) == n
        value = TaggedValue(3)
        value.set(1)
        move, *_ = half_moved(moving, f.key(n))
        with pytest.raises(CacheTimeout, match=f"slot {moving.slot(f.key(n))} is moving"):
            f.put(n, _cache_put=7)
        move.finish()
        assert f(n) == n  # nothing was done
        f.put(n, _cache_put=7)
        assert f(n) == 7
        move, *_ = half_moved(moving, value.key)
        with deadline(0.4), pytest.raises(CacheTimeout, match="is moving"):
            value.set(2)
        move.finish()
        assert value.get() == 1


def test_between_two_nodes_in_an_event_loop(moving: Cluster) -> None:
    """The same error."""
    with isolated(moving.dsn + "?timeout=0.6&connect_timeout=5"):
        box = Tagged(4)
        box.update({1})
        move, *_ = half_moved(moving, box.key)

        async def main() -> None:
            with pytest.raises(CacheTimeout, match="is moving"):
                await box.aio.add(2)

        asyncio.run(main())
        move.finish()
        assert set(box) == {1}
