"""The road to the server: what one call costs beside a bare socket that sends the same command.

Run: ``python benchmarks/road.py [--quick] [--unix] [--free] [--server redis]``, and once more with
``RCOLLECTIONS_PURE=1`` for the links in Python. The first row of each table is a blocking socket without any time
limit, with hiredis to pack and to read. The last table is threads on one core: calls a second beside redis-py.
"""

from __future__ import annotations

import socket
import threading
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import hiredis
from harness import Bench, Case, Figure, measure, options, start, table

from rcollections import DictCache, KeyCache, SetCache, cached
from rcollections.wire.links.compiled import _line

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = (1, 4, 16)
VALUE = {"name": "tea", "price": 3, "tags": ["hot", "green"]}


def bare(dsn: str) -> Callable[..., Any]:
    """Sends one command over a socket of its own, and gives the reply."""
    if dsn.startswith("unix"):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(dsn.removeprefix("unix://").split("?")[0])
    else:
        host, port = dsn.removeprefix("redis://").split("/")[0].split(":")
        sock = socket.create_connection((host, int(port)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = hiredis.Reader()
    send, recv, feed, gets, pack = sock.sendall, sock.recv, reader.feed, reader.gets, hiredis.pack_command

    def ask(*words: Any) -> Any:
        send(pack(words))
        feed(recv(65536))
        return gets()

    return ask


class Price(KeyCache[str]):
    prefix = "price"
    ttl = 60


class Bare(KeyCache[str]):
    prefix = "bare"
    ttl = 60
    computed = False


@cached(ttl=600, l1=False)
def automatic(n: int) -> Any:
    return VALUE


@cached(ttl=600, l1=False, key=lambda n: ["named", n])
def named(n: int) -> Any:
    return VALUE


@cached(ttl=600, l1=False, key=lambda n: ["tagged", n], tags=("a", "b", "c"))
def tagged(n: int) -> Any:
    return VALUE


def row(figure: Figure) -> list[str]:
    return [figure.name, f"{figure.seconds * 1e6:.1f}", f"{figure.ratio:.2f}"]


def throughput(calls: list[Callable[[], object]], seconds: float) -> float:
    """Calls a second of all these threads together."""
    counts = [0] * len(calls)
    begun, end = threading.Barrier(len(calls) + 1), [0.0]

    def run(n: int) -> None:
        call, count = calls[n], 0
        begun.wait()
        while time.perf_counter() < end[0]:
            call()
            count += 1
        counts[n] = count

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(calls))]
    for thread in threads:
        thread.start()
    end[0] = time.perf_counter() + seconds
    begun.wait()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def threads(bench: Bench) -> list[list[str]]:
    """GET by several threads, ours and redis-py in turn."""
    price = Price("tea")
    rows = []
    for number in THREADS:
        pairs = []
        for n in range(4 if bench.quick else 10):
            ours, theirs = [price.get] * number, [lambda: bench.client.get("price.tea")] * number
            found = {}
            for which, calls in (("ours", ours), ("theirs", theirs))[:: 1 if n % 2 else -1]:
                found[which] = throughput(calls, 0.1 if bench.quick else 0.3)
            pairs.append((found["ours"], found["theirs"]))
        ratio = median(a / b for a, b in pairs)
        rows.append([str(number), *(f"{median(each):,.0f}" for each in zip(*pairs, strict=True)), f"{ratio:.2f}"])
    return rows


def main() -> None:
    asked = options("The road to the server.")
    with start(asked) as bench:
        print(f"links: {'compiled' if _line is not None else 'Python'}\n")
        ask, client = bare(bench.server.dsn), bench.client
        price, plain, stock = Price("tea", data="green"), Bare("tea", data="green"), DictCache("stock", data={"tea": 3})
        online = SetCache("online", data={"ann"})
        for call in (automatic, named, tagged):
            call(1)
        calls = 100 if bench.quick else 400
        head = ("", "us", "ratio")
        reads = [
            Case("bare socket, GET", lambda: ask("GET", "price.tea")),
            Case("redis-py get", lambda: client.get("price.tea")),
            Case("**KeyCache.get**", price.get),
            Case("**in SetCache**", lambda: "ann" in online),
            Case("**DictCache[f]**", lambda: stock["tea"]),
            Case("**cached, automatic key**", lambda: automatic(1)),
            Case("**cached, key=**", lambda: named(1)),
            Case("**cached, key=, three tags**", lambda: tagged(1)),
        ]
        table("Reads", head, [row(figure) for figure in measure(bench, reads, calls)])
        writes = [
            Case("bare socket, SET PX", lambda: ask("SET", "price.tea", b"green", "PX", "60000")),
            Case("redis-py set px", lambda: client.set("price.tea", b"green", px=60_000)),
            Case("**KeyCache.set, computed=False**: SET PX", lambda: plain.set("green")),
            Case("**KeyCache.set**: MULTI, SET PX, UNLINK, EXEC", lambda: price.set("green")),
        ]
        table("KeyCache.set with a ttl", head, [row(figure) for figure in measure(bench, writes, calls)])
        table("GET by threads, calls a second", ("threads", "ours", "redis-py", "ratio"), threads(bench))


if __name__ == "__main__":
    main()
