"""A stampede: 4 processes of 50 threads ask for one cold key whose computation takes 0.5 s.

Run: ``python benchmarks/stampede.py [--quick] [--unix] [--free] [--server redis]``. "Extra wait" is how long after the
computation has ended a caller has its value. Commands are those of the server's INFO commandstats, inside
scripts too, without PING, SET and what opening a connection sends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import cached_peers as peers
import redis
from harness import Bench, options, start, table

from rcollections import cached, configure

PROCESSES, THREADS, SECONDS = 4, 50, 0.5
NOT_COUNTED = {"ping", "set", "hello", "auth", "select", "info", "client", "config", "incr", "blpop", "rpush", "lrange"}


def worker(dsn: str, library: str) -> None:
    client = redis.Redis.from_url(dsn)

    def compute(_key: object) -> float:
        time.sleep(SECONDS)
        client.rpush("computed", 1)
        return time.time()

    f: Any
    if library == "rcollections":
        configure(dsn)
        f = cached(compute)
    elif library == "dogpile.cache":
        f = peers.dogpile_function(client, compute)
    else:
        f = peers.hermes_function(client, compute, ())
    together = threading.Barrier(THREADS)
    extra: list[float] = []

    def caller() -> None:
        together.wait()
        ended = f(1)
        extra.append(time.time() - ended)

    if library == "rcollections":
        f.key(1)
    threads = [threading.Thread(target=caller) for _ in range(THREADS)]
    client.incr("ready")
    client.blpop("go", 30)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(extra))


def run(bench: Bench, library: str) -> tuple[int, float, float, float]:
    bench.client.flushall()
    command = [sys.executable, str(Path(__file__)), "--worker", bench.server.dsn, library]
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
    with start(options("A stampede.")) as bench:
        rows = []
        for library in ("rcollections", "dogpile.cache", "HermesCache"):
            if library == "HermesCache" and "path" in bench.client.connection_pool.connection_kwargs:
                continue
            runs = [run(bench, library) for _ in range(2 if bench.quick else 5)]
            computed, commands, p50, p99 = (median(column) for column in zip(*runs, strict=True))
            rows.append([library, f"{computed:g}", f"{commands:.1f}", f"{p50 * 1e3:.1f}", f"{p99 * 1e3:.1f}"])
        head = ("", "computations", "commands a process", "extra wait p50, ms", "p99, ms")
        table(f"{PROCESSES} processes of {THREADS} threads, one cold key, {SECONDS} s", head, rows)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:4])
    else:
        main()
