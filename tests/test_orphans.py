"""Leases whose owner is dead, stopped, busy in C, dropped, or got no answer: nobody waits long, and not for himself."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import platform
import re
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheError, DictCache, KeyCache, cached, configure, connection, multi_cached
from rcollections.plans.effects import Script
from rcollections.plans.marks import read_mark
from rcollections.plans.patience import MOST_MS, Patience
from rcollections.servers.leases import hold
from rcollections.testing import Process, Proxy, Server, isolated, wait_until
from tests.trips import sent

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = 30.0  # seconds of a lease that no test waits for


class Slow(KeyCache[int]):
    prefix = "slow"
    ttl = 60


def lease(key: str = "slow.1") -> str:
    return f"rc:l:{{{key}}}"


def free(key: str = "slow.1") -> bool:
    return not connection().raw("EXISTS", lease(key))


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A proxy before a real server, and the default connection through it."""
    with Proxy(server) as between, isolated(between.dsn + "?timeout=0.5&l1=off"):
        yield between


def quick(call: Any) -> Any:
    """The answer of a call that does not wait for a lease of ``LONG``."""
    began = time.monotonic()
    found = call()
    assert time.monotonic() - began < LONG / 3
    return found


# -- whose lease it is, and how long it lasts --------------------------------------------------------


def test_a_token_says_whose_it_is(store: Any) -> None:
    """Whoever looks with redis-cli reads host and process; a lease lasts 3 s if nothing else is said."""
    seen: list[Any] = []

    @cached(Slow, key="{n}")
    def f(n: int) -> int:
        seen.extend((store.raw("GET", lease()), store.raw("PTTL", lease())))
        return n

    assert f(1) == 1
    host = re.escape(platform.node().replace(":", "_"))
    assert re.fullmatch(rf"{host}:{os.getpid()}:[0-9a-f]{{16}}", seen[0].decode())
    assert 2_000 < seen[1] <= 3_000


class Seen:
    """What is known of a lease that was held."""

    def __init__(self, silent_ms: int, *, ms: int = 3_000, lapsed: bool = False) -> None:
        self.silent_ms, self.ms, self.lapsed = silent_ms, ms, lapsed


def test_patience_grows_with_silence_alone() -> None:
    """Twice the longest silence, twice what ran out; never less than was asked for, never lengthened past a minute."""
    patience = Patience(3_000)
    patience.saw(Seen(1_000))
    assert patience.ms == 3_000
    patience.saw(Seen(4_800))
    assert patience.ms == 9_600
    patience.refused(Seen(0, ms=9_600))  # an invalidation came between: nothing to learn
    assert patience.ms == 9_600
    patience.refused(Seen(0, ms=9_600, lapsed=True))
    assert patience.ms == 19_200
    patience.saw(Seen(500_000))
    assert patience.ms == MOST_MS
    asked = Patience(120_000)
    asked.saw(Seen(500_000))
    assert asked.ms == 120_000


@pytest.mark.parametrize("many", [False, True])
def test_a_computation_that_keeps_the_gil_is_kept_from_the_second_time_on(store: Any, many: bool) -> None:
    """No renewal goes out meanwhile, so its first lease runs out; the next one is long enough."""
    keep = ctypes.PyDLL(None).usleep  # a C call that does not give the interpreter lock away
    runs: list[int] = []

    def compute(n: int) -> int:
        runs.append(n)
        keep(700_000)
        return n

    if many:
        g: Any = multi_cached("ids", Slow, lease=0.3)(lambda ids: {n: compute(n) for n in ids})
        call = lambda: g([1])  # noqa: E731
    else:
        f: Any = cached(Slow, key="{n}", lease=0.3)(compute)
        call = lambda: f(1)  # noqa: E731
    for _ in range(4):
        call()
    assert len(runs) == 2


