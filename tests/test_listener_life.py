"""Who shares a listener, when it begins and ends: prefixes, names, forks, threads, the end of the interpreter."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import KeyCache, cached, configure, connection, l1_info
from rcollections.testing import Process, Proxy, Server, isolated, wait_until
from tests.embedded_users import valkey_missing
from tests.kinds import one_server
from tests.test_listener_states import held, listeners

if TYPE_CHECKING:
    from collections.abc import Callable


def double(n: int) -> int:
    return 2 * n


def functions(size: int) -> list[Callable[[int], int]]:
    return [cached(version=str(n), l1=True)(double) for n in range(size)]


def threads() -> list[str]:
    """Those that hear; others end by themselves when they have nothing to do."""
    hearing = ("rcollections-listener", "rcollections-wakeups")
    return [each.name for each in threading.enumerate() if each.name in hearing]


def until_held(*calls: Callable[[int], int]) -> None:
    for each in calls:
        wait_until(lambda each=each: held(each, 1), what="it is held")


# -- prefixes --------------------------------------------------------------------------------------


def test_hits_go_on_while_the_listener_learns_of_another_function(server: Server) -> None:
    configure(server.dsn, staleness=30)
    (first,) = functions(1)
    first(1)
    until_held(first)
    ear = connection().tiering.listener.ear

    class Later(KeyCache[int]):  # without a prefix, functions are heard of together
        prefix = f"later-{server.kind}"

    second = cached(Later, l1=True)(double)  # what is known at the beginning is heard at once
    second(1)

    def swapped() -> bool:
        assert held(first, 1)
        second(1)
        return connection().tiering.listener.ear is not ear

    wait_until(swapped, what="the wider ear")
    until_held(second)
    assert held(first, 1)
    wait_until(lambda: listeners(server) == 1, what="the old connection is closed")


def test_a_hundred_functions(server: Server) -> None:
    """All are held after a while, by one connection; few were opened on the way."""
    with server.client() as bare:
        before = bare.info("stats")["total_connections_received"]
        many = functions(100)
        for each in many:
            each(1)
        until_held(*many)
        wait_until(lambda: listeners(server) == 1, what="the old connections are closed")
        assert bare.info("stats")["total_connections_received"] < 20 + before
        for each in many:
            bare.set(each.key(1), 7)
        wait_until(lambda: all(each(1) == 7 for each in many), what="all changes show")


def test_prefixes_of_which_one_begins_with_another(server: Server) -> None:
    """The server takes no such pairs; we ask for the shorter one."""

    pairs = (("Outer", "a"), ("Inner", "a.b"))
    with pytest.warns(UserWarning, match="may be a key of the other"):
        Outer, Inner = (type(name, (KeyCache,), {"prefix": prefix}) for name, prefix in pairs)

    outer, inner = cached(Outer, l1=True)(double), cached(Inner, l1=True)(double)
    fixed = cached(key="a.b.c", l1=True)(lambda: 1)
    for each in (inner, outer):
        each(1)
        until_held(each)
    fixed()
    wait_until(lambda: held(fixed), what="it is held")
    with server.client() as bare:
        for key in (inner.key(1), outer.key(1), "a.b.c"):
            bare.set(key, 9)
    wait_until(lambda: inner(1) == outer(1) == fixed() == 9, what="all changes show")
    wait_until(lambda: listeners(server) == 1, what="the old connections are closed")


def test_of_other_namespaces_nothing_is_heard(server: Server) -> None:
    configure(server.dsn + "?namespace=mine&staleness=30")
    (f,) = functions(1)
    f(1)
    until_held(f)
    assert f.key(1).startswith("mine.")
    before = l1_info().invalidations
    with server.client() as bare:
        for n in range(100):
            bare.set(f"other.{n}", 1)
        bare.set(f.key(1), 5)
    wait_until(lambda: f(1) == 5, what="the change shows")
    assert l1_info().invalidations - before in (1, 2), "of the hundred none; that of our own store may have come late"


# -- connections -----------------------------------------------------------------------------------


def test_two_names_of_one_server_share_a_listener(server: Server) -> None:
    class Second(KeyCache):
        connection_name = "second"

    configure({"default": server.dsn, "second": server.dsn + "?timeout=3&namespace=x"})
    f, g = cached(l1=True)(double), cached(Second, l1=True)(double)
    f(1)
    until_held(f)
    g(1)
    wait_until(lambda: l1_info("second").state == "live", what="it listens")
    g(1)
    wait_until(lambda: g(1) and l1_info("second").hits, what="it is held")
    assert held(f, 1)
    wait_until(lambda: listeners(server) == 1, what="there is one connection")
    with server.client() as bare:
        bare.set(f.key(1), 8)
        bare.set(g.key(1), 9)
    wait_until(lambda: (f(1), g(1)) == (8, 9), what="both changes show")
    configure(server.dsn + "?timeout=2")
    wait_until(lambda: l1_info("second").state == "live", what="the other one goes on")


def test_what_another_server_answers_is_not_held(server: Server) -> None:
    """The address leads elsewhere now, and the listener does not know yet: it would not hear of changes there."""

    @cached(l1=True)
    async def later(n: int) -> int:
        return n

    async def fills(size: int) -> int:
        before = l1_info().fills
        for n in range(size):
            f(n)
            await later(n)
        return l1_info().fills - before

    async def main() -> None:
        f(1)
        await later(1)
        wait_until(lambda: f.key(1).startswith(connection().tiering.listener.prefixes or "-"), what="it listens")
        assert await fills(5)
        proxy.retarget(other, "data")
        assert await fills(20) == 0
        proxy.cut("listeners")
        end = time.monotonic() + 10
        while not await fills(40):
            assert time.monotonic() < end

    with Server(server.kind) as other, Proxy(server) as proxy, isolated(proxy.dsn + "?staleness=30"):
        (f,) = functions(1)
        asyncio.run(main())


def test_a_password(tmp_path: Any) -> None:
    with Server(one_server(), password="secret") as server, isolated(server.dsn):
        (f,) = functions(1)
        f(1)
        until_held(f)


@pytest.mark.skipif(valkey_missing() is not None, reason=str(valkey_missing()))
def test_an_embedded_server(tmp_path: Any) -> None:
    with isolated(f"embedded://{tmp_path}/data"):
        (f,) = functions(1)
        f(1)
        until_held(f)
        connection().raw("SET", f.key(1), 5)
        assert f(1) == 5, "its own write"


def test_configuring_anew_ends_the_threads(server: Server) -> None:
    with isolated(server.dsn):
        (f,) = functions(1)
        f(1)
        until_held(f)
        assert threads()
        configure("memory://")
        wait_until(lambda: not threads(), what="the threads end")
        configure(server.dsn)
        f(1)
        until_held(f)
    wait_until(lambda: not threads(), what="the threads end")
    wait_until(lambda: listeners(server) == 0, what="the connections are closed")


# -- processes -------------------------------------------------------------------------------------

PROGRAM = """
import json, multiprocessing, os, threading, time, warnings
from rcollections import cached, connection, l1_info

