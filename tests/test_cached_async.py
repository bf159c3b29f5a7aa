"""``@cached`` on ``async def``: the same names, awaited; tasks, cancellation, event loops that come and go."""

from __future__ import annotations

import asyncio
import gc
import inspect
import random
import threading
from typing import Any

import pytest

from rcollections import (
    CacheError,
    CacheMissError,
    CacheTimeout,
    KeyCache,
    ainvalidate_tags,
    cached,
    connection,
    deadline,
    multi_cached,
    observe,
)
from rcollections.functions.sync import CachedFunction
from rcollections.servers.loops import aclose
from rcollections.testing import Server, wait_until
from tests.leases import leases


async def until(condition: Any, seconds: float = 10.0) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        assert loop.time() < end, "waited in vain"
        await asyncio.sleep(0.002)


def test_on_value(store: Any, caplog: Any) -> None:
    """A ``def`` is called, an ``async def`` awaited, before the result is given; their errors are logged."""
    seen: list[Any] = []

    @cached
    async def f(x: int) -> int:
        return x

    @multi_cached("ids", KeyCache, key=lambda each: ("many", each))
    async def many(ids: list[int]) -> dict[int, int]:
        return dict.fromkeys(ids, 0)

    @f.on_value
    @many.on_value
    async def later(value: int, x: int) -> None:
        await asyncio.sleep(0)
        seen.append((value, x))
        raise RuntimeError("an observer fails")

    f.on_value(lambda value, x: seen.append(x))

    async def main() -> None:
        assert await f(1) == await f(1) == 1
        assert await many([2, 3]) == {2: 0, 3: 0}
        await aclose(connection())

    asyncio.run(main())
    assert seen == [(1, 1), 1, (0, 2), (0, 3)]
    assert caplog.text.count("on_value callback") == 3


def test_calling_and_looking(store: Any) -> None:
    """One computation; ``peek``, ``lazy``, ``get_ttl``, ``key``; None is kept."""
    calls: list[int] = []

    @cached(ttl=60, tags=("t",))
    async def f(x: int, y: int = 2) -> Any:
        calls.append(x)
        await asyncio.sleep(0)
        return None if x == 0 else x

    async def main() -> None:
        assert inspect.iscoroutinefunction(f.uncached)
        assert asyncio.iscoroutinefunction(f) if hasattr(asyncio, "iscoroutinefunction") else True
        with pytest.raises(CacheMissError):
            await f.peek(1)
        assert [await f(1), await f(1, 2), await f(x=1)] == [1, 1, 1]
        assert [await f(0), await f(0)] == [None, None]
        assert calls == [1, 0]
        assert await f.peek(1) == await f.lazy(1) == 1
        value, left = await f.get_ttl(1)
        assert (value, 59 < left <= 60) == (1, True)
        assert f.key(1) == f.key(x=1, y=2)
        await ainvalidate_tags("t")
        with pytest.raises(CacheMissError):
            await f.peek(1)

    asyncio.run(main())