def test_a_long_computation_that_gives_way_keeps_its_short_lease(store: Any) -> None:
    """It is renewed, so there is nothing to learn: if its owner died, the others would wait no longer than before."""
    seen: list[int] = []

    @cached(Slow, key="{n}", lease=0.6)
    def f(n: int) -> int:
        time.sleep(1)
        seen.append(store.raw("PTTL", lease()))
        return n

    f(1)
    f.refresh(1)
    assert f.cache_info().stores == 2
    assert all(0 < left <= 600 for left in seen)


OWNER = """
import time
from rcollections import KeyCache, cached

class Slow(KeyCache):
    prefix = "slow"
    ttl = 60

@cached(Slow, key="{n}", lease=1)
def f(n):
    if seconds: time.sleep(seconds)
    return n

seconds = 60
def begin():
    import threading
    threading.Thread(target=f, args=(1,), daemon=True).start()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_nobody_waits_longer_than_a_lease_for_one_who_is_dead_or_stopped(server: Server, how: int) -> None:
    """Its lease ends, and one of the others computes."""

    @cached(Slow, key="{n}")
    def f(n: int) -> int:
        return n

    other = Process(OWNER, server.dsn, quiet=False)
    try:
        other("begin()")
        wait_until(lambda: not free(), what="the other process computes")
        os.kill(other.pid, how)
        began = time.monotonic()
        assert f(1) == 1
        assert time.monotonic() - began < 5
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other._process.communicate()


# -- no answer ---------------------------------------------------------------------------------------


def closed() -> bool:
    """Whether calls ask the server."""
    return connection().breaker.allows()


def test_an_outage_during_a_computation(proxy: Proxy, server: Server) -> None:
    """STORE got no answer: it is sent again when the server is back, by itself, and nobody computes anew."""
    runs: list[int] = []

    @cached(Slow, key="{n}", lease=LONG)
    def f(n: int) -> int:
        runs.append(n)
        proxy.refuse()
        return n

    assert f(1) == 1
    with server.client() as bare:
        assert bare.exists(lease())
        proxy.heal()
        wait_until(lambda: bare.exists("slow.1"), what="the value is stored")
        assert not bare.exists(lease())
    wait_until(closed, what="the breaker is closed")
    assert f(1) == 1
    assert runs == [1]


def test_a_call_right_behind_an_outage_does_not_wait_for_its_own_process(proxy: Proxy) -> None:
    """It brings along what the server was not told, whatever the background does."""
    runs: list[int] = []
    cut = True

    @cached(Slow, key="{n}", lease=LONG)
    def f(n: int) -> int:
        runs.append(n)
        if cut:
            proxy.refuse()
        return n

    connection().flights.orphans.told = lambda: None  # the background does not come to it
    assert f(1) == 1
    cut = False
    proxy.heal()
    wait_until(closed, what="the breaker is closed")
    assert quick(lambda: f(1)) == 1
    assert runs == [1]


def test_a_question_that_arrives_behind_its_end(store: Any) -> None:
    """The link that carried FETCH was closed, and FREE came over another one, a moment sooner."""
    token = b"host:1:0123456789abcdef"
    step = Script("lease_free", (lease(),), (token, "rc:w:slow.1"))
    connection().raw("PING")
    with sent() as seen:
        connection().flights.orphans.leave(lease(), step, 30_000)
        wait_until(lambda: seen, what="the end of the lease")
    connection().raw("SET", lease(), token, "PX", 30_000)
    wait_until(free, 2, "it is told once more")


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("kind", ["function", "many", "field"])
def test_the_question_for_a_lease_got_no_answer(proxy: Proxy, kind: str, told: bool) -> None:
    """The server gave the lease to somebody who does not know: it is given back."""
    if not told:
        connection().flights.orphans.told = lambda: None

    @cached(Slow, key="{n}", lease=LONG)
    def f(n: int) -> int:
        return n

    @multi_cached("ids", Slow, lease=LONG)
    def g(ids: list[int]) -> dict[int, int]:
        return {each: each for each in ids}

    class Filled(DictCache[str, int]):
        prefix = "filled"

        def __missing__(self, field: str) -> int:
            return 1

    call = {"function": lambda: f(1), "many": lambda: g([1])[1], "field": lambda: Filled(1)["a"]}[kind]
    connection().raw("PING")
    proxy.cut_after_request(1, "EVAL")
    if kind == "field":
        with pytest.raises(CacheError):
            call()
    else:
        assert call() == 1
    assert proxy.cuts == 1
    wait_until(closed, what="the breaker is closed")
    assert quick(call) == 1


def test_a_full_server_keeps_no_lease(server: Server) -> None:
    """STORE is refused for good: the next caller does not wait for a value that does not come."""

    @cached(Slow, key="{n}", lease=LONG)
    def f(n: int) -> int:
        bare.config_set("maxmemory", 1)
        return n

    with server.client() as bare:
        try:
            assert f(1) == 1
            assert not bare.exists(lease())
        finally:
            bare.config_set("maxmemory", 0)


@pytest.mark.parametrize("kind", ["function", "many", "many that fails", "function that fails", "field"])
def test_a_server_that_fills_up_meanwhile_keeps_no_lease(server: Server, kind: str) -> None:
    """It refuses STORE, and the mark of a computation that failed: the lease is given back all the same."""

    def fills(value: Any) -> Any:
        bare.config_set("maxmemory", 1)
        if value is None:
            raise LookupError("no such row")
        return value

    class Filled(DictCache[str, int]):
        prefix = "filled"

        def __missing__(self, field: str) -> int:
            return int(fills(None))

    several = multi_cached("ids", Slow, lease=LONG)(lambda ids: fills(dict.fromkeys(ids, 1)))
    failing = multi_cached("ids", Slow, lease=LONG)(lambda ids: fills(None))
    calls: dict[str, Any] = {
        "function": lambda: cached(Slow, key="{n}", lease=LONG)(lambda n: fills(n))(1),
        "function that fails": lambda: cached(Slow, key="{n}", lease=LONG)(lambda n: fills(None))(1),
        "many": lambda: several([1, 2]),
        "many that fails": lambda: failing([1, 2]),
        "field": lambda: Filled(1)["a"],
    }
    with server.client() as bare:
        try:
            if "fails" in kind or kind == "field":
                with pytest.raises(LookupError):
                    calls[kind]()
            else:
                assert calls[kind]()
            wait_until(lambda: not bare.keys("rc:l:*"), seconds=2.5, what="the lease is given back")
        finally:
            bare.config_set("maxmemory", 0)


@pytest.mark.parametrize("sent", [True, False])
def test_the_end_of_a_failed_computation_got_no_answer(proxy: Proxy, server: Server, sent: bool) -> None:
    """Where the server has the mark, it stays for those that waited; where it has not, the lease is given back."""
    f = cached(Slow, key="{n}", lease=LONG)(lambda n: fails())

    def fails() -> int:
        if sent:
            proxy.cut_after_request(1, "EVAL")
        else:
            proxy.refuse()
        raise LookupError("no such row")

    with server.client() as bare:
        with pytest.raises(LookupError):
            f(1)
        proxy.heal()
        wait_until(lambda: not connection().flights.orphans, what="the background has told the server")
        if sent:
            assert proxy.cuts == 1
            assert read_mark(bare.get(lease())) is not None
        else:
            wait_until(lambda: not bare.exists(lease()), what="the lease is given back")
    wait_until(closed, what="the breaker is closed")
    with pytest.raises(LookupError):
        quick(lambda: f(1))


# -- an owner that goes away -------------------------------------------------------------------------


def test_a_plan_that_is_dropped_gives_its_lease_back(store: Any) -> None:
    """A task that is destroyed with its loop has no driver any more: the background gives the lease back."""

    @cached(Slow, key="{n}", lease=LONG)
    async def f(n: int) -> int:
        await asyncio.get_running_loop().create_future()
        return n

    waiting = f(1)
    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(waiting)
        while free():
            loop.run_until_complete(asyncio.sleep(0.01))
        task._log_destroy_pending = False
    finally:
        loop.close()
    del task, waiting, loop
    gc.collect()
    wait_until(free, what="the lease is given back")


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt(), GeneratorExit()], ids=lambda e: type(e).__name__)
def test_a_computation_that_is_ended_from_outside_gives_its_lease_back(store: Any, error: BaseException) -> None:
    """Whatever ends it."""

    @cached(Slow, key="{n}", lease=LONG)
    def f(n: int) -> int:
        raise error

    with pytest.raises(type(error)):
        f(1)
    assert free()


def test_a_cancelled_computation_gives_its_lease_back(store: Any) -> None:
    """At once."""

    @cached(Slow, key="{n}", lease=LONG)
    async def f(n: int) -> int:
        await asyncio.sleep(60)
        return n

    async def main() -> None:
        task = asyncio.ensure_future(f(1))
        while free():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert free()

    asyncio.run(main())


# -- renewing ----------------------------------------------------------------------------------------


def test_a_silent_server_holds_up_no_other(server: Server) -> None:
    """Its leases are renewed by a thread of its own."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        slow = f"redis://127.0.0.1:{silent.getsockname()[1]}?timeout=1&l1=off"
        configure({"default": server.dsn + "?l1=off", "slow": slow})
        held = [hold(connection("slow"), f"l{n}", b"token", 300) for n in range(8)]

        @cached(Slow, key="{n}", lease=0.6)
        def f(n: int) -> int:
            time.sleep(2)
            return n

        assert f(1) == 1
        assert f.cache_info().stores == 1
        assert not any(each.stopped for each in held)


