"""The store in this process: cost of a hit and of a miss, memory, hit ratios on generated lookups.

``python benchmarks/store.py [--quick]``, with ``RCOLLECTIONS_PURE=1`` for the one in Python. No server. Other
libraries (cachebox, cachetools) are measured beside it where they are installed. All take turns in one process;
costs are the least of the rounds, less the cost of the empty loop, since the rest of the machine only ever adds.
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
import time
import tracemalloc
from bisect import bisect
from collections import OrderedDict
from functools import lru_cache
from heapq import heappop, heappush
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rcollections import LocalCache
from rcollections.l1 import COMPILED

if TYPE_CHECKING:
    from collections.abc import Callable

CAPACITY = 10_000


class LRU:
    """The yardstick of hit ratios."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.items: OrderedDict[Any, Any] = OrderedDict()

    def get(self, key: Any, default: Any = None) -> Any:
        if key in self.items:
            self.items.move_to_end(key)
            return self.items[key]
        return default

    def put(self, key: Any, value: Any) -> None:
        self.items[key] = value
        if len(self.items) > self.capacity:
            self.items.popitem(last=False)


def others() -> dict[str, Callable[[int], Any]]:
    """What else is installed; ``put`` is what each calls its way of storing."""
    found: dict[str, Callable[[int], Any]] = {}
    for library, names in (("cachebox", ("LRUCache", "LFUCache", "VTTLCache")), ("cachetools", ("LRUCache",))):
        try:
            module = import_module(library)
        except ImportError:
            print(f"{library} is not installed: left out")
            continue
        for name in names:
            found[f"{library} {name}"] = getattr(module, name)
    return found


def putter(cache: Any) -> Callable[[Any, Any], object]:
    put: Callable[[Any, Any], object] = (
        getattr(cache, "put", None) or getattr(cache, "insert", None) or cache.__setitem__
    )
    return put


def zipf(keys: int, exponent: float, count: int, rnd: random.Random) -> list[int]:
    weights = list(accumulate(1 / n**exponent for n in range(1, keys + 1)))
    return [bisect(weights, rnd.random() * weights[-1]) for _ in range(count)]


