"""What can happen to a link, on threads and in event loops: what the caller gets, and that it gets it in its time.

Times are measured. A machine may be busy, so of three tries one has to keep the time closely, and each of them roughly.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from rcollections import CacheConnectionError, CacheError, CacheTimeout, connection, deadline
from rcollections.plans.effects import Batch, Command, Plan, Script
from rcollections.servers.drivers.aio import adrive
from rcollections.servers.drivers.sync import drive
from rcollections.testing import Proxy, Server, isolated, wait_until
from tests.kinds import one_server
from tests.roads import ROADS, road_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT = 0.3
CLOSELY = 0.06  # seconds that a call may take longer than its time, at best
ROUGHLY = 1.0  # and at worst

READ = Command(("GET", "k"))
WRITE = Command(("INCR", "n"))
SCRIPT = Script("hash_incr", ("h",), (0, "last", "f", "int", "1"))
MULTI = Batch((Command(("INCR", "n")), Command(("GET", "k"))), atomic=True)
STEPS = {"read": READ, "write": WRITE, "script": SCRIPT, "multi": MULTI}


class World:
    """Carries steps out: on this thread, or in one event loop that stays between the steps."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._runner = asyncio.Runner() if name == "asyncio" else None

    def __call__(self, step: Any) -> Any:
        def plan() -> Plan[Any]:
            return (yield step)

        if self._runner is None:
            return drive(plan(), connection())
        return self._runner.run(_awaited(plan()), context=copy_context())  # with its deadline

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()


async def _awaited(plan: Plan[Any]) -> Any:
    return await adrive(plan, connection())