@cached(l1=True)
def f(n):
    return os.getpid()

@cached
def g(n):
    return n

def until_held(call=f):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        before = l1_info().hits
        call(1)
        if l1_info().hits > before:
            return True
        time.sleep(0.002)
    return False

def child():
    '''What the child of a fork has and gets.'''
    tier = connection().tiering.tier
    first = tier.live, tier.serves, tier.counts.entries, [each.name for each in threading.enumerate()][1:]
    before = tier.counts.hits
    g(1)    # as any call would: l1_info() is not needed for it
    end = time.monotonic() + 10
    while connection().tiering.state.word != "live" and time.monotonic() < end:
        g(1)
        time.sleep(0.002)
    word = connection().tiering.state.word
    return [*first, word, until_held(g), f(1)]

def forked():
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(into, json.dumps(child()).encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out, "rb") as file:
        answer = json.loads(file.read())
    assert os.waitpid(pid, 0)[1] == 0
    return answer

def pooled(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.apply(child)
"""


def program(server: Server) -> Process:
    return Process(PROGRAM, server.dsn, quiet=False)  # 3.12 warns of forks with threads


def test_the_child_of_a_fork_listens_for_itself(server: Server) -> None:
    """It serves nothing before, and its parent goes on."""
    with program(server) as process:
        assert process("until_held() and until_held(g)")
        live, serves, entries, names, word, again, value = process("forked()")
        assert (live, serves, entries, names) == (False, False, 0, [])
        assert (word, again) == ("live", True)
        assert value == process.pid, "the server has what the parent stored"
        assert process("until_held()")
        assert process("l1_info().state") == "live"
        wait_until(lambda: listeners(server) == 1, what="the child's connection is gone")


def test_a_child_of_multiprocessing_too(server: Server) -> None:
    with program(server) as process:
        assert process("until_held() and until_held(g)")
        live, serves, entries, _, word, again, value = process("pooled('fork')")
        assert (live, serves, entries) == (False, False, 0)
        assert (word, again, value) == ("live", True, process.pid)
        assert process("until_held()")


@pytest.mark.parametrize(
    "last", ["until_held()", "until_held(g)", "[threading.Thread(target=until_held).start() for _ in 'abc']"]
)
def test_the_end_of_the_interpreter_is_quick_and_quiet(server: Server, last: str) -> None:
    with Process(PROGRAM, server.dsn) as process:
        assert process("until_held()")
        process(last)
    wait_until(lambda: listeners(server) == 0, what="its connection is gone")


def test_the_end_is_quick_when_the_server_does_not_answer(server: Server) -> None:
    with Process(PROGRAM, server.dsn) as process:
        assert process("until_held()")
        server.freeze()
    server.thaw()
