"""What calls cost on clusters of 1, 3 and 6 primaries, beside one server, redis-py's cluster client and bare sockets.

Run: ``python benchmarks/cluster.py [--quick] [--server redis] [--loops] [--together]``. Each cluster is started anew.
The servers share one core, and this process has another one; ``--together`` puts all on one core, where the wake-ups of
all nodes are waited for one after another. ``--loops`` measures event loops instead of threads.

The floors are bare sockets: "one round trip" sends one GET to one node and reads the reply; "bare fan-out" sends to
the nodes what the call sends, and reads all replies by one poll. The tags of the hit with three tags are on as many
other nodes as there are. All cases run in turns, in many short runs, and the quickest run of each counts: what else
the machine does only makes a run slower.
"""

from __future__ import annotations

import asyncio
import os
import random
import select
import socket
import time
from typing import TYPE_CHECKING, Any

import hiredis
import redis
from harness import commit, options, pin, table
from redis.cluster import ClusterNode, RedisCluster

from rcollections import AsyncKeyCache, KeyCache, cached, configure, connection, invalidate_tags, multi_cached
from rcollections.testing import Cluster, Server, available_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRIMARIES = (1, 3, 6)
MANY = 100
VALUE = {"id": 7, "name": "x" * 20, "price": 3.5}


# -- places on the cores --------------------------------------------------------------------------


def place(servers: list[int], together: bool) -> str:
    """Put the servers on one core, and this process on another one or on the same; gives where they are, in words."""
    if not hasattr(os, "sched_setaffinity"):
        return "wherever the machine puts them"
    cores = sorted(os.sched_getaffinity(0))
    here, there = cores[0], cores[0 if together else -1]
    for pid in servers:
        pin(pid, there)
    pin(os.getpid(), here)
    return "client and servers on one core" if here == there else "client on one core, all servers on another one"


# -- bare sockets ---------------------------------------------------------------------------------


