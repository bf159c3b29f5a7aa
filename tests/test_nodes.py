"""Several servers behind one tier, each heard by an ear of its own: what one of them suffers the others do not feel.

The servers are independent ones, and a map gives each of them a part of the slots: so no cluster heals anything.
"""

from __future__ import annotations

import threading
import time
from array import array
from typing import TYPE_CHECKING, Any

import pytest

from rcollections.coherence import ear as ears
from rcollections.coherence.nodes import Nodes, place_at
from rcollections.l1 import ABSENT, COMPILED, Tier
from rcollections.plans.effects import Seen
from rcollections.plans.slots import SLOTS, slot_of
from rcollections.testing import Server, wait_until
from rcollections.wire.dsn import dsn as dsns
from rcollections.wire.slotmap import SlotMap
from tests.kinds import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator

STALENESS = 0.5
OWNER = 2


def map_of(*servers: Server) -> SlotMap:
    """Each server owns an equal part of the slots, in this order."""
    owners = array("h", [slot * len(servers) // SLOTS for slot in range(SLOTS)])
    return SlotMap(owners, tuple(("127.0.0.1", each.port) for each in servers), {})


class World:
    """A tier, its listeners, and a reader that asks the owners of the keys by bare clients."""

    def __init__(self, kind: str, count: int = 3) -> None:
        self.servers = [Server(kind, tcp=True) for _ in range(count)]
        self.map = map_of(*self.servers)
        self.nodes = Nodes(dsns.parse(f"redis://127.0.0.1?staleness={STALENESS}&timeout=1"))
        self.tier = Tier(1000, staleness=STALENESS)
        self.nodes.add(self.tier, STALENESS)
        self.nodes.want(["k:", "rc:t:"])
        self.nodes.follow(self.map)
        self.nodes.start()

    def close(self) -> None:
        self.nodes.remove(self.tier)
        for each in self.servers:
            each.stop()

    def owner(self, key: str, found: SlotMap | None = None) -> Server:
        place = (found or self.map).owner(slot_of(key))
        return next(each for each in self.servers if place is not None and each.port == place[1])

    def key_on(self, server: Server, start: str = "k:", found: SlotMap | None = None) -> str:
        return next(key for n in range(10**6) if self.owner(key := f"{start}{n}", found) is server)

    def read(self, key: str, *tags: str) -> Any:
        """As a plan does it: looked up, else read where the map says; held if nothing speaks against it."""
        found = self.tier.held(OWNER, (key,), ABSENT)
        if found is not ABSENT:
            return found
        token = self.nodes.token(self.tier, key, tags)
        servers = {}
        value = None
        for name in (key, *tags):
            with self.owner(name).client(socket_timeout=0.3) as client:
                servers[slot_of(name)] = client.info("server")["run_id"].encode()
                if name == key:
                    value = client.get(key)
        if token is not None and self.nodes.answered(key, tags, Seen([], 0, b"", servers)):
            self.tier.keep(token, OWNER, (key,), value)
        return value

    def held(self, *keys: str) -> list[bool]:
        return [self.tier.held(OWNER, (key,), ABSENT) is not ABSENT for key in keys]

    def hold(self, key: str, *tags: str) -> str:
        """Read this key until it is held, under these tags."""

        def held() -> bool:
            self.read(key, *tags)
            return self.held(key) == [True]

        wait_until(held, 10, f"{key} is held")
        return key

    def write(self, key: str, value: object) -> None:
        with self.owner(key).client() as client:
            client.set(key, str(value))


@pytest.fixture(params=["a loop", "a thread"])
def ear(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who hears: the compiled loop, or a thread of Python."""
    if request.param == "a thread":
        monkeypatch.setattr(ears, "loop_class", lambda _: None)
    elif not COMPILED:
        pytest.skip("nothing is compiled here")
    return str(request.param)


@pytest.fixture(params=SERVERS)
def world(request: pytest.FixtureRequest, ear: str) -> Iterator[World]:
    made = World(request.param)
    yield made
    made.close()


def on_each(world: World) -> list[str]:
    """A key on each server that is held, and behind them one on the second with a tag on the first."""
    keys = [world.hold(world.key_on(server)) for server in world.servers]
    tag = world.key_on(world.servers[0], "rc:t:")
    world.write(tag, "stamp")
    tagged = next(key for n in range(10**6) if world.owner(key := f"k:tagged{n}") is world.servers[1])
    return [*keys, world.hold(tagged, tag)]


def test_a_change_on_any_node_shows(world: World) -> None:
    for key in on_each(world)[:3]:
        world.write(key, "new")
        wait_until(lambda key=key: world.read(key) == b"new", 5, "the change")


def test_a_tag_on_another_node(world: World) -> None:
    *keys, tagged = on_each(world)
    world.write(world.key_on(world.servers[0], "rc:t:"), "other stamp")
    wait_until(lambda: world.held(tagged) == [False], 5, "the end of what has the tag")
    assert world.held(*keys) == [True] * 3


def test_a_node_is_flushed(world: World) -> None:
    """Its values go, and those with a tag on it: nothing else."""
    a, b, c, tagged = on_each(world)
    with world.servers[0].client() as client:
        client.flushall()
    wait_until(lambda: world.held(a, tagged) == [False, False], 5, "the end of what depends on it")
    assert world.held(b, c) == [True, True]


def test_a_node_is_killed(world: World) -> None:
    """The others' values are served on and on; its own come back with it."""
    a, b, c, tagged = on_each(world)
    misses = world.tier.counts.misses
    world.servers[0].kill()
    wait_until(lambda: world.held(a, tagged) == [False, False], 5, "the end of what depends on it")
    end = time.monotonic() + 4 * STALENESS
    gone = 0
    while time.monotonic() < end:
        assert world.held(b, c) == [True, True]
        gone += world.nodes.token(world.tier, a, ()) is None
        time.sleep(0.01)
    assert gone, "nothing of it can come in"
    assert world.tier.counts.misses < misses + 1000
    assert world.nodes.state == "live"
    assert "1 of 3 nodes" in world.nodes.why
    world.servers[0].start()
    world.hold(a)
    assert world.held(b, c) == [True, True]
    assert world.nodes.why == "changes are heard"


def test_a_node_is_frozen(world: World) -> None:
    """Its values are served for ``staleness`` at most, the others' on and on, also while its ear is opened anew."""
    a, b, c, tagged = on_each(world)
    world.servers[0].freeze()
    began = time.monotonic()
    try:
        wait_until(lambda: world.held(a, tagged) == [False, False], 5, "nothing of it is served any more")
        assert time.monotonic() - began < STALENESS + 0.3
        end, served = time.monotonic() + 4, []
        while time.monotonic() < end:
            served.append(world.held(b, c) == [True, True])
            time.sleep(0.01)
        assert sum(served) > 0.8 * len(served), "but for moments in which this machine let no ear be heard"
    finally:
        world.servers[0].thaw()
    world.hold(a)
    assert world.held(b, c) == [True, True]


def test_nodes_come_and_go(world: World) -> None:
    """What was read in slots that have another owner goes, the rest stays; no other ear is disturbed."""
    first, second, third = world.servers
    two = map_of(first, second)
    world.map = two
    world.nodes.follow(two)
    assert world.nodes.listener_at(("127.0.0.1", third.port)) is None
    three = map_of(*world.servers)
    keys = [f"k:{n}" for n in range(100)]
    stays = next(key for key in keys if three.owner(slot_of(key)) == two.owner(slot_of(key)))
    goes = next(key for key in keys if three.owner(slot_of(key)) != two.owner(slot_of(key)))
    world.hold(stays)
    world.hold(goes)
    on_its_way = world.nodes.token(world.tier, goes, ())
    listener = world.nodes.listener_at(("127.0.0.1", first.port))
    ear = listener.ear
    world.map = three
    world.nodes.follow(three)
    assert world.held(stays, goes) == [True, False]
    assert not world.tier.keep(on_its_way, OWNER, (goes,), b"old"), "the fence"
    world.hold(goes)
    world.write(goes, "new")
    wait_until(lambda: world.read(goes) == b"new", 5, "the change at the new owner")
    assert world.nodes.listener_at(("127.0.0.1", first.port)) is listener
    if place_at(world.nodes._dsn, two, ("127.0.0.1", first.port)) == place_at(
        world.nodes._dsn, world.map, ("127.0.0.1", first.port)
    ):
        assert listener.ear is ear


def test_a_reply_from_another_node_is_not_held(world: World) -> None:
    """F2, F9: as after ASK, where the owner by the map is still another one."""
    key = world.hold(world.key_on(world.servers[0]))
    world.write(key, "x")
    wait_until(lambda: world.held(key) == [False], 5, "the change")
    wait_until(lambda: world.nodes.token(world.tier, key, ()) is not None, 5, "a token")
    with world.servers[1].client() as client:
        other = client.info("server")["run_id"].encode()
    assert not world.nodes.answered(key, (), Seen([], 0, b"", {slot_of(key): other}))
    assert not world.nodes.answered(key, (), Seen([], 0, b"", {}))


def test_one_thread_of_each_kind_for_all_ears(world: World, ear: str) -> None:
    on_each(world)
    names = [each.name for each in threading.enumerate()]
    assert names.count("rcollections-listener") == 1
    hub = world.nodes._common.hub
    assert hub is None or len(hub) == (3 if ear == "a loop" else 0)


def test_no_value_is_older_than_staleness(world: World) -> None:
    """While nodes are frozen, killed and flushed in turn: each value was its server's within ``staleness``.

    One writer a key, so the value that a server has is known from the acknowledgements.
    """
    keys = [world.key_on(server) for server in world.servers]
    replaced: dict[bytes, float] = {}
    stop = threading.Event()
    wrong: list[Any] = []

    def write(n: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                with world.servers[n].client(socket_timeout=0.3) as client:
                    while not stop.is_set():
                        client.set(keys[n], f"{n}:{number}")
                        replaced[b"%d:%d" % (n, number - 1)] = time.monotonic()
                        number += 1
                        time.sleep(0.05)
            except Exception:  # its reply was lost: this number may be there or not, and the next one replaces it
                time.sleep(0.02)

    def look(key: str) -> None:
        while not stop.is_set():
            began = time.monotonic()
            value = world.tier.held(OWNER, (key,), None)
            gone = replaced.get(value) if value is not None else None
            if gone is not None and began - gone > STALENESS + 0.02:
                wrong.append((key, value, began - gone))
            if value is not None:
                hits[key] += 1
            else:
                try:
                    world.read(key)
                except Exception:  # the server is away
                    time.sleep(0.01)
            time.sleep(0.002)

    hits = dict.fromkeys(keys, 0)
    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    threads += [threading.Thread(target=look, args=(key,)) for key in keys]
    for each in threads:
        each.start()
    try:
        others = []
        for fault in ("freeze", "kill", "flush", "freeze"):
            before = hits[keys[2]]
            server = world.servers[0 if fault != "kill" else 1]
            if fault == "flush":
                with server.client() as client:
                    client.flushall()
            else:
                getattr(server, fault)()
            time.sleep(1.5)
            {"freeze": server.thaw, "kill": server.start, "flush": lambda: None}[fault]()
            time.sleep(0.5)
            others.append(hits[keys[2]] - before)
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert wrong == []
    assert min(others) > 10, "the third node was never away"
