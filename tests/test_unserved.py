"""While the server does not answer, the calls of one process share one computation: threads, tasks, many ids."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheError, KeyCache, cached, connection, multi_cached
from rcollections.testing import Proxy, Server, isolated, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOBODY = "redis://127.0.0.1:1"


class K(KeyCache[Any]):
    prefix = "k"
    ttl = 60


@pytest.fixture
def nobody() -> Iterator[None]:
    """A connection to where no server is, whose breaker is open."""
    with isolated(NOBODY + "?l1=off"):
        connection().breaker.failed(_error())
        yield


def _error() -> CacheError:
    try:
        K(0).get()
    except CacheError as error:
        return error
    raise AssertionError("somebody listens there")


class Together:
    """Threads that make one call each, at once."""

    def __init__(self, size: int, call: Callable[[int], Any]) -> None:
        self.found: list[Any] = []
        self.raised: list[BaseException] = []

        def run(number: int) -> None:
            try:
                self.found.append(call(number))
            except BaseException as error:
                self.raised.append(error)

        self.threads = [threading.Thread(target=run, args=(number,)) for number in range(size)]
        for thread in self.threads:
            thread.start()

    def join(self) -> None:
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()


class Gate:
    """A computation that waits until the test lets it end."""

    def __init__(self, value: Callable[[], Any]) -> None:
        self.value = value
        self.runs = 0
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self) -> Any:
        self.runs += 1
        self.begun.set()
        assert self.go.wait(30)
        return self.value()


def waiting(f: Any, size: int) -> bool:
    return bool(f.cache_info().waits >= size)


def test_threads_share_one_computation(nobody: None) -> None:
    """Each gets a value of its own, if it could change it."""
    gate = Gate(lambda: [1])
    f = cached(ttl=60)(lambda: gate())
    together = Together(20, lambda _: f())
    wait_until(lambda: waiting(f, 19), what="19 wait")
    gate.go.set()
    together.join()
    assert gate.runs == 1
    assert together.found == [[1]] * 20
    assert len({id(each) for each in together.found}) == 20
    assert f.cache_info().misses == 20
    f()
    assert gate.runs == 2  # nothing was kept


def test_tasks_share_one_computation(nobody: None) -> None:
    """Also where the first one is cancelled: another one computes."""
    runs: list[int] = []

    @cached(ttl=60)
    async def f() -> int:
        runs.append(1)
        await asyncio.sleep(0.2)
        return 1

    async def main() -> None:
        assert await asyncio.gather(*(f() for _ in range(50))) == [1] * 50
        assert len(runs) == 1
        first = asyncio.ensure_future(f())
        await asyncio.sleep(0.05)
        others = [asyncio.ensure_future(f()) for _ in range(5)]
        await asyncio.sleep(0.05)
        first.cancel()
        assert await asyncio.gather(*others) == [1] * 5
        assert len(runs) == 3

    asyncio.run(main())


def test_an_error_reaches_those_who_waited_for_it(nobody: None) -> None:
    """One asks the source, all of them hear what it said."""

    def fail() -> int:
        raise LookupError("no such row")

    gate = Gate(fail)
    f = cached(ttl=60)(lambda: gate())
    together = Together(10, lambda _: f())
    wait_until(lambda: waiting(f, 9), what="9 wait")
    gate.go.set()
    together.join()
    assert gate.runs == 1
    assert [type(each) for each in together.raised] == [LookupError] * 10


@pytest.mark.parametrize("kind", ["ttl", "codec"])
def test_what_is_not_for_others_is_computed_by_each(nobody: None, kind: str) -> None:
    """A result that its ``ttl=`` function keeps out of the cache, or that no codec carries."""
    gate = Gate(lambda: 1 if kind == "ttl" else threading.Lock())
    ttl: Any = (lambda _: 0) if kind == "ttl" else 60
    f = cached(ttl=ttl)(lambda: gate())
    together = Together(5, lambda _: f())
    wait_until(lambda: waiting(f, 4), what="4 wait")
    gate.go.set()
    together.join()
    assert gate.runs == 5
    assert len(together.found) == 5


def test_what_this_process_changed_is_not_answered_by_an_older_computation(nobody: None) -> None:
    """It tried to invalidate, in vain; its next call computes anew all the same."""
    source = [1]
    gate = Gate(lambda: None)

    @cached(ttl=60)
    def f() -> int:
        found = source[0]
        gate()
        return found

    together = Together(1, lambda _: f())
    assert gate.begun.wait(10)
    source[0] = 2
    with pytest.raises(CacheError):
        f.invalidate()
    gate.go.set()
    assert f() == 2
    together.join()
    assert together.found == [1]


def test_many_ids(nobody: None) -> None:
    """Each id is computed once, whoever asks for it together with which others."""
    runs: list[list[int]] = []
    go = threading.Event()

    @multi_cached("ids", K)
    def g(ids: list[int]) -> dict[int, list[int]]:
        runs.append(list(ids))
        assert go.wait(30)
        return {each: [each] for each in ids if each != 9}

    one = Together(1, lambda _: g([1, 2, 9]))
    wait_until(lambda: len(runs) == 1, what="the first one computes")
    two = Together(1, lambda _: g([2, 3]))
    wait_until(lambda: len(runs) == 2, what="the second one computes the rest")
    go.set()
    one.join()
    two.join()
    assert runs == [[1, 2, 9], [3]]
    assert (one.found, two.found) == ([{1: [1], 2: [2]}], [{2: [2], 3: [3]}])


@pytest.mark.parametrize("world", ["threads", "tasks"])
def test_the_server_falls_silent_during_the_calls(server: Server, world: str) -> None:
    """All that wait for its answer go on together: one computation under the lease at most, and one without."""
    runs: list[int] = []
    with Proxy(server) as proxy, isolated(proxy.dsn + "?timeout=0.5&l1=off"):
        connection().raw("PING")

        def begin() -> float:
            runs.append(1)
            proxy.freeze()
            return 0.3

        if world == "threads":

            @cached(ttl=60)
            def f() -> int:
                time.sleep(begin())
                return 1

            together = Together(30, lambda _: f())
            together.join()
            assert together.found == [1] * 30
        else:

            @cached(ttl=60)
            async def g() -> int:
                await asyncio.sleep(begin())
                return 1

            async def main() -> None:
                assert await asyncio.gather(*(g() for _ in range(30))) == [1] * 30

            asyncio.run(main())
        proxy.heal()
    assert len(runs) <= 3  # on a busy machine a thread may have its first turn after both have ended
