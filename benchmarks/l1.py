"""What is held in the process: the decorated hit beside ``functools.lru_cache``, awaited hits, fields of a dict.

``python benchmarks/l1.py [--quick]``. Starts a Valkey or Redis of its own; ttl, bound, tags and coherence are on. All
cases run in every round, in turns; printed are medians of rounds, less the empty loop, and the ratios of a round.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import sys
import time
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rcollections import DictCache, cached, configure, l1_info, no_l1
from rcollections.l1 import COMPILED
from rcollections.testing import Server, available_kinds, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def loop(call: str, names: dict[str, Any]) -> Callable[[int], float]:
    """A loop around the call, compiled, that gives its seconds."""
    text = f"def run(n):\n r = range(n)\n t = clock()\n for _ in r: {call}\n return clock() - t"
    space = {**names, "clock": time.perf_counter}
    exec(text, space)
    return space["run"]  # type: ignore[no-any-return]


def awaiting(call: str, names: dict[str, Any]) -> Callable[[int], float]:
    """The same in a coroutine."""
    text = f"async def run(n):\n r = range(n)\n t = clock()\n for _ in r: {call}\n return clock() - t"
    space = {**names, "clock": time.perf_counter}
    exec(text, space)
    return lambda n: asyncio.run(space["run"](n))


@cached(ttl=600, tags=("bench",))
def f(x: int) -> int:
    return x * 2


@cached(ttl=600, tags=("bench",))
def g(name: str, x: int, *, flag: bool = False) -> int:
    return x * 2


@cached(ttl=600, tags=("bench",))
async def a(x: int) -> int:
    return x * 2


class Told:
    def __cache_key__(self) -> int:
        return 7

    @cached(ttl=600)
    def m(self, x: int) -> int:
        return x * 2


@lru_cache(maxsize=10_000)
def lru_f(x: int) -> int:
    return x * 2


@lru_cache(maxsize=10_000)
def lru_g(name: str, x: int, *, flag: bool = False) -> int:
    return x * 2


async def plain(x: int) -> int:
    return x * 2


class Profile(DictCache[str, int]):
    prefix = "bench"
    l1 = True


def peers() -> dict[str, Any]:
    """What else is installed, with a ttl where it has one."""
    found: dict[str, Any] = {}
    try:
        cachebox = import_module("cachebox")
        found["cachebox TTLCache f(7)"] = cachebox.cached(cachebox.TTLCache(10_000, 600))(lambda x: x * 2)
    except ImportError:
        print("cachebox is not installed: left out")
    try:
        cachetools = import_module("cachetools")
        found["cachetools TTLCache f(7)"] = cachetools.cached(cachetools.TTLCache(10_000, 600))(lambda x: x * 2)
    except ImportError:
        print("cachetools is not installed: left out")
    return found


async def warm() -> None:
    for _ in range(3):
        await a(7)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: only to see that it runs")
    rounds, n = (3, 2_000) if parser.parse_args().quick else (25, 50_000)
    kind = available_kinds()[0]
    server = Server(kind)
    configure(server.dsn)
    print(f"Python {platform.python_version()}, {kind}, the tier is {'compiled' if COMPILED else 'in Python'}\n")
    d, told = Profile(1), Told()
    d["visits"] = 1
    f(7), g("user:42", 7, flag=True), told.m(7)
    wait_until(lambda: d["visits"] and l1_info().state == "live")
    asyncio.run(warm())
    names: dict[str, Any] = {
        "f": f, "g": g, "a": a, "lru_f": lru_f, "lru_g": lru_g, "plain": plain, "d": d, "told": told,
    }  # fmt: skip
    cases: dict[str, tuple[Callable[[int], float], int]] = {
        "empty loop": (loop("pass", names), n),
        "lru_cache f(7)": (loop("lru_f(7)", names), n),
        "@cached f(7)": (loop("f(7)", names), n),
        'lru_cache g("user:42", 7, flag=True)': (loop('lru_g("user:42", 7, flag=True)', names), n),
        '@cached g("user:42", 7, flag=True)': (loop('g("user:42", 7, flag=True)', names), n),
        "@cached obj.m(7), with __cache_key__": (loop("told.m(7)", names), n),
        "empty async loop": (awaiting("pass", names), n),
        "await a plain coroutine": (awaiting("await plain(7)", names), n),
        "await a hit": (awaiting("await a(7)", names), n),
        'd["visits"] held': (loop('d["visits"]', names), n // 5),
    }
    for name, fn in peers().items():
        names[f"peer{len(names)}"] = fn
        cases[name] = (loop(f"peer{len(names) - 1}(7)", names), n // 5)
    times: dict[str, list[float]] = {name: [] for name in cases}
    trips: list[float] = []
    remote = loop('d["visits"]', names)
    wait_until(lambda: [f(7), g("user:42", 7, flag=True), told.m(7), d["visits"]] and l1_info().hits > 20)
    for _ in range(rounds):
        for name, (run, count) in cases.items():
            times[name].append(run(count) / count * 1e9)
        with no_l1():
            trips.append(remote(n // 250) / (n // 250) * 1e9)

    def net(name: str, base: str = "empty loop") -> list[float]:
        return [max(0.1, mine - loop_) for mine, loop_ in zip(times[name], times[base], strict=True)]

    def ratio(one: list[float], other: list[float]) -> float:
        return statistics.median(x / y for x, y in zip(one, other, strict=True))

    print(f"{'':44}{'ns':>9}{'least':>9}")
    for name in cases:
        base = "empty async loop" if name.startswith("await") else "empty loop"
        values = times[name] if name.startswith("empty") else net(name, base)
        print(f"{name:44}{statistics.median(values):9.1f}{min(values):9.1f}")
    print(f"{'d[visits] from the server':44}{statistics.median(trips):9.0f}{min(trips):9.0f}\n")
    quoted = 'g("user:42", 7, flag=True)'
    print(f"f(7): {ratio(net('@cached f(7)'), net('lru_cache f(7)')):.2f} times lru_cache")
    print(f"{quoted}: {ratio(net('@cached ' + quoted), net('lru_cache ' + quoted)):.2f} times lru_cache")
    hit, coroutine = (net(name, "empty async loop") for name in ("await a hit", "await a plain coroutine"))
    print(f"await a hit: {ratio(hit, coroutine):.2f} times awaiting a plain coroutine")
    print(f"field of a DictCache: {ratio(trips, net(chr(100) + '[' + chr(34) + 'visits' + chr(34) + '] held')):.0f} "
          "times faster than from the server")  # fmt: skip
    print(l1_info())
    server.stop()


if __name__ == "__main__":
    main()
