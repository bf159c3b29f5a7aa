"""Throughput of threads: reads a second of 1, 4 and 16 threads together, ours beside redis-py's.

Run: ``python benchmarks/threads.py [--quick] [--unix] [--free] [--server redis]``. Client and server share one core, so
that what is compared is the work that a call makes, not the luck of the machine's wake-ups. The cases run in rounds, in
another order each; the ratio is the median of the ratios in each round. redis-py's rows read bytes, ours values.
"""

from __future__ import annotations

import random
import threading
import time
from statistics import median
from typing import TYPE_CHECKING

from harness import options, start, table

from rcollections import DictCache, KeyCache, cached

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 0.4  # of a case in one round
VALUE = "x" * 100


def main() -> None:
    with start(options("How many reads a second threads make together.")) as bench:
        bare = bench.client
        bare.set("t:bare", VALUE)
        ours, fields = KeyCache[str]("t", "ours", data=VALUE), DictCache[str, str]("t", "fields", data={"f": VALUE})
        assert (ours.get(), fields["f"], kept(1)) == (VALUE, VALUE, VALUE)
        cases: dict[str, Callable[[], object]] = {
            "redis-py GET": lambda: bare.get("t:bare"),
            "**KeyCache.get**": ours.get,
            "**DictCache** `d[f]`": lambda: fields["f"],
            "**@cached**, a hit on the server": lambda: kept(1),
        }
        for count in (1, 4, 16):
            rounds = 3 if bench.quick else 11
            rows = figures(cases, count, rounds, SECONDS / 4 if bench.quick else SECONDS)
            table(f"{count} thread{'s' if count > 1 else ''}", ("", "reads/s", "x redis-py"), rows)


@cached(ttl=3600, l1=False, key=lambda n: ("t", "kept", n))
def kept(n: int) -> str:
    return VALUE


def figures(cases: dict[str, Callable[[], object]], count: int, rounds: int, seconds: float) -> list[list[str]]:
    rates: dict[str, list[float]] = {name: [] for name in cases}
    order = list(cases)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            rates[name].append(rate(cases[name], count, seconds))
    first = rates[next(iter(cases))]
    return [
        [name, f"{median(found):,.0f}", f"{median(a / b for a, b in zip(found, first, strict=True)):.2f}"]
        for name, found in rates.items()
    ]


def rate(call: Callable[[], object], count: int, seconds: float) -> float:
    """Calls a second of that many threads together."""
    done = [0] * count
    gate = threading.Barrier(count + 1)
    end = [0.0]

    def run(n: int) -> None:
        call()  # its connection is open
        gate.wait()
        calls = 0
        while time.perf_counter() < end[0]:
            call()
            calls += 1
        done[n] = calls

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    while gate.n_waiting < count:
        time.sleep(0.001)
    began = time.perf_counter()
    end[0] = began + seconds
    gate.wait()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
