"""A cached function's hit on the server, beside a bare blocking socket: what the library adds to the trip.

Run: ``python benchmarks/hits.py [--quick] [--unix] [--free] [--server redis]``. The bare socket sends the same GET
again and again, packed and read by hiredis; nothing in it could wait, retry, or notice an error. "Without the trip" is
the same call where the connection gives a reply that is at hand: what the function itself costs. All cases run in
turns, in many short runs, and the quickest run of each counts: what else the machine does only makes a run slower.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import hiredis
from harness import Bench, options, start, table

from rcollections import KeyCache, cached, connection

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = 40  # of one run
VALUE = {"id": 7, "name": "x" * 20, "price": 3.5}


class Row(KeyCache[dict[str, Any]]):
    prefix = "row"
    ttl = 600


class Special(KeyCache[dict[str, Any]]):
    """Makes its handles itself, so each call needs a handle for its key."""

    prefix = "special"
    ttl = 600

    def __init__(self, *parts: object, **options: Any) -> None:
        super().__init__(*parts, **options)


def functions() -> dict[str, Callable[[int], Any]]:
    def row(_number: int) -> dict[str, Any]:
        return VALUE

    return {
        "automatic key": cached(ttl=600, l1=False)(row),
        "key=lambda": cached(Row, key=lambda number: ["lambda", number], l1=False)(row),
        "key=template": cached(Row, key="template:{_number}", l1=False)(row),
        "three tags, key=lambda": cached(
            Row, key=lambda number: ["tags", number], tags=("a", "b", "c"), l1=False
        )(row),
        "a class with an __init__, key=lambda": cached(Special, key=lambda number: ["own", number], l1=False)(row),
    }  # fmt: skip


def bare(bench: Bench, *words: str) -> Callable[[], object]:
    """The least that a program in Python can do: one write, one read."""
    if bench.server.dsn.startswith("unix"):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(bench.server.socket)
    else:
        sock = socket.create_connection(("127.0.0.1", bench.server.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = hiredis.Reader()

    def trip() -> object:
        sock.sendall(hiredis.pack_command(words))
        reader.feed(sock.recv(65536))
        return reader.gets()

    return trip


def without_the_trip(f: Any) -> float:
    """Microseconds of one call whose reply is at hand: the quickest of many short runs."""
    real = connection()
    binding = f._function.bound()
    key, tags = binding.names.key((1,), {}), binding.names.tags((1,), {})
    reply = real.raw("MGET", key, *tags)

    class AtHand:
        def ask(self, *_: object) -> object:
            return reply

        one = ask

    f._function.bindings.threads = binding._replace(connection=AtHand())
    quickest = min(run(lambda: f(1)) for _ in range(1000))
    f._function.bindings.threads = binding
    return quickest


def run(call: Callable[[], object]) -> float:
    """Microseconds of one call."""
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS * 1e6


def main() -> None:
    with start(options("Hits of cached functions.")) as bench:
        ours = functions()
        for f in ours.values():
            f(1)
        value = Row("bare")
        value.set("v" * 100)
        key = str(value.key)
        cases: dict[str, Callable[[], object]] = {
            "GET over a bare socket": bare(bench, "GET", key),
            "redis-py get": lambda: bench.client.get(key),
            "KeyCache.get": value.get,
            **{name: lambda f=f: f(1) for name, f in ours.items()},
        }
        runs = [{name: run(call) for name, call in cases.items()} for _ in range(20 if bench.quick else 300)]
        best = {name: min(each[name] for each in runs) for name in cases}
        least = best["GET over a bare socket"]
        rows = [
            [name, f"{us:.1f}", f"{us / least:.2f}", f"{without_the_trip(ours[name]):.1f}" if name in ours else ""]
            for name, us in best.items()
        ]
        table("A hit", ("", "us", "ratio", "without the trip, us"), rows)


if __name__ == "__main__":
    main()
