"""A stampede: 4 processes of 50 threads ask for one cold key whose computation takes 0.5 s.

Run: ``python benchmarks/stampede.py [--quick] [--unix] [--free] [--ending] [--server redis]``. "Extra wait" is
how long after the computation has ended a caller has its value. The threads are those of a pool, as in a server;
with ``--ending`` they are started for one call and end after it, which costs more than their waiting does.

The floor is what one would write by hand for this one case: one thread of a process hears the value, the others
wait for an Event; it knows no tags, and no owner that dies. Commands are those of the server's INFO commandstats,
inside scripts too and for opening connections, without PING and SET. Libraries run in turns; medians of 5 rounds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cached_peers as peers
import redis
from harness import Bench, options, start, table

from rcollections import cached, configure

if TYPE_CHECKING:
    from collections.abc import Callable

PROCESSES, THREADS, SECONDS = 4, 50, 0.5
LIBRARIES = ("rcollections", "floor: Event and PUBLISH by hand", "dogpile.cache, distributed lock", "HermesCache")
NOT_COUNTED = {"ping", "set", "config", "incr", "blpop", "rpush"}  # the last four are the benchmark's own


def by_hand(client: redis.Redis, compute: Callable[[object], float]) -> Callable[[object], float]:
    woken, lock, seen = threading.Event(), threading.Lock(), []

    def settle(key: object) -> float:
        if client.set("lease", "1", nx=True, px=20_000):
            value = compute(key)
            client.publish("values", repr(value))
            return value
        with client.pubsub() as heard:
            heard.subscribe("values")
            while True:
                message = heard.get_message(timeout=30)
                if message is not None and message["type"] == "message":
                    return float(message["data"])

    def call(key: object) -> float:
        if lock.acquire(blocking=False):  # the first one; nobody gives it back
            seen.append(settle(key))
            woken.set()
        woken.wait(30)
        return seen[0]

    return call


def function(client: redis.Redis, dsn: str, library: str, compute: Callable[[object], float]) -> Any:
    if library == LIBRARIES[0]:
        configure(dsn)
        return cached(key="stampede:{_key}")(compute)  # it captures a client, so it has no key that others share
    if library == LIBRARIES[1]:
        return by_hand(client, compute)
    if library == LIBRARIES[2]:
        return peers.dogpile_function(client, compute)
    return peers.hermes_function(client, compute, ())


def nothing(_key: object) -> float:
    return 0.0


def worker(dsn: str, library: str, ending: bool) -> None:
    client = redis.Redis.from_url(dsn)

    def compute(_key: object) -> float:
        time.sleep(SECONDS)
        client.rpush("computed", 1)
        return time.time()

    f = function(client, dsn, library, compute)
    together = threading.Barrier(THREADS)
    extra: list[float] = []

    def caller() -> None:
        together.wait()
        ended = f(1)
        extra.append(time.time() - ended)

    if library == LIBRARIES[0]:
        f.key(1)
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(0 if ending else THREADS):
            pool.submit(together.wait)  # all its threads run now
        client.incr("ready")
        client.blpop("go", 30)
        if ending:
            threads = [threading.Thread(target=caller) for _ in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        else:
            for future in [pool.submit(caller) for _ in range(THREADS)]:
                future.result()
    print(json.dumps(extra))


def run(bench: Bench, library: str, ending: bool = False) -> tuple[int, float, float, float]:
    bench.client.flushall()
    command = [sys.executable, str(Path(__file__)), "--worker", bench.server.dsn, library, *["--ending"][: int(ending)]]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ}) for _ in range(PROCESSES)]
    while int(bench.client.get("ready") or 0) < PROCESSES:
        time.sleep(0.01)
    bench.client.config_resetstat()
    bench.client.rpush("go", *range(PROCESSES))
    extra = sorted(each for process in workers for each in json.loads(process.communicate(timeout=120)[0]))
    stats: dict[str, Any] = bench.client.info("commandstats")
    commands = sum(
        each["calls"]
        for name, each in stats.items()
        if name.removeprefix("cmdstat_").partition("|")[0] not in NOT_COUNTED
    )
    computed: int = bench.client.llen("computed")
    return computed, commands / PROCESSES, extra[len(extra) // 2], extra[len(extra) * 99 // 100]


def main() -> None:
    asked = options("A stampede.", ending="threads that end after their call, not those of a pool")
    with start(asked) as bench:
        there = [each for each in LIBRARIES if function(bench.client, bench.server.dsn, each, nothing) is not None]
        runs: dict[str, list[tuple[int, float, float, float]]] = {library: [] for library in there}
        for _ in range(2 if bench.quick else 5):
            for library, mine in runs.items():
                mine.append(run(bench, library, asked.ending))
        rows = []
        for library, mine in runs.items():
            computed, commands, p50, p99 = (median(column) for column in zip(*mine, strict=True))
            rows.append([library, f"{computed:g}", f"{commands:.1f}", f"{p50 * 1e3:.1f}", f"{p99 * 1e3:.1f}"])
        head = ("", "computations", "commands a process", "extra wait p50, ms", "p99, ms")
        kind = "threads that end" if asked.ending else "pooled threads"
        table(f"{PROCESSES} processes of {THREADS} {kind}, one cold key, {SECONDS} s", head, rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:4], ending="--ending" in sys.argv)
    else:
        main()
