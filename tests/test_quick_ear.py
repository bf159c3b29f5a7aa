"""The ear that needs no GIL: a change shows while every thread of Python is kept from running."""

from __future__ import annotations

import socket
import threading
import time
from statistics import median
from typing import TYPE_CHECKING

import pytest

from rcollections import cached, configure, connection, invalidate_tags, l1_info
from rcollections.coherence import ear as ears
from rcollections.coherence import loops
from rcollections.l1 import COMPILED
from rcollections.testing import Process, Proxy, Server, isolated, wait_until
from tests.kinds import SERVERS, one_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not COMPILED, reason="nothing is compiled here: the ear is a thread of Python")

READER = """
import sys, threading, time
from rcollections import cached, l1_info

@cached(key="value", l1=True)
def value():
    return 0

def hit():
    before = l1_info().hits
    value()
    return l1_info().hits > before

def keep_the_gil():
    '''From now on a thread gives the GIL away only where it waits for the network.'''
    sys.setswitchinterval(100)

def read(seconds):
    '''Calls in a row: when the last of those began that gave each value.'''
    last, clock = {}, time.monotonic
    end = clock() + seconds
    while (began := clock()) < end:
        last[value()] = began
    return sorted(last.items())

def forked():
    '''What a child holds that has never asked the server.'''
    import os
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        before = l1_info()
        value()
        os.write(there, b"hit" if l1_info().hits > before.hits else b"miss")
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(here, 10).decode()
"""


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(request.param) as server:
        yield server


def test_a_change_shows_while_no_other_thread_of_python_runs(server: Server) -> None:
    """The reader keeps the GIL for whole seconds, so only a loop without it can have heard."""
    with server.client() as bare, Process(READER, server.dsn + "?staleness=60&timeout=20", quiet=False) as reader:
        bare.set("value", 1)
        wait_until(lambda: reader("hit()"), 20, "it is held")
        reader("keep_the_gil()")
        acks = {}
        found: list[list[float]] = []
        reading = threading.Thread(target=lambda: found.extend(reader("read(2.5)")))
        reading.start()
        time.sleep(0.3)
        for number in range(2, 22):
            bare.set("value", number)
            acks[number - 1] = time.monotonic()
            time.sleep(0.05)
        reading.join()
        assert found[-1][0] == 21
        ages = [max(0.0, last - acks[int(value)]) for value, last in found[:-1]]
        assert len(ages) >= 15
        assert median(ages) < 0.005, ages


def test_who_settles_is_answered_while_no_thread_of_python_runs(server: Server) -> None:
    """Nobody waits for a process that computes. A call that begins after the answer does not give the old value."""
    with server.client() as bare, Process(READER, server.dsn + "?staleness=60&timeout=20", quiet=False) as reader:
        bare.set("value", 1)
        wait_until(lambda: reader("hit()"), 20, "it is held")
        reader("keep_the_gil()")
        settled = {}
        found: list[list[float]] = []
        reading = threading.Thread(target=lambda: found.extend(reader("read(2.5)")))
        reading.start()
        with isolated(server.dsn + "?staleness=60"):
            time.sleep(0.3)
            for number in range(2, 22):
                bare.set("value", number)
                began = time.monotonic()
                invalidate_tags("any", settle=True)
                settled[number - 1] = time.monotonic()
                assert settled[number - 1] - began < 2, "it waits for the end of the staleness"
                time.sleep(0.05)
            assert reading.is_alive()
        reading.join()
        assert found[-1][0] == 21
        assert len(found) > 15
        assert [value for value, last in found[:-1] if last > settled[int(value)]] == []


def test_the_proof_goes_on_while_no_thread_of_python_runs(server: Server) -> None:
    """It needs an answer over the ear's own connection for data as well."""
    with server.client() as bare, Process(READER, server.dsn + "?staleness=0.3&timeout=20", quiet=False) as reader:
        wait_until(lambda: reader("hit()"), 20, "it is held")
        reader("keep_the_gil()")
        before = bare.info("commandstats")["cmdstat_hsetnx"]["calls"]
        misses = reader("l1_info().misses")
        reader("read(1.5)")
        assert reader("l1_info().misses") == misses
        assert bare.info("commandstats")["cmdstat_hsetnx"]["calls"] > before + 5


