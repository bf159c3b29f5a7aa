"""While the server does not answer: threads, and tasks of any event loops, share one computation of a key."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheError, CacheTimeout, KeyCache, cached, connection, deadline, multi_cached
from rcollections.testing import isolated, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

QUICK = 1.5  # seconds: well within the time after which a loop counts as stuck


class K(KeyCache[Any]):
    prefix = "k"
    ttl = 60


@pytest.fixture(autouse=True)
def _nobody() -> Iterator[None]:
    """A connection to where no server is, whose breaker is open."""
    with isolated("redis://127.0.0.1:1?l1=off"):
        with pytest.raises(CacheError) as failed:
            K(0).get()
        connection().breaker.failed(failed.value)
        yield


class Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.loop.run_forever()

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def loops() -> Iterator[Callable[[], Loop]]:
    """Makes event loops, which end with the test."""
    made: list[Loop] = []

    def make() -> Loop:
        made.append(Loop())
        return made[-1]

    yield make
    for each in made:
        if each.thread.is_alive():
            each.start(_cancel_all()).result(30)
            each.stop()
        each.loop.close()


def _not_awaited(task: Any) -> None:
    """Let asyncio say nothing of a task whose loop is closed before the task has ended."""
    task._log_destroy_pending = False


async def _cancel_all() -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as threads:
        yield threads


class Source:
    """One source behind a def and an async def with the same key. Each reads, then waits for the test."""

    def __init__(self, **options: Any) -> None:
        self.value: Callable[[], Any] = lambda: [1]
        self.runs: list[str] = []
        self.go = threading.Event()
        self.left = threading.Event()

        @cached(key="row", ttl=60, **options)
        def by_thread() -> Any:
            self.runs.append("thread")
            value = self.value
            assert self.go.wait(30)
            return value()

        @cached(key="row", ttl=60, **options)
        async def by_task() -> Any:
            self.runs.append("task")
            value = self.value
            try:
                while not self.go.is_set():
                    await asyncio.sleep(0.005)
            except BaseException:
                self.left.set()
                raise
            return value()

        self.by_thread, self.by_task = by_thread, by_task

    def begun(self, runs: int = 1) -> None:
        wait_until(lambda: len(self.runs) >= runs, what=f"{runs} computations have begun")

    def waiting(self, size: int) -> None:
        wait_until(
            lambda: self.by_thread.cache_info().waits + self.by_task.cache_info().waits >= size, what=f"{size} wait"
        )


def both(source: Source, pool: ThreadPoolExecutor, loop: Loop) -> dict[str, Callable[[], Future[Any]]]:
    """How a thread, and a task, begin to ask."""
    return {"thread": partial(pool.submit, source.by_thread), "task": lambda: loop.start(source.by_task())}


@pytest.mark.parametrize("first", ["thread", "task"])
def test_threads_and_tasks_share(loops: Callable[[], Loop], pool: ThreadPoolExecutor, first: str) -> None:
    """Whoever is first computes for threads and for the tasks of two loops; each gets a value of its own."""
    source = Source()
    ask = both(source, pool, loops())
    other = loops()
    found = [ask[first]()]
    source.begun()
    found += [ask["thread"]() for _ in range(5)] + [ask["task"]() for _ in range(5)]
    found += [other.start(source.by_task()) for _ in range(5)]
    source.waiting(15)
    source.go.set()
    values = [each.result(QUICK) for each in found]
    assert values == [[1]] * 16
    assert len({id(each) for each in values}) == 16
    assert source.runs == [first]
    ask[first]().result(QUICK)
    assert len(source.runs) == 2  # nothing was kept


def test_loops_of_their_own_threads_share(pool: ThreadPoolExecutor) -> None:
    """The same coroutine function, each call in an event loop that lives for this call only."""
    source = Source()
    found = [pool.submit(lambda: asyncio.run(source.by_task())) for _ in range(10)]
    source.waiting(9)
    source.go.set()
    assert [each.result(30) for each in found] == [[1]] * 10
    assert source.runs == ["task"]


@pytest.mark.parametrize("first", ["thread", "task"])
def test_an_error_is_shared(loops: Callable[[], Loop], pool: ThreadPoolExecutor, first: str) -> None:
    """Once for each that waited, in both kinds."""
    source = Source()

    def fail() -> Any:
        raise LookupError("no such row")

    source.value = fail
    ask = both(source, pool, loops())
    found = [ask[first]()]
    source.begun()
    found += [ask["thread"](), ask["task"]()]
    source.waiting(2)
    source.go.set()
    for each in found:
        with pytest.raises(LookupError, match="no such row"):
            each.result(QUICK)
    assert source.runs == [first]


@pytest.mark.parametrize("first", ["thread", "task"])
def test_what_is_not_for_others(loops: Callable[[], Loop], pool: ThreadPoolExecutor, first: str) -> None:
    """A result that no codec carries: each computes."""
    source = Source()
    source.value = threading.Lock
    ask = both(source, pool, loops())
    found = [ask[first]()]
    source.begun()
    found += [ask["thread"](), ask["task"]()]
    source.waiting(2)
    source.go.set()
    assert len({id(each.result(QUICK)) for each in found}) == 3
    assert len(source.runs) == 3


def test_the_first_one_is_cancelled(loops: Callable[[], Loop], pool: ThreadPoolExecutor) -> None:
    """One of those who wait takes over, for all others."""
    source = Source()
    ask = both(source, pool, loops())
    first = ask["task"]()
    source.begun()
    others = [ask["thread"]() for _ in range(3)]
    source.waiting(3)
    first.cancel()
    assert source.left.wait(10)
    source.begun(2)
    source.waiting(5)
    source.go.set()
    assert [each.result(QUICK) for each in others] == [[1]] * 3
    assert source.runs == ["task", "thread"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, SystemExit])
def test_the_first_one_goes_away(loops: Callable[[], Loop], pool: ThreadPoolExecutor, error: Any) -> None:
    """A thread that is interrupted: a task takes over."""
    source = Source()

    def leave() -> Any:
        source.value = lambda: [2]
        source.go.clear()
        raise error

    source.value = leave
    ask = both(source, pool, loops())
    first = ask["thread"]()
    source.begun()
    others = [ask["task"]() for _ in range(3)]
    source.waiting(3)
    source.go.set()
    with pytest.raises(error):
        first.result(QUICK)
    source.begun(2)
    source.waiting(5)
    source.go.set()
    assert [each.result(QUICK) for each in others] == [[2]] * 3
    assert source.runs == ["thread", "task"]


@pytest.mark.parametrize(("first", "second"), [("thread", "task"), ("task", "thread")])
def test_a_change_in_between(loops: Callable[[], Loop], pool: ThreadPoolExecutor, first: str, second: str) -> None:
    """Who comes after this process has changed something, or has tried to, gets no older value."""
    source = Source()
    ask = both(source, pool, loops())
    old = ask[first]()
    source.begun()
    source.value = lambda: [2]
    with pytest.raises(CacheError):
        source.by_thread.invalidate()
    new = ask[second]()
    source.begun(2)
    source.go.set()
    assert (old.result(QUICK), new.result(QUICK)) == ([1], [2])


def test_each_has_its_own_deadline(loops: Callable[[], Loop], pool: ThreadPoolExecutor) -> None:
    """Who waits may give up sooner than who computes, and the other way round."""
    source = Source()
    ask = both(source, pool, loops())
    first = ask["task"]()
    source.begun()

    def by_thread() -> Any:
        with deadline(0.2):
            return source.by_thread()

    async def by_task() -> Any:
        with deadline(0.2):
            return await source.by_task()

    late = [pool.submit(by_thread), loops().start(by_task())]
    for each in late:
        with pytest.raises(CacheTimeout):
            each.result(QUICK)
    patient = ask["thread"]()
    source.waiting(3)
    source.go.set()
    assert (first.result(QUICK), patient.result(QUICK)) == ([1], [1])
    assert source.runs == ["task"]


@pytest.mark.parametrize("close", [False, True])
def test_a_loop_that_ends(loops: Callable[[], Loop], pool: ThreadPoolExecutor, close: bool) -> None:
    """Its task will never go on, and is not even cancelled: who waits for it elsewhere goes on."""
    source = Source()
    loop, other = loops(), loops()
    ask = both(source, pool, loop)
    kept = ask["task"]()
    source.begun()
    waiting = [ask["thread"](), other.start(source.by_task())]
    source.waiting(2)
    tasks = asyncio.all_tasks(loop.loop)
    loop.stop()
    if close:
        loop.loop.close()
    source.begun(2)
    source.waiting(3)
    source.go.set()
    assert [each.result(5) for each in waiting] == [[1]] * 2
    assert source.by_thread() == [1]
    assert len(source.runs) == 3
    assert not kept.done()
    for task in tasks:
        _not_awaited(task)


def test_a_loop_that_waits_and_is_closed(pool: ThreadPoolExecutor) -> None:
    """Nobody is left to wake there; the others are woken."""
    source = Source()
    first = pool.submit(source.by_thread)
    source.begun()
    loop = asyncio.new_event_loop()
    task = loop.create_task(source.by_task())
    loop.run_until_complete(asyncio.sleep(0.05))
    loop.close()
    other = pool.submit(source.by_thread)
    source.waiting(2)
    source.go.set()
    assert (first.result(QUICK), other.result(QUICK)) == ([1], [1])
    _not_awaited(task)


def test_a_def_inside_of_the_loop_that_computes(loops: Callable[[], Loop]) -> None:
    """The loop stands still while the def is called: it computes for itself, at once."""
    source = Source()
    loop = loops()
    first = loop.start(source.by_task())
    source.begun()

    async def blocking() -> Any:
        source.go.set()
        return source.by_thread()

    assert loop.start(blocking()).result(QUICK) == [1]
    assert first.result(QUICK) == [1]
    assert source.runs == ["task", "thread"]


def test_a_def_inside_of_another_loop(loops: Callable[[], Loop]) -> None:
    """It waits, as a thread would."""
    source = Source()
    first = loops().start(source.by_task())
    source.begun()

    async def blocking() -> Any:
        return source.by_thread()

    second = loops().start(blocking())
    source.waiting(1)
    source.go.set()
    assert (first.result(QUICK), second.result(QUICK)) == ([1], [1])
    assert source.runs == ["task"]


def test_two_loops_do_not_block_each_other(loops: Callable[[], Loop]) -> None:
    """In each a def waits for what a task of the other one computes: one of them computes for itself, at once."""
    go = threading.Event()
    runs: list[str] = []

    @cached(key="{name}", ttl=60)
    async def by_task(name: str) -> str:
        runs.append(name)
        while not go.is_set():
            await asyncio.sleep(0.005)
        return name

    @cached(key="{name}", ttl=60)
    def by_thread(name: str) -> str:
        go.set()
        return name

    async def blocking(name: str) -> str:
        return by_thread(name)

    one, two = loops(), loops()
    found = [one.start(by_task("a")), two.start(by_task("b"))]
    wait_until(lambda: len(runs) == 2, what="both compute")
    found += [one.start(blocking("b"))]
    wait_until(lambda: by_thread.cache_info().waits, what="one loop is blocked")
    found += [two.start(blocking("a"))]
    assert [each.result(QUICK) for each in found] == ["a", "b", "b", "a"]
    assert by_thread.cache_info().computes == 1


def test_many_ids_inside_of_the_loop(loops: Callable[[], Loop], pool: ThreadPoolExecutor) -> None:
    """Ids that a task of the same loop computes are computed again; those of other threads are shared."""
    runs: list[tuple[str, list[int]]] = []
    go = threading.Event()

    @multi_cached("ids", K)
    def by_thread(ids: list[int]) -> dict[int, int]:
        runs.append(("thread", list(ids)))
        return {each: each for each in ids}

    @multi_cached("ids", K)
    async def by_task(ids: list[int]) -> dict[int, int]:
        runs.append(("task", list(ids)))
        while not go.is_set():
            await asyncio.sleep(0.005)
        return {each: each for each in ids}

    loop = loops()
    first = loop.start(by_task([1, 2]))
    wait_until(lambda: runs, what="a task computes")
    other = pool.submit(by_thread, [2, 3])

    async def blocking() -> Any:
        go.set()
        return by_thread([1, 4])

    wait_until(lambda: by_thread.cache_info().waits, what="a thread waits")
    assert loop.start(blocking()).result(QUICK) == {1: 1, 4: 4}
    assert (first.result(QUICK), other.result(QUICK)) == ({1: 1, 2: 2}, {2: 2, 3: 3})
    assert runs == [("task", [1, 2]), ("thread", [3]), ("thread", [4]), ("thread", [1])]


def test_a_loop_that_somebody_holds_up(loops: Callable[[], Loop], pool: ThreadPoolExecutor) -> None:
    """The thread of the loop waits for one who waits for a task of this loop: after a while the latter computes."""
    source = Source()
    loop = loops()
    first = loop.start(source.by_task())
    source.begun()
    source.go.set()

    async def blocking() -> Any:
        return [pool.submit(source.by_thread).result(20) for _ in range(2)]

    source.go.clear()
    held_up = loop.start(blocking())
    source.begun(2)  # though nothing lets the loop go on
    source.go.set()
    assert held_up.result(10) == [[1]] * 2
    assert first.result(10) == [1]


def test_a_wait_in_a_circle_over_two_threads(loops: Callable[[], Loop], pool: ThreadPoolExecutor) -> None:
    """A loop is blocked by a def that waits for a thread, which waits for a task of that loop."""
    source = Source()
    loop = loops()
    begun = threading.Event()

    @cached(key="outer", ttl=60)
    def outer() -> Any:
        begun.set()
        wait_until(lambda: outer.cache_info().waits, what="the loop waits")
        return source.by_thread()

    first = loop.start(source.by_task())
    source.begun()
    second = pool.submit(outer)
    assert begun.wait(10)

    async def blocking() -> Any:
        return outer()

    third = loop.start(blocking())
    source.begun(2)
    source.go.set()
    assert [each.result(10) for each in (first, second, third)] == [[1]] * 3


def test_functions_that_wait_for_each_other(loops: Callable[[], Loop], pool: ThreadPoolExecutor) -> None:
    """A def needs what an async def computes, which needs the def: an error, as within one kind."""
    both_begun = threading.Barrier(2)

    @cached(key="a", ttl=60)
    def a_by_thread() -> Any:
        both_begun.wait(10)
        return b_by_thread()

    @cached(key="b", ttl=60)
    def b_by_thread() -> Any:
        return "b"

    @cached(key="a", ttl=60)
    async def a_by_task() -> Any:
        return "a"

    @cached(key="b", ttl=60)
    async def b_by_task() -> Any:
        await asyncio.get_running_loop().run_in_executor(None, both_begun.wait, 10)
        return await a_by_task()

    found = [pool.submit(a_by_thread), loops().start(b_by_task())]
    errors = [each.exception(QUICK) for each in found]
    assert all(isinstance(each, CacheError) and "wait for" in str(each) for each in errors)


def test_a_function_that_asks_for_itself_in_the_other_kind(loops: Callable[[], Loop]) -> None:
    """A recursion, also by way of the other kind."""

    @cached(key="self", ttl=60)
    def by_thread() -> Any:
        return asyncio.run(_await(by_task))

    @cached(key="self", ttl=60)
    async def by_task() -> Any:
        return by_thread()

    with pytest.raises(CacheError, match="calls itself"):
        by_thread()
    with pytest.raises(CacheError, match="calls itself"):
        loops().start(by_task()).result(QUICK)


async def _await(f: Any) -> Any:
    return await f()


def test_a_class_with_another_codec_reads_for_itself(loops: Callable[[], Loop], pool: ThreadPoolExecutor) -> None:
    """Two functions with one key may read values differently: bytes that one cannot read are a miss for it."""

    class J(K):
        serializer = "json"

    class P(K):
        serializer = "pickle"

    go = threading.Event()

    @cached(J, key="x")
    def by_thread() -> Any:
        assert go.wait(30)
        return [1]

    @cached(P, key="x")
    async def by_task() -> Any:
        return [2]

    first = pool.submit(by_thread)
    wait_until(lambda: by_thread.cache_info().misses, what="a thread computes")
    second = loops().start(by_task())
    wait_until(lambda: by_task.cache_info().waits, what="a task waits")
    go.set()
    assert first.result(QUICK) == [1]
    assert second.result(QUICK) == [2]