def test_changing(store: Any) -> None:
    """``refresh``, ``invalidate``, ``expire``, ``put``, ``store``, ``clear``, ``writing``, functools' names."""
    count = 0

    @cached
    async def f(x: int) -> Any:
        nonlocal count
        count += 1
        return count

    async def main() -> None:
        assert [await f(1), await f.refresh(1), await f(1)] == [1, 2, 2]
        await f.invalidate(1)
        assert await f(1) == 3
        await f.expire(1)
        assert await f(1) == 4
        await f.put(1, _cache_put=50)
        assert await f(1) == 50
        await f.store(60)(1)
        assert await f(1) == 60
        async with f.writing(1) as w:
            w.put(70)
        assert await f(1) == 70
        with pytest.raises(ZeroDivisionError):
            async with f.writing(1) as w:
                w.put([80, 1 // 0][0])
        assert await f(1) == 5
        assert await f.clear() == 1
        assert await f.uncached(1) == 6
        await f.cache_clear()
        assert f.cache_info().hits == 0
        assert f.cache_parameters()["on_error"] == "compute"

    asyncio.run(main())


def test_methods(store: Any) -> None:
    """Methods, class and static methods, properties; bound ones too."""

    class Thing:
        @cached
        async def method(self, x: int) -> Any:
            return "method", x

        @cached
        @classmethod
        async def of_class(cls, x: int) -> Any:
            return cls.__name__, x

        @staticmethod
        @cached
        async def static(x: int) -> Any:
            return "static", x

        @property
        @cached
        async def prop(self) -> Any:
            return "prop"

    async def main() -> None:
        thing = Thing()
        for call, answer in (
            (thing.method, ("method", 1)),
            (Thing.of_class, ("Thing", 1)),
            (thing.of_class, ("Thing", 1)),
            (thing.static, ("static", 1)),
        ):
            assert await call(1) == await call.peek(1) == answer  # type: ignore[attr-defined]
            await call.invalidate(1)  # type: ignore[attr-defined]
        assert await thing.prop == await thing.prop == "prop"

    asyncio.run(main())


def test_classes_serve_both(store: Any) -> None:
    """One cache class for ``def`` and ``async def``; they share what has one key."""

    class Shared(KeyCache):
        prefix = "shared"

    @Shared.cached(key="k")
    async def f() -> str:
        return "async"

    @cached(Shared, key="k")
    def g() -> str:
        return "sync"

    assert asyncio.run(f()) == g() == "async"  # type: ignore[arg-type]
    assert isinstance(g, CachedFunction)


def test_many_tasks_one_computation(store: Any) -> None:
    """200 tasks on one cold key: computed once, and an error reaches all of them."""
    calls: list[int] = []

    @cached
    async def f(fail: bool) -> int:
        calls.append(1)
        await asyncio.sleep(0.02)
        if fail:
            raise LookupError("down")
        return 7

    async def main() -> None:
        assert await asyncio.gather(*(f(False) for _ in range(200))) == [7] * 200
        assert len(calls) == 1
        answers = await asyncio.gather(*(f(True) for _ in range(200)), return_exceptions=True)
        assert {type(each) for each in answers} == {LookupError}
        assert len(calls) == 2

    asyncio.run(main())


def test_a_cancelled_owner_harms_nobody(store: Any) -> None:
    """The lease is free at once; one of those who waited computes."""
    calls: list[int] = []

    @cached(lease=30)
    async def f() -> int:
        calls.append(1)
        await asyncio.sleep(60 if len(calls) == 1 else 0)
        return 5

    async def main() -> None:
        owner = asyncio.ensure_future(f())
        await until(lambda: calls)
        others = [asyncio.ensure_future(f()) for _ in range(5)]
        await until(lambda: f.cache_info().waits >= 5)
        owner.cancel()
        assert await asyncio.wait_for(asyncio.gather(*others), 5) == [5] * 5
        with pytest.raises(asyncio.CancelledError):
            await owner

    asyncio.run(main())
    assert len(calls) == 2
    assert not leases(store)


def test_a_cancelled_waiter_harms_nobody(store: Any) -> None:
    """The owner goes on, and so do the other waiters."""
    go: list[asyncio.Event] = []

    @cached
    async def f() -> int:
        go.append(asyncio.Event())
        await go[0].wait()
        return 5

    async def main() -> None:
        tasks = [asyncio.ensure_future(f()) for _ in range(6)]
        await until(lambda: f.cache_info().waits >= 5)
        for task in tasks[1:4]:
            task.cancel()
        await asyncio.sleep(0)
        go[0].set()
        kept = [tasks[0], *tasks[4:]]
        assert await asyncio.wait_for(asyncio.gather(*kept), 5) == [5] * 3
        assert all(task.cancelled() for task in tasks[1:4])

    asyncio.run(main())
    assert len(go) == 1


def test_cancellation_at_any_moment_leaves_everything_clean(server: Server) -> None:
    """300 calls cancelled anywhere: never a wrong answer afterwards, no lease kept, no flight left."""

    @cached(tags=("t",), lease=30)
    async def f(x: int) -> int:
        await asyncio.sleep(random.random() * 0.002)
        return x

    async def main() -> None:
        dice = random.Random(5)
        for n in range(300):
            tasks = [asyncio.ensure_future(f(x)) for x in range(3)]
            for _ in range(dice.randrange(12)):
                await asyncio.sleep(0)
            await asyncio.sleep(dice.random() * 0.002)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if n % 10 == 0:
                await f.clear()
        assert await asyncio.wait_for(asyncio.gather(*(f(x) for x in range(50))), 10) == list(range(50))
        from rcollections import connection
        from rcollections.servers.loops import flights_of

        assert not flights_of(connection()).table

    asyncio.run(main())
    with server.client() as bare:
        assert not bare.keys("rc:l:*")


def test_recursion(store: Any) -> None:
    """With the same arguments it is an error, by way of other tasks too."""

    @cached
    async def f(n: int) -> int:
        return (await asyncio.gather(f(n), asyncio.sleep(0)))[0]

    @cached
    async def fib(n: int) -> int:
        return n if n < 2 else sum(await asyncio.gather(fib(n - 1), fib(n - 2)))

    async def main() -> None:
        with pytest.raises(CacheError, match="calls itself"):
            await f(1)
        assert await asyncio.wait_for(fib(15), 20) == 610

    asyncio.run(main())


def test_two_tasks_that_wait_for_each_other(store: Any) -> None:
    """An error, not a deadlock."""

    @cached
    async def ping() -> int:
        await asyncio.sleep(0.02)
        return await pong()

    @cached
    async def pong() -> int:
        await asyncio.sleep(0.02)
        return await ping()

    async def main() -> None:
        answers = await asyncio.wait_for(asyncio.gather(ping(), pong(), return_exceptions=True), 10)
        assert all(isinstance(each, CacheError) for each in answers)

    asyncio.run(main())


def test_deadline(store: Any) -> None:
    """It bounds the wait for another task's computation, and is not handed on to background work."""
    ran: list[int] = []

    @cached
    async def f() -> int:
        await asyncio.sleep(0.2)
        ran.append(1)
        return 1

    async def main() -> None:
        owner = asyncio.ensure_future(f())
        await until(lambda: f.cache_info().computes)
        with pytest.raises(CacheTimeout), deadline(0.03):
            await f()
        assert await owner == 1
        await f.invalidate()
        with deadline(0.1), pytest.raises(CacheMissError):
            await f.bg().lazy()
        await until(lambda: len(ran) == 2)
        await asyncio.sleep(0)
        await until(lambda: f.cache_info().stores == 2)

    asyncio.run(main())


def test_background(store: Any, caplog: Any) -> None:
    """``bg()``, ``bg().lazy``, ``bg().refresh``, ``future()`` and its three; errors go to the log."""
    calls: list[int] = []

    @cached(ttl=100, stale_while_revalidate=50)
    async def f(x: int) -> int:
        calls.append(x)
        if x < 0:
            raise LookupError("negative")
        return len(calls)

    async def main() -> None:
        assert await f.bg()(1) == 1
        with pytest.raises(CacheMissError):
            await f.bg().lazy(2)
        await until(lambda: f.cache_info().stores == 2)
        assert await f.bg().lazy(2) == 2
        await f.bg().refresh(2)
        await until(lambda: f.cache_info().stores == 3)
        task = f.future()(1)
        assert isinstance(task, asyncio.Task)
        assert await task == await f.future().peek(1) == await f.future().lazy(1) == 1
        assert await f.future().refresh(1) == 4
        with pytest.raises(CacheMissError):
            await f.future().peek(9)
        with pytest.raises(CacheMissError):
            await f.future().lazy(-1)
        await until(lambda: "negative" in caplog.text)
        store.raw("PEXPIRE", f.key(1), 40_000)
        assert await f(1) == 4
        await until(lambda: f.cache_info().stores == 5)

    asyncio.run(main())


def test_soft_timeout(store: Any) -> None:
    """The stale value when computing takes longer; the computation is stored afterwards."""
    slow = 0.0

    @cached(ttl=100, stale_if_error=50, soft_timeout=0.02)
    async def f() -> float:
        await asyncio.sleep(slow)
        return slow

    async def main() -> None:
        nonlocal slow
        assert await f() == 0.0
        store.raw("PEXPIRE", f.key(), 40_000)
        slow = 0.1
        assert await f() == 0.0
        await until(lambda: f.cache_info().stores == 2)
        assert await f() == 0.1

    asyncio.run(main())


def test_observers(store: Any) -> None:
    """The call as a whole is timed, and what happened in it told."""
    seen: list[str] = []

    class Seen(observe.Observer):
        def after(self, event: Any) -> None:
            seen.append(event.operation)

    @cached
    async def f() -> int:
        return 1

    async def main() -> None:
        with observe.observing(Seen()):
            await f()
            await f()

    asyncio.run(main())
    assert seen == ["miss", "compute", "store", "call", "hit", "call"]


def test_event_loops_come_and_go(server: Server) -> None:
    """``asyncio.run`` again and again, without closing anything: it works, warns of nothing, leaves no connection."""

    @cached
    async def f(x: int) -> int:
        return x

    with server.client() as bare:
        before = {each["id"] for each in bare.client_list()}  # tests before this one may have left some

        def opened() -> list[object]:
            return [each for each in bare.client_list() if each["id"] not in before]

        for n in range(20):
            assert asyncio.run(f(n % 3)) == n % 3  # type: ignore[arg-type]
        gc.collect()
        wait_until(lambda: len(opened()) < 6, what="the loops' connections are closed")
    from rcollections.servers import loops

    assert not len(loops._owns)


def test_threads_and_tasks_of_one_process(store: Any) -> None:
    """A sync and an async function of one key: whoever computes, the other is woken."""
    calls: list[str] = []
    go = threading.Event()

    @cached(key="k")
    def g() -> str:
        calls.append("sync")
        assert go.wait(10)
        return "value"

    @cached(key="k")
    async def f() -> str:
        calls.append("async")
        return "value"

    async def main() -> None:
        task = asyncio.ensure_future(f())
        await until(lambda: f.cache_info().waits)
        go.set()
        assert await asyncio.wait_for(task, 5) == "value"

    thread = threading.Thread(target=g)
    thread.start()
    wait_until(lambda: calls)
    asyncio.run(main())
    thread.join()
    assert calls == ["sync"]


def test_a_forgotten_await_is_told_as_of_any_coroutine(fresh: Any) -> None:
    """By the name of the function, whether the result is held or not."""

    @cached(ttl=60)
    async def price(n: int) -> int:
        return n

    async def scenario() -> None:
        assert [await price(1), await price(1)] == [1, 1]
        for n in (1, 2):  # held, and not held
            with pytest.warns(RuntimeWarning, match=r"coroutine '[\w.<>]*price' was never awaited"):
                price(n)

    asyncio.run(scenario())
    assert price.cache_info().computes == 1
