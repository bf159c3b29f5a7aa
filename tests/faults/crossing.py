"""Replies never cross: every caller gets the reply to its own request, whatever happens. ``make crossing``.

    python -m tests.faults.crossing [--seconds 60] [--seed 1] [--kind valkey] [--workers 2]

Each key's value names the key. Processes of threads, tasks and forked children read them, one by one, many at once and
in pipelines. Meanwhile calls are cancelled, run out of time, and are stopped by signals whose handlers raise. The
server sleeps and is stopped, connections are killed, cut, frozen and slowed. Not one reply may be somebody else's, no
call may hang, and in the end no connection may be left, nor a place for one be lost. Prints what was done.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import redis

from rcollections.testing import Server, available_kinds, wait_until
from tests.roads import road_to

from .crossing_worker import SEATS

if TYPE_CHECKING:
    from collections.abc import Callable

    from rcollections.testing import Proxy

__all__ = ["crossing", "main"]

TIMEOUT = 0.3
NAME = "crossing"


class Faults:
    """Does one fault after another, as a seed has it, and counts them."""

    def __init__(self, server: Server, proxies: list[Proxy], seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.over = False
        self._server, self._proxies = server, proxies
        self._proxy = proxies[0]  # of the present fault
        self._random = random.Random(seed)
        self._bare = server.client(socket_timeout=5)
        self._faults: list[Callable[[], None]] = [
            self.kill_some, self.kill_all, self.sleep, self.stop, self.cut, self.cut_request, self.cut_reply,
            self.freeze, self.drip,
        ]  # fmt: skip

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.over:
            fault, self._proxy = self._random.choice(self._faults), self._random.choice(self._proxies)
            with suppress(redis.RedisError):
                fault()
                self.done[fault.__name__] += 1
            self._proxy.heal()
            time.sleep(self._random.uniform(0.02, 0.4))

    def _for(self, low: float, high: float) -> None:
        time.sleep(self._random.uniform(low, high))

    def kill_some(self) -> None:
        ours: list[dict[str, str]] = [each for each in self._bare.client_list() if each["name"] == NAME]
        for each in self._random.sample(ours, min(len(ours), 3)):
            self._bare.execute_command("CLIENT", "KILL", "ID", each["id"])

    def kill_all(self) -> None:
        self._bare.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def sleep(self) -> None:
        self._bare.execute_command("DEBUG", "SLEEP", str(self._random.choice((0.02, 0.1, TIMEOUT, 2 * TIMEOUT))))

    def stop(self) -> None:
        self._server.freeze()
        try:
            self._for(0.01, 2 * TIMEOUT)
        finally:
            self._server.thaw()

    def cut(self) -> None:
        self._proxy.cut()

    def cut_request(self) -> None:
        self._proxy.cut_after_request(self._random.randint(1, 20))
        self._for(0.02, 0.1)

    def cut_reply(self) -> None:
        self._proxy.cut_next_reply(self._random.choice((0, 3, 11, 500)))
        self._for(0.02, 0.1)

    def freeze(self) -> None:
        self._proxy.freeze(self._random.choice(("both", "replies", "requests")))
        self._for(0.02, 2 * TIMEOUT)

    def drip(self) -> None:
        self._proxy.drip(self._random.choice((300.0, 5000.0, 100_000.0)))
        self._for(0.05, 0.4)


def _worker(number: int, seed: int, seconds: float, near: str, far: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.faults.crossing_worker", str(number), str(seed), str(seconds), near, far]
    return subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def crossing(seconds: float, seed: int, kind: str, workers: int = 2) -> dict[str, Any]:
    """What was done, by name. AssertionError at a wrong reply, a call that hangs, or a connection that is left."""
    with ExitStack() as stack:
        server = stack.enter_context(Server(kind, tcp=True, config={"maxmemory": "400mb"}))
        options = f"timeout={TIMEOUT}&connect_timeout={TIMEOUT}&max_connections={SEATS}&client_name={NAME}"
        near = [f"{server.dsn}?{options}", f"unix://{server.socket}?{options}"]
        roads = [stack.enter_context(road_to(server, road)) for road in ("tcp", "tls")]
        faults = Faults(server, [proxy for proxy, _ in roads], seed)
        running = [_worker(n, seed, seconds, near[n % 2], f"{roads[n % 2][1]}{options}#far") for n in range(workers)]
        for each in running:
            stack.callback(each.kill)
        thread = threading.Thread(target=faults.run, args=(seconds - 0.5,))
        thread.start()
        try:
            told = [_answer(each) for each in running]
        finally:
            faults.over = True
            thread.join()
        with server.client() as bare:
            try:
                wait_until(lambda: not _left(bare, running), what="the end of all connections")
            except AssertionError as error:
                raise AssertionError(f"{error}; left are {_left(bare, running)}") from None
        for each in running:
            each.communicate("\n", timeout=20)
            assert each.returncode == 0, f"a worker ended with status {each.returncode}"
    return _judged(told, faults.done)


def _answer(worker: subprocess.Popen[str]) -> dict[str, Any]:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    assert line, f"a worker ended with status {worker.wait()}: its output says why"
    answer: dict[str, Any] = json.loads(line)
    return answer


def _left(bare: Any, running: list[subprocess.Popen[str]]) -> list[str]:
    """What is left of the workers' connections, and what each did last.

    A frame that a handler's exception left may stand in a circle with a link. And when it goes, the lease of its call
    is freed in the background, over a connection that is opened anew. So all is collected and closed at each look.
    """
    for each in running:
        _collect(each)
    return [
        f"{each['addr']} (age {each['age']}, idle {each['idle']}, {each['cmd']}, {each['lib-name']})"
        for each in bare.client_list()
        if each["name"] == NAME
    ]


def _collect(worker: subprocess.Popen[str]) -> None:
    """Let the process collect its garbage, as one does that goes on, and close its connections."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write("collect\n")
    worker.stdin.flush()
    worker.stdout.readline()


def _judged(told: list[dict[str, Any]], faults: Counter[str]) -> dict[str, Any]:
    wrong = [each for one in told for each in one.pop("wrong")]
    longest = max(one.pop("longest") for one in told)
    seats = [one.pop("seats") for one in told]
    counts = sum((Counter(one) for one in told), Counter[str]())
    assert not wrong, f"{len(wrong)} wrong replies or errors: {wrong[:10]}"
    assert not counts["hung"], f"{counts['hung']} threads hang"
    assert seats == [SEATS] * len(told), f"of {SEATS} connections so many can be used: {seats}"
    return {**counts, "longest": round(longest, 2), "faults": dict(faults)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="replies never cross")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--kind", default=available_kinds()[0], choices=available_kinds())
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)
    sys.stdout.write(f"crossing: seed {given.seed}, {given.seconds:.0f} s on {given.kind}\n")
    sys.stdout.flush()
    told = crossing(given.seconds, given.seed, given.kind, given.workers)
    for name, value in told.items():
        shown = f"{value:,}" if isinstance(value, int) else value
        sys.stdout.write(f"  {name}: {shown}\n")
    sys.stdout.write("not one wrong reply, no hung call, no connection left\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
