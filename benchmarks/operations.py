"""What one operation costs: microseconds, round trips and commands, of each type and of its peers.

Run: ``python benchmarks/operations.py [--quick] [--unix] [--free] [--server redis]``. In each table the
first row is bare redis-py, and the ratios are to it. Values are a small dict: redis-py and
redis-collections pickle it, pottery writes JSON, ours is the self-describing format.

Our writes arm the ttl in the same atomic step, which bare commands and the peers do not; what that is
worth shows in the rows "with ttl": the same by hand, in MULTI.
"""

from __future__ import annotations

import pickle
import warnings
from itertools import count
from typing import TYPE_CHECKING, Any

from harness import Case, measure, options, start, table, usual
from peers import collections_peer, pottery_peer, say_what_is_missing

from rcollections import CounterCache, DictCache, KeyCache, SetCache, SortedSetCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VALUE = {"name": "ann", "visits": 3}
BYTES = pickle.dumps(VALUE)
TTL = 7200
HEAD = ("", "us", "ratio", "CPU us", "ratio", "trips", "commands")


def main() -> None:
    with start(options("What one operation costs.")) as bench:
        say_what_is_missing()
        for title, cases in tables(bench.client):
            bench.client.flushall()
            figures = measure(bench, cases, 100 if bench.quick else 400)
            rows = []
            for figure, case in zip(figures, cases, strict=True):
                trips, commands = bench.traffic(case)
                rows.append([*usual(figure), f"{trips:.1f}".removesuffix(".0"), commands])
            table(title, HEAD, rows)


def tables(client: Any) -> Iterator[tuple[str, list[Case]]]:
    yield from key_tables(client)
    yield from dict_tables(client)
    yield from set_tables(client)
    yield from sorted_set_tables(client)
    yield from counter_tables(client)


def in_one_step(client: Any, key: str, *command: Any) -> Callable[[], object]:
    """A write and its ttl by hand: what keeps them together is MULTI."""

    def call() -> None:
        p = client.pipeline()
        p.execute_command(*command)
        p.expire(key, TTL)
        p.execute()

    return call


def key_tables(client: Any) -> Iterator[tuple[str, list[Case]]]:
    cache: KeyCache[Any] = KeyCache("k:ours")
    counting: KeyCache[int] = KeyCache("k:count")
    new = count()
    store = Case("redis-py SET EX, pickle", lambda: client.set("k:bare", pickle.dumps(VALUE), ex=TTL))
    yield "KeyCache: set", [store, Case("**KeyCache.set**", lambda: cache.set(VALUE))]
    read = Case("redis-py GET, pickle", lambda: pickle.loads(client.get("k:bare")), lambda: client.set("k:bare", BYTES))
    yield "KeyCache: get", [read, Case("**KeyCache.get**", cache.get, lambda: cache.set(VALUE))]
    yield (
        "KeyCache: add, a new key each time",
        [
            Case("redis-py SET NX EX", lambda: client.set(f"k:b{next(new)}", pickle.dumps(VALUE), nx=True, ex=TTL)),
            Case("**KeyCache(…).add**", lambda: KeyCache("k", next(new)).add(VALUE)),
        ],
    )
    yield (
        "KeyCache: incr",
        [
            Case("redis-py INCRBY", lambda: client.incrby("k:n", 1)),
            Case("redis-py INCRBY, with ttl", in_one_step(client, "k:n2", "INCRBY", "k:n2", 1)),
            Case("**KeyCache.increment**", counting.increment),
        ],
    )


def dict_tables(client: Any) -> Iterator[tuple[str, list[Case]]]:
    ours: DictCache[str, Any] = DictCache("d:ours")
    stores = [
        Case("redis-py HSET, pickle", lambda: client.hset("d:bare", "ann", pickle.dumps(VALUE))),
        Case("redis-py HSET, with ttl", in_one_step(client, "d:bare2", "HSET", "d:bare2", "ann", BYTES)),
        Case("**DictCache** `d[f] = v`", lambda: ours.__setitem__("ann", VALUE)),
    ]
    reads = [
        Case(
            "redis-py HGET, pickle",
            lambda: pickle.loads(client.hget("d:bare", "ann")),
            lambda: client.hset("d:bare", "ann", BYTES),
        ),
        Case("**DictCache** `d[f]`", lambda: ours["ann"], lambda: ours.set("ann", VALUE)),
    ]
    for name, peer in peers("Dict", "RedisDict", client, "d"):
        stores.append(Case(f"{name} `d[f] = v`", lambda peer=peer: peer.__setitem__("ann", VALUE)))
        reads.append(
            Case(
                f"{name} `d[f]`",
                lambda peer=peer: peer["ann"],
                lambda peer=peer: peer.__setitem__("ann", VALUE),
            )
        )
    yield "DictCache: set", stores
    yield "DictCache: get", reads
    fields = count()
    yield (
        "DictCache: add (setdefault), a new field each time",
        [
            Case("redis-py HSETNX", lambda: client.hsetnx("d:bare3", f"f{next(fields)}", pickle.dumps(VALUE))),
            Case("**DictCache.setdefault**", lambda: ours.setdefault(f"f{next(fields)}", VALUE)),
            *(
                Case(f"{name} setdefault", lambda peer=peer: peer.setdefault(f"f{next(fields)}", VALUE))
                for name, peer in peers("Dict", "RedisDict", client, "d2")
            ),
        ],
    )
    yield (
        "DictCache: incr",
        [
            Case("redis-py HINCRBY", lambda: client.hincrby("d:n", "ann", 1)),
            Case("redis-py HINCRBY, with ttl", in_one_step(client, "d:n2", "HINCRBY", "d:n2", "ann", 1)),
            Case("**DictCache.increment**", lambda: ours.increment("count")),
        ],
    )