class Bare:
    """A socket to one node."""

    def __init__(self, host: str, port: int) -> None:
        self.sock = socket.create_connection((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = hiredis.Reader()


def trip(node: Bare, *words: Any) -> Callable[[], object]:
    """The least that a program in Python can do at one node: one write, one read, nothing that could wait or fail."""
    send, recv, feed, gets = node.sock.sendall, node.sock.recv, node.reader.feed, node.reader.gets

    def call() -> object:
        send(hiredis.pack_command(words))
        feed(recv(65536))
        return gets()

    return call


def fan(lots: list[tuple[Bare, list[bytes]]]) -> Callable[[], object]:
    """The same at several nodes: a write to each, then one poll reads what comes, until all replies are there."""
    poll = select.poll()
    nodes = {}
    for node, commands in lots:
        node.sock.setblocking(False)
        poll.register(node.sock, select.POLLIN)
        nodes[node.sock.fileno()] = node, len(commands)
    sends = [(node.sock.send, b"".join(commands)) for node, commands in lots]

    def call() -> object:
        for send, data in sends:
            send(data)
        left = {fd: count for fd, (_, count) in nodes.items()}
        replies: list[object] = []
        while left:
            for fd, _ in poll.poll():
                node, _ = nodes[fd]
                reader = node.reader
                reader.feed(node.sock.recv(65536))
                while (reply := reader.gets()) is not False:
                    replies.append(reply)
                    left[fd] -= 1
                if not left[fd]:
                    del left[fd]
        return replies

    return call


# -- what is measured -----------------------------------------------------------------------------


class Row(KeyCache[dict[str, Any]]):
    prefix = "row"
    ttl = 600


class ARow(AsyncKeyCache[dict[str, Any]]):
    prefix = "row"
    ttl = 600


class OneRow(KeyCache[dict[str, Any]]):
    prefix = "row"
    ttl = 600
    connection_name = "one"


class AOneRow(AsyncKeyCache[dict[str, Any]]):
    prefix = "row"
    ttl = 600
    connection_name = "one"


def tags_apart(cluster: Cluster) -> tuple[tuple[str, str, str], int]:
    """Three tags on other nodes than the entry of ``tagged(n)``, each on another one as far as there are; and n."""
    nodes = cluster.primaries
    entry = next(n for n in range(1000) if cluster.owner(f"row.tagged.{n}") is nodes[0])
    found: list[str] = []
    for n in range(3):
        node = nodes[1 + n % (len(nodes) - 1)] if len(nodes) > 1 else nodes[0]
        found.append(next(t for t in map(str, range(10_000)) if cluster.owner(f"rc:t:{t}") is node and t not in found))
    return (found[0], found[1], found[2]), entry


class Bench:
    """A cluster, a single server beside it, and the calls."""

    def __init__(self, cluster: Cluster, one: Server, asynchronous: bool) -> None:
        self.cluster = cluster
        self.one = one
        configure({"default": cluster.dsn, "one": one.dsn})
        self.tags, self.entry = tags_apart(cluster)
        self.owners = {node: Bare(node.host, node.port) for node in cluster.primaries}
        tags = self.tags

        def row(_number: int) -> dict[str, Any]:
            return VALUE

        async def arow(_number: int) -> dict[str, Any]:
            return VALUE

        def rows(ids: list[int]) -> dict[int, Any]:
            return dict.fromkeys(ids, VALUE)

        async def arows(ids: list[int]) -> dict[int, Any]:
            return dict.fromkeys(ids, VALUE)

        key, named = (lambda _number: ["tagged", _number]), (lambda _number: ["named", _number])
        fn: Any = arow if asynchronous else row
        plain, single = (ARow, AOneRow) if asynchronous else (Row, OneRow)
        self.tagged: Any = cached(plain, key=key, tags=tags, l1=False)(fn)
        self.named: Any = cached(plain, key=named, l1=False)(fn)
        self.tagged_one: Any = cached(single, key=key, tags=tags, l1=False)(fn)
        self.named_one: Any = cached(single, key=named, l1=False)(fn)
        many: Any = arows if asynchronous else rows
        self.many: Any = multi_cached("ids", Row, key=lambda n: ["many", n])(many)
        self.many_one: Any = multi_cached("ids", OneRow, key=lambda n: ["many", n])(many)
        self.handle, self.handle_one = plain("named", self.entry), single("named", self.entry)
        self.peer: Any = None
        self.ids = list(range(MANY))
        for cls in (Row, OneRow):
            cls.set_many({("got", n): VALUE for n in self.ids})

    def sends(self, keys: list[str]) -> list[tuple[Bare, list[bytes]]]:
        """What a read of these keys sends: to each node one write, with a GET for each slot of one key."""
        lots: dict[Any, list[bytes]] = {}
        for key in keys:
            lots.setdefault(self.cluster.owner(key), []).append(hiredis.pack_command(("GET", key)))
        return [(Bare(node.host, node.port), commands) for node, commands in lots.items()]

    def read_by_hit(self) -> list[str]:
        """The keys that the hit with three tags reads."""
        return [f"row.tagged.{self.entry}", *(f"rc:t:{tag}" for tag in self.tags)]

    def got(self) -> list[str]:
        """The keys of the hundred."""
        return [f"row.got.{n}" for n in self.ids]


def thread_cases(bench: Bench) -> dict[str, Callable[[], object]]:
    """Calls of threads."""
    tagged, entry, many, ids = bench.tagged, bench.entry, bench.many, bench.ids
    for each in (tagged, bench.tagged_one, bench.named, bench.named_one):
        each(entry)
    many(ids), bench.many_one(ids)
    node = bench.cluster.owner(f"row.named.{entry}")
    peer: Any = RedisCluster(startup_nodes=[ClusterNode(node.host, node.port)])
    single = redis.Redis.from_url(bench.one.dsn)
    host, port = bench.one.dsn.split("//")[1].split("/")[0].split(":")
    wanted = [("got", n) for n in ids]
    return {
        "one round trip: GET over a bare socket": trip(bench.owners[node], "GET", f"row.named.{entry}"),
        "the same at one server": trip(Bare(host, int(port)), "GET", f"row.named.{entry}"),
        "redis-py get, one server": lambda: single.get(f"row.named.{entry}"),
        "KeyCache.get, one server": bench.handle_one.get,
        "redis-py get": lambda: peer.get(f"row.named.{entry}"),
        "**KeyCache.get**": bench.handle.get,
        "hit, one server": lambda: bench.named_one(entry),
        "**hit**": lambda: bench.named(entry),
        "bare fan-out of the hit with three tags": fan(bench.sends(bench.read_by_hit())),
        "redis-py mget_nonatomic of the four": lambda: peer.mget_nonatomic(bench.read_by_hit()),
        "hit with three tags, one server": lambda: bench.tagged_one(entry),
        "**hit with three tags**": lambda: tagged(entry),
        "bare fan-out of a hundred": fan(bench.sends(bench.got())),
        "redis-py mget_nonatomic of a hundred": lambda: peer.mget_nonatomic(bench.got()),
        "get_many of a hundred, one server": lambda: OneRow.get_many(wanted),
        "**get_many of a hundred**": lambda: Row.get_many(wanted),
        "multi_cached of a hundred, one server": lambda: bench.many_one(ids),
        "**multi_cached of a hundred**": lambda: many(ids),
        "redis-py incr of three keys on three nodes": lambda: [peer.incr(f"c{tag}") for tag in bench.tags],
        "**invalidate_tags of three tags**": lambda: invalidate_tags(*bench.tags, connection_name="default"),
        "**f.invalidate**": lambda: bench.named.invalidate(-1),
    }


class Mux(asyncio.Protocol):
    """The least for an event loop: one connection, replies in the order of the questions."""

    def __init__(self) -> None:
        self.reader: Any = hiredis.Reader()
        self.waits: list[asyncio.Future[Any]] = []
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """It is open."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand out replies."""
        self.reader.feed(data)
        while (reply := self.reader.gets()) is not False:
            self.waits.pop(0).set_result(reply)

    def ask(self, data: bytes, count: int = 1) -> list[asyncio.Future[Any]]:
        """Send, and give a future for each reply."""
        loop = asyncio.get_running_loop()
        found = [loop.create_future() for _ in range(count)]
        self.waits += found
        self.transport.write(data)
        return found


async def mux(node: Any) -> Mux:
    """A connection to this node."""
    return (await asyncio.get_running_loop().create_connection(Mux, node.host, node.port))[1]


async def loop_cases(bench: Bench) -> dict[str, Callable[[], Any]]:
    """Calls of event loops."""
    from redis.asyncio.cluster import ClusterNode as Node
    from redis.asyncio.cluster import RedisCluster as Peer

    entry, ids = bench.entry, bench.ids
    for each in (bench.tagged, bench.tagged_one, bench.named, bench.named_one):
        await each(entry)
    await bench.many(ids)
    await bench.many_one(ids)
    owner = bench.cluster.owner(f"row.named.{entry}")
    peer: Any = Peer(startup_nodes=[Node(owner.host, owner.port)])
    await peer.initialize()
    bench.peer = peer
    lines = {node.port: await mux(node) for node in bench.cluster.primaries}
    wanted = [("got", n) for n in ids]

    def bare_fan(keys: list[str]) -> Callable[[], Any]:
        lots = [(bare.sock.getpeername()[1], commands) for bare, commands in bench.sends(keys)]
        sends = [(lines[port], b"".join(commands), len(commands)) for port, commands in lots]

        async def call() -> list[Any]:
            waits = [each for line, data, count in sends for each in line.ask(data, count)]
            return [await each for each in waits]

        return call

    one = hiredis.pack_command(("GET", f"row.named.{entry}"))

    async def bare() -> Any:
        return await lines[owner.port].ask(one)[0]

    return {
        "one round trip: GET by a bare protocol": bare,
        "AsyncKeyCache.get, one server": bench.handle_one.get,
        "redis.asyncio get": lambda: peer.get(f"row.named.{entry}"),
        "**AsyncKeyCache.get**": bench.handle.get,
        "hit, one server": lambda: bench.named_one(entry),
        "**hit**": lambda: bench.named(entry),
        "bare fan-out of the hit with three tags": bare_fan(bench.read_by_hit()),
        "redis.asyncio mget_nonatomic of the four": lambda: peer.mget_nonatomic(bench.read_by_hit()),
        "hit with three tags, one server": lambda: bench.tagged_one(entry),
        "**hit with three tags**": lambda: bench.tagged(entry),
        "bare fan-out of a hundred": bare_fan(bench.got()),
        "redis.asyncio mget_nonatomic of a hundred": lambda: peer.mget_nonatomic(bench.got()),
        "get_many of a hundred, one server": lambda: AOneRow.get_many(wanted),
        "**get_many of a hundred**": lambda: ARow.get_many(wanted),
        "multi_cached of a hundred, one server": lambda: bench.many_one(ids),
        "**multi_cached of a hundred**": lambda: bench.many(ids),
        "**f.invalidate**": lambda: bench.named.invalidate(-1),
    }


# -- measuring ------------------------------------------------------------------------------------


class Runs:
    """The quickest run of each case, in microseconds of one call: of the clock, and of CPU time of this process."""

    def __init__(self, names: list[str], quick: bool) -> None:
        self.names = names
        self.quick = quick
        self.took: dict[str, float] = dict.fromkeys(names, 1e9)
        self.used: dict[str, float] = dict.fromkeys(names, 1e9)

    def order(self) -> Iterator[tuple[str, int]]:
        """Which case runs next, and how often."""
        for _ in range(60 if self.quick else 700):
            for name in random.sample(self.names, len(self.names)):
                yield name, 2 if "hundred" in name else 4

    def note(self, name: str, calls: int, took: float, used: float) -> None:
        """One run."""
        self.took[name] = min(self.took[name], took / calls * 1e6)
        self.used[name] = min(self.used[name], used / calls * 1e6)

    def show(self, title: str) -> None:
        """Print one table."""
        base = floor = self.names[0]
        rows = []
        for name in self.names:
            if name.startswith("bare fan-out"):
                floor = name
            fanned = "hundred" in name or ("three tags" in name and "invalidate" not in name)
            took = self.took[name]
            above = f"{took / self.took[floor]:.2f}" if fanned else ""
            rows.append([name, f"{took:.1f}", f"{self.used[name]:.1f}", f"{took / self.took[base]:.2f}", above])
        table(title, ("", "us", "CPU of this process, us", "x one round trip", "x bare fan-out"), rows)


def measure(cases: dict[str, Callable[[], object]], quick: bool) -> Runs:
    """Run all cases in turns."""
    runs = Runs(list(cases), quick)
    for call in cases.values():
        call()
    for name, calls in runs.order():
        call = cases[name]
        used, began = time.process_time(), time.perf_counter()
        for _ in range(calls):
            call()
        runs.note(name, calls, time.perf_counter() - began, time.process_time() - used)
    return runs


async def ameasure(cases: dict[str, Callable[[], Any]], quick: bool) -> Runs:
    """The same in an event loop."""
    runs = Runs(list(cases), quick)
    for call in cases.values():
        await call()
    for name, calls in runs.order():
        call = cases[name]
        used, began = time.process_time(), time.perf_counter()
        for _ in range(calls):
            await call()
        runs.note(name, calls, time.perf_counter() - began, time.process_time() - used)
    return runs


async def in_loop(bench: Bench, quick: bool) -> Runs:
    """All cases of event loops."""
    cases = await loop_cases(bench)
    try:
        return await ameasure(cases, quick)
    finally:
        await bench.peer.aclose()


def main() -> None:
    asked = options(
        "Clusters.",
        loops="event loops instead of threads",
        together="client and servers on one core",
        three="only the cluster of three primaries",
    )
    kind = asked.server or available_kinds()[0]
    print(f"{kind}, commit {commit()}\n")
    for primaries in (3,) if asked.three else PRIMARIES:
        with Cluster(kind, primaries=primaries, replicas=0) as cluster, Server(kind, tcp=True) as one:
            whole = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
            where = place([one.pid, *(node.pid for node in cluster.nodes)], asked.together)
            bench = Bench(cluster, one, asked.loops)
            quick = asked.quick
            runs = asyncio.run(in_loop(bench, quick)) if asked.loops else measure(thread_cases(bench), quick)
            runs.show(f"{primaries} primaries: {where}")
            connection().close()
            if whole:
                os.sched_setaffinity(0, whole)


if __name__ == "__main__":
    main()
