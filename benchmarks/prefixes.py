"""What a process that caches thousands of functions costs the server at every write of anybody.

Run: ``python benchmarks/prefixes.py [--quick] [--server redis]``. The server compares each write with each prefix that
is listened to. So one process with many cached functions, classes and closures listens, and a bare client writes keys
that have nothing to do with it; the figures are the server's own CPU for a SET.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from harness import options, print_heading, table

from rcollections.testing import Process, Server, available_kinds, wait_until

if TYPE_CHECKING:
    import redis

USER = """
import logging, warnings
from rcollections import KeyCache, cached, l1_info

def functions(n):
    made = []
    for k in range(n):
        space = {"cached": cached, "__name__": f"shop.part{k}"}
        exec(f"@cached(l1=True)\\ndef f{k}(x): return x", space)
        made.append(space[f"f{k}"])
    return made

def classes(n):
    return [type(f"C{k}", (KeyCache,), {"prefix": f"{k * 7919 % n:05d}c", "l1": True}) for k in range(n)]

def requests(n):
    for k in range(n):
        @cached(key=lambda x: ("request", x))
        def inner(x, k=k):
            return x
        @cached
        def closure(x):
            return x + k
        inner(k), closure(k)

def use(what, n):
    if what == "functions":
        for f in functions(n)[:100]:
            f(1)
    elif what == "classes":
        for c in classes(n):
            c("x").set(1)
            c("x").get()
    elif what == "closures":
        requests(n)
    elif what == "one function":
        for _ in range(10):
            functions(1)[0](1)
    kept.append(what)

kept = []
warnings.simplefilter("ignore")  # of functions that capture what cannot be told: nobody reads this output
logging.disable()
def live():
    return l1_info().state
"""

WHAT = (("one function", 1), ("functions", 3000), ("closures", 1000), ("classes", 100))
WRITES = 20_000


def cpu_of_writes(client: redis.Redis, writes: int) -> float:
    """Microseconds of the server for one SET."""

    def used() -> float:
        found = client.info("cpu")
        return float(found["used_cpu_user"]) + float(found["used_cpu_sys"])

    before = used()
    for n in range(writes // 100):
        with client.pipeline(transaction=False) as pipe:
            for k in range(100):
                pipe.set(f"other:{n}:{k}", 1)
            pipe.execute()
    return (used() - before) / writes * 1e6


def tracked(client: redis.Redis) -> int:
    """How many prefixes the server compares each write with."""
    return int(client.info("stats")["tracking_total_prefixes"])


def main() -> None:
    """Print the table."""
    given = options(__doc__ or "")
    writes = WRITES // 10 if given.quick else WRITES
    with Server(given.server or available_kinds()[0]) as server, server.client() as client:
        print_heading(given, client)
        nobody = median(cpu_of_writes(client, writes) for _ in range(5))
        rows = [("nobody listens", "0", f"{nobody:.1f}", "1.0")]
        for what, n in WHAT:
            with Process(USER, server.dsn, timeout=300) as user:
                user(f"use({what!r}, {n})")
                wait_until(lambda user=user: user("live()") == "live", what="it listens")  # type: ignore[misc]
                asked = tracked(client)
                took = median(cpu_of_writes(client, writes) for _ in range(5))
                rows.append((f"{n:,} {what}" if n > 1 else what, str(asked), f"{took:.1f}", f"{took / nobody:.2f}"))
    table("CPU of the server for a SET", ("a process with", "prefixes", "us", "times nobody"), rows)


if __name__ == "__main__":
    main()
