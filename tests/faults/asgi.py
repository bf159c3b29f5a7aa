"""An ASGI application under load, while its server is killed and started again and again. ``make asgi``.

    python -m tests.faults.asgi [--seconds 30] [--seed 1] [--clients 40] [--kind valkey]

Two processes of uvicorn serve FastAPI endpoints over cached functions. No request may fail, be answered by a value that
was changed before, or take longer than the timeout of the connection. Within two seconds of the server's return each
process keeps its results there again. Prints figures.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from rcollections.testing import Server, available_kinds, wait_until
from rcollections.testing.launching import free_port

KEYS = 60

__all__ = ["Report", "asgi", "main"]

TIMEOUT = 1.0
STALENESS = 1.0  # of what a process holds
SLACK = 0.25  # seconds until a message about a change is certainly there, on a busy machine
WAYS = ("strict", "held", "threads", "several")


class Client:
    """One connection that stays: HTTP/1.1, one request after another."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __call__(self, path: str, method: str = "GET") -> tuple[int, Any]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.partition("content-length: ")[2].split("\r\n")[0])
        body = await reader.readexactly(size)
        status = int(head.split(" ", 2)[1])
        return status, json.loads(body) if status == 200 else body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


class Report:
    """What was seen."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.stale: list[str] = []
        self.failed: list[str] = []
        self.took: list[float] = []
        self.recoveries: list[float] = []
        self.outages = 0

    @property
    def longest(self) -> float:
        return max(self.took)

    def text(self) -> str:
        took = sorted(self.took)
        return (
            f"{len(took):,} requests, {self.outages} outages; statuses {dict(self.statuses)}, stale answers "
            f"{len(self.stale)}, failed requests {len(self.failed)}\n"
            f"latency: median {statistics.median(took) * 1e3:.1f} ms, p99 {took[len(took) * 99 // 100] * 1e3:.0f} ms, "
            f"longest {took[-1] * 1e3:.0f} ms; recovered after at most {max(self.recoveries, default=0):.2f} s"
        )


class Load:
    """Readers and one writer, in an event loop of a thread of their own."""

    def __init__(self, ports: list[int], clients: int, seed: int) -> None:
        self.report = Report()
        self.over = False
        self._ports, self._clients = ports, clients
        self._random = random.Random(seed)
        # Of each key: from when on which version has to be seen.
        self._told: dict[int, list[tuple[float, int]]] = {n: [(0.0, 0)] for n in range(KEYS)}
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        readers = [self._read(self._ports[n % len(self._ports)], n) for n in range(self._clients)]
        await asyncio.gather(*readers, self._write())

    async def _ask(self, client: Client, path: str, method: str = "GET") -> Any:
        began = time.monotonic()
        try:
            status, answer = await client(path, method)
        except (OSError, EOFError) as error:
            self.report.failed.append(f"{path}: {error!r}")
            client._streams = None
            await asyncio.sleep(0.1)
            return None
        self.report.took.append(time.monotonic() - began)
        self.report.statuses[status] += 1
        if status != 200:
            self.report.failed.append(f"{path}: {status} {answer!r}")
            return None
        return answer

    async def _read(self, port: int, number: int) -> None:
        client, rng = Client(port), random.Random(f"{self._random.random()}:{number}")
        while not self.over:
            way, n = rng.choice(WAYS), rng.randrange(KEYS)
            seen = time.monotonic() - (STALENESS + SLACK if way == "held" else 0)
            least = next(version for at, version in reversed(self._told[n]) if at <= seen)
            answer = await self._ask(client, f"/{way}/{n}")
            if answer is not None and answer["version"] < least:
                self.report.stale.append(f"{way}/{n}: {answer['version']} instead of {least}")
            await asyncio.sleep(rng.uniform(0, 0.02))
        client.close()

    async def _write(self) -> None:
        clients = [Client(port) for port in self._ports]
        while not self.over:
            n = self._random.randrange(KEYS)
            answer = await self._ask(self._random.choice(clients), f"/change/{n}", "POST")
            if answer is not None and answer["told"]:
                self._told[n].append((time.monotonic(), answer["version"]))
            await asyncio.sleep(0.005)
        for client in clients:
            client.close()


def _serve(port: int, dsn: str, source: Path) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(each or os.getcwd() for each in sys.path)
    env = {**os.environ, "CACHES_DSN": dsn, "ASGI_SOURCE": str(source), "PYTHONPATH": path}
    words = [sys.executable, "-m", "uvicorn", "tests.faults.asgi_app:app", "--port", str(port)]
    return subprocess.Popen([*words, "--log-level", "error", "--no-access-log"], env=env, stderr=subprocess.DEVNULL)


def _answers(port: int, path: str) -> Any:
    async def ask() -> Any:
        client = Client(port)
        try:
            return await client(path)
        finally:
            client.close()

    with suppress(OSError, EOFError):
        return asyncio.run(ask())[1]
    return None


_numbers = itertools.count(10_000_000)


def asgi(seconds: float, seed: int, kind: str, clients: int = 40) -> Report:
    """Load and outages for that long."""
    rng = random.Random(seed)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rca-")))
        server = stack.enter_context(Server(kind, tcp=True))
        ports = [free_port(), free_port()]
        for port in ports:
            process = _serve(port, f"{server.dsn}?timeout={TIMEOUT}&staleness={STALENESS}", home / "source")
            stack.callback(process.wait)
            stack.callback(process.kill)
        for port in ports:
            wait_until(lambda port=port: _answers(port, "/strict/0"), 30, "the application")
        load = Load(ports, clients, seed)
        load.thread.start()
        try:
            _outages(server, ports, load, rng, time.monotonic() + seconds)
        finally:
            load.over = True
            load.thread.join(30)
        for port in ports:
            storm = _answers(port, "/storm/1")
            if storm is None or storm["wrong"]:
                load.report.failed.append(f"5,000 calls in one gather: {storm}")
    return load.report


def _outages(server: Server, ports: list[int], load: Load, rng: random.Random, end: float) -> None:
    time.sleep(0.5)
    while time.monotonic() < end:
        server.kill()
        load.report.outages += 1
        time.sleep(rng.choice((0.0, 0.2, 0.7, 1.5)))
        server.start()
        began = time.monotonic()
        for port in ports:
            wait_until(lambda port=port: (_answers(port, f"/recovered/{next(_numbers)}") or {}).get("recovered"))
            load.report.recoveries.append(time.monotonic() - began)
        time.sleep(rng.uniform(0.3, 1.0))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="an ASGI application while its server is killed")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--kind", default=available_kinds()[0], choices=available_kinds())
    given = parser.parse_args(arguments)
    report = asgi(given.seconds, given.seed, given.kind, given.clients)
    sys.stdout.write(f"asgi: seed {given.seed}, {given.clients} clients on {given.kind}: {report.text()}\n")
    wrong = [*report.failed, *report.stale][:10]
    sys.stdout.write("".join(f"  {each}\n" for each in wrong))
    return 1 if wrong or report.longest > TIMEOUT or max(report.recoveries) > 2.0 else 0


if __name__ == "__main__":
    sys.exit(main())
