"""What is special about a cluster: several nodes behind one connection, slots, and what does not work there."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    AsyncKeyCache,
    CacheConnectionError,
    CacheError,
    ConfigError,
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    cached,
    configure,
    connection,
    deadline,
    invalidate_tags,
    l1_info,
    unsafe_clear,
)
from rcollections.plans.effects import Script
from rcollections.plans.purpose import Due
from rcollections.servers.topology import lookout
from rcollections.testing import Cluster, Server, isolated, wait_until
from tests.near import settle
from tests.trips import sent, trips

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def here(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster as the default connection."""
    with isolated(cluster.dsn + "?timeout=5&connect_timeout=5"):
        yield cluster


class Item(KeyCache[int]):
    prefix = "item"


def spread(cluster: Cluster, prefix: str = "k") -> list[str]:
    """A key on each primary."""
    return [cluster.key_on(node, prefix) for node in cluster.primaries]


def test_one_seed_is_enough(here: Cluster) -> None:
    """The other nodes are learned; a seed that is down is passed over."""
    node = here.nodes[-1]
    with isolated(f"redis+cluster://127.0.0.1:1,{node.host}:{node.port}?timeout=5"):
        Item.set_many({n: n for n in range(20)})
        assert Item.get_many(range(20)) == {n: n for n in range(20)}
        assert len(connection().primaries()) == 3  # type: ignore[attr-defined]


def test_nobody_there() -> None:
    """Says so, and names the hosts; functions compute."""
    with isolated("redis+cluster://127.0.0.1:1?timeout=0.5"):
        with pytest.raises(CacheConnectionError, match="127.0.0.1:1"):
            KeyCache("a").get()

        @cached(ttl=60)
        def f(n: int) -> int:
            return n * 2

        assert f(4) == 8
        began = time.monotonic()
        assert [f(n) for n in range(20)] == [2 * n for n in range(20)]
        assert time.monotonic() - began < 2  # the breaker is open


def test_a_single_server_is_no_cluster(server: Server) -> None:
    """And the message says which DSN is right."""
    with (
        Server(server.kind, tcp=True) as single,
        isolated(f"redis+cluster://127.0.0.1:{single.port}"),
        pytest.raises(CacheConnectionError, match="redis://"),
    ):
        KeyCache("a").get()


def test_a_node_by_itself_says_what_it_is(here: Cluster) -> None:
    """With redis:// a node of a cluster serves its own keys; for others the message names redis+cluster://."""
    keys = spread(here)
    node = here.owner(keys[0])
    with isolated(f"redis://{node.host}:{node.port}"):
        KeyCache(keys[0]).set(1)
        with pytest.raises(CacheError, match=r"redis\+cluster://"):
            KeyCache(keys[1]).set(1)


def test_one_fan_out_for_many_keys(here: Cluster) -> None:
    """However many nodes, one round trip: all are asked, then all are read."""
    Item.set_many({n: n for n in range(50)})
    assert trips(None, lambda: Item.get_many(range(50))) == 1
    assert trips(None, lambda: Item.set_many({n: n for n in range(50)})) == 1
    assert trips(None, lambda: Item.delete_many(range(50))) == 1
    assert trips(None, lambda: invalidate_tags("a", "b", "c", "d")) == 1


def test_a_hit_with_tags_is_one_fan_out(here: Cluster) -> None:
    """Entry and tags are read at the same time, wherever they are."""

    @cached(ttl=60, tags=("a", "b", "c"))
    def f(n: int) -> int:
        return n

    assert f(1) == 1
    assert trips(None, lambda: f(1)) == 1
    invalidate_tags("b")
    with sent() as seen:
        assert f(1) == 1
    assert seen[0][0] == "MGET"


def test_clean_and_clear_visit_all_primaries(here: Cluster) -> None:
    """By SCAN, node by node."""
    Item.set_many({n: n for n in range(300)})
    KeyCache("other").set(1)
    assert connection().raw("DBSIZE") == 301
    assert len(connection().raw("KEYS", "item.*")) == 300
    assert Item.clean() == 300
    assert KeyCache("other").get() == 1

    @cached(ttl=60, l1=False)  # so that no listener enters itself at the nodes
    def f(n: int) -> int:
        return n

    for n in range(30):
        f(n)
    f.clear()
    assert connection().raw("DBSIZE") == 1
    assert unsafe_clear("*") == 1
    assert connection().raw("DBSIZE") == 0
    connection().raw("SET", "a", 1)
    connection().raw("FLUSHALL")
    assert connection().raw("DBSIZE") == 0


