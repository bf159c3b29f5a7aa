"""What a fleet of processes that hold values costs the primaries of a cluster, and where that bends.

Run: ``python benchmarks/fleet.py [--primaries 3] [--processes 10 100 1000] [--writes 100] [--check] [--server redis]``.
The constants are measured first, each on a node of a cluster that is started for it: CPU time of the node for one PING
and one no-op of an ear, for one message about a write, for one look at the map, memory of a connection. With them the
table says for each size of the fleet what one primary has to do. ``--check`` lets 200 simulated ears listen to all
primaries while keys are written, and puts what the nodes used beside what was computed.

A process listens to each primary over one connection, and says over another one that it is there (docs/l1.md). Writes
are those of keys that processes listen to, of all clients and nodes together, each in a round of the server's own loop.
"""

from __future__ import annotations

import argparse
import heapq
import os
import selectors
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import hiredis

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import commit, pin, table

from rcollections.coherence.nodes import LOOK
from rcollections.coherence.reopening import ANEW
from rcollections.testing import Cluster, available_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFIX = "fn:"
LEAST = 0.25  # seconds between two PINGs, or a quarter of the staleness
# The ears, which are on other machines in earnest, have a core of their own, and share none with the servers.
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class Costs(NamedTuple):
    """CPU seconds of a node, and bytes."""

    proof: float  # one PING and one no-op
    message: float  # one message to one ear about a write
    write: float  # a SET that nobody hears of
    look: float  # a connection, CLUSTER INFO and CLUSTER SLOTS
    opening: float  # a connection
    memory: float  # bytes of a connection


# -- simulated ears -------------------------------------------------------------------------------


def pack(*words: Any) -> bytes:
    return hiredis.pack_command(words)  # type: ignore[no-any-return]


def ask(sock: socket.socket, *words: Any) -> Any:
    """One command, one reply."""
    reader = hiredis.Reader()
    sock.sendall(pack(*words))
    while (reply := reader.gets()) is False:
        reader.feed(sock.recv(65536))
    if isinstance(reply, Exception):
        raise reply
    return reply


def be_ears(places: list[str], ears: int, period: float) -> None:
    """Be that many ears at each of these nodes, ``host:port:key``: track, send PINGs and no-ops, read what comes."""
    selector = selectors.DefaultSelector()
    due: list[tuple[float, int, socket.socket, socket.socket, bytes]] = []
    for number, place in enumerate(places):
        host, port, key = place.split(":", 2)
        for n in range(ears):
            hears, says = (socket.create_connection((host, int(port))) for _ in range(2))
            own = ask(hears, "CLIENT", "ID")
            ask(hears, "CLIENT", "TRACKING", "ON", "REDIRECT", own, "BCAST", "PREFIX", PREFIX, "PREFIX", "rc:t:")
            ask(hears, "SUBSCRIBE", "__redis__:invalidate")
            ask(says, "HSET", key, f"ear{n}", "1000:0")
            for each in (hears, says):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                each.setblocking(False)
                selector.register(each, selectors.EVENT_READ)
            again = pack("HSETNX", key, f"ear{n}", "1000:0")
            due.append((time.monotonic() + period * n / ears, number * ears + n, hears, says, again))
    heapq.heapify(due)
    print("ready", flush=True)
    ping = pack("PING", "1")
    while True:
        now = time.monotonic()
        while due[0][0] <= now:
            at, n, hears, says, again = heapq.heappop(due)
            hears.send(ping)
            says.send(again)
            heapq.heappush(due, (max(at + period, now), n, hears, says, again))
        for found, _ in selector.select(max(0.0, due[0][0] - time.monotonic())):
            if not found.fileobj.recv(1 << 16):  # type: ignore[union-attr]
                return


