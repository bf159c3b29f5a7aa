"""A cached function's hit on the server, beside a bare blocking socket: what the library adds to the trip.

Run: ``python benchmarks/hits.py [--quick] [--unix] [--free] [--server redis]``. The bare socket sends the same GET
again and again, packed and read by hiredis; nothing in it could wait, retry, or notice an error. "Without the trip" is
the same call where the connection gives a reply that is at hand: what the function itself costs.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import hiredis
from harness import Bench, Case, measure, options, start, table, usual

from rcollections import KeyCache, cached, connection

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = ("", "us", "ratio", "CPU us", "ratio")
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

    f._function._bindings._threads = binding._replace(connection=AtHand())
    quickest = 1.0
    for _ in range(200):
        began = time.perf_counter()
        for _ in range(200):
            f(1)
        quickest = min(quickest, (time.perf_counter() - began) / 200)
    f._function._bindings._threads = binding
    return quickest * 1e6


def main() -> None:
    with start(options("Hits of cached functions.")) as bench:
        ours = functions()
        for f in ours.values():
            f(1)
        value = Row("bare")
        value.set("v" * 100)
        key = str(value.key)
        cases = [
            Case("GET over a bare socket", bare(bench, "GET", key)),
            Case("redis-py get", lambda: bench.client.get(key)),
            Case("KeyCache.get", value.get),
            *(Case(name, lambda f=f: f(1)) for name, f in ours.items()),
        ]
        table("A hit", HEAD, [usual(figure) for figure in measure(bench, cases, 100 if bench.quick else 400)])
        table("Without the trip", ("", "us"), [[name, f"{without_the_trip(f):.2f}"] for name, f in ours.items()])


if __name__ == "__main__":
    main()
