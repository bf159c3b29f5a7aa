"""Loading very many fields: ``DictCache.update`` beside pipelines of redis-py written by hand.

Run: ``python benchmarks/loading.py [--quick] [--unix] [--free] [--server redis]``. The goal: at most 1.2
times the best of the pipelines. They come in two forms, in chunks of 1,000 fields: one HSET per field,
as most people write it, and one HSET per chunk, which is the fastest that redis-py does. None of them
arms a ttl or says afterwards of what type a value was; what ``update`` does for that is in its figure.
"""

from __future__ import annotations

import pickle
import warnings
from itertools import islice
from typing import TYPE_CHECKING, Any

from harness import Case, measure, options, start, table, usual
from peers import collections_peer, pottery_for_bulk, say_what_is_missing

from rcollections import DictCache

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1_000
HEAD = ("", "ms", "ratio", "CPU ms", "ratio")


def main() -> None:
    with start(options("Loading very many fields.")) as bench:
        say_what_is_missing()
        fields = 20_000 if bench.quick else 100_000
        texts = {f"field:{n}": f"value {n}" for n in range(fields)}
        numbers = {f"field:{n}": n for n in range(fields)}
        rows = {f"field:{n}": {"name": f"user {n}", "visits": n} for n in range(fields)}
        quicker = bench._replace(rounds=bench.rounds // 2)
        for title, content, write in (
            ("values are text", texts, None),
            ("values are ints", numbers, None),
            ("values are small dicts (by hand: pickled)", rows, pickle.dumps),
        ):
            cases = by_hand(bench.client, content, write) + ours(content) + theirs(bench.client, content)
            table(
                f"Loading {fields:,} fields, {title}",
                HEAD,
                [usual(figure, 1e3) for figure in measure(quicker, cases, 1)],
            )


def by_hand(client: Any, content: dict[str, Any], write: Any) -> list[Case]:
    def chunks() -> Iterator[dict[str, Any]]:
        items = iter(content.items())
        while chunk := dict(islice(items, CHUNK)):
            yield {field: write(value) for field, value in chunk.items()} if write else chunk

    def per_chunk() -> None:
        p = client.pipeline(transaction=False)
        for chunk in chunks():
            p.hset("bare", mapping=chunk)
        p.execute()

    def per_field() -> None:
        for chunk in chunks():
            p = client.pipeline(transaction=False)
            for field, value in chunk.items():
                p.hset("bare", field, value)
            p.execute()

    def forget() -> None:
        client.delete("bare")

    return [
        Case("redis-py pipeline, an HSET per 1,000 fields", per_chunk, forget),
        Case("redis-py pipeline, an HSET per field", per_field, forget),
    ]


def ours(content: dict[str, Any]) -> list[Case]:
    cache: DictCache[str, Any] = DictCache("ours")
    return [
        Case("**DictCache.update**", lambda: cache.update(content), cache.clear),
        Case("**DictCache(data=…)**, atomic", lambda: DictCache("ours", data=content), cache.clear),
    ]


def theirs(client: Any, content: dict[str, Any]) -> list[Case]:
    found = []
    if collections_peer is not None:
        mine = collections_peer.Dict(redis=client, key="rc")
        found.append(Case("redis-collections Dict.update", lambda: mine.update(content), mine.clear))
    if pottery := pottery_for_bulk(client):
        other = pottery.RedisDict(redis=client, key="pottery")
        found.append(Case("pottery RedisDict.update", lambda: other.update(content), lambda: client.delete("pottery")))
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # pottery warns about what is O(n)
    main()
