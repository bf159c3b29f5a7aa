"""What stays: the hit ratio on made-up lookups, LRU and the future known beside it."""

from __future__ import annotations

import random
from bisect import bisect
from collections import OrderedDict
from functools import cache
from heapq import heappop, heappush
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.stores import KINDS, store_class

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 40_000


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Any:
    return store_class(request.param)


def zipf(rnd: random.Random, keys: int, exponent: float) -> Callable[[], int]:
    weights = list(accumulate(1 / n**exponent for n in range(1, keys + 1)))
    return lambda: bisect(weights, rnd.random() * weights[-1])


def skewed(exponent: float) -> list[int]:
    draw = zipf(random.Random(1), 8000, exponent)
    return [draw() for _ in range(COUNT)]


def with_scans(length: int) -> list[int]:
    """Every second stretch is of things that nobody needs again."""
    return [-k if k // length % 2 else n for k, n in enumerate(skewed(0.9))]


def shifting(parts: int) -> list[int]:
    """Other favourites in each part."""
    return [n + 8000 * (k * parts // COUNT) for k, n in enumerate(skewed(0.9))]


def loop(length: int) -> list[int]:
    return [k % length for k in range(COUNT)]


def recent(mean: int) -> list[int]:
    """The nearer a thing was, the likelier it is asked for again: made for LRU."""
    rnd, order, lookups = random.Random(2), list[int](), list[int]()
    for k in range(COUNT):
        back = int(rnd.expovariate(1 / mean))
        again = rnd.random() > 0.1 and back < len(order)
        order.append(order.pop(-1 - back) if again else k)
        lookups.append(order[-1])
    return lookups


def sessions(active: int, length: int) -> list[int]:
    """So many visitors at a time, each asked for about so often, then never again."""
    rnd = random.Random(3)
    visitors, lookups, born = list(range(active)), list[int](), active
    for _ in range(COUNT):
        place = rnd.randrange(active)
        lookups.append(visitors[place])
        if rnd.random() < 1 / length:
            visitors[place], born = born, born + 1
    return lookups


LOOKUPS: dict[str, Callable[[], list[int]]] = {
    "zipf 0.7": lambda: skewed(0.7),
    "zipf 0.9": lambda: skewed(0.9),
    "zipf 1.1": lambda: skewed(1.1),
    "short scans": lambda: with_scans(300),
    "long scans": lambda: with_scans(4000),
    "other favourites, at times": lambda: shifting(4),
    "other favourites, often": lambda: shifting(100),
    "a loop a little too long": lambda: loop(1100),
    "a loop of twice the room": lambda: loop(2000),
    "recent, nearer": lambda: recent(100),
    "recent, farther": lambda: recent(1000),
    "short sessions": lambda: sessions(200, 5),
    "long sessions": lambda: sessions(200, 20),
}


@cache
def made(name: str) -> list[int]:
    return LOOKUPS[name]()


@cache
def least_recently_used(name: str, capacity: int) -> float:
    hits, items = 0, OrderedDict[int, None]()
    for key in made(name):
        hits += key in items
        items[key] = None
        items.move_to_end(key)
        if len(items) > capacity:
            items.popitem(last=False)
    return hits / COUNT


@cache
def future_known(name: str, capacity: int) -> float:
    """Belady: what is needed last leaves, also at once."""
    lookups = made(name)
    upcoming, last = [COUNT] * COUNT, dict[int, int]()
    for k in range(COUNT - 1, -1, -1):
        upcoming[k] = last.get(lookups[k], COUNT)
        last[lookups[k]] = k
    hits, kept, heap = 0, dict[int, int](), list[tuple[int, int]]()
    for k, key in enumerate(lookups):
        hits += key in kept
        kept[key] = upcoming[k]
        heappush(heap, (-upcoming[k], key))
        while len(kept) > capacity:
            when, worst = heappop(heap)
            if kept.get(worst) == -when:
                del kept[worst]
    return hits / COUNT


def ours(store: Any, name: str) -> float:
    for key in made(name):
        if store.get(key, None) is None:
            store.put(key, key)
    ratio: float = store.stats.hit_ratio
    return ratio


@pytest.mark.parametrize(
    ("name", "capacity", "least"),
    [
        ("zipf 0.7", 200, 0.43),
        ("zipf 0.9", 200, 0.53),
        ("zipf 0.9", 800, 0.4),
        ("zipf 1.1", 200, 0.56),
        ("short scans", 200, 0.57),
        ("long scans", 800, 0.42),
        ("other favourites, at times", 200, 0.38),
        ("a loop a little too long", 1000, 0.03),
        ("a loop of twice the room", 1000, 0.25),
    ],
)
def test_it_keeps_what_is_needed_again(make: Any, name: str, capacity: int, least: float) -> None:
    """Skew, scans and loops: so much of the way from LRU to the best that is possible."""
    floor, best = least_recently_used(name, capacity), future_known(name, capacity)
    assert (ours(make(capacity), name) - floor) / (best - floor) >= least


@pytest.mark.parametrize(
    ("name", "capacity"),
    [
        ("recent, nearer", 50),
        ("recent, nearer", 100),
        ("recent, nearer", 300),
        ("recent, farther", 1000),
        ("short sessions", 100),
        ("short sessions", 600),
        ("long sessions", 200),
        ("other favourites, at times", 800),
        ("other favourites, often", 50),
    ],
)
def test_where_lru_is_at_its_best_it_is_not_far(make: Any, name: str, capacity: int) -> None:
    """Lookups made for LRU, the room just what they need: at most two points below it."""
    assert ours(make(capacity), name) >= least_recently_used(name, capacity) - 0.02
