"""The road of event loops to the server: reads one by one, by 50 and by 500 tasks, beside redis.asyncio.

Each task has keys of its own, so that no two ask for one key at the same time; callers that do share a read.

Run: ``python benchmarks/aroad.py [--quick] [--unix] [--server redis] [--uvloop] [--memory]``. Each round runs all
cases, in another order; ratios are medians of the ratios of each round, calls a second, to redis.asyncio. A second is
one of CPU time, of client and server together: they share one core, and other programs on the machine count less.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import redis.asyncio
from harness import Bench, options, start

from rcollections import AsyncKeyCache, cached, connection
from rcollections.plans.effects import Command, Plan
from rcollections.servers.drivers.aio import adrive
from rcollections.servers.drivers.aio_trips import aone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEYS = 500
SIZES = (100, 10_000)  # bytes of a value
TASKS = ((1, 800), (50, 60), (500, 20))  # how many, and calls of each
ROUNDS = 9


def main() -> None:
    asked = options("Event loops.", uvloop="uvloop instead of asyncio's own loop", memory="memory of idle connections")
    with start(asked) as bench:
        if asked.uvloop:
            import uvloop  # type: ignore[import-not-found, unused-ignore]

            run: Any = uvloop.run
        else:
            run = asyncio.run
        if asked.memory:
            run(memory())
            return
        for size in SIZES:
            run(compare(bench, size))


async def compare(bench: Bench, size: int) -> None:
    """Print one table."""
    value = b"v" * size
    for n in range(KEYS):
        bench.client.set(f"road{n}", value)
    other: Any = redis.asyncio.Redis.from_url(bench.server.dsn, max_connections=600)
    road = connection()

    @cached(l1=False, version=str(size))
    async def hit(n: int) -> bytes:
        return value

    def plan(n: int) -> Plan[Any]:
        return (yield Command(("GET", f"road{n}")))

    class Kept(AsyncKeyCache[bytes]):
        prefix = "kept"

    handles = [Kept(n) for n in range(KEYS)]
    for each in handles:
        await each.set(value)

    cases: dict[str, Callable[[int], Awaitable[object]]] = {
        "redis.asyncio": lambda n: other.get(f"road{n}"),
        "AsyncKeyCache.get": lambda n: handles[n].get(),
        "connection, GET": lambda n: aone(road, Command(("GET", f"road{n}"))),
        "the same as a plan": lambda n: adrive(plan(n), road),
        "`await hit(n)`, on the server": hit,
    }
    for call in cases.values():
        for n in range(KEYS):
            assert await call(n) == value
    print(f"{size:,} bytes\n\n| | {' | '.join(f'{tasks} tasks, k/s | ratio' for tasks, _ in TASKS)} |")
    print("|---|" + "--:|" * 2 * len(TASKS))
    rates: dict[str, dict[int, list[float]]] = {name: {tasks: [] for tasks, _ in TASKS} for name in cases}
    for _ in range(3 if bench.quick else ROUNDS):
        for tasks, calls in TASKS:
            for name in random.sample(list(cases), len(cases)):
                rates[name][tasks].append(await rate(bench, cases[name], tasks, calls))
    base = rates["redis.asyncio"]
    for name, found in rates.items():
        ratios = {tasks: [a / b for a, b in zip(found[tasks], base[tasks], strict=True)] for tasks, _ in TASKS}
        cells = [f"{median(found[tasks]) / 1000:.1f} | {median(ratios[tasks]):.2f}" for tasks, _ in TASKS]
        print(f"| {name} | {' | '.join(cells)} |")
    print()
    await other.aclose()


async def rate(bench: Bench, call: Callable[[int], Awaitable[object]], tasks: int, calls: int) -> float:
    """Calls a second."""
    own = KEYS // tasks

    async def one(task: int) -> None:
        for n in range(calls):
            await call(task * own + n % own)

    began = bench.cpu()
    await asyncio.gather(*map(one, range(tasks)))
    return tasks * calls / (bench.cpu() - began)


async def memory() -> None:
    """Print what an idle connection of a loop takes in this process."""
    from rcollections.servers.loops import pool_of

    links = connection().links
    pool = pool_of(links)
    await aone(connection(), Command(("PING",)))
    before = resident()
    from rcollections.wire.links.aio import AsyncLink

    used: list[AsyncLink] = []
    for _ in range(300):
        opened: Any = links.open(float("inf"))
        used.append(AsyncLink(opened, pool.loop, 5.0, pool._buffer, lambda _: None))
    for link in used:
        await link.ask(b"*1\r\n$4\r\nPING\r\n", time.monotonic())  # type: ignore[misc]
    print(f"an idle connection of an event loop: {(resident() - before) / 300 / 1024:.1f} kB")
    for link in used:
        link.close()


def resident() -> int:
    """Bytes of this process that are in memory."""
    if not sys.platform.startswith("linux"):
        sys.exit("--memory needs /proc")
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


if __name__ == "__main__":
    main()
