"""This checkout beside another one, in turn: ``python benchmarks/against.py OTHER_CHECKOUT [--rounds 9]``.

Each round runs one process of each checkout, in an order that changes, against one server and on one core. A process
measures each case in several small runs and keeps the quickest. The ratio is the median over the rounds of this
checkout's time by the other's: below 1 this one is quicker. The import is measured too, less an empty interpreter's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rcollections.testing import Server, available_kinds

HERE = Path(__file__).resolve().parent.parent

WORKER = """
import asyncio, json, sys, time
import rcollections as r

dsn, calls = sys.argv[1], int(sys.argv[2])
r.configure(dsn + ("" if dsn.startswith("memory") else "?l1=off"))
key, fields = r.KeyCache("k", data={"a": 1}), r.DictCache("d", data={str(n): n for n in range(1000)})
members, counts = r.SetCache("s", data={"a"}), r.CounterCache("c", data={"a": 1})
best = r.SortedSetCache("z", data={"a": 1})

@r.cached(ttl=60, l1=False)
def f(n): return n
@r.cached(ttl=60, l1=False, key="named")
def named(): return 1
@r.cached(ttl=60, l1=False, tags=("a", "b", "c"))
def tagged(n): return n
@r.cached(ttl=60, l1=False)
async def g(n): return n
@r.cached(ttl=60, l1=True)
def held(n): return n
@r.cached(ttl=60, l1=True)
async def held_too(n): return n

def add(): counts["a"] += 1
def piped():
    with fields.pipeline() as p:
        for n in range(10):
            p[n] = n
def miss():
    f.invalidate(9)
    f(9)

CASES = {
    "KeyCache.get": key.get, "KeyCache.set": lambda: key.set(5), "DictCache[f]": lambda: fields["1"],
    "DictCache[f] = v": lambda: fields.set("1", 2), "in SetCache": lambda: "a" in members,
    "CounterCache.increment": lambda: counts.increment("a"), "CounterCache += 1": add,
    "SortedSetCache.score": lambda: best.score("a"), "to_dict of 1,000": fields.to_dict, "pipeline of 10": piped,
    "f(1), on the server": lambda: f(1), "f(), key=": named, "f(1), three tags": lambda: tagged(1),
    "f(9), invalidated": miss, "held f(1)": lambda: held(1),
}

def quickest(call, calls):
    for _ in range(calls // 10 + 3):
        call()
    best = 1e9
    for _ in range(7):
        began = time.perf_counter()
        for _ in range(calls):
            call()
        best = min(best, time.perf_counter() - began)
    return best / calls

out = {}
for name, call in CASES.items():
    share = {"to_dict of 1,000": 0.05, "held f(1)": 10}.get(name, 1)
    out[name] = quickest(call, max(20, int(calls * share)))

async def awaited():
    await held_too(1)
    best = 1e9
    for _ in range(7):
        began = time.perf_counter()
        for _ in range(calls * 10):
            await held_too(1)
        best = min(best, time.perf_counter() - began)
    out["await held_too(1)"] = best / calls / 10
    await g(1)
    best = 1e9
    for _ in range(7):
        began = time.perf_counter()
        for _ in range(calls):
            await g(1)
        best = min(best, time.perf_counter() - began)
    out["await g(1), on the server"] = best / calls
    best = 1e9
    for _ in range(5):
        began = time.perf_counter()
        await asyncio.gather(*(g(n % 7) for n in range(200)))
        best = min(best, time.perf_counter() - began)
    out["200 tasks await g(n)"] = best / 200

asyncio.run(awaited())
print(json.dumps(out))
"""


def run(checkout: Path, code: str, *args: str) -> str:
    """What a process prints that has this checkout as its package."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": ""}
    words = [sys.executable, "-c", code, *args]
    done = subprocess.run(words, env=environment, cwd="/", capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{checkout}: {done.stderr}")
    return done.stdout


def importing(checkout: Path) -> float:
    """Seconds until the package is there, beyond those of an empty interpreter."""
    times = []
    for code in ("pass", "import rcollections"):
        began = time.perf_counter()
        run(checkout, code)
        times.append(time.perf_counter() - began)
    return times[1] - times[0]


def compare(other: Path, dsn: str, rounds: int, calls: int) -> None:
    """Print one table."""
    rows: dict[Path, list[dict[str, float]]] = {HERE: [], other: []}
    for n in range(rounds):
        for checkout in (HERE, other) if n % 2 else (other, HERE):
            rows[checkout].append(json.loads(run(checkout, WORKER, dsn, str(calls))))
    print("| case | other, us | this, us | ratio |\n|---|--:|--:|--:|")
    for name in rows[HERE][0]:
        mine, theirs = [row[name] for row in rows[HERE]], [row[name] for row in rows[other]]
        ratio = median(a / b for a, b in zip(mine, theirs, strict=True))
        print(f"| {name} | {median(theirs) * 1e6:.3f} | {median(mine) * 1e6:.3f} | {ratio:.2f} |")


def main() -> None:
    """Both kinds of servers, then the import."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="the checkout to compare with, its modules compiled in place")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=300, help="calls of each small run")
    asked = parser.parse_args()
    other = asked.other.resolve()
    for checkout in (HERE, other):
        run(checkout, "import rcollections")  # so that both have their .pyc
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the server inherits it
    with Server(available_kinds()[0]) as server:
        print(f"\n{server.kind}, unix socket")
        compare(other, server.dsn, asked.rounds, asked.calls)
    print("\nmemory://")
    compare(other, "memory://", asked.rounds, asked.calls)
    ratios = []
    for n in range(asked.rounds):
        pair = {checkout: importing(checkout) for checkout in ((HERE, other) if n % 2 else (other, HERE))}
        ratios.append(pair[HERE] / pair[other])
    print(f"\nimport rcollections: {median(ratios):.2f} of the other's time")


if __name__ == "__main__":
    main()