def test_a_scan_that_meets_a_moved_slot_begins_anew(here: Cluster) -> None:
    """Keys that went from a node that was still to come to one that was done are seen all the same."""
    Item.set_many({n: n for n in range(200)})
    con = connection()
    cursor, found = con.raw("SCAN", 0, "COUNT", 20)
    seen = set(found)
    first = min(here.primaries, key=lambda node: (node.host, node.port))
    last = max(here.primaries, key=lambda node: (node.host, node.port))
    moving = next(key for key in con.raw("KEYS", "*") if here.owner(key) is last)
    here.reshard(here.slot(moving), last, first)
    assert con.raw("GET", moving) is not None  # MOVED tells of it
    while int(cursor):
        cursor, found = con.raw("SCAN", cursor, "COUNT", 20)
        seen.update(found)
    assert len(seen) == 200


def test_raw(here: Cluster) -> None:
    """Goes to the node of its key, if the key is no first word as well; without a key any node answers."""
    con = connection()
    for key in spread(here):
        con.raw("XADD", key, "*", "f", 1)
        assert con.raw("XLEN", key) == 1
        assert con.raw("EVAL", "return redis.call('XLEN', KEYS[1])", 1, key) == 1
    assert con.raw("PING") == b"PONG"
    assert con.raw("ECHO", "x") == b"x"
    assert b"cluster_state:ok" in con.raw("CLUSTER", "INFO")
    with pytest.raises(CacheError, match="names no key"):
        con.raw("SHUTDOWN")
    a, b, _ = spread(here)
    with pytest.raises(CacheError, match="slots"):
        con.raw("SMOVE", a, b, "m")


def test_a_pipeline_is_one_multi_for_each_slot(here: Cluster) -> None:
    """All are sent at once; operands of other slots are read before."""
    a, b, c = (CounterCache(key) for key in spread(here))
    with a.pipeline() as p:
        p["x"] += 1
        p(b)["x"] += 2
        p(c)["x"] += 3
        total = p["x"]
    assert total.value == 1
    assert [each["x"] for each in (a, b, c)] == [1, 2, 3]
    with sent() as seen, a.pipeline() as p:
        p["x"] += 1
        p(b)["x"] += 1
        p["y"] += 1
    assert len(seen) == 1
    assert seen[0].count("MULTI") == 2
    with a.pipeline() as p:
        p.update(b)
        p["x"] += 1
    assert a["x"] == 6
    block = a.pipeline()
    p = block.__enter__()
    p(b)["x"] += 1
    p.update(b)
    with pytest.raises(ConfigError, match="hash tag"):
        block.__exit__(None, None, None)
    assert b["x"] == 3


def test_algebra_over_slots(here: Cluster) -> None:
    """Operands are brought to the slot of the result, and nothing stays behind."""
    a, b, c = (SetCache(key) for key in spread(here, "s"))
    a.update({1, 2, 3})
    b.update({3, 4})
    c.update({4, 5})
    assert a | b | c == {1, 2, 3, 4, 5}
    assert a & b == {3}
    assert a - b == {1, 2}
    assert a ^ b == {1, 2, 4}
    assert not a.isdisjoint(b)
    assert not a <= b
    a |= b
    assert set(a) == {1, 2, 3, 4}
    a &= c
    assert set(a) == {4}
    a ^= b
    assert set(a) == {3}
    b.copy_to(c.key)
    assert set(c) == {3, 4}
    x, y, _ = (SortedSetCache(key) for key in spread(here, "z"))
    x.update({"a": 1.0})
    y.update({"a": 2.0, "b": 3.0})
    assert x.union(y) == {"a": 3.0, "b": 3.0}
    x.union_update(y)
    assert dict(x) == {"a": 3.0, "b": 3.0}
    m, n, _ = (CounterCache(key) for key in spread(here, "c"))
    m.update(a=1)
    n.update(a=2, b=5)
    m += n
    assert m == {"a": 3, "b": 5}
    d, e, _ = (DictCache(key) for key in spread(here, "d"))
    d.update({"a": 1})
    e.update({"b": 2})
    d.update(e)
    assert d == {"a": 1, "b": 2}
    d.copy_to(e.key)
    assert e == {"a": 1, "b": 2}
    assert not [key for key in connection().raw("KEYS", "*") if b"rc:s:" in key]


