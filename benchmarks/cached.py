"""``@cached``: a hit with 0 and 3 tags, a miss, 100 keys at once, and a tag on 10 or 1,000,000 entries.

Run: ``python benchmarks/cached.py [--quick] [--unix] [--free] [--server redis]``; the stampede is in
``stampede.py``. Beside us: dogpile.cache, HermesCache, cashews and aiocache, those that are installed. The async
ones are called through ``loop.run_until_complete``, and so is our own async function, for comparison.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import cached_peers as peers
from harness import Bench, Case, measure, options, start, table, usual

from rcollections import cached, invalidate_tags, multi_cached

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = ("", "us", "ratio", "CPU us", "ratio")
TAGS = ("a", "b", "c")
VALUE = {"id": 42, "name": "ann", "roles": ["admin", "editor"]}


def compute(_key: object) -> dict[str, Any]:
    return VALUE


async def acompute(_key: object) -> dict[str, Any]:
    return VALUE


def main() -> None:
    with start(options("Cached functions.")) as bench:
        loop = asyncio.new_event_loop()
        functions = every_function(bench, loop)
        calls = 100 if bench.quick else 500
        hits = [Case(name, lambda f=f: f(1)) for name, f in functions.items()]
        table("A hit", HEAD, [usual(figure) for figure in measure(bench, hits, calls)])
        fresh = itertools.count(1000)
        misses = [Case(name, lambda f=f: f(next(fresh))) for name, f in functions.items()]
        table("A miss (looked up, computed, stored)", HEAD, [usual(f) for f in measure(bench, misses, calls // 5)])
        many(bench)
        invalidating(bench)
        peers.close(loop)


def every_function(bench: Bench, loop: asyncio.AbstractEventLoop) -> dict[str, Callable[[int], Any]]:
    bare = cached(version="bare", l1=False)(compute)
    tagged = cached(version="tagged", tags=TAGS, l1=False)(compute)
    later = cached(version="async", l1=False)(acompute)
    # What others offer without tags is compared with our first row, what has tags with our second.
    return {
        "rcollections": bare,
        "rcollections, 3 tags": tagged,
        **peers.sync(bench.client, compute, TAGS),
        "rcollections, async": lambda key: loop.run_until_complete(later(key)),
        **peers.asynchronous(bench.client, acompute, loop),
    }


def many(bench: Bench) -> None:
    single = cached(version="single", l1=False)(compute)

    @multi_cached("ids")
    def several(ids: Any) -> dict[int, Any]:
        return dict.fromkeys(ids, VALUE)

    ids = range(100)
    cases = [
        Case("multi_cached", lambda: several(ids)),
        Case("100 calls", lambda: [single(n) for n in ids]),
    ]
    table("100 hits", HEAD, [usual(figure) for figure in measure(bench, cases, 20)])


def invalidating(bench: Bench) -> None:
    """A tag that many entries carry, and the time until the next call sees it: counted in numbers of entries."""
    rows = []
    for size in (10, 10_000 if bench.quick else 1_000_000):
        name = f"on {size} entries"

        @cached(tags=(name,), version=name, l1=False)
        def f(n: int) -> int:
            return n

        f(0)
        entry = bench.client.get(f.key(0))
        assert entry is not None
        for first in range(1, size, 10_000):
            bench.client.mset({f.key(n): entry for n in range(first, min(first + 10_000, size))})
        took = []
        for _ in range(bench.rounds * 20):
            began = time.perf_counter()
            invalidate_tags(name)
            took.append(time.perf_counter() - began)
        rows.append([f"{size:,} entries", f"{median(took) * 1e6:,.1f}", f"{max(took) * 1e6:,.0f}"])
    table("Invalidating a tag", ("carried by", "us, median", "us, longest"), rows)
    bench.client.flushdb()


if __name__ == "__main__":
    main()