@pytest.fixture(params=["threads", "asyncio"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """One of the two."""
    found = World(request.param)
    yield found
    found.close()


class Place(NamedTuple):
    """A server that a test alone may break, a network before it, and a world that has used them."""

    server: Server
    proxy: Proxy
    world: World

    def warm(self) -> None:
        """Every step has been carried out once: links are open, scripts are known."""
        with deadline(10):
            self.world(Command(("SET", "k", "v" * 2000)))
            for step in STEPS.values():
                self.world(step)

    def works_again(self) -> None:
        """All steps, as soon as the breaker lets calls through."""
        wait_until(connection().breaker.allows, what="the breaker")
        with deadline(10):
            for step in STEPS.values():
                self.world(step)


# `make test` takes one road, and `make servers` all of them.
@pytest.fixture(params=[road if road == "tcp" else pytest.param(road, marks=pytest.mark.long) for road in ROADS])
def place(request: pytest.FixtureRequest, world: World) -> Iterator[Place]:
    """A warm one, on each road."""
    with (
        Server(one_server(), tcp=True) as server,
        road_to(server, request.param) as (proxy, dsn),
        isolated(f"{dsn}timeout={TIMEOUT}&connect_timeout={TIMEOUT}&l1=off"),
    ):
        found = Place(server, proxy, world)
        found.warm()
        yield found
        connection().close()


@contextmanager
def within(least: float, most: float) -> Iterator[list[float]]:
    """The block takes that long, roughly; gives a list that has the seconds afterwards."""
    took: list[float] = []
    began = time.monotonic()
    yield took
    took.append(time.monotonic() - began)
    assert least - 0.01 <= took[0] <= most + ROUGHLY


class Silence(NamedTuple):
    """How a server falls silent, and how it speaks again."""

    begin: Callable[[Place], object]
    end: Callable[[Place], object]


def times_out(place: Place, call: Callable[[], object], seconds: float, silence: Silence) -> None:
    """A CacheTimeout after that time: closely once, roughly each time."""
    tries = []
    for _ in range(3):
        silence.begin(place)
        try:
            with within(seconds, seconds) as took, pytest.raises(CacheTimeout):
                call()
        finally:
            silence.end(place)
        tries += took
        place.works_again()
        if took[0] < seconds + CLOSELY:
            return
    raise AssertionError(f"took {tries} instead of {seconds}")


# -- silence, in all its forms ------------------------------------------------------------------------------


SILENCES = {
    "frozen server": Silence(lambda place: place.server.freeze(), lambda place: place.server.thaw()),
    "half-open links": Silence(lambda place: place.proxy.freeze(which="data"), lambda place: place.proxy.heal()),
    "swallowed requests": Silence(lambda place: place.proxy.freeze("requests"), lambda place: place.proxy.heal()),
    "swallowed replies": Silence(lambda place: place.proxy.freeze("replies"), lambda place: place.proxy.heal()),
    "dripping replies": Silence(lambda place: place.proxy.drip(3), lambda place: place.proxy.heal()),
}


@pytest.mark.parametrize("silence", SILENCES)
@pytest.mark.parametrize("step", ["read", "multi"])
def test_silence_costs_the_timeout(place: Place, silence: str, step: str) -> None:
    """And no more; nor less."""
    times_out(place, lambda: place.world(STEPS[step]), TIMEOUT, SILENCES[silence])


@pytest.mark.parametrize("silence", SILENCES)
@pytest.mark.parametrize("seconds", [0.05, 2 * TIMEOUT])
def test_silence_costs_the_deadline(place: Place, silence: str, seconds: float) -> None:
    """A shorter one, and a longer one."""

    def read() -> object:
        with deadline(seconds):
            return place.world(READ)

    times_out(place, read, seconds, SILENCES[silence])


def test_a_network_that_swallows_new_connections_too(place: Place) -> None:
    """They are accepted, and nothing comes: the time for the reply counts."""
    connection().close()
    how = Silence(lambda place: place.proxy.freeze(), lambda place: place.proxy.heal())
    times_out(place, lambda: place.world(READ), TIMEOUT, how)


def test_half_open_links_cost_one_call(place: Place) -> None:
    """The next one has a new connection, and its answer at once."""
    place.proxy.freeze(which="data")
    with pytest.raises(CacheTimeout):
        place.world(WRITE)
    with within(0, 0.2), deadline(5):
        place.world(WRITE)


# -- cuts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
def test_a_cut_before_the_request(place: Place, step: str) -> None:
    """Noticed before the request is sent, so that nothing is raised and nothing is carried out twice."""
    with place.server.client() as bare:
        before = int(bare.get("n") or 0)
        bare.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: place.proxy.connections == 0, what="the end of the connections")
        _let_the_loop_see(place.world)
        with within(0, 0.1), deadline(5):
            place.world(STEPS[step])
        with place.server.client() as again:
            assert int(again.get("n") or 0) == before + (step in ("write", "multi"))


def _let_the_loop_see(world: World) -> None:
    """A loop is told of the end of a link when it looks at its sockets."""
    if world._runner is not None:
        world._runner.run(asyncio.sleep(0.02))
    time.sleep(0.02)  # the bytes of the end are on their way


@pytest.mark.parametrize("keep", [0, 1, 3])
@pytest.mark.parametrize("step", STEPS)
def test_a_cut_before_the_end_of_the_reply(place: Place, step: str, keep: int) -> None:
    """A read is repeated; what may not be sent twice is an error at once, and was carried out once."""
    with place.server.client() as bare:
        before = int(bare.get("n") or 0), int(bare.hget("h", "f") or 0)
        place.proxy.cut_next_reply(keep)
        with within(0, TIMEOUT):
            if step == "read":
                assert place.world(READ) == b"v" * 2000
            else:
                with pytest.raises(CacheConnectionError):
                    place.world(STEPS[step])
        assert place.proxy.cuts == 1
        after = int(bare.get("n") or 0), int(bare.hget("h", "f") or 0)
    assert after == (before[0] + (step in ("write", "multi")), before[1] + (step == "script"))
    place.works_again()


class Torn:
    """Takes some bytes of each connection, and ends it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.dsn = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with client:
                left = self._size
                while left > 0 and (data := client.recv(min(left, 1 << 16))):
                    left -= len(data)

    def __enter__(self) -> Torn:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@pytest.mark.parametrize("size", [1, 30_000, 2_000_000])
def test_a_cut_during_the_request(world: World, size: int) -> None:
    """Of a large write some part has gone. Another try may be made, since it stores the same; all within the time."""
    large = Command(("SET", "large", b"x" * 5_000_000))
    with Torn(size) as torn, isolated(f"{torn.dsn}?timeout={TIMEOUT}&l1=off"):
        with within(0, TIMEOUT), pytest.raises(CacheConnectionError):
            world(large)
        connection().close()


def test_a_write_that_is_cut_is_sent_once(world: World) -> None:
    """It may have been carried out."""
    with Torn(10) as torn, isolated(f"{torn.dsn}?timeout={TIMEOUT}&l1=off"):
        with pytest.raises(CacheConnectionError):
            world(WRITE)
        assert torn.connections == 1
        connection().close()


@pytest.mark.parametrize("step", STEPS)
def test_killed_while_the_reply_is_awaited(place: Place, step: str) -> None:
    """CLIENT KILL: a read goes over a new connection, what may not be sent twice is an error; none waits on."""
    place.proxy.freeze("replies", which="data")

    def kill() -> None:
        with place.server.client() as bare:
            bare.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        place.proxy.cut("data")  # what it had held back would go out first

    timer = threading.Timer(0.1, kill)
    timer.start()
    with within(0.1, TIMEOUT):
        if step == "read":
            with deadline(5):
                assert place.world(READ) == b"v" * 2000
        else:
            with pytest.raises(CacheConnectionError):
                place.world(STEPS[step])
    timer.join()
    place.works_again()


# -- the server itself ----------------------------------------------------------------------------------------


def test_a_restarted_server(place: Place) -> None:
    """Nobody notices: the links that ended are replaced before they are used."""
    place.server.restart()
    _let_the_loop_see(place.world)
    for step in (READ, WRITE, SCRIPT, MULTI):
        with within(0, TIMEOUT), deadline(5):
            place.world(step)


@pytest.mark.parametrize("step", STEPS)
def test_a_server_that_is_gone(place: Place, step: str) -> None:
    """An error within the time; when it is there again the next call works, soon."""
    place.server.kill()
    # Over TLS this network takes connections and ends them then, so that a read is tried until its time is over.
    with within(0, TIMEOUT), pytest.raises((CacheConnectionError, CacheTimeout)):
        place.world(STEPS[step])
    place.server.start()
    began = time.monotonic()
    place.works_again()
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("step", STEPS)
def test_no_room_for_more_clients(place: Place, step: str) -> None:
    """An error that says so, within the time; with room it works again."""
    connection().close()
    wait_until(lambda: place.proxy.connections == 0, what="the end of the connections")
    with place.server.client() as bare, ExitStack() as stack:
        bare.config_set("maxclients", 5)
        for _ in range(4):
            other = stack.enter_context(place.server.client())
            other.ping()
        with within(0, TIMEOUT), pytest.raises(CacheConnectionError, match="maxclients"):
            place.world(STEPS[step])
        bare.config_set("maxclients", 1000)
    place.works_again()


def test_a_password_that_was_changed(world: World) -> None:
    """Open links stay in use. A new one is refused: an error that says so, within the time, without the password."""
    with Server(one_server(), tcp=True, password="of the administrator") as server:
        rights = ("~*", "&*", "+@all")
        with server.client() as bare, Proxy(server) as proxy:
            bare.execute_command("ACL", "SETUSER", "app", "on", ">first-of-two", *rights)
            where = proxy.dsn.partition("@")[2]
            with isolated(f"redis://app:first-of-two@{where}?timeout={TIMEOUT}&connect_timeout={TIMEOUT}&l1=off"):
                world(WRITE)
                bare.execute_command("ACL", "SETUSER", "app", "resetpass", ">second-of-two")
                world(WRITE)
                proxy.cut()
                _let_the_loop_see(world)
                with within(0, TIMEOUT), pytest.raises(CacheError, match="refused the login") as caught:
                    world(WRITE)
                assert "first-of-two" not in f"{caught.value!r} {caught.value.__cause__!r}"
                bare.execute_command("ACL", "SETUSER", "app", "resetpass", ">first-of-two")
                wait_until(connection().breaker.allows, what="the breaker")
                assert world(WRITE) == 3
                connection().close()


def test_a_server_that_answers_late_answers_the_right_call(place: Place) -> None:
    """What was given up does not come to the next one."""
    for n in range(5):
        place.proxy.freeze("replies")
        with deadline(0.03), pytest.raises(CacheTimeout):
            place.world(Command(("ECHO", f"given up {n}")))
        place.proxy.heal()
        wait_until(connection().breaker.allows, what="the breaker")
        with deadline(5):
            assert place.world(Command(("ECHO", f"wanted {n}"))) == f"wanted {n}".encode()
