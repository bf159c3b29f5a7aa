"""Processes that read some keys through the in-process tier, and log what they saw and when.

    with Readers(dsn, size=100) as readers:
        ...                         # somebody writes under readers.keys
        readers.wait_for_hits(50)
        ...
        seen = readers.seen()       # value -> when the last read that gave it began

Each process reads all keys in turn, in two threads and in an event loop. All clocks are CLOCK_MONOTONIC of one machine.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from rcollections.testing import wait_until
from rcollections.testing.launching import stop_child

__all__ = ["Reader", "Readers"]

ROOT = Path(__file__).parents[1]

PROGRAM = """
import asyncio, itertools, json, sys, threading, time
from rcollections import CacheError, cached, configure, connection, l1_info

dsn, size, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
configure(dsn)

class Missing(Exception): pass

@cached(on_error="raise", l1=True)
def value(n) -> int:
    raise Missing

@cached(key=value.key, on_error="raise", l1=True)
async def later(n) -> int:
    raise Missing

stopping = threading.Event()
logs, errors = [{}, {}, {}], []  # of each reader: value -> when the last read that gave it began

def read(mine):
    for n in itertools.cycle(range(size)):
        if stopping.is_set():
            break
        began = time.monotonic_ns()
        try:
            found = value(n)  # first: a call may take longer than the log is this one
            logs[mine][found] = began
        except (CacheError, Missing) as error:
            errors.append(type(error).__name__)
            time.sleep(0.005)
        time.sleep(pause)

async def read_later(mine):
    for n in itertools.cycle(range(size)):
        if stopping.is_set():
            break
        began = time.monotonic_ns()
        try:
            found = await later(n)
            logs[mine][found] = began
        except (CacheError, Missing) as error:
            errors.append(type(error).__name__)
            await asyncio.sleep(0.005)
        await asyncio.sleep(pause)

def believe():  # the proof ignored: what is held is served as if the server had been heard just now
    tier = connection().tiering.tier
    while not stopping.is_set():
        tier.prove(tier.instant())
        time.sleep(0.02)

ways = (read, read, lambda mine: asyncio.run(read_later(mine)))
threads = [threading.Thread(target=each, args=(mine,)) for mine, each in enumerate(ways)]
for each in threads:
    each.start()
for line in sys.stdin:
    word = line.strip()
    if word == "info":
        print(json.dumps({**l1_info()._asdict(), "errors": len(errors)}), flush=True)
    elif word == "believe":
        threading.Thread(target=believe).start()
        print("null", flush=True)
    elif word == "keys":
        print(json.dumps([value.key(n) for n in range(size)]), flush=True)
    elif word == "seen":
        told, logs[:] = list(logs), [{}, {}, {}]
        print(json.dumps([list(each.copy().items()) for each in told]), flush=True)  # a reader may just have taken it
stopping.set()
"""


class Reader:
    """One such process."""

    def __init__(self, dsn: str, size: int, pause: float) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, dsn, str(size), str(pause)],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.pid = self._process.pid

    def ask(self, word: str) -> Any:
        """Send a word and give the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    @property
    def info(self) -> dict[str, Any]:
        """Its ``l1_info()``."""
        found: dict[str, Any] = self.ask("info")
        return found

    def freeze(self) -> None:
        """SIGSTOP; returns once it stands."""
        stop_child(self.pid)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """Kill it, if it is there still."""
        self._process.kill()
        self._process.communicate()


class Readers:
    """Some of them."""

    def __init__(self, dsn: str, size: int, *, processes: int = 2, pause: float = 0.002) -> None:
        self.each = [Reader(dsn, size, pause) for _ in range(processes)]
        self.keys: list[str] = self.each[0].ask("keys")

    def wait_for(self, state: str, seconds: float = 10.0) -> None:
        """Until all of them are in this state."""
        for reader in self.each:
            wait_until(lambda reader=reader: reader.info["state"] == state, seconds, f"the state {state}")

    def wait_for_hits(self, more: int, seconds: float = 20.0) -> None:
        """Until each has been served that many times more from what it holds."""
        for reader in self.each:
            goal = reader.info["hits"] + more
            wait_until(lambda reader=reader, goal=goal: reader.info["hits"] >= goal, seconds, f"{more} more hits")

    def seen(self) -> dict[int, int]:
        """What was read since this was asked last: for each value, when the last read that gave it began, in ns."""
        seen: dict[int, int] = {}
        for reader in self.each:
            for log in reader.ask("seen"):
                for value, began in log:
                    seen[value] = max(began, seen.get(value, 0))
        return seen

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self.each:
            reader.end()
