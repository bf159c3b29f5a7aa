"""The server is down, slow, wrong or restarted: functions go on, and caching comes back by itself."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CacheConnectionError,
    CacheError,
    CacheMissError,
    CacheTimeout,
    KeyCache,
    cached,
    configure,
    connection,
    deadline,
    invalidate_tags,
    multi_cached,
    observe,
)
from rcollections.observe.names import name_of
from rcollections.testing import Proxy, Server, isolated, wait_until
from tests.kinds import one_server

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def own() -> Any:
    """A server of this test's own, that may be killed, with short timeouts."""
    with Server(one_server()) as server, isolated(server.dsn + "?timeout=0.3&connect_timeout=0.3"):
        yield server


class Function:
    def __init__(self, **options: Any) -> None:
        self.calls = 0

        @cached(**options)
        def f() -> int:
            self.calls += 1
            return self.calls

        self.f = f


def slowest(call: Any, times: int) -> float:
    worst = 0.0
    for _ in range(times):
        began = time.monotonic()
        call()
        worst = max(worst, time.monotonic() - began)
    return worst


def break_it(server: Server, how: str) -> None:
    server.kill() if how == "killed" else server.freeze()


def mend(server: Server, how: str) -> None:
    server.start() if how == "killed" else server.thaw()


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_functions_compute_and_caching_heals(own: Server, how: str, caplog: Any) -> None:
    """One call may pay for finding out; the next ones do not. One line in the log, one when it is back."""
    function = Function()
    f = function.f
    assert [f(), f()] == [1, 1]
    break_it(own, how)
    assert slowest(f, 1) < 1.5
    assert slowest(f, 50) < 0.2, "no later call waits for the server, probes run in the background"
    assert function.calls == 52
    assert len([r for r in caplog.records if "compute instead" in r.message]) == 1
    mend(own, how)
    wait_until(lambda: f() == f(), seconds=15, what="caching is back")
    assert len([r for r in caplog.records if "is back" in r.message]) == 1
    assert f.cache_info().errors >= 1


def test_many_threads_meet_a_frozen_server(own: Server) -> None:
    """They pay for finding out together, once: not one after another."""
    function = Function()
    function.f()
    own.freeze()
    took: list[float] = []

    def call() -> None:
        began = time.monotonic()
        function.f()
        took.append(time.monotonic() - began)

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == 20
    assert max(took) < 1.2
    own.thaw()


def test_a_server_that_dies_while_a_value_is_computed(own: Server) -> None:
    """The caller gets the value, late callers too; and the renewing thread survives."""
    started, go = threading.Event(), threading.Event()

    @cached(lease=0.3)
    def f() -> int:
        started.set()
        assert go.wait(10)
        return 5

    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(f())) for _ in range(4)]
    threads[0].start()
    started.wait(5)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: f.cache_info().waits >= 3)
    own.kill()
    go.set()
    for thread in threads:
        thread.join(10)
    assert answers == [5] * 4
    own.start()
    wait_until(lambda: f() and f.cache_info().stores, seconds=15)
    assert f.peek() == 5


def test_waiting_processes_meet_a_dying_server(own: Server) -> None:
    """Who waits for another process' lease notices, and computes."""
    own.client().set("rc:l:{k}", "somebody", px=60000)
    answers: list[int] = []
    f = cached(key="k", lease=60)(lambda: 5)
    thread = threading.Thread(target=lambda: answers.append(f()))
    thread.start()
    wait_until(lambda: f.cache_info().waits)
    own.kill()
    thread.join(10)
    assert answers == [5]


def test_on_error_raise(own: Server) -> None:
    """The error of the server, at once while the breaker is open; nothing is computed."""
    function = Function(on_error="raise")
    f = function.f
    assert f() == 1
    own.kill()
    for _ in range(3):
        with pytest.raises((CacheConnectionError, CacheTimeout)):
            f()
        with pytest.raises((CacheConnectionError, CacheTimeout)):
            f.peek()
        with pytest.raises((CacheConnectionError, CacheTimeout)):
            f.refresh()
    assert function.calls == 1
    own.start()

    def works() -> bool:
        try:
            return f() > 0
        except CacheError:
            return False

    wait_until(works, seconds=15)