def lookups(quick: bool) -> dict[str, list[int]]:
    """Made up, each with one habit of real programs; the numbers stand for keys."""
    rnd, count = random.Random(4), 100_000 if quick else 400_000
    skewed = zipf(50_000, 0.9, count, rnd)
    scans = [n if k % 5 else 1_000_000 + k for k, n in enumerate(skewed)]
    bursts = [n if k // 20_000 % 2 else 1_000_000 + k % 20_000 for k, n in enumerate(skewed)]
    shifting = [n + 10_000 * (k * 8 // count) for k, n in enumerate(skewed)]
    near: list[int] = []
    for k in range(count // 2):  # the nearer, the likelier
        back = int(rnd.expovariate(1 / 1000))
        near.append(k if rnd.random() < 0.1 or back >= len(near) else near[-1 - back])
    twice = [k // 2 % 100_000 if k % 2 else max(0, k // 2 - rnd.randrange(3000)) % 100_000 for k in range(count)]
    return {
        "zipf 0.9 of 50,000": skewed,
        "the same, every fifth needed once": scans,
        "the same, with scans of 20,000": bursts,
        "the same, other favourites in each eighth": shifting,
        "what was looked at a short while ago": near,
        "new things, looked at twice": twice,
        "a loop over 6,000": [k % 6000 for k in range(count)],
    }


def share_found(cache: Any, trace: list[int]) -> float:
    return through(cache, trace) / len(trace)


def best_possible(trace: list[int], capacity: int) -> float:
    """The hit ratio of one who knows the future (Belady, not storing what is no use)."""
    never = len(trace)
    upcoming, last = [never] * len(trace), dict[int, int]()
    for k in range(len(trace) - 1, -1, -1):
        upcoming[k] = last.get(trace[k], never)
        last[trace[k]] = k
    kept: dict[int, int] = {}
    heap: list[tuple[int, int]] = []
    hits = 0
    for k, key in enumerate(trace):
        hits += key in kept
        kept[key] = upcoming[k]
        heappush(heap, (-upcoming[k], key))
        while len(kept) > capacity:
            when, worst = heappop(heap)
            if kept.get(worst) == -when:
                del kept[worst]
    return hits / len(trace)


def ratios(quick: bool, found: dict[str, Callable[[int], Any]]) -> None:
    print("\nHit ratio in per cent\n")
    rivals = {name: make for name, make in found.items() if name in {"cachebox LFUCache"}}
    names = ["LocalCache", "LRU", *rivals, "the future known"]
    print(f"| lookups | capacity | {' | '.join(names)} |\n|---|--:|{'--:|' * len(names)}")
    for what, trace in lookups(quick).items():
        for capacity in (500, 5000):
            shown = [share_found(LocalCache[int, int](capacity), trace), share_found(LRU(capacity), trace)]
            shown += [share_found(make(capacity), trace) for make in rivals.values()]
            shown.append(best_possible(trace, capacity))
            print(f"| {what} | {capacity} | {' | '.join(f'{100 * each:.1f}' for each in shown)} |")


def costs(quick: bool, found: dict[str, Callable[[int], Any]]) -> None:
    """All take short turns, round after round: what disturbs one disturbs the next, and hardly ever every round."""
    rnd = random.Random(1)
    names = [f"key:{n}" for n in range(100_001)]
    known = names[:CAPACITY]
    rnd.shuffle(known)
    hits = [known[n] for n in zipf(CAPACITY - 1, 0.9, 50_000, rnd)]
    mix = [names[n] for n in zipf(100_000, 1.0, 200_000 if quick else 1_000_000, rnd)]
    parts = [mix[n : n + 100_000] for n in range(0, len(mix), 100_000)]
    makers: dict[str, Callable[[int], Any]] = {
        "LocalCache": LocalCache,
        "LocalCache, ttl": lambda capacity: LocalCache(capacity, ttl=600),
        **found,
    }
    stores = {name: make(CAPACITY) for name, make in makers.items()}
    full = {name: make(CAPACITY) for name, make in makers.items()}
    for store in stores.values():
        put = putter(store)
        for key in known:
            put(key, 1)
    plain = dict.fromkeys(known, 1)
    least: dict[tuple[str, str, int], float] = {}
    seen: dict[str, float] = {}

    def note(case: str, name: str, seconds: float, part: int = 0) -> None:
        least[case, name, part] = min(least.get((case, name, part), 9.0), seconds)

    turns = list(makers)
    for turn in range(3 if quick else 40):
        rnd.shuffle(turns)
        note("hit", "loop", timed(lambda: empty(hits)))
        for _ in range(2):
            note("hit", "dict", timed(lambda: gets(plain.get, hits)))
        for name in turns:
            for _ in range(2):
                note("hit", name, timed(lambda store=stores[name]: gets(store.get, hits)))  # type: ignore[misc]
            fresh = [f"{turn}:{n}" for n in range(2 * CAPACITY)]
            through(full[name], fresh[:CAPACITY])
            note("miss", name, timed(lambda cache=full[name], keys=fresh[CAPACITY:]: through(cache, keys)))  # type: ignore[misc]
        if turn % 2:
            continue
        caches = {name: make(CAPACITY) for name, make in makers.items()}
        cached = lru_cache(CAPACITY)(lambda key: key)
        seen = dict.fromkeys(makers, 0.0)
        for number, part in enumerate(parts):
            rnd.shuffle(turns)
            note("mix", "lru_cache", timed(lambda cached=cached, part=part: gets(cached, part)), number)  # type: ignore[misc]
            for name in turns:
                begun = time.perf_counter()
                seen[name] += through(caches[name], part) / len(mix)
                note("mix", name, time.perf_counter() - begun, number)
        seen["lru_cache"] = cached.cache_info().hits / len(mix)

    def took(case: str, name: str) -> float:
        return sum(seconds for (what, who, _), seconds in least.items() if what == case and who == name)

    loop = took("hit", "loop") / len(hits)

    def ns(case: str, name: str, count: int) -> str:
        return f"{1e9 * (took(case, name) / count - loop):.0f}" if took(case, name) else "-"

    print(f"\nNanoseconds, {CAPACITY} entries of str keys; a miss is of a new key; the mix: zipf 1.0 of 100,000 keys\n")
    print("| | hit | miss: get, put, evict | the mix, per lookup | its hit ratio |\n|---|--:|--:|--:|--:|")
    for name in ("dict", "lru_cache", *makers):
        ratio = f"{100 * seen[name]:.1f} %" if name in seen else "-"
        shown = ns("hit", name, len(hits)), ns("miss", name, CAPACITY), ns("mix", name, len(mix))
        print(f"| {name} | {' | '.join(shown)} | {ratio} |")


def timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def empty(keys: list[str]) -> None:
    for _ in keys:
        pass


def gets(get: Callable[[Any], object], keys: list[str]) -> None:
    for key in keys:
        get(key)


def through(cache: Any, keys: list[Any]) -> int:
    """Look up, put what is missing; how many were there."""
    get, put, hits = cache.get, putter(cache), 0
    for key in keys:
        if get(key, None) is None:
            put(key, key)
        else:
            hits += 1
    return hits


def memory() -> None:
    keys = list(range(1_000_000, 1_000_000 + 2 * CAPACITY))
    print(f"\nBytes per entry beside key and value, {CAPACITY} entries, after twice as many puts\n")
    for ttl in (0, 600):
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        cache = LocalCache[int, None](CAPACITY, ttl=ttl)
        for key in keys:
            cache.put(key, None)
        used = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        print(f"- {'with ttl' if ttl else 'without'}: {used / len(cache):.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, shorter traces: a look, no figures")
    quick = parser.parse_args().quick
    kind = "compiled" if COMPILED else "in Python"
    print(f"The store {kind}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    found = others()
    costs(quick, found)
    memory()
    ratios(quick, found)


if __name__ == "__main__":
    main()
