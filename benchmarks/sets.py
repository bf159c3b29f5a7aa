"""Two sets of 100,000 members: ``len``, ``in`` and union, on the server against in the client.

Run: ``python benchmarks/sets.py [--quick] [--unix] [--free] [--server redis]``. Half of the members are in
both. "In the client" is what one does without server-side algebra: fetch both sets and join them.
"""

from __future__ import annotations

import warnings
from typing import Any

from harness import Case, measure, options, start, table, usual
from peers import collections_peer, pottery_for_bulk, say_what_is_missing

from rcollections import SetCache

HEAD = ("", "us", "ratio", "CPU us", "ratio")
HEAD_MS = ("", "ms", "ratio", "CPU ms", "ratio")


def main() -> None:
    with start(options("Two big sets, on the server against in the client.")) as bench:
        say_what_is_missing()
        size = 10_000 if bench.quick else 100_000
        a, b, sums = fill(bench.client, size)
        calls = 100 if bench.quick else 400
        for title, cases in small(bench.client, a).items():
            figures = measure(bench, cases, calls)
            table(f"{title} of {size:,} members", HEAD, [usual(figure) for figure in figures])
        few = bench._replace(rounds=max(3, bench.rounds // 3))
        for title, cases in unions(bench.client, a, b, sums).items():
            figures = measure(few, cases, 1)
            table(f"{title}, two sets of {size:,} members", HEAD_MS, [usual(figure, 1e3) for figure in figures])
        for key in bench.client.keys("*sum"):
            stored = bench.client.scard(key)
            assert stored == size * 3 // 2, f"{key!r} has {stored} members: that was no union"


def fill(client: Any, size: int) -> tuple[SetCache[str], SetCache[str], SetCache[str]]:
    names = [f"member:{n}" for n in range(size * 3 // 2)]
    a = SetCache("a", data=names[:size])
    b = SetCache("b", data=names[size // 2 :])
    for key, part in (("a", names[:size]), ("b", names[size // 2 :])):
        if collections_peer is not None:
            collections_peer.Set(part, redis=client, key=f"rc:{key}")
        if pottery := pottery_for_bulk(client):
            pottery.RedisSet(part, redis=client, key=f"pottery:{key}")
    return a, b, SetCache("sum")


def peer_sets(client: Any, key: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if collections_peer is not None:
        found["redis-collections"] = collections_peer.Set(redis=client, key=f"rc:{key}")
    if pottery := pottery_for_bulk(client):
        found["pottery"] = pottery.RedisSet(redis=client, key=f"pottery:{key}")
    return found


def small(client: Any, a: SetCache[str]) -> dict[str, list[Case]]:
    peers = peer_sets(client, "a")
    return {
        "len": [
            Case("redis-py SCARD", lambda: client.scard("a")),
            Case("**SetCache** `len`", lambda: len(a)),
            *(Case(f"{name} `len`", lambda peer=peer: len(peer)) for name, peer in peers.items()),
        ],
        "in": [
            Case("redis-py SISMEMBER", lambda: client.sismember("a", "member:77")),
            Case("**SetCache** `in`", lambda: "member:77" in a),
            *(Case(f"{name} `in`", lambda peer=peer: "member:77" in peer) for name, peer in peers.items()),
        ],
    }


def unions(client: Any, a: SetCache[str], b: SetCache[str], sums: SetCache[str]) -> dict[str, list[Case]]:
    def keep_a() -> None:
        client.copy("a", "sum", replace=True)

    def in_client() -> None:
        found = client.smembers("sum") | client.smembers("b")
        p = client.pipeline(transaction=False)
        for chunk in chunks(list(found)):
            p.sadd("sum", *chunk)
        p.execute()

    def grow() -> None:
        nonlocal sums
        sums |= b

    gives = [
        Case("redis-py SMEMBERS twice, `|`, bytes", lambda: client.smembers("a") | client.smembers("b")),
        Case("redis-py SMEMBERS twice, `|`, decoded", lambda: decoded(client, "a") | decoded(client, "b")),
        Case("redis-py SUNION, bytes", lambda: client.sunion("a", "b")),
        Case("**SetCache** `a.union(b)`", lambda: a.union(b)),
    ]
    stores = [
        Case("redis-py: fetch both, `|`, SADD in a pipeline", in_client, keep_a),
        Case("redis-py SUNIONSTORE", lambda: client.sunionstore("sum", "sum", "b"), keep_a),
        Case("**SetCache** `a |= b`", grow, keep_a),
    ]
    others = peer_sets(client, "b")
    for name, peer in peer_sets(client, "a").items():
        gives.append(Case(f"{name} `a.union(b)`", lambda peer=peer, other=others[name]: peer.union(other)))
    for name, peer in peer_sets(client, "sum").items():
        key = peer.key
        stores.append(
            Case(
                f"{name} `a.update(b)`",
                lambda peer=peer, other=others[name]: peer.update(other),
                lambda key=key: client.copy(key.replace("sum", "a"), key, replace=True),
            )
        )
    return {"Union as a plain set": gives, "Union into the first set": stores}


def decoded(client: Any, key: str) -> set[str]:
    return {member.decode() for member in client.smembers(key)}


def chunks(members: list[bytes]) -> list[list[bytes]]:
    return [members[n : n + 1_000] for n in range(0, len(members), 1_000)]


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # pottery warns about what is O(n)
    main()
