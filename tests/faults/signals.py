"""A storm of real signals on real calls: each raises in the main thread, wherever it is. ``make signals``.

    python -m tests.faults.signals [--seconds 60] [--seed 1] [--kind valkey]

Another process computes and waits for the same keys meanwhile. Each call has to end within its time, and at the end
everything has to work, with no connection lost, no flight left and no lease held. Prints what was made and injected.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import rcollections
from rcollections import CacheTimeout, CounterCache, DictCache, KeyCache, SetCache, cached, configure, connection
from rcollections.testing import Server, available_kinds

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["main", "storm"]

LEASE = 0.6
PATIENCE = 15.0  # seconds in which a call has to end


class TimeLimit(Exception):
    """What the handler raises."""


armed = False
reentrant: Callable[[], object] | None = None


def handler(*_: object) -> None:
    global armed
    if reentrant is not None:
        reentrant()
    if armed:
        armed = False
        raise TimeLimit


def calls(rng: random.Random) -> dict[str, Callable[[], object]]:
    """What is stopped, by name."""

    @cached(ttl=60, lease=LEASE, l1=False)
    def hit(n: int) -> int:
        return 2 * n

    @cached(ttl=60, lease=LEASE)
    def held(n: int) -> int:
        return 2 * n

    @cached(ttl=0.05, lease=LEASE, l1=False)
    def shared(n: int) -> int:
        time.sleep(0.002)
        return 2 * n

    class Squares(DictCache[int, int]):
        def __missing__(self, n: int) -> int:
            return n * n

    users, tags, hits, keys, squares = (
        DictCache("users"),
        SetCache("tags"),
        CounterCache("hits"),
        KeyCache("k"),
        Squares("sq"),
    )
    users.update({"a": 1, "b": 2})
    keys.set(1)

    def pipeline() -> None:
        with users.pipeline() as p:
            p["c"] = 1
            p.get("a")

    def again() -> object:
        """Everything anew: the first call opens connections, and listens."""
        if rng.random() < 0.1:
            connection().close()
        return held(rng.randrange(20))

    def checked(fn: Any, n: int) -> None:
        assert fn(n) == 2 * n, "a wrong answer"

    return {
        "hit": lambda: checked(hit, 1),
        "miss": lambda: checked(hit, rng.randrange(10**9)),
        "held": lambda: checked(held, 1),
        "shared": lambda: checked(shared, rng.randrange(3)),
        "future": lambda: checked(lambda n: hit.future()(n).result(10), rng.randrange(10**9)),
        "read": lambda: users["a"],
        "write": lambda: users.update(b=2),
        "key": lambda: keys.get(),
        "set": lambda: tags.add("x"),
        "count": lambda: hits.update(["a"]),
        "missing": lambda: squares[rng.randrange(10**9)],
        "pipeline": pipeline,
        "again": again,
    }


def storm(dsn: str, seconds: float, seed: int) -> dict[str, int]:
    """Calls under signals, for that long; gives what was made. AssertionError if something is wrong at the end."""
    global armed, reentrant
    rng = random.Random(seed)
    configure(dsn, max_connections=4)
    made: Counter[str] = Counter()
    todo = calls(rng)
    names = list(todo)
    for each in todo.values():
        each()
    signal.signal(signal.SIGALRM, handler)
    end = time.monotonic() + seconds
    nested = DictCache("users")
    while time.monotonic() < end:
        name = rng.choice(names)
        reentrant = (lambda: nested["b"]) if rng.random() < 0.2 else None
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        armed = True
        made["calls"] += 1
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(2e-5, 2e-3 if rng.random() < 0.7 else 2e-4))
            todo[name]()
        except TimeLimit:
            made["stopped"] += 1
        except CacheTimeout as error:  # a busy machine; any other error is wrong
            made[f"{name}: {error}"[:120]] += 1
        finally:
            armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
    reentrant = None
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    settle(todo)
    faulthandler.cancel_dump_traceback_later()
    return dict(made)


def settle(todo: dict[str, Callable[[], object]]) -> None:
    """Everything works again, on this thread and on another one, and nothing is left."""
    began = time.monotonic()
    for each in todo.values():
        each()
        errors: list[BaseException] = []

        def run(each: Callable[[], object] = each, errors: list[BaseException] = errors) -> None:
            try:
                each()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive(), "a call hangs"
        assert not errors, errors
    assert time.monotonic() - began < 10
    store = connection()
    end = time.monotonic() + LEASE + 10
    left: Any = "unknown"
    while time.monotonic() < end:
        pool: Any = store.links.pool
        leases = [key for key in store.raw("KEYS", "rc:l:*") if store.raw("PTTL", key) > 10_000]
        left = pool.links - pool.idle, list(store.flights.table), leases
        if left == (0, [], []):
            return
        time.sleep(0.1)
    raise AssertionError(f"links, flights, leases that are left: {left}")


COMPANY = """
import sys, time
from rcollections import cached, configure
configure(sys.argv[1])
from tests.faults import signals
import random
todo = signals.calls(random.Random(7))
while True:
    todo["shared"]()
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="a storm of signals on calls")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--kind", default=available_kinds()[0])
    given = parser.parse_args(arguments)
    faulthandler.enable()
    server = Server(given.kind)
    company = subprocess.Popen([sys.executable, "-c", COMPANY, server.dsn])
    try:
        made = storm(server.dsn, given.seconds, given.seed)
    finally:
        company.kill()
        company.wait()
        with suppress(Exception):
            rcollections.connection().close()
        server.stop()
    told = ", ".join(f"{name} {count:,}" for name, count in made.items())
    sys.stdout.write(
        f"signals: seed {given.seed}, {given.seconds:.0f} s on {given.kind}: {told}; 0 hangs, nothing left\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
