"""How soon a change shows in the values that other processes hold, and what listening costs the server.

Run: ``python benchmarks/l1_coherence.py [--quick] [--server redis]``. Two processes look at a value that they
hold, again and again with pauses of 0.05 ms, and this one writes it with a bare client. All share the cores of the
machine, without pinning, as they would in production.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from statistics import median, quantiles
from typing import TYPE_CHECKING

from harness import options, print_heading, table

from rcollections.testing import Process, Server, available_kinds, wait_until

if TYPE_CHECKING:
    import argparse

    import redis

READER = """
import sys, threading, time
from rcollections import cached, configure, l1_info

@cached(key="value", l1=True)
def value() -> int:
    return 0

seen = {}   # value -> when it showed first

def look():
    while True:
        got = value()
        if got not in seen:
            seen[got] = time.monotonic_ns()
        time.sleep(0.00005)

def start(switching, busy):
    sys.setswitchinterval(switching)
    threading.Thread(target=look, daemon=True).start()
    if busy:
        threading.Thread(target=burn, daemon=True).start()

def burn():
    while True:
        sum(n * n for n in range(1000))

def until_live():
    '''Seconds from when it is live no longer until it serves again.'''
    while l1_info().state == "live":
        time.sleep(0.0001)
    began = time.monotonic()
    while l1_info().state != "live":
        time.sleep(0.0001)
    return time.monotonic() - began

def later():
    '''The same, in a thread: ``found`` has it then.'''
    found.clear()
    threading.Thread(target=lambda: found.append(until_live()), daemon=True).start()

found = []
"""

EARS = """
import threading
from rcollections.wire.dsn import dsn
from rcollections.coherence.ear import Ear
from rcollections.l1 import Words

class Nobody:
    staleness = 1.0
    words = Words()
    def __getattr__(self, name):
        return lambda *_: None

for _ in range(int(sys.argv[2])):
    ear = Ear(dsn.parse(sys.argv[1]), ("value",), Nobody())
    ear.open()
    threading.Thread(target=ear.run, daemon=True).start()
"""


def main() -> None:
    asked = options("Coherence of the in-process tier.")
    asked.unix = asked.free = True
    kind = asked.server or available_kinds()[0]
    with Server(kind) as server, server.client() as bare:
        print_heading(asked, bare)
        rows = [
            ("nothing else", *delays(server, asked, 0.005, busy=False)),
            ("a busy thread", *delays(server, asked, 0.005, busy=True)),
            ("a busy thread, switch interval 0.5 ms", *delays(server, asked, 0.0005, busy=True)),
        ]
        table(
            "From the acknowledgement of a write until it shows", ("in the reading process", "p50 ms", "p99 ms"), rows
        )
        pauses(server, bare, 3 if asked.quick else 6)
        cost(server, bare, 2000 if asked.quick else 20000)


def delays(server: Server, asked: argparse.Namespace, switching: float, *, busy: bool) -> tuple[str, str]:
    """p50 and p99 of both readers."""
    writes = (100 if busy else 200) if asked.quick else (500 if busy else 2000)
    took: list[float] = []
    with ExitStack() as stack:
        readers = [stack.enter_context(Process(READER, server.dsn)) for _ in range(2)]
        bare = server.client()
        bare.set("value", 0)
        for reader in readers:
            reader(f"start({switching}, {busy})")
        for reader in readers:
            wait_until(lambda reader=reader: reader("l1_info().hits") > 100, 30, "it is held")
        acknowledged = {}
        for n in range(1, writes + 1):
            bare.set("value", n)
            acknowledged[n] = time.monotonic_ns()
            time.sleep(0.05 if busy else 0.005)
        for reader in readers:
            seen = {int(value): at for value, at in reader("list(seen.items())")}
            took += [(seen[n] - at) / 1e6 for n, at in acknowledged.items() if n in seen]
    return f"{median(took):.2f}", f"{quantiles(took, n=100)[98]:.2f}"


def pauses(server: Server, bare: redis.Redis, times: int) -> None:
    """How long nothing is served, after the connection was closed, and after the server came back."""

    def cut() -> None:
        bare.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    def restart() -> float:
        server.kill()
        began = time.monotonic()
        server.start()
        return time.monotonic() - began

    rows = []
    for name, fault in (("the listener's connection was closed", cut), ("the server was killed and started", restart)):
        took = []
        with Process(READER, server.dsn) as reader:
            reader("value()")
            for _ in range(times):
                wait_until(lambda: reader("l1_info().state") == "live", 30, "it is live")
                time.sleep(5.2)  # one that breaks sooner is opened anew after a longer pause
                reader("later()")
                away = fault() or 0.0
                took.append(wait_until(lambda: reader("found"), 30, "it is live again")[0] - away)
        rows.append((name, f"{1000 * median(took):.0f}", f"{1000 * max(took):.0f}"))
    table("Until values are served again, beyond the time the server was away", ("when", "median ms", "most ms"), rows)


def cost(server: Server, bare: redis.Redis, writes: int) -> None:
    """CPU of the server per write, with some listeners that hear of it."""
    took: dict[int, list[float]] = {0: [], 1: [], 10: []}
    for _ in range(5):
        for size, mine in took.items():
            with Process(EARS, server.dsn, str(size)) as ears:
                ears("1")
                before = cpu(bare)
                for n in range(writes // 5):
                    bare.set("value", n)
                mine.append((cpu(bare) - before) / (writes // 5) * 1e6)
    rows = [(str(size), f"{median(mine):.1f}") for size, mine in took.items()]
    table("CPU of the server per SET, sent one by one", ("listeners", "us"), rows)


def cpu(bare: redis.Redis) -> float:
    used = bare.info("cpu")
    return float(used["used_cpu_sys"]) + float(used["used_cpu_user"])


if __name__ == "__main__":
    main()
