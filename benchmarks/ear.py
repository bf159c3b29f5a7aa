"""How soon a change shows in a process whose threads compute: the compiled ear beside the one in Python.

Run: ``python benchmarks/ear.py [--quick] [--server redis]``. The main thread of a process reads a value that it holds,
as fast as it can, beside 0, 1 or 4 threads that compute in Python. This process writes the value with a bare client.
A read counts as old when it began after the write was acknowledged and gives the older value. Of all reads in the 20 ms
from 0, 1 or 5 ms after the acknowledgement on: the share of old ones. Their age: since the acknowledgement.
"""

from __future__ import annotations

import json
import threading
import time
from statistics import quantiles
from typing import TYPE_CHECKING

from harness import options, print_heading, table

from rcollections.testing import Process, Server, available_kinds, wait_until

if TYPE_CHECKING:
    import argparse

    import redis

READER = """
import json, threading, time
from bisect import bisect_left
from rcollections import cached, configure, l1_info
import rcollections.coherence.ear as ear

@cached(key="value", l1=True)
def value() -> int:
    return 0

def start(python, busy):
    if python:
        ear.loop_class = lambda sock: None
    for _ in range(busy):
        threading.Thread(target=burn, daemon=True).start()

def burn():
    x = 0
    while True:
        x += 1

def held():
    value()
    before = l1_info().hits
    value()
    return l1_info().hits > before

def read(seconds):
    '''Look all the time; keep when each look began and what it gave.'''
    global looks
    looks, clock = [], time.monotonic
    end = clock() + seconds
    while (began := clock()) < end:
        looks.append((began, value()))

def judge(acks):
    times = [began for began, _ in looks]
    shares, ages = [], []
    for later in (0.0, 0.001, 0.005):
        old = total = 0
        for number, at in acks:
            for k in range(bisect_left(times, at + later), bisect_left(times, at + later + 0.020)):
                total += 1
                old += looks[k][1] < number
        shares.append((old, total))
    for number, at in acks:
        k, last = bisect_left(times, at), at
        while k < len(looks) and looks[k][1] < number:
            last = looks[k][0]
            k += 1
        ages.append(last - at)
    return shares, ages
"""


def main() -> None:
    """Print the table."""
    asked: argparse.Namespace = options("How soon a change shows beside threads that compute.")
    asked.unix = asked.free = True
    writes = 40 if asked.quick else 150
    rows = []
    with Server(asked.server or available_kinds()[0]) as server, server.client() as bare:
        print_heading(asked, bare)
        for busy in (0, 1, 4):
            for python in (True, False):
                who = "Python" if python else "compiled"
                rows.append((str(busy), who, *measured(server, bare, busy, python, writes)))
    head = ("busy threads", "ear", "old from 0 ms on, %", "from 1 ms", "from 5 ms", "age p50 ms", "p99", "most")
    table("Reads in the 20 ms from the acknowledgement of a write on, and how old the oldest was", head, rows)


def measured(server: Server, bare: redis.Redis, busy: int, python: bool, writes: int) -> list[str]:
    """One row: shares and ages."""
    bare.set("value", 0)
    with Process(READER, server.dsn + "?staleness=5&timeout=20", quiet=False) as reader:
        reader(f"start({python}, {busy})")
        wait_until(lambda: reader("held()"), 20, what="it is held")
        reading = threading.Thread(target=reader, args=(f"read({writes * 0.05 + 0.5})",))
        reading.start()
        time.sleep(0.2)
        acks = []
        for number in range(1, writes + 1):
            bare.set("value", number)
            acks.append((number, time.monotonic()))
            time.sleep(0.05)
        reading.join()
        shares, ages = reader(f"judge({json.dumps(acks)})")
    cuts = quantiles(ages, n=100)
    return [
        *(f"{100 * old / max(1, total):.2f}" for old, total in shares),
        *(f"{1000 * each:.2f}" for each in (cuts[49], cuts[98], max(ages))),
    ]


if __name__ == "__main__":
    main()
