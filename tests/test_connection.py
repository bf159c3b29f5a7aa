"""Round trips: what is repeated after a failure, what never is, and how connections are shared."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

import rcollections
from rcollections import (
    CacheConnectionError,
    CacheError,
    CacheTimeout,
    DictCache,
    KeyCache,
    configure,
    connection,
    deadline,
)
from rcollections.plans.effects import Command, Script
from rcollections.testing import Proxy, wait_until
from tests.roads import ROADS, road_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rcollections.testing import Server


@pytest.fixture(params=ROADS)
def proxy(request: pytest.FixtureRequest, server: Server) -> Iterator[Proxy]:
    """A proxy before a real server, and the default connection through it, on each road."""
    with road_to(server, request.param) as (between, dsn):
        configure(dsn + "timeout=2")
        connection().raw("PING")
        yield between
        connection().close()


WRITES: list[tuple[str, Any, Any]] = [
    ("increment", lambda: KeyCache("n").increment(), b"1"),
    ("field", lambda: DictCache("d").increment("f"), b"1"),
    ("set", lambda: KeyCache("n").set(1), b"1"),
    ("pop", lambda: DictCache("d", connection_name="").pop("gone", None), None),
]


@pytest.mark.parametrize(("name", "act", "_value"), WRITES, ids=[row[0] for row in WRITES])
def test_a_write_whose_reply_was_cut_raises_and_counts_once(
    proxy: Proxy, server: Server, name: str, act: Any, _value: Any
) -> None:
    """Nobody can know whether it took effect, so it is not sent again and the caller is told."""
    act()  # the script is known, the connection is warm
    with server.client() as bare:
        bare.flushdb()
        before = len(proxy.commands)
        proxy.cut_after_request(1)
        with pytest.raises(CacheConnectionError):
            act()
        assert len(proxy.commands) == before + (4 if name == "set" else 1)  # a MULTI with two commands
        if name == "increment":
            assert bare.get("n") == b"1"
        if name == "field":
            assert bare.hget("d", "f") == b"1"
    act()


def test_a_pop_whose_reply_was_cut_raises(proxy: Proxy, server: Server) -> None:
    """The element is gone, and the caller gets an error rather than somebody else's element."""
    d = DictCache[str, int]("d", data={"a": 1, "b": 2})
    d.popitem()
    d.update({"a": 1, "b": 2})
    proxy.cut_after_request(1)
    with pytest.raises(CacheConnectionError):
        d.popitem()
    assert len(d) == 1


def test_a_read_is_repeated_when_its_connection_breaks(proxy: Proxy) -> None:
    """Reading twice harms nobody: the caller does not notice."""
    d = DictCache[str, int]("d", data={"a": 1})
    assert d.to_dict() == {"a": 1}
    for act in (lambda: d["a"], lambda: d.to_dict()["a"], lambda: len(d)):
        proxy.cut_after_request(1)
        assert act() == 1
    assert proxy.cuts == 3


def test_a_read_gives_up_after_some_tries(proxy: Proxy) -> None:
    """A connection that breaks again and again ends in an error within the timeout."""
    d = DictCache[str, int]("d", data={"a": 1})
    proxy.refuse()
    with pytest.raises(CacheConnectionError, match="no connection"):
        d["a"]
    proxy.heal()
    wait_until(connection().breaker.allows)
    assert d["a"] == 1


def test_idle_connections_that_the_server_closed_are_replaced(proxy: Proxy) -> None:
    """A restart between two calls costs a write nothing."""
    k = KeyCache[int]("n", data=0)
    proxy.cut()
    assert k.increment() == 1


def test_a_batch_with_a_write_is_not_repeated(proxy: Proxy) -> None:
    """One write among reads makes the whole trip unrepeatable."""
    connection().many((Command(("GET", "n")), Command(("INCR", "n"))), False, False)
    proxy.cut_after_request(1, "INCR")
    with pytest.raises(CacheConnectionError):
        connection().many((Command(("GET", "n")), Command(("INCR", "n"))), False, False)
    assert connection().raw("GET", "n") == b"2"


def test_scripts_say_themselves_whether_they_may_be_repeated(proxy: Proxy) -> None:
    """``-- retry safe`` in the header decides."""
    step = Script("hash_read", ("d",), (10, "HGETALL"))
    connection().one(step)
    proxy.cut_after_request(1, "EVALSHA")
    assert connection().one(step) == [b"all", []]