def test_algebra_of_tagged_collections_over_slots(here: Cluster) -> None:
    """An operand that was invalidated is empty, wherever it and its tags are."""

    class Tagged(SetCache[int]):
        prefix = "tagged"
        tags = ("one", "two")

    class Other(SetCache[int]):
        prefix = "other"
        tags = ("three",)

    a, b = Tagged(1), Other(2)
    a.update({1, 2})
    b.update({2, 3})
    assert a | b == {1, 2, 3}
    a |= b
    assert set(a) == {1, 2, 3}
    invalidate_tags("three")
    assert a & b == set()
    a -= b
    assert set(a) == {1, 2, 3}
    invalidate_tags("two")
    assert set(a) == set()
    b.add(7)
    a |= b
    assert set(a) == {7}
    with b.pipeline() as p:
        p.add(8)
        p(a).add(9)
        size = p.length()
    assert size.value == 2
    assert set(a) == {7, 9}


def test_hash_tags_in_prefixes(here: Cluster) -> None:
    """Keys of one slot: one MULTI, one script, no copies."""

    class Cart(SetCache[int]):
        prefix = "{shop}.cart"

    a, b = Cart(1), Cart(2)
    a.update({1})
    b.update({2})
    assert trips(None, lambda: a | b) == 1
    assert trips(None, lambda: a.update(b)) == 1


def test_waiters_of_other_processes_are_woken(here: Cluster) -> None:
    """By the node that owns the key: long before they would look by themselves. Also where its slot moves meanwhile."""
    configure({"default": here.dsn, "other": here.dsn})
    begun, go = threading.Event(), threading.Event()

    def slow(n: int) -> int:
        begun.set()
        go.wait(10)
        return n

    mine = cached(ttl=60, key="woken:{n}")(slow)
    theirs = cached(ttl=60, key="woken:{n}", connection_name="other")(slow)
    took: list[float] = []

    def wait(n: int) -> None:
        assert theirs(n) == n
        took.append(time.monotonic())

    for n in range(9):
        begun.clear()
        go.clear()
        owner = threading.Thread(target=mine, args=(n,))
        owner.start()
        assert begun.wait(10)
        waiter = threading.Thread(target=wait, args=(n,))
        waiter.start()
        time.sleep(0.05)
        if n > 5:
            source = here.owner(f"woken:{n}")
            here.reshard(here.slot(f"woken:{n}"), source, next(each for each in here.primaries if each is not source))
        end = time.monotonic()
        go.set()
        waiter.join(10)
        owner.join(10)
        assert took[-1] - end < 0.45
        took[-1] -= end
    assert sorted(took[:6])[3] < 0.1


