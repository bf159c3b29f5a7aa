"""Computations that need each other: an error for one of them inside a process, not a wait for ever."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rcollections import CacheError, DictCache, cached, deadline


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


def errors(found: list[Any]) -> list[CacheError]:
    assert "waits" not in found, found
    return [each for each in found if isinstance(each, CacheError)]


def test_two_functions_that_call_each_other(store: Any) -> None:
    """Each computes for one thread and needs the other's answer."""
    both = threading.Barrier(2)

    @cached(ttl=60)
    def ping(n: int) -> int:
        both.wait(5)
        return pong(n) + 1

    @cached(ttl=60)
    def pong(n: int) -> int:
        both.wait(5)
        return ping(n) + 1

    told = errors(together(lambda: ping(1), lambda: pong(1)))
    assert told
    assert "call each other" in str(told[0])


def test_two_collections_that_load_from_each_other(store: Any) -> None:
    """The one reads the other in its load(), in two threads at once."""
    both = threading.Barrier(2)

    class One(DictCache[str, int]):
        prefix = "one"

        def load(self) -> Any:
            both.wait(5)
            return {"a": len(Other())}

    class Other(DictCache[str, int]):
        prefix = "other"

        def load(self) -> Any:
            both.wait(5)
            return {"a": len(One())}

    told = errors(together(lambda: One()["a"], lambda: Other()["a"]))
    assert told
    assert "load()" in str(told[0])
    assert "wait" in str(told[0])


def test_a_function_and_a_load_that_need_each_other(store: Any) -> None:
    """A function reads the collection whose load() calls the function."""
    both = threading.Barrier(2)

    class Rates(DictCache[str, int]):
        prefix = "rates"

        def load(self) -> Any:
            both.wait(5)
            return {"a": rate()}

    @cached(ttl=60)
    def rate() -> int:
        both.wait(5)
        return len(Rates())

    assert errors(together(rate, lambda: Rates()["a"]))


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
