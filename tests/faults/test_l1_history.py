"""No value from the in-process tier is older than ``staleness``, whatever breaks: a history, checked.

One process writes growing values with a bare client, two others read them through the tier, in threads and event
loops. ``RCOLLECTIONS_LONG_TESTS=1`` takes both values of ``staleness`` on both servers, and stops longer.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest
import redis.exceptions

from rcollections.testing import Proxy, Server, wait_until
from tests.kinds import SERVERS
from tests.l1_history import Old, Writer, old_reads
from tests.l1_readers import Readers

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = bool(os.environ.get("RCOLLECTIONS_LONG_TESTS"))
STALENESS = {"valkey": (0.5,), "redis": (1.0,), "redis62": (1.0,)}
CASES = [(kind, each) for kind in SERVERS for each in ((0.5, 1.0) if LONG else STALENESS[kind])]
SIZE = 125  # keys, so that each is written every few seconds
BUSY = "local t = redis.call('TIME') repeat local n = redis.call('TIME') until \
(n[1] - t[1]) * 1000 + (n[2] - t[2]) / 1000 > tonumber(ARGV[1]) return 1"


class Scene(NamedTuple):
    """Who takes part."""

    server: Server
    proxy: Proxy
    readers: Readers
    writer: Writer
    staleness: float


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def play(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """The same all the time: one fault after the other comes over it."""
    with scene_of(*request.param) as scene:
        yield scene


@pytest.fixture
def scene(play: Scene) -> Scene:
    """Readers that are served by what they hold."""
    play.readers.wait_for_hits(50)
    play.readers.seen()
    return play


@contextlib.contextmanager
def scene_of(kind: str, staleness: float, size: int = SIZE) -> Iterator[Scene]:
    with Server(kind) as server, Proxy(server) as proxy:
        options = f"?staleness={staleness}&timeout=0.5&connect_timeout=0.5"
        with Readers(proxy.dsn + options, size) as readers, Writer(server, readers.keys) as writer:
            readers.wait_for_hits(50)
            yield Scene(server, proxy, readers, writer, staleness)


def nothing_old(scene: Scene) -> None:
    """It all works again by itself, and nobody read anything old."""
    scene.readers.wait_for("live")
    last(scene, scene.staleness + 0.4)  # of what is old by now, it shows
    scene.readers.wait_for_hits(100)
    seen = scene.readers.seen()
    assert len(seen) > SIZE // 5, "they saw the writer's values change"
    assert too_old(scene, seen) == []


def too_old(scene: Scene, seen: dict[int, int]) -> list[Old]:
    return old_reads(scene.writer.acknowledged, seen, len(scene.readers.keys), scene.staleness)


def last(scene: Scene, seconds: float) -> None:
    """Let the fault last."""
    assert not threading.Event().wait(seconds)


def test_the_listener_is_cut(scene: Scene) -> None:
    """Cut again and again: nothing is served in between, and it comes back each time."""
    for _ in range(2):
        scene.proxy.cut("listeners")
        scene.readers.wait_for_hits(30)
    nothing_old(scene)


def test_the_listener_is_frozen(scene: Scene) -> None:
    """Half-open: no byte comes, no end either. The proof runs out, then the connection is given up for another."""
    scene.proxy.freeze(which="listeners")
    scene.readers.wait_for("unproven")
    nothing_old(scene)


def test_the_listener_is_frozen_for_a_while(scene: Scene) -> None:
    """What was held back arrives late: the proof that is in it is as old as it is."""
    scene.proxy.freeze("replies", which="listeners")
    last(scene, 1.5 * scene.staleness)
    scene.proxy.heal()
    nothing_old(scene)


def test_data_connections_are_cut(scene: Scene) -> None:
    """Reads fail or are repeated; the listener goes on."""
    for _ in range(5):
        scene.proxy.cut("data")
        last(scene, 0.05)
    nothing_old(scene)


def test_data_connections_are_frozen(scene: Scene) -> None:
    """A reply that was read by the server long ago is void when it comes."""
    scene.proxy.freeze("replies", which="data")
    last(scene, 0.45)
    scene.proxy.heal()
    nothing_old(scene)


def test_the_server_is_killed_and_comes_back(scene: Scene) -> None:
    """The same address, another server, without the data."""
    scene.server.kill()
    scene.writer.gone()
    scene.server.start()
    nothing_old(scene)


def test_the_listener_is_too_slow(scene: Scene) -> None:
    """The server drops a listener whose messages it cannot get rid of: what it still had to say is lost."""
    with scene.server.client() as bare:
        bare.config_set("client-output-buffer-limit", "pubsub 32kb 0 0")
        before = len(bare.client_list(_type="pubsub"))
        scene.proxy.stop_reading("listeners")
        flood = bare.pipeline(transaction=False)
        for n in range(500):
            flood.set(f"{scene.readers.keys[0]}.{n}.{'x' * 5000}", 1, px=1000)
        flood.execute()
        wait_until(lambda: len(bare.client_list(_type="pubsub")) < before, what="the server drops them")
        bare.config_set("client-output-buffer-limit", "pubsub 32mb 8mb 60")
    scene.proxy.heal()
    nothing_old(scene)


def test_the_process_is_stopped(scene: Scene) -> None:
    """SIGSTOP: when it goes on, it knows how long it was away."""
    stopped = scene.readers.each[0]
    stopped.freeze()
    last(scene, 10 if LONG else 3.2 * scene.staleness)
    stopped.thaw()
    nothing_old(scene)


def test_a_script_keeps_the_server_busy_while_a_write_is_acknowledged(scene: Scene) -> None:
    """Past its threshold the server answers the writer, and tells the listeners only when the script has ended."""
    with scene.server.client() as bare:
        bare.config_set("lua-time-limit", 30)
    left, tries = (6 if LONG else 2), 30
    while left:
        tries -= 1
        assert tries, "no write was acknowledged while a script ran"
        left -= write_while_busy(scene)
        scene.readers.wait_for_hits(30)
    with scene.server.client() as bare:
        bare.config_set("lua-time-limit", 5000)
    nothing_old(scene)


def write_while_busy(scene: Scene) -> bool:
    """Whether the acknowledgement came long before the end of the script, as it should."""
    with scene.writer.pause():
        first, second, write = (scene.server.client().connection_pool.get_connection() for _ in range(3))
        number = scene.writer.next()
        first.send_command("DEBUG", "SLEEP", "0.01")  # meanwhile the others arrive, to be carried out in one go
        write.send_command("SET", scene.writer.key(number), number)
        second.send_command("EVAL", BUSY, 0, round(1500 * scene.staleness))
        early = False
        with contextlib.suppress(redis.exceptions.ResponseError):  # BUSY: the script was first
            write.read_response()
            scene.writer.noted(number)
            early = not second.can_read(scene.staleness)
        with contextlib.suppress(redis.exceptions.ResponseError):
            second.read_response()
        first.read_response()
        for each in (first, second, write):
            each.disconnect()
        return early


def test_the_check_finds_what_it_is_there_for() -> None:
    """With the proof ignored, a frozen listener gives values that are too old: the check sees that."""
    with scene_of(*CASES[0], size=10) as scene:
        for reader in scene.readers.each:
            reader.ask("believe")

        def found() -> list[Old]:
            scene.proxy.freeze(which="listeners")
            last(scene, 2 * scene.staleness)
            return too_old(scene, scene.readers.seen())

        assert wait_until(found, 20, "old values")


def test_age_counts_from_the_acknowledgement_of_the_next_write_of_the_key() -> None:
    acknowledged = [(0, 0), (1, 0), (2, 1_000_000_000), (6, 2_000_000_000)]

    def old(seen: dict[int, int]) -> list[int]:
        return [each.value for each in old_reads(acknowledged, seen, 2, 0.5)]

    assert old({0: 1_540_000_000, 2: 2_540_000_000, 6: 9_000_000_000, 1: 9_000_000_000}) == []
    assert old({0: 1_560_000_000}) == [0]
    assert old({4: 2_560_000_000}) == [4], "it was never acknowledged"
