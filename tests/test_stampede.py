"""Many threads and processes on cold keys: one computation, few commands, nobody waits for the dead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import Key, KeyCache, cached
from rcollections.plans.flights import Flights
from rcollections.testing import Server, wait_until
from rcollections.wire.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]

# What the goal leaves out, and what the test itself sends.
NOT_COUNTED = {"ping", "set", "info", "config", "incr", "blpop", "rpush", "lrange"}

WORKER = """
import json, sys, threading, time
import redis
from rcollections import cached, connection

bare = redis.Redis(unix_socket_path=sys.argv[1])
seconds, threads, keys, lease = (float(word) for word in sys.argv[2:6])

@cached(lease=lease)
def f(key):
    bare.rpush("log", json.dumps([key, time.time()]))
    time.sleep(seconds)
    return [key, time.time()]

together = threading.Barrier(int(threads) * int(keys))

def call(key, out):
    together.wait()  # on a busy machine starting all threads takes longer than computing
    value = f(key)
    out.append((key, value, time.time()))

connection().raw("PING")
bare.incr("ready")
bare.blpop("go", 20)
out = []
mine = [threading.Thread(target=call, args=(key, out)) for key in range(int(keys)) for _ in range(int(threads))]
for thread in mine: thread.start()
for thread in mine: thread.join()
print(json.dumps(out), flush=True)
"""


class Fleet:
    """Processes that wait for ``go()`` and then call one function, each in many threads."""

    def __init__(self, server: Server, tmp_path: Path, size: int, **options: float) -> None:
        self.bare = server.client()
        path = tmp_path / "worker.py"
        path.write_text(textwrap.dedent(WORKER))
        words = [str({"seconds": 0.5, "threads": 1, "keys": 1, "lease": 10.0, **options}[name])
                 for name in ("seconds", "threads", "keys", "lease")]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "CACHES_DSN": server.dsn}
        self.processes = [
            subprocess.Popen(
                [sys.executable, str(path), server.socket, *words],
                env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for _ in range(size)
        ]  # fmt: skip
        self.size = size

    def go(self) -> None:
        wait_until(lambda: int(self.bare.get("ready") or 0) == self.size, seconds=30, what="all workers are ready")
        self.bare.config_resetstat()
        self.bare.rpush("go", *range(self.size))

    def answers(self) -> list[Any]:
        out: list[Any] = []
        for process in self.processes:
            stdout, stderr = process.communicate(timeout=30)
            assert process.returncode == 0, stderr
            out += json.loads(stdout)
        return out

    def computed(self) -> list[Any]:
        return [json.loads(each) for each in self.bare.lrange("log", 0, -1)]

    def commands(self) -> dict[str, int]:
        stats = self.bare.info("commandstats")
        found = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
        return {name: calls for name, calls in found.items() if name.partition("|")[0] not in NOT_COUNTED}

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()
        self.bare.close()


@pytest.fixture
def fleet(server: Server, tmp_path: Path) -> Iterator[Any]:
    made: list[Fleet] = []

    def make(size: int, **options: float) -> Fleet:
        made.append(Fleet(server, tmp_path, size, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()


def test_four_processes_of_fifty_threads(fleet: Any) -> None:
    """200 callers of one cold key: one computation, soon with all of them, and 6 commands a process."""
    four = fleet(4, threads=50)
    four.go()
    answers = four.answers()
    assert len(answers) == 200
    assert len(four.computed()) == 1
    assert len({json.dumps(value) for _, value, _ in answers}) == 1
    commands = four.commands()
    assert sum(commands.values()) <= 28, commands  # on a busy machine some callers come late, and look again
    late = sorted(arrived - value[1] for _, value, arrived in answers)
    assert late[len(late) // 2] < 0.25, "they are woken, they do not find out by looking"


def test_six_processes_and_forty_keys(fleet: Any) -> None:
    """Each key is computed once, and all callers get the value of their key."""
    six = fleet(6, keys=40, seconds=0.2)
    six.go()
    answers = six.answers()
    assert len(answers) == 240
    assert sorted(key for key, _ in six.computed()) == list(range(40))
    assert all(key == value[0] for key, value, _ in answers)


def test_a_killed_owner_is_replaced_within_its_lease(server: Server, tmp_path: Path, fleet: Any) -> None:
    """Killed with -9 while it computes: this process takes over when the lease ends, not later."""
    one = fleet(1, seconds=60.0, lease=1.0)
    one.go()
    wait_until(one.computed)

    # The same key in this process: given by hand, as the worker's module has another name.
    key = next(key.decode() for key in one.bare.keys("rc:l:*")).removeprefix("rc:l:{").removesuffix("}")
    f = cached(key=Key(key), lease=1.0)(lambda: "mine")
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append((f(), time.monotonic())))
    thread.start()
    wait_until(lambda: f.cache_info().waits)
    time.sleep(1.3)
    assert not answers, "its lease is renewed while it lives"
    one.processes[0].kill()
    killed = time.monotonic()
    thread.join(10)
    value, when = answers[0]
    assert value == "mine"
    assert when - killed < 1.0 + 0.2


def test_a_slow_owner_keeps_its_lease(fleet: Any) -> None:
    """Computing for three times the lease: no second computation, and the result is stored."""
    two = fleet(2, seconds=1.5, lease=0.5, threads=5)
    two.go()
    answers = two.answers()
    assert len(two.computed()) == 1
    assert len({json.dumps(value) for _, value, _ in answers}) == 1


def test_one_process_many_threads_and_keys(store: Any) -> None:
    """Threads of one process, on every kind of server: one computation a key, and all are woken."""
    calls: list[int] = []

    @cached(tags=("t",))
    def f(x: int) -> int:
        calls.append(x)
        time.sleep(0.05)
        return x

    answers: list[int] = []
    threads = [threading.Thread(target=lambda x=x: answers.append(f(x))) for x in list(range(10)) * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(answers) == sorted(list(range(10)) * 8)
    assert sorted(calls) == list(range(10))


class Loading:
    """A serializer that counts how often it reads."""

    def __init__(self, made: Callable[[Any], Any]) -> None:
        self.made = made
        self.loads_: list[bytes] = []

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        self.loads_.append(data)
        return self.made(json.loads(data))


class Together:
    """Callers of functions of one key, all of which wait for one computation of the first."""

    def __init__(self, *serializers: Loading) -> None:
        self.go, self.computed = threading.Event(), 0

        def compute() -> list[int]:
            self.computed += 1
            assert self.go.wait(10)
            return [1, 2]

        self.functions = []
        for each in serializers:

            class Values(KeyCache[Any]):
                serializer = each

            self.functions.append(cached(Values, key="k", ttl=60)(compute))

    def call(self, threads: int) -> list[Any]:
        """The answers of the functions in turn, one for each thread."""
        answers: list[Any] = [None] * threads

        def caller(n: int) -> None:
            answers[n] = self.functions[n % len(self.functions)]()

        waiting = [threading.Thread(target=caller, args=(n,)) for n in range(threads)]
        for thread in waiting:
            thread.start()
        wait_until(lambda: sum(f.cache_info().waits for f in self.functions) >= threads - 1)
        self.go.set()
        for thread in waiting:
            thread.join(10)
        assert self.computed == 1
        return answers


def test_what_cannot_be_changed_is_decoded_once(store: Any) -> None:
    """Twenty that wait get one tuple; the first of them decodes it (a second one may do so at the same time)."""
    serializer = Loading(tuple)
    assert Together(serializer).call(20) == [(1, 2)] * 20
    assert len(serializer.loads_) < 15, "a loaded machine may let more of them begin before the first has an end"


def test_what_can_be_changed_is_decoded_for_each(store: Any) -> None:
    """Nobody gets a list that somebody else has in hand."""
    answers = Together(Loading(list)).call(20)
    assert answers == [[1, 2]] * 20
    assert len({id(answer) for answer in answers}) == 20


def test_functions_of_one_key_decode_each_in_its_way(store: Any) -> None:
    """They share the read, not what another codec made of it."""
    answers = Together(Loading(tuple), Loading(frozenset)).call(20)
    assert answers == [(1, 2), frozenset({1, 2})] * 10


@pytest.mark.parametrize("end", ["store", "fail", "put", "invalidate"])
def test_a_waiter_is_woken_by_whatever_ends_the_wait(store: Any, end: str) -> None:
    """Stored, failed, invalidated, put: the other side of the lease hears it at once."""
    go = threading.Event()

    @cached(key="k")
    def owner() -> str:
        assert go.wait(10)
        if end == "fail":
            raise LookupError
        return "owner's"

    other = cached(key="k", lease=60)(lambda: "other's")
    # As if it were another process: with flights of its own it only meets the owner on the server.
    other._function.bound(lambda _: Flights(Signal))
    answers: list[Any] = []

    def own() -> None:
        with suppress(LookupError):
            owner()

    threads = [
        threading.Thread(target=own),
        threading.Thread(target=lambda: answers.append((other(), time.monotonic()))),
    ]
    threads[0].start()
    wait_until(lambda: store.raw("EXISTS", "rc:l:{k}"))
    threads[1].start()
    wait_until(lambda: b"rc:w:k" in store.wakeups._waiting)
    began = time.monotonic()
    if end == "put":
        other.put(_cache_put="put")
    elif end == "invalidate":
        other.invalidate()
    else:
        go.set()
    threads[1].join(10)
    go.set()
    threads[0].join(10)
    value, when = answers[0]
    assert value == {"store": "owner's", "put": "put"}.get(end, "other's")
    assert when - began < 0.4, "it was not woken"