def test_one_computation_for_threads_and_tasks(here: Cluster) -> None:
    """The lease is at the owner of the key, as on one server."""
    computed: list[int] = []

    @cached(ttl=60, tags=("a", "b"))
    def f(n: int) -> int:
        computed.append(n)
        time.sleep(0.05)
        return n

    threads = [threading.Thread(target=f, args=(n % 3,)) for n in range(30)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(computed) == [0, 1, 2]

    @cached(ttl=60, tags=("a", "b"))
    async def g(n: int) -> int:
        computed.append(n)
        await asyncio.sleep(0.05)
        return n

    async def main() -> list[int]:
        return list(await asyncio.gather(*(g(n % 3) for n in range(30))))

    computed.clear()
    assert asyncio.run(main()) == [n % 3 for n in range(30)]
    assert sorted(computed) == [0, 1, 2]


def test_values_are_held_in_the_process(here: Cluster) -> None:
    """Results of functions, also with tags on other nodes, and reads of the types; a change by anybody shows."""

    @cached(ttl=60, l1=True, tags=("a", "b", "c", "d"))
    def f(n: int) -> int:
        return n

    class Held(KeyCache[int]):
        prefix = "held"
        l1 = True

    for n in range(20):
        Held(n).set(n)
    settle(*(lambda n=n: f(n) for n in range(20)), *(lambda n=n: Held(n).get() for n in range(20)))  # type: ignore[misc]
    assert l1_info().entries >= 40
    assert l1_info().why == "changes are heard"
    for n in range(20):
        with here.owner(f"held.{n}").client() as bare:
            bare.set(f"held.{n}", n + 100)
    wait_until(lambda: [Held(n).get() for n in range(20)] == list(range(100, 120)), what="the changes")
    settle(lambda: f(1))
    fills = l1_info().fills
    invalidate_tags("c")
    assert f(1) == 1
    wait_until(lambda: f(1) == 1 and l1_info().fills > fills, what="it is read again")


def test_one_dead_node_fails_its_own_keys_only(here: Cluster) -> None:
    """At once, from the second call on: its breaker is open. Those of the other nodes are served."""
    here_nodes = here.primaries
    keys = spread(here)
    for key in keys:
        KeyCache(key).set(1)
    here_nodes[0].freeze()
    with deadline(0.3), pytest.raises(CacheError):
        KeyCache(keys[0]).get()
    with isolated(here.dsn + "?timeout=0.3"):
        with pytest.raises(CacheError):
            KeyCache(keys[0]).get()
        began = time.monotonic()
        for _ in range(10):
            with pytest.raises(CacheError):
                KeyCache(keys[0]).get()
            if time.monotonic() - began > 0.4:
                break
        else:
            assert time.monotonic() - began < 0.2
    here_nodes[0].thaw()


def test_failed_invalidations_are_sent_later(here: Cluster) -> None:
    """J1: each to the node of its key, when that is back."""
    computed: list[int] = []

    @cached(ttl=60, tags=("kept",))
    def f(n: int) -> int:
        computed.append(n)
        return len(computed)

    assert f(1) == 1
    node = here.owner("rc:t:kept")
    node.freeze()
    with deadline(0.2), pytest.raises(CacheError):
        invalidate_tags("kept")
    node.thaw()
    wait_until(lambda: f(1) == 2, what="the invalidation")


def test_async_faces_close(here: Cluster) -> None:
    """What a loop has opened goes with it."""

    async def main() -> int:
        for n in range(10):
            await AsyncKeyCache("a", n).set(n)
        return sum([await AsyncKeyCache("a", n).get() for n in range(10)])

    for _ in range(3):
        assert asyncio.run(main()) == 45


def test_scripts_are_known_for_each_node(here: Cluster) -> None:
    """K11: a node that has lost them is sent the text again."""
    keys = spread(here)
    for key in keys:
        KeyCache(key).increment()
    for node in here.primaries:
        node.ask("SCRIPT", "FLUSH")
    for key in keys:
        assert KeyCache(key).increment() == 2
    assert connection().many([Script("key_get_ttl", (key,), ()) for key in keys], False, False)


def test_nodes_are_looked_after_while_they_are_used(here: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is asked by a write that changes nothing; after a rest nobody asks, and the next use begins again."""
    con: Any = connection()
    node = here.primaries[0]
    key = here.key_on(node)

    def runs() -> bool:
        return any(each.name == "rcollections-nodes" for each in threading.enumerate())

    def asked() -> int:
        told = node.ask("INFO", "commandstats")
        found = re.search(rb"cmdstat_persist:calls=(\d+)", told)
        return int(found[1]) if found else 0

    KeyCache(key).set(1)
    assert runs()
    before = asked()
    wait_until(lambda: asked() >= before + 3 and KeyCache(key).get() == 1, 10, "it is asked")
    monkeypatch.setattr(lookout, "IDLE", 0.2)
    wait_until(lambda: not runs(), 5, "nobody asks any more")
    monkeypatch.undo()
    assert KeyCache(key).get() == 1
    assert runs()
    con.close()
    wait_until(lambda: not runs(), 5, "the end")
    assert KeyCache(key).get() == 1
    assert runs()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_looks_after_its_nodes_by_itself(here: Cluster) -> None:
    """The thread is in the parent."""
    key = here.key_on(here.primaries[0])
    KeyCache(key).set(1)
    pid = os.fork()
    if not pid:
        ok = False
        try:
            ok = KeyCache(key).get() == 1 and any(each.name == "rcollections-nodes" for each in threading.enumerate())
        finally:
            os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_what_waits_for_a_dead_node_keeps_no_breaker_open(here: Cluster) -> None:
    """What is kept goes ahead of each trip to its node, so the others serve meanwhile."""
    con: Any = connection()
    first, second, _ = here.primaries
    key, other = here.key_on(first), here.key_on(second)
    KeyCache(other).set(1)
    con.kept.keep([Due(key)])
    con.breaker.failed(CacheConnectionError("none of them"))
    first.freeze()
    try:
        con.breaker.worked()
        assert not con.breaker.is_open
        began = time.monotonic()
        assert KeyCache(other).get() == 1
        assert time.monotonic() - began < 1
    finally:
        first.thaw()
