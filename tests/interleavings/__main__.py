"""``make explore``: the longer form, each scenario with its numbers, on all processors."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import chain

from rcollections.plans import flight
from rcollections.plans.functions import driving
from tests.interleavings.catalog import APART, TOGETHER, TWO_AND_ONE, pairs, triples
from tests.interleavings.collection_catalog import collection_pairs, collection_troubles, long_collections
from tests.interleavings.explorer import Explored, explore
from tests.interleavings.locking import locks, long_locks
from tests.interleavings.nearby import long_nearby, nearby
from tests.interleavings.promises import Broken
from tests.interleavings.trouble import long_troubles, stale_ones, troubles

# Functions do not travel between processes: workers find their scenario by its number.
ALL = list(
    chain(
        pairs(together=False),
        pairs(together=True),
        *(triples(layout) for layout in (APART, TWO_AND_ONE, TOGETHER)),
        troubles(),
        stale_ones(),
        long_troubles(),
        collection_pairs(together=False),
        collection_pairs(together=True),
        collection_troubles(),
        long_collections(),
        nearby(),
        long_nearby(),
        locks(),
        long_locks(),
    )
)


flight.NET = flight.FIRST_GATHER  # who waits for a driving caller may look at any moment
driving.CROWD = 2


def one(number: int) -> tuple[str, Explored | None, str, float]:
    """Explore one scenario."""
    began = time.process_time()
    try:
        found, told = explore(ALL[number]), ""
    except Broken as broken:
        found, told = None, str(broken)
    return ALL[number].name, found, told, time.process_time() - began


def main() -> int:
    """All of them; 1 if one is broken."""
    total, broken = Explored(0, 0, 0, 0), 0
    with ProcessPoolExecutor() as pool:
        for name, found, told, took in pool.map(one, range(len(ALL))):
            print(f"{name}: {found if found else told} ({took:.1f} s)", flush=True)
            broken += found is None
            total += found or Explored(0, 0, 0, 0)
    print(f"{len(ALL)} scenarios, {broken} broken; {total}")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