def test_many_leases_are_renewed_in_one_trip(store: Any) -> None:
    """The trips of a process do not grow with its computations."""
    held = []
    for n in range(200):
        store.raw("SET", f"l{n}", f"token {n}", "PX", 3000)
        held.append(hold(store, f"l{n}", b"token %d" % n, 3000))
    before = store.trips
    last = held[-1].until
    wait_until(lambda: held[-1].until > last, what="they are renewed")
    assert store.trips - before <= 10
    assert all(store.raw("PTTL", f"l{n}") > 1500 for n in (0, 100, 199))
    store.raw("DEL", "l7")
    wait_until(lambda: held[7].lost, what="one is lost")
    assert store.raw("EXISTS", "l7") == 0
    for each in held:
        each.stop()


def test_what_nobody_refers_to_is_renewed_no_more(store: Any) -> None:
    """An exception between the lease and its block leaves nothing that is renewed for ever."""
    store.raw("SET", "l", "token", "PX", 300)
    hold(store, "l", b"token", 300)
    wait_until(lambda: not store.raw("EXISTS", "l"), what="it has run out")


def test_a_blocked_loop_loses_no_lease(store: Any) -> None:
    """Another task keeps the loop busy for longer than the lease."""

    @cached(Slow, key="{n}", lease=1)
    async def f(n: int) -> int:
        await asyncio.sleep(0.1)
        return n

    async def main() -> None:
        task = asyncio.ensure_future(f(1))
        while free():
            await asyncio.sleep(0.01)
        time.sleep(1.5)
        await task

    asyncio.run(main())
    assert f.cache_info().stores == 1


def test_the_thread_ends_and_begins_again(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without leases it goes after a while; the next lease starts one."""
    monkeypatch.setattr("rcollections.servers.leases.IDLE", 0.05)

    before = {*threading.enumerate()}

    def running() -> bool:
        return any(thread.name == "rcollections-leases" for thread in {*threading.enumerate()} - before)

    for _ in range(3):
        store.raw("SET", "l", "token", "PX", 900)
        held = hold(store, "l", b"token", 900)
        last = held.until
        wait_until(lambda held=held, last=last: held.until > last, what="it is renewed")  # type: ignore[misc]
        held.stop()
        wait_until(lambda: not running(), what="the thread has ended")