def test_what_the_other_methods_do_without_a_server(own: Server, caplog: Any) -> None:
    """Looking is a miss, computing computes, and what promises an effect raises."""
    function = Function(tags=("t",))
    f = function.f
    f()
    own.kill()
    for look in (f.peek, f.lazy, f.get_ttl, f.bg().lazy):
        with pytest.raises(CacheMissError):
            look()
    for compute in (f, f.refresh, f.bg(), lambda: f.future()().result(5)):
        assert compute() > 1
    for promise in (f.invalidate, f.expire, lambda: f.put(_cache_put=1), lambda: invalidate_tags("t"), f.clear):
        with pytest.raises(CacheError):
            promise()
    with pytest.raises(CacheError), f.writing():
        raise AssertionError("the source must not be changed")


class User(KeyCache[Any]):
    prefix = "user"


class Errors(observe.Observer):
    """The errors that observers were told of."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, BaseException | None]] = []

    def after(self, event: observe.Event) -> None:
        if event.operation == "error":
            self.told.append((event.name, event.key, event.error))


def test_what_fails_is_counted_and_told() -> None:
    """Each change that raises is one error, and an event with the exception; so is a read that fails open."""

    @cached(tags=("t",))
    def f(x: int = 0) -> int:
        return x

    @cached
    async def g(x: int = 0) -> int:
        return x

    @multi_cached("ids", User)
    def many(ids: list[int]) -> dict[int, int]:
        return dict.fromkeys(ids, 1)

    def enter(function: Any) -> None:
        function.writing().__enter__()

    def awaited(call: Callable[[], Any]) -> Callable[[], None]:
        async def main() -> None:
            await call()

        return lambda: asyncio.run(main())

    with isolated("redis://127.0.0.1:1"), observe.observing(Errors()) as errors:
        key = f.key()
        assert f() == 0  # a change that fails would open the breaker, and then no call asks
        [(_, told_key, error)] = errors.told
        assert told_key == key
        assert isinstance(error, CacheConnectionError)
        changes: list[tuple[Any, Callable[[], Any]]] = [
            (f, f.invalidate), (f, f.expire), (f, lambda: f.put(_cache_put=1)), (f, lambda: f.store(1)()),
            (f, lambda: enter(f)), (f, f.clear), (many, lambda: many.invalidate([1, 2])),
            (g, awaited(g.invalidate)), (g, awaited(g.clear)), (g, awaited(lambda: g.writing().__aenter__())),
        ]  # fmt: skip
        for function, change in changes:
            before = function.cache_info().errors
            errors.told.clear()
            with pytest.raises(CacheConnectionError) as raised:
                change()
            assert function.cache_info().errors == before + 1
            assert [(name, error) for name, _, error in errors.told] == [(name_of(function), raised.value)]
        assert f.cache_info().invalidations == many.cache_info().invalidations == 0
        errors.told.clear()
        with pytest.raises(CacheConnectionError) as raised:
            invalidate_tags("t")
        assert errors.told == [("rcollections.invalidate_tags", "rc:t:t", raised.value)]


def test_a_store_that_fails_is_one_error(own: Server) -> None:
    """With on_error="raise" it ends the call, and is counted and told once."""

    @cached(on_error="raise")
    def f() -> int:
        own.kill()
        return 1

    @multi_cached("ids", User, on_error="raise")
    def many(ids: list[int]) -> dict[int, int]:
        own.kill()
        return dict.fromkeys(ids, 1)

    for function, call in ((f, f), (many, lambda: many([1])), (f, f.refresh), (many, lambda: many.refresh([1]))):
        before = function.cache_info().errors
        with observe.observing(Errors()) as errors, pytest.raises(CacheError):
            call()
        assert function.cache_info().errors == before + len(errors.told) == before + 1
        own.start()
        wait_until(connection().breaker.allows, seconds=15)


def test_errors_grow_while_the_breaker_is_open() -> None:
    """With on_error="raise" each call that raises is one."""

    @cached(on_error="raise")
    def f() -> int:
        return 1

    @multi_cached("ids", User, on_error="raise")
    def many(ids: list[int]) -> dict[int, int]:
        return dict.fromkeys(ids, 1)

    with isolated("redis://127.0.0.1:1"), observe.observing(Errors()) as errors:
        calls: tuple[tuple[Any, Callable[[], Any]], ...] = (
            (f, f), (f, f.peek), (f, f.refresh), (many, lambda: many([1, 2])), (many, lambda: many.peek([1])),
            (many, lambda: many.refresh([1])),
        )  # fmt: skip
        for _ in range(3):
            for function, call in calls:
                before = function.cache_info().errors
                errors.told.clear()
                with pytest.raises(CacheConnectionError):
                    call()
                assert function.cache_info().errors == before + 1
                assert [type(error) for _, _, error in errors.told] == [CacheConnectionError]
        assert f.cache_info().computes == many.cache_info().computes == f.cache_info().misses == 0


def test_a_server_that_dies_inside_writing(own: Server, caplog: Any) -> None:
    """Leaving raises, since nobody knows what was stored; but an error of the block comes first."""
    function = Function()
    f = function.f
    writing = f.writing()
    writing.__enter__()
    writing.put(5)
    own.kill()
    with pytest.raises(CacheError):
        writing.__exit__(None, None, None)
    own.start()
    writing = f.writing()
    writing.__enter__()
    own.kill()
    assert writing.__exit__(ZeroDivisionError, ZeroDivisionError(), None) is None
    assert "failed too" in caplog.text


def test_a_server_that_refuses(own: Server, caplog: Any) -> None:
    """Out of memory: functions compute, said once, and no breaker is needed."""
    function = Function()
    own.client().config_set("maxmemory", "1")
    assert [function.f() for _ in range(3)] == [1, 2, 3]
    assert len([r for r in caplog.records if "compute instead" in r.message]) == 1
    own.client().config_set("maxmemory", "0")
    assert [function.f() for _ in range(2)] == [4, 4]


def test_scripts_that_the_server_forgot(own: Server) -> None:
    """After a restart nothing is known there; the first call works and stores."""
    function = Function(tags=("t",))
    f = function.f
    f()
    own.restart()
    wait_until(lambda: f() == f(), seconds=15)
    own.client().script_flush()
    f.invalidate()
    assert f() == f()


def test_a_deadline_is_not_the_servers_fault(own: Server) -> None:
    """A caller with too little time gets CacheTimeout; others are served by the cache as before."""
    function = Function()
    f = function.f
    f()
    own.freeze()
    with pytest.raises(CacheTimeout), deadline(0.02):
        f()
    own.thaw()
    assert f() == 1
    assert function.calls == 1


def test_a_cut_connection(own: Server) -> None:
    """A lost reply of the script that gives the lease: nobody waits for the lease that nobody knows of."""
    with Proxy(own) as proxy:
        configure(proxy.dsn)
        function = Function(lease=30)
        f = function.f
        proxy.cut_after_request(1, "EVAL")
        assert f() == 1
        configure(own.dsn)
        began = time.monotonic()
        assert f() == f()
        assert time.monotonic() - began < 5


def test_a_cut_listener_only_costs_a_look(own: Server) -> None:
    """The connection that hears wake-ups breaks while a caller waits: it looks for itself, and listens again."""
    with Proxy(own) as proxy:
        configure(proxy.dsn)
        own.client().set("rc:l:{k}", "somebody", px=60000)
        answers: list[int] = []
        f = cached(key="k", lease=60)(lambda: 5)
        thread = threading.Thread(target=lambda: answers.append(f()))
        thread.start()
        wait_until(lambda: "SUBSCRIBE" in proxy.commands)
        own.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        wait_until(lambda: proxy.commands.count("SUBSCRIBE") >= 2, what="it listens again")
        own.client().delete("rc:l:{k}")
        own.client().publish("rc:w:k", "")
        thread.join(5)
        assert answers == [5]


def test_a_server_without_publish_and_subscribe(own: Server) -> None:
    """Where SUBSCRIBE is not allowed, those who wait look by themselves, not in a hurry."""
    own.client().acl_setuser(
        "limited", enabled=True, nopass=True, keys="*", channels="*", commands=["+@all", "-subscribe"]
    )
    configure(own.dsn.replace("unix://", "unix://limited:x@"))
    own.client().set("rc:l:{k}", "somebody", px=700)
    f = cached(key="k")(lambda: 5)
    before = own.client().info("stats")["total_commands_processed"]
    began = time.monotonic()
    assert f() == 5
    assert 0.3 < time.monotonic() - began < 3
    assert own.client().info("stats")["total_commands_processed"] - before < 60


def test_async_functions_compute_and_heal(own: Server) -> None:
    """The same for ``async def``."""
    calls = 0

    @cached
    async def f() -> int:
        nonlocal calls
        calls += 1
        return calls

    async def main() -> None:
        assert [await f(), await f()] == [1, 1]
        own.freeze()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await f()
        assert loop.time() - began < 1.5
        began = loop.time()
        for _ in range(50):
            await f()
        assert loop.time() - began < 0.3
        with pytest.raises(CacheMissError):
            await f.peek()
        own.thaw()
        for _ in range(1500):
            if await f() == await f():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it did not heal")

    asyncio.run(main())


# -- on purpose while the breaker is open (R1) ------------------------------------------------------


class Opened:
    """An own server that works, behind a breaker that is open all the same: another call was late a moment ago."""

    def __init__(self) -> None:
        self.breaker = connection().breaker

    def __enter__(self) -> Opened:
        self.breaker.failed(CacheTimeout("one call was late"))
        assert self.breaker.is_open
        return self

    def __exit__(self, *_: object) -> None:
        self.breaker.worked()


def test_refresh_asks_the_server_while_the_breaker_is_open(own: Server) -> None:
    """Else the older value would stay for its ttl, and nobody be told. An answer closes the breaker."""
    source = {"value": "old"}

    @cached(ttl=600, l1=False)
    def f(_: int) -> str:
        return source["value"]

    @cached(ttl=600, l1=False)
    async def g(_: int) -> str:
        return source["value"]

    @multi_cached("ids", User)
    def many(ids: list[int]) -> dict[int, str]:
        return dict.fromkeys(ids, source["value"])

    assert (f(1), asyncio.run(_awaited(g, 1)), many([1, 2])) == ("old", "old", {1: "old", 2: "old"})
    refreshes: tuple[tuple[Callable[[], Any], Callable[[], Any]], ...] = (
        (lambda: f.refresh(1), lambda: f.peek(1)),
        (lambda: f.future().refresh(1).result(10), lambda: f.peek(1)),
        (lambda: asyncio.run(_awaited(g.refresh, 1)), lambda: asyncio.run(_awaited(g.peek, 1))),
        (lambda: many.refresh([1])[1], lambda: many.peek([1])[1]),
        (lambda: many.refresh([1, 2])[2], lambda: many.peek([2])[2]),
    )
    for number, (refresh, peek) in enumerate(refreshes):
        source["value"] = f"new {number}"
        with Opened() as opened:
            assert refresh() == f"new {number}"
            assert not opened.breaker.is_open
        assert peek() == f"new {number}"
    source["value"] = "in the background"
    with Opened() as opened:
        f.bg().refresh(1)
        wait_until(lambda: not opened.breaker.is_open)
        wait_until(lambda: f.peek(1) == "in the background")


async def _awaited(function: Any, *args: Any) -> Any:
    return await function(*args)


def test_other_changes_ask_the_server_too(own: Server) -> None:
    """Dropping, expiring, putting, writing: each takes effect while the breaker is open."""

    @cached(ttl=600, l1=False)
    def f() -> int:
        return 1

    changes: tuple[tuple[Callable[[], Any], int | None], ...] = (
        (f.invalidate, None), (f.expire, None), (lambda: f.put(_cache_put=2), 2), (f.clear, None),
    )  # fmt: skip
    for change, after in changes:
        f.refresh()
        with Opened():
            change()
        assert f() == (after or 1)
    with Opened(), f.writing() as w:
        w.put(7)
    assert f() == 7


@pytest.mark.parametrize("raises", [False, True])
def test_refresh_without_a_server_tries_each_time(raises: bool) -> None:
    """It computes, or raises, and tells each failure once; no later call waits for more than its own try."""

    @cached(on_error="raise" if raises else "compute")
    def f() -> int:
        return 1

    with isolated("redis://127.0.0.1:1"):
        for errors in (1, 2, 3):
            if raises:
                with pytest.raises(CacheConnectionError):
                    f.refresh()
            else:
                assert f.refresh() == 1
            assert f.cache_info().errors == errors