def set_tables(client: Any) -> Iterator[tuple[str, list[Case]]]:
    ours: SetCache[str] = SetCache("s:ours")
    members = count()
    adds = [
        Case("redis-py SADD", lambda: client.sadd("s:bare", f"m{next(members)}")),
        Case("**SetCache.add**", lambda: ours.add(f"m{next(members)}")),
    ]
    checks = [
        Case("redis-py SISMEMBER", lambda: client.sismember("s:bare", "ann"), lambda: client.sadd("s:bare", "ann")),
        Case("**SetCache** `in`", lambda: "ann" in ours, lambda: ours.add("ann")),
    ]
    for name, peer in peers("Set", "RedisSet", client, "s"):
        adds.append(Case(f"{name} add", lambda peer=peer: peer.add(f"m{next(members)}")))
        checks.append(Case(f"{name} `in`", lambda peer=peer: "ann" in peer, lambda peer=peer: peer.add("ann")))
    adds.insert(1, Case("redis-py SADD, with ttl", add_with_ttl(client, members)))
    yield "SetCache: add, a new member each time", adds
    yield "SetCache: get (`in`)", checks


def add_with_ttl(client: Any, members: Iterator[int]) -> Callable[[], object]:
    return lambda: in_one_step(client, "s:bare2", "SADD", "s:bare2", f"m{next(members)}")()


def sorted_set_tables(client: Any) -> Iterator[tuple[str, list[Case]]]:
    ours: SortedSetCache[str] = SortedSetCache("z:ours")
    yield (
        "SortedSetCache: add (set)",
        [
            Case("redis-py ZADD", lambda: client.zadd("z:bare", {"ann": 3.5})),
            Case("redis-py ZADD, with ttl", in_one_step(client, "z:bare2", "ZADD", "z:bare2", 3.5, "ann")),
            Case("**SortedSetCache.add**", lambda: ours.add("ann", 3.5)),
            *(
                Case(f"{name} set_score", lambda peer=peer: peer.set_score("ann", 3.5))
                for name, peer in peers("SortedSetCounter", "", client, "z")
            ),
        ],
    )
    yield (
        "SortedSetCache: get (score)",
        [
            Case("redis-py ZSCORE", lambda: client.zscore("z:bare", "ann"), lambda: client.zadd("z:bare", {"ann": 3})),
            Case("**SortedSetCache.score**", lambda: ours.score("ann"), lambda: ours.add("ann", 3)),
            *(
                Case(
                    f"{name} get_score",
                    lambda peer=peer: peer.get_score("ann"),
                    lambda peer=peer: peer.set_score("ann", 3),
                )
                for name, peer in peers("SortedSetCounter", "", client, "z")
            ),
        ],
    )
    yield (
        "SortedSetCache: incr",
        [
            Case("redis-py ZINCRBY", lambda: client.zincrby("z:bare", 1, "ann")),
            Case("redis-py ZINCRBY, with ttl", in_one_step(client, "z:bare2", "ZINCRBY", "z:bare2", 1, "ann")),
            Case("**SortedSetCache.incr**", lambda: ours.incr("ann")),
            *(
                Case(f"{name} increment_score", lambda peer=peer: peer.increment_score("ann"))
                for name, peer in peers("SortedSetCounter", "", client, "z")
            ),
        ],
    )


def counter_tables(client: Any) -> Iterator[tuple[str, list[Case]]]:
    ours: CounterCache[str] = CounterCache("c:ours")
    stores = [
        Case("redis-py HSET", lambda: client.hset("c:bare", "ann", 7)),
        Case("redis-py HSET, with ttl", in_one_step(client, "c:bare2", "HSET", "c:bare2", "ann", 7)),
        Case("**CounterCache** `c[f] = n`", lambda: ours.__setitem__("ann", 7)),
    ]
    reads = [
        Case("redis-py HGET, int", lambda: int(client.hget("c:bare", "ann")), lambda: client.hset("c:bare", "ann", 7)),
        Case("**CounterCache** `c[f]`", lambda: ours["ann"], lambda: ours.__setitem__("ann", 7)),
    ]
    adds = [
        Case("redis-py HINCRBY", lambda: client.hincrby("c:bare", "ann", 1)),
        Case("redis-py HINCRBY, with ttl", in_one_step(client, "c:bare2", "HINCRBY", "c:bare2", "ann", 1)),
        Case("**CounterCache.increment**", lambda: ours.increment("ann")),
        Case("**CounterCache** `c[f] += 1`", lambda: plus_one(ours)),
    ]
    for name, peer in peers("Counter", "RedisCounter", client, "c"):
        stores.append(Case(f"{name} `c[f] = n`", lambda peer=peer: peer.__setitem__("ann", 7)))
        reads.append(
            Case(f"{name} `c[f]`", lambda peer=peer: peer["ann"], lambda peer=peer: peer.__setitem__("ann", 7))
        )
        adds.append(Case(f"{name} `c[f] += 1` (loses counts)", lambda peer=peer: plus_one(peer)))
    yield "CounterCache: set", stores
    yield "CounterCache: get", reads
    yield "CounterCache: incr", adds


def plus_one(counter: Any) -> None:
    counter["ann"] += 1


def peers(collections_name: str, pottery_name: str, client: Any, key: str) -> Iterator[tuple[str, Any]]:
    """The same type of the peers that have it, as names and objects."""
    if collections_peer is not None:
        yield "redis-collections", getattr(collections_peer, collections_name)(redis=client, key=f"{key}:rc")
    if pottery_peer is not None and pottery_name:
        yield "pottery", getattr(pottery_peer, pottery_name)(redis=client, key=f"{key}:pottery")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # pottery warns about what is O(n)
    main()
