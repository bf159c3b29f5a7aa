"""What is started inside a computation, a ``deadline()`` or a ``no_l1()`` block, and goes on when that has ended."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import warnings
from typing import Any

import pytest

from rcollections import CacheError, CounterCache, DictCache, KeyCache, cached, configure, deadline, no_l1, observe
from rcollections.l1 import bypassed
from rcollections.plans.circles import CircleError, Mark, Waits
from rcollections.plans.waiting import computing


class Seen(observe.Observer):
    """Remembers which operations it was told of."""

    def __init__(self) -> None:
        self.operations: list[str] = []

    def after(self, event: observe.Event) -> None:
        self.operations.append(event.operation)


def test_a_task_that_outlives_the_computation_may_ask_for_its_key(fresh: Any) -> None:
    """A poller that the first call starts asks for the same key for ever after."""
    begun: list[asyncio.Task[int]] = []
    seen: list[int] = []

    async def poll(over: asyncio.Event) -> int:
        await over.wait()
        seen.append(len(computing()))
        return await settings()

    async def scenario() -> None:
        over = asyncio.Event()
        scenario.over = over  # type: ignore[attr-defined]
        assert await settings() == 1
        over.set()
        assert await asyncio.wait_for(begun[0], 10) == 1
        await settings.invalidate()
        again = asyncio.create_task(poll(over))
        assert await asyncio.wait_for(again, 10) == 1

    @cached(ttl=60, l1=False)
    async def settings() -> int:
        if not begun:
            begun.append(asyncio.create_task(poll(scenario.over)))  # type: ignore[attr-defined]
        return 1

    asyncio.run(scenario())
    assert seen == [0, 0]


def test_a_timer_with_a_copied_context_may_ask_for_the_key(fresh: Any) -> None:
    got: list[object] = []

    def ask() -> None:
        try:
            got.append(settings())
        except CacheError as error:
            got.append(error)

    threads: list[threading.Thread] = []
    over = threading.Event()

    @cached(ttl=60, l1=False)
    def settings() -> int:
        if not threads:
            context = contextvars.copy_context()
            threads.append(threading.Thread(target=lambda: over.wait(10) and context.run(ask), daemon=True))
            threads[0].start()
        return 1

    assert settings() == 1
    over.set()
    threads[0].join(10)
    assert got == [1]


def test_a_computation_that_failed_is_over_too(fresh: Any) -> None:
    contexts: list[contextvars.Context] = []

    @cached(ttl=60)
    def failing() -> int:
        contexts.append(contextvars.copy_context())
        if len(contexts) == 1:
            raise ValueError("this time it fails")
        return 1

    with pytest.raises(ValueError, match="this time"):
        failing()
    assert contexts[0].run(failing) == 1


def test_a_computation_that_was_cancelled_is_over_too(fresh: Any) -> None:
    contexts: list[contextvars.Context] = []

    @cached(ttl=60)
    async def slow() -> int:
        contexts.append(contextvars.copy_context())
        if len(contexts) == 1:
            await asyncio.sleep(60)
        return 1

    async def scenario() -> int:
        first = asyncio.create_task(slow())
        while not contexts:
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return await asyncio.wait_for(asyncio.get_running_loop().create_task(slow(), context=contexts[0]), 10)

    assert asyncio.run(scenario()) == 1


def test_a_task_of_the_computation_itself_is_a_recursion_while_that_runs(fresh: Any) -> None:
    """The computation waits for it, so this would never end."""

    @cached(ttl=60)
    async def itself() -> int:
        return (await asyncio.gather(itself()))[0]

    with pytest.raises(CacheError, match="calls itself"):
        asyncio.run(asyncio.wait_for(itself(), 10))


def test_a_collection_that_filled_itself_may_be_asked_by_what_its_load_started(fresh: Any) -> None:
    contexts: list[contextvars.Context] = []

    class Prices(DictCache[str, int]):
        prefix = "prices"

        def load(self) -> dict[str, int]:
            contexts.append(contextvars.copy_context())
            return {"tea": 3}

    assert Prices()["tea"] == 3
    Prices().clear()
    assert contexts[0].run(lambda: Prices()["tea"]) == 3


def test_a_wait_that_outlived_its_computation_makes_no_circle() -> None:
    """Work that a began waits for b, and a has ended: then b may wait for a, since nobody waits for that work."""
    waits = Waits()
    a, b = Mark(waits, "a"), Mark(waits, "b")
    waits.begin([a], ["b"])
    with pytest.raises(CircleError):
        waits.begin([b], ["a"])
    a.over = True
    waits.begin([b], ["a"])
    waits.end([b], ["a"])
    waits.end([a], ["b"])
    assert not waits._for


def test_a_task_that_outlives_a_deadline_has_none(fresh: Any) -> None:
    @cached(ttl=60)
    async def f(n: int) -> int:
        return n

    async def later(over: asyncio.Event) -> int:
        await over.wait()
        return await f(1)

    async def scenario() -> int:
        over = asyncio.Event()
        with deadline(0):
            task = asyncio.create_task(later(over))
        over.set()
        return await task

    assert asyncio.run(scenario()) == 1


def test_a_task_that_outlives_no_l1_looks_there_again(fresh: Any) -> None:
    """Also while another thread has such a block open."""
    with no_l1():
        context = contextvars.copy_context()
        assert context.run(bypassed.get)
        with no_l1():
            inner = contextvars.copy_context()
        assert inner.run(bypassed.get), "the outer block is still open"
    with no_l1():
        assert not context.run(bypassed.get)
        assert not inner.run(bypassed.get)
        assert bypassed.get()
    assert not bypassed.get()


def test_an_observer_that_uses_the_library_hears_nothing_of_that(fresh: Any, caplog: Any) -> None:
    """Nor does any other observer: neither of its operations, nor of its cached functions, nor of its futures."""
    seen = Seen()

    class Hits(CounterCache[str]):
        prefix = "hits"
        ttl = 0

    @cached(ttl=60)
    def label(operation: str) -> str:
        return operation.upper()

    class Count(observe.Observer):
        def after(self, event: observe.Event) -> None:
            Hits()[label(event.operation)] += 1
            label.future()(event.operation).result(10)

    with observe.observing(Count()), observe.observing(seen):
        KeyCache("a").set(1)
        KeyCache("a").get()
    assert dict(Hits()) == {"SET": 1, "GET": 1}
    assert seen.operations == ["set", "get"]
    assert not caplog.records


def test_a_task_of_an_observer_is_not_observed(fresh: Any) -> None:
    """It writes a moment later, when the observer has ended: else each write would make one more, for ever."""
    seen = Seen()
    tasks: list[asyncio.Task[None]] = []

    @cached(ttl=60)
    async def note(operation: str) -> None:
        KeyCache("noted", operation).set(1)

    class Later(observe.Observer):
        def after(self, event: observe.Event) -> None:
            tasks.append(asyncio.get_running_loop().create_task(note(event.operation)))

    async def scenario() -> None:
        KeyCache("a").set(1)
        for _ in range(5):
            await asyncio.gather(*tasks)

    with observe.observing(Later()), observe.observing(seen):
        asyncio.run(scenario())
    assert seen.operations == ["set"]
    assert len(tasks) == 1
    assert KeyCache("noted", "set").get() == 1


@pytest.mark.long
def test_memory_bears_any_number_of_tasks(fresh: Any) -> None:
    """Far more than ``max_connections``, at one key and at thousands of keys, with computations that take a while."""
    computed: list[int] = []

    @cached(ttl=60, lease=60)  # a busy machine has a turn for each of the tasks later than after the usual 3 s
    async def f(n: int) -> int:
        computed.append(n)
        await asyncio.sleep(0.01)
        return n

    async def scenario() -> None:
        assert await asyncio.gather(*(f(n) for n in range(3000))) == list(range(3000))
        assert await asyncio.gather(*(f(7) for _ in range(3000))) == [7] * 3000
        await f.invalidate(7)
        assert await asyncio.gather(*(f(7) for _ in range(3000))) == [7] * 3000

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(scenario())
    assert len(computed) == 3001


def test_memory_bears_any_number_of_threads(fresh: Any) -> None:
    """Far more than ``max_connections`` of them at once."""
    configure("memory://?max_connections=2&timeout=0.5")
    together = threading.Barrier(100)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            together.wait(20)
            for n in range(20):
                KeyCache("k", number, n).set(n)
                DictCache("d", number).update({n: n})
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(100)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert not failed
