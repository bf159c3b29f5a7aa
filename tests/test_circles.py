"""Computations that need each other: an error for one of them inside a process, not a wait for ever."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from rcollections import CacheError, DictCache, KeyCache, cached, deadline, multi_cached
from rcollections.testing import wait_until


def together(*calls: Any) -> list[Any]:
    """The outcome of each, begun at once: what it gave or what it raised; "waits" for one that does not end."""
    found: list[Any] = ["waits"] * len(calls)

    def run(number: int) -> None:
        try:
            found[number] = calls[number]()
        except Exception as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(calls))]
    for each in threads:
        each.start()
    for each in threads:
        each.join(8)
    return found


class Meeting:
    """The first two that come wait for each other; whoever computes once more later does not."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2)
        self.met = False

    def __call__(self) -> None:
        if not self.met:
            self.barrier.wait(5)
            self.met = True


def errors(found: list[Any]) -> list[CacheError]:
    assert "waits" not in found, found
    return [each for each in found if isinstance(each, CacheError)]


def test_two_functions_that_call_each_other(store: Any) -> None:
    """Each computes for one thread and needs the other's answer."""
    both = Meeting()

    @cached(ttl=60)
    def ping(n: int) -> int:
        both()
        return pong(n) + 1

    @cached(ttl=60)
    def pong(n: int) -> int:
        both()
        return ping(n) + 1

    told = errors(together(lambda: ping(1), lambda: pong(1)))
    assert told
    assert "call each other" in str(told[0])


def test_two_collections_that_load_from_each_other(store: Any) -> None:
    """The one reads the other in its load(), in two threads at once."""
    both = Meeting()

    class One(DictCache[str, int]):
        prefix = "one"

        def load(self) -> Any:
            both()
            return {"a": len(Other())}

    class Other(DictCache[str, int]):
        prefix = "other"

        def load(self) -> Any:
            both()
            return {"a": len(One())}

    told = errors(together(lambda: One()["a"], lambda: Other()["a"]))
    assert told
    assert "load()" in str(told[0])
    assert "wait" in str(told[0])


def test_a_function_and_a_load_that_need_each_other(store: Any) -> None:
    """A function reads the collection whose load() calls the function."""
    both = Meeting()

    class Rates(DictCache[str, int]):
        prefix = "rates"

        def load(self) -> Any:
            both()
            return {"a": rate()}

    @cached(ttl=60)
    def rate() -> int:
        both()
        return len(Rates())

    assert errors(together(rate, lambda: Rates()["a"]))


def test_a_function_and_many_at_once_that_need_each_other(store: Any) -> None:
    """One of the values that are computed together needs the function that needs them."""
    both = Meeting()

    class Price(KeyCache[int]):
        prefix = "price"
        ttl = 60

    @multi_cached("ids", Price)
    def prices(ids: list[int]) -> dict[int, int]:
        both()
        return {each: total(7) for each in ids}

    @cached(ttl=60)
    def total(n: int) -> int:
        both()
        return sum(prices([2]).values())

    told = errors(together(lambda: prices([2, 3]), lambda: total(7)))
    assert told
    assert "call each other" in str(told[0])


def test_two_that_compute_many_at_once(store: Any) -> None:
    """Each waits for what the other one is computing."""
    both = Meeting()

    class One(KeyCache[int]):
        prefix = "one"
        ttl = 60

    class Other(KeyCache[int]):
        prefix = "other"
        ttl = 60

    @multi_cached("ids", One)
    def ones(ids: list[int]) -> dict[int, int]:
        both()
        return others(ids)

    @multi_cached("ids", Other)
    def others(ids: list[int]) -> dict[int, int]:
        both()
        return ones(ids)

    assert errors(together(lambda: ones([1, 2]), lambda: others([2, 1])))
    assert not store.flights.waits._for, "nobody waits any more"


def test_a_thread_and_an_event_loop(store: Any) -> None:
    """A function and a coroutine function that call each other, each begun on its own side."""
    both = Meeting()

    @cached(ttl=60)
    def ping(n: int) -> int:
        both()
        return asyncio.run(pong(n)) + 1

    @cached(ttl=60)
    async def pong(n: int) -> int:
        both()
        return ping(n) + 1

    assert errors(together(lambda: ping(1), lambda: asyncio.run(pong(1))))


def test_many_paths_to_one_value_are_no_circle(store: Any) -> None:
    """Functions, values that are computed together and a load() that all need one slow value: nobody is refused."""

    class Price(KeyCache[int]):
        prefix = "price"
        ttl = 60

    class Rates(DictCache[str, int]):
        prefix = "rates"

        def load(self) -> Any:
            return {"a": slow()}

    everybody_waits = threading.Event()

    @cached(ttl=60)
    def slow() -> int:
        assert everybody_waits.wait(8)
        return 1

    @multi_cached("ids", Price)
    def prices(ids: list[int]) -> dict[int, int]:
        return {each: slow() for each in ids}

    @cached(ttl=60)
    def total(n: int) -> int:
        return sum(prices([n, n + 1]).values()) + Rates()["a"]

    def let_go() -> int:
        wait_until(lambda: slow.cache_info().waits >= 3)
        everybody_waits.set()
        return 1

    calls = [slow, lambda: total(1), lambda: prices([1, 2]), lambda: Rates()["a"], lambda: prices([5]), let_go]
    found = together(*calls)
    assert found == [1, 3, {1: 1, 2: 1}, 1, {5: 1}, 1]
    assert not store.flights.waits._for, "nobody waits any more"


def test_a_circle_within_one_thread(store: Any) -> None:
    """The third of three asks for the first."""

    class Rates(DictCache[str, int]):
        prefix = "rates"

        def load(self) -> Any:
            return {"a": rate(1)}

    @cached(ttl=60)
    def rate(n: int) -> int:
        return ground(n)

    @cached(ttl=60)
    def ground(n: int) -> int:
        return Rates()["a"]

    for call in (lambda: ground(1), lambda: rate(1), lambda: Rates()["a"]):
        with pytest.raises(CacheError, match="itself"):
            call()


def test_a_deadline_ends_any_wait(store: Any) -> None:
    """What a process cannot know (the other half of the circle is elsewhere) ends by deadline(), or with the lease."""
    began, go_on = threading.Event(), threading.Event()

    @cached(ttl=60)
    def slow() -> int:
        began.set()
        go_on.wait(10)
        return 1

    owner = threading.Thread(target=slow)
    owner.start()
    began.wait(5)
    with pytest.raises(TimeoutError), deadline(0.1):
        slow()
    go_on.set()
    owner.join()
    assert slow() == 1