def test_it_is_the_loop_that_hears(server: Server) -> None:
    with isolated(server.dsn):
        configure(server.dsn, staleness=60)
        f = cached(key="value", l1=True)(lambda: 0)
        wait_until(lambda: f() == 0 and l1_info().hits > 3, what="it is held")
        assert connection().tiering.listener.ear._loop is not None


def test_the_python_thread_does_the_same(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no loop: over TLS, or where it was not compiled."""
    monkeypatch.setattr(ears, "loop_class", lambda _: None)
    with server.client() as bare, isolated(server.dsn):
        configure(server.dsn, staleness=60)
        f = cached(key="value", l1=True)(lambda: 0)
        wait_until(lambda: f() == 0 and l1_info().hits > 3, what="it is held")
        assert connection().tiering.listener.ear._loop is None
        bare.set("value", 7)
        wait_until(lambda: f() == 7, what="the change shows")
        hits = l1_info().hits
        wait_until(lambda: f() == 7 and l1_info().hits > hits, what="it is held")


def test_what_is_replaced_is_let_go_soon(server: Server) -> None:
    """Nobody looks at the old value again, and it goes all the same."""
    with server.client() as bare, isolated(server.dsn):
        configure(server.dsn, staleness=60)
        f = cached(key="value:{n}", l1=True)(lambda n: n)
        for n in range(100):
            f(n)
        wait_until(lambda: [f(n) for n in range(100)] and l1_info().entries >= 100, what="they are held")
        before = l1_info()
        with bare.pipeline() as many:
            for n in range(100):
                many.set(f"value:{n}", -n)
            many.execute()
        wait_until(lambda: l1_info().entries <= before.entries - 100, what="they are gone")
        assert l1_info().invalidations >= before.invalidations + 100
        assert [f(n) for n in range(100)] == [-n for n in range(100)]


def test_a_flush_empties_all(server: Server) -> None:
    with server.client() as bare, isolated(server.dsn):
        configure(server.dsn, staleness=60)
        f = cached(key="value", l1=True)(lambda: time.monotonic_ns())
        wait_until(lambda: f() == f() and l1_info().hits > 3, what="it is held")
        first = f()
        bare.flushall()
        wait_until(lambda: f() != first, what="the flush shows")


def test_a_fork_serves_nothing_and_leaves_its_parent_alone(server: Server) -> None:
    with server.client() as bare, Process(READER, server.dsn + "?staleness=60&timeout=20", quiet=False) as reader:
        wait_until(lambda: reader("hit()"), 20, "it is held")
        assert reader("forked()") == "miss"
        assert reader("hit()"), "the parent hears on"
        bare.set("value", 5)
        wait_until(lambda: reader("value()") == 5, what="the change shows in the parent")


def test_a_killed_connection_ends_the_proof_at_once(server: Server) -> None:
    with server.client() as bare, Process(READER, server.dsn + "?staleness=60&timeout=20", quiet=False) as reader:
        wait_until(lambda: reader("hit()"), 20, "it is held")
        bare.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        bare.set("value", 5)
        wait_until(lambda: reader("value()") == 5, what="the change shows")
        wait_until(lambda: reader("hit()"), 20, "another connection hears")


def frozen(proxy: Proxy) -> Process:
    """A reader that notices soon."""
    return Process(READER, proxy.dsn + "?staleness=0.5&timeout=0.3", quiet=False)


def test_a_frozen_server_is_served_from_for_staleness_at_most() -> None:
    with Server(one_server()) as server, Proxy(server) as proxy, frozen(proxy) as reader:
        wait_until(lambda: reader("hit()"), 20, "it is held")
        proxy.freeze()
        began = time.monotonic()
        wait_until(lambda: not reader("hit()"), 5, "nothing is served any more")
        assert time.monotonic() - began < 2.5
        proxy.heal()
        wait_until(lambda: reader("hit()"), 20, "it is heard again")


def test_sockets_that_another_library_put_in_place_are_heard_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """gevent's are of a class of its own: a wait in C would hold up all greenlets."""

    class Cooperative:
        """In the place of ``socket.socket``."""

    monkeypatch.setattr(socket, "socket", Cooperative)
    assert loops.loop_class(Cooperative()) is None