@contextmanager
def listening(cluster: Cluster, ears: int, period: float) -> Iterator[None]:
    """That many simulated ears at each primary, in a process of their own."""
    places = [f"{node.host}:{node.port}:{cluster.key_on(node, 'rc:z:')}" for node in cluster.primaries]
    command = [sys.executable, __file__, "--be", *places, "--ears", str(ears), "--period", str(period)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            if CORES:
                pin(process.pid, CORES[-1])
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                sys.exit("the simulated ears did not start: is `ulimit -n` high enough?")
            yield
        finally:
            process.terminate()


# -- the constants --------------------------------------------------------------------------------


def cpu(node: Any) -> float:
    """CPU seconds of a node until now."""
    used: dict[str, Any] = node.client().info("cpu")
    return float(used["used_cpu_sys"]) + float(used["used_cpu_user"])


def used(node: Any, seconds: float) -> float:
    """CPU seconds a second."""
    before, began = cpu(node), time.monotonic()
    time.sleep(seconds)
    return (cpu(node) - before) / (time.monotonic() - began)


def connected(node: Any) -> socket.socket:
    """A bare connection."""
    sock = socket.create_connection((node.host, node.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def least(node: Any, calls: int, call: Callable[[], object], around: float = 0.0) -> float:
    """CPU seconds of the node for one call: of ten runs the one that took the least, without what goes on around it.

    What else the machine does only makes a run dearer. ``around``: CPU seconds a second that go elsewhere.
    """
    found = []
    for _ in range(10):
        before, began = cpu(node), time.monotonic()
        for _ in range(calls // 10):
            call()
        found.append((cpu(node) - before - (time.monotonic() - began) * around) / (calls // 10))
    return min(found)


def once(node: Any, *commands: tuple[str, ...]) -> None:
    """A connection over which these commands are sent."""
    with socket.create_connection((node.host, node.port)) as sock:
        for words in commands:
            ask(sock, *words)


def proved(hears: socket.socket, says: socket.socket, key: str) -> None:
    """What an ear sends each period."""
    hears.sendall(pack("PING", "1"))
    says.sendall(pack("HSETNX", key, "ear", "1000:0"))
    for sock in (hears, says):
        sock.recv(1 << 16)


def constants(cluster: Cluster, quick: bool) -> Costs:
    """Measured on one node."""
    node = cluster.primaries[0]
    key, place = cluster.key_on(node, PREFIX), cluster.key_on(node, "rc:z:")
    ears, calls = 50, 1000 if quick else 10_000
    memory = int(node.client().info("memory")["used_memory"])
    with connected(node) as sock, connected(node) as hears, connected(node) as says:
        write = least(node, calls, lambda: ask(sock, "SET", key, 1))
        ask(hears, "SUBSCRIBE", "nobody")
        ask(says, "HSET", place, "ear", "1000:0")
        proof = least(node, calls, lambda: proved(hears, says, place))
        opening = least(node, calls // 5, lambda: once(node, ("PING",)))
        look = least(node, calls // 5, lambda: once(node, ("CLUSTER", "INFO"), ("CLUSTER", "SLOTS")))
        with listening(cluster, ears, LEAST):
            held = int(node.client().info("memory")["used_memory"])
            heard = least(node, calls, lambda: ask(sock, "SET", key, 1), ears * proof / LEAST)
    return Costs(proof, (heard - write) / ears, write, look, opening, (held - memory) / ears / 2)


# -- the fleet ------------------------------------------------------------------------------------


class Load(NamedTuple):
    """What a fleet makes one primary do."""

    connections: int
    requests: float  # PINGs and no-ops a second
    proofs: float  # share of one core
    messages: float
    rest: float  # maps that are compared, connections that are opened anew
    wait: float  # seconds that one write takes longer

    @property
    def total(self) -> float:
        """Share of one core."""
        return self.proofs + self.messages + self.rest


def load(costs: Costs, processes: int, primaries: int, writes: float, period: float) -> Load:
    """Of one of these primaries, for a fleet of these processes. ``writes``: a second, at all nodes together."""
    looks = processes / LOOK / primaries * costs.look + processes / ANEW * costs.opening
    return Load(
        2 * processes,
        2 * processes / period,
        processes / period * costs.proof,
        processes * costs.message * writes / primaries,
        looks,
        processes * costs.message,
    )


def bends(costs: Costs, primaries: int, writes: float, period: float, most: float = 0.5) -> tuple[int, int]:
    """From how many processes on one primary spends so much of its core for them, and a write takes 1 ms longer."""
    one = load(costs, 1, primaries, writes, period).total
    return int(most / one), int(0.001 / costs.message)


def shown(costs: Costs, fleets: list[int], sizes: list[int], writes: float, period: float) -> None:
    """Print the table, and where it bends."""
    rows = []
    for primaries in sizes:
        for processes in fleets:
            found = load(costs, processes, primaries, writes, period)
            shares = [f"{100 * share:.1f}" for share in (found.proofs, found.messages, found.rest, found.total)]
            rows.append(
                [
                    f"{processes:,} on {primaries}", f"{found.connections:,}",
                    f"{found.connections * costs.memory / (1 << 20):.1f}", f"{found.requests:,.0f}", *shares,
                    f"{1000 * found.wait:.2f}",
                ]
            )  # fmt: skip
    head = (
        "processes, primaries", "connections", "MB", "PING, no-op /s", "% of a core: these", "messages", "rest", "all",
        "a write, ms longer",
    )  # fmt: skip
    table(f"One primary, {writes:g} writes a second that are heard", head, rows)
    for primaries in sizes:
        half, slow = bends(costs, primaries, writes, period)
        print(f"{primaries} primaries: half a core from {half:,} processes on; a write takes 1 ms longer from {slow:,}")
    print()


# -- the check ------------------------------------------------------------------------------------


def took(node: Any, key: str, writes: int = 500) -> float:
    """How long a SET takes, in seconds: the median."""
    found = []
    with connected(node) as sock:
        for n in range(writes):
            began = time.perf_counter()
            ask(sock, "SET", key, n)
            found.append(time.perf_counter() - began)
    return median(found)


def check(cluster: Cluster, costs: Costs, ears: int, writes: float, period: float, seconds: float) -> None:
    """Simulated ears at all primaries: what these used, beside what was computed."""
    nodes = cluster.primaries
    keys = [cluster.key_on(node, PREFIX) for node in nodes]
    before_ears = int(nodes[0].client().info("clients")["connected_clients"])
    alone = [took(node, key) for node, key in zip(nodes, keys, strict=True)]
    idle = [used(node, seconds / 4) for node in nodes]
    with listening(cluster, ears, period):
        clients = int(nodes[0].client().info("clients")["connected_clients"]) - before_ears
        with_ears = [used(node, seconds / 4) - each for node, each in zip(nodes, idle, strict=True)]
        heard = [took(node, key) for node, key in zip(nodes, keys, strict=True)]
        socks = [connected(node) for node in nodes]
        before, began, sent = [cpu(node) for node in nodes], time.monotonic(), 0
        while (now := time.monotonic()) < began + seconds:
            at = sent % len(nodes)
            ask(socks[at], "SET", keys[at], sent)
            sent += 1
            time.sleep(max(0.0, began + sent / writes - now))
        lasted = time.monotonic() - began
        both = [(cpu(node) - each) / lasted for node, each in zip(nodes, before, strict=True)]
    rate = sent / lasted
    found = load(costs, ears, len(nodes), rate, period)
    mean = [sum(each) / len(nodes) for each in (with_ears, both, idle)]
    own = rate / len(nodes) * costs.write
    rows = [
        ["connections of one primary", f"{found.connections}", f"{clients}"],
        ["PINGs and no-ops, % of a core", f"{100 * found.proofs:.2f}", f"{100 * mean[0]:.2f}"],
        [
            f"with {rate:.0f} writes a second",
            f"{100 * (found.proofs + found.messages + own):.2f}",
            f"{100 * (mean[1] - mean[2]):.2f}",
        ],
        ["a write takes longer by, ms", f"{1000 * found.wait:.2f}", f"{1000 * (median(heard) - median(alone)):.2f}"],
    ]
    table(f"{ears} simulated ears at {len(nodes)} primaries", ("one primary", "computed", "measured"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", choices=available_kinds(), default=next(iter(available_kinds()), None))
    parser.add_argument("--primaries", type=int, nargs="+", default=[1, 3, 6])
    parser.add_argument("--processes", type=int, nargs="+", default=[10, 100, 300, 1000])
    parser.add_argument("--writes", type=float, default=100.0, help="a second, of keys that are listened to")
    parser.add_argument("--staleness", type=float, default=1.0, help="seconds, as in the DSN")
    parser.add_argument("--ears", type=int, default=200, help="how many --check simulates")
    parser.add_argument("--check", action="store_true", help="let simulated ears listen, and compare")
    parser.add_argument("--quick", action="store_true", help="a look, no figures")
    parser.add_argument("--be", nargs="+", metavar="PLACE", help=argparse.SUPPRESS)
    parser.add_argument("--period", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.be:
        be_ears(asked.be, asked.ears, asked.period)
        return
    period = min(LEAST, asked.staleness / 4)
    with Cluster(asked.server, primaries=3, replicas=0) as cluster:
        for pid in (os.getpid(), *(node.pid for node in cluster.nodes)) if CORES else ():
            pin(pid, CORES[0])
        costs = constants(cluster, asked.quick)
        print(
            f"{asked.server}, commit {commit()}. CPU of a node: PING and no-op {1e6 * costs.proof:.1f} us, message "
            f"{1e6 * costs.message:.2f} us, SET {1e6 * costs.write:.1f} us, look at the map {1e6 * costs.look:.0f} us, "
            f"connection {1e6 * costs.opening:.0f} us and {costs.memory / 1024:.1f} kB\n"
        )
        shown(costs, asked.processes, asked.primaries, asked.writes, period)
        if asked.check:
            check(cluster, costs, asked.ears, asked.writes, period, 4.0 if asked.quick else 12.0)


if __name__ == "__main__":
    main()