def test_deadline_bounds_a_slow_reply(proxy: Proxy) -> None:
    """The nearest of timeout and deadlines ends the wait, for all calls inside together."""
    k = KeyCache[int]("n", data=1)
    proxy.freeze()
    with pytest.raises(CacheTimeout), deadline(60), deadline(0.05), deadline(60):
        k.get()
    proxy.heal()
    assert k.get() == 1
    with pytest.raises(CacheTimeout), deadline(0):
        k.get()


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf"), "1", True, None])
def test_deadline_refuses_what_is_no_duration(wrong: Any) -> None:
    """A deadline is seconds, 0 or more."""
    with pytest.raises(ValueError, match="deadline takes seconds"), deadline(wrong):
        pass


def test_a_dripping_server_is_timed_out(server: Server) -> None:
    """The timeout is for the whole reply, not for each byte of it."""
    KeyCache("text").set("x" * 1000)
    with Proxy(server) as between:
        configure(between.dsn + "?timeout=0.3")
        connection().raw("PING")
        between.drip(200)
        with pytest.raises(CacheTimeout):
            KeyCache("text").get()
        connection().close()


def test_max_connections_are_waited_for_then_timed_out(server: Server) -> None:
    """One more caller than connections waits; with none coming back it gets CacheTimeout."""
    configure(server.dsn + "?max_connections=1&timeout=0.2")
    pool = connection().links.open_pool()
    held = pool.acquire(float("inf"))
    with pytest.raises(CacheTimeout, match="all 1 connections"):
        KeyCache("n").get()
    waiting = threading.Thread(target=lambda: results.append(KeyCache("n").get()))
    results: list[Any] = []
    configure(server.dsn + "?max_connections=1&timeout=20")
    pool.discard(held)
    pool = connection().links.open_pool()
    held = pool.acquire(float("inf"))
    waiting.start()
    pool.release(held)
    waiting.join(10)
    assert results == [None]


def test_many_threads_share_the_connections(store: Any) -> None:
    """Every reply reaches the thread that asked."""
    cache = DictCache[int, int]("d", data={n: n * n for n in range(50)})
    wrong: list[Any] = []

    def work() -> None:
        for n in range(50):
            if cache[n] != n * n:
                wrong.append(n)
            KeyCache("sum").increment(n)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert KeyCache("sum").get() == 8 * sum(range(50))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_connections_survive_a_fork(server: Server) -> None:
    """Parent and children use the same handle at once; no reply goes to the wrong process."""
    cache = DictCache[str, int]("d", data={"n": 0})
    children = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                for n in range(100):
                    cache[f"{os.getpid()}"] = n
                    if cache[f"{os.getpid()}"] != n:
                        os._exit(2)
                    cache.increment("n")
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    for _ in range(100):
        cache.increment("n")
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 4
    assert cache["n"] == 500


def test_raw_is_the_way_out(store: Any) -> None:
    """One command as it is, errors ours."""
    assert store.raw("set", "k", "v") == b"OK"
    assert store.raw("GET", "k") == b"v"
    assert store.raw("CONFIG GET", "x") is not None if repr(store).count("unix") else True
    with pytest.raises(CacheError, match="name of a command"):
        store.raw("")


def test_multi_is_all_or_nothing(store: Any) -> None:
    """A step that is refused when it is queued aborts the others."""
    with pytest.raises(CacheError):
        store.many((Command(("SET", "a", "1")), Command(("GET",))), True, False)
    assert store.raw("GET", "a") is None


def test_the_protocol_option_changes_nothing_that_users_see(server: Server) -> None:
    """RESP3 gives other shapes on the wire; the answers are the same."""
    configure(server.dsn + "?protocol=3")
    d = DictCache[str, int]("d", data={str(n): n for n in range(20)})
    assert d.to_dict() == {str(n): n for n in range(20)}
    assert dict(d._run(rcollections.collections.dictcache.hashes.page(d._bound(), 0))[1])
    assert d.get_many(["1", "2", "x"]) == {"1": 1, "2": 2}
    assert d.getmany("1", "x") == [1, None]
    k = KeyCache[int]("k", data=1)
    assert k.get_ttl()[0] == 1
