"""StopIteration and its kin, raised by a function of the user: it arrives as itself, whatever way it took (PEP 479)."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheMissError, CounterCache, DictCache, KeyCache, SetCache, cached, multi_cached
from rcollections.testing import wait_until
from tests.leases import leases

if TYPE_CHECKING:
    from collections.abc import Callable


class Ended(StopIteration):
    """One of the user's own."""


KINDS = (StopIteration, Ended, StopAsyncIteration, GeneratorExit, RuntimeError)


class Item(KeyCache[object]):
    prefix = "item"


class Source:
    def __init__(self, kind: type[BaseException]) -> None:
        self.error: BaseException | None = None
        self.kind = kind

    def __call__(self, *_: object) -> Any:
        self.error = self.kind("no more")
        raise self.error

    def arrives(self, call: Callable[[], object]) -> None:
        """The very exception, and nothing of ours around it."""
        self.error = None
        with pytest.raises(self.kind) as caught:
            call()
        assert caught.value is self.error
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def source(request: Any) -> Source:
    return Source(request.param)


def test_of_a_function(store: Any, source: Source) -> None:
    """Called, refreshed, put where ttl= raises; no lease stays, and the next call can compute."""

    @cached
    def f(x: int) -> Any:
        return source() if x else 0

    for call in (f, f.refresh, f.bg(), f.uncached, lambda x: f.future()(x).result(10)):
        source.arrives(lambda call=call: call(1))  # type: ignore[misc]
    assert leases(store) == []
    assert f(0) == 0
    with pytest.raises(CacheMissError):
        f.peek(1)
    for windows in ({"stale_if_error": 5}, {"stale_while_revalidate": 5}, {"stale_if_error": 5, "soft_timeout": 5}):
        with_windows = cached(**windows)(lambda x: source())
        source.arrives(lambda g=with_windows: g(1))  # type: ignore[misc]


def test_of_functions_beside_it(store: Any, source: Source) -> None:
    """key=, tags= and ttl=: in every method that calls them."""
    f = cached(key=source)(lambda x: x)
    g = cached(tags=source)(lambda x: x)
    for function in (f, g):
        for call in (function, function.peek, function.refresh, function.invalidate, function.expire, function.get_ttl):
            source.arrives(lambda call=call: call(1))  # type: ignore[misc]
    h = cached(ttl=source)(lambda x: x)
    for call in (h, h.refresh, lambda x: h.put(x, _cache_put=1), lambda x: h.store(1)(x)):
        source.arrives(lambda call=call: call(1))  # type: ignore[misc]
    with h.writing(1) as w:
        source.arrives(lambda: w.put(1))
    assert leases(store) == []


def test_of_many(store: Any, source: Source) -> None:
    f = multi_cached("ids", Item)(lambda ids: source())
    source.arrives(lambda: f([1, 2]))
    source.arrives(lambda: f.refresh([1]))
    source.arrives(lambda: multi_cached("ids", Item, key=source)(lambda ids: {}).invalidate([1]))
    source.arrives(lambda: multi_cached("ids", Item, key=source)(lambda ids: {})([1]))
    source.arrives(lambda: multi_cached("ids", Item, ttl=source)(lambda ids: dict.fromkeys(ids, 1))([1]))
    assert leases(store) == []


def test_without_a_server_and_without_a_cache(source: Source, monkeypatch: Any) -> None:
    from rcollections.testing import isolated

    f, many = cached(lambda: source()), multi_cached("ids", Item)(lambda ids: source())
    with isolated("redis://127.0.0.1:1"):
        for call in (f, f.refresh, lambda: many([1]), lambda: many.refresh([1]), lambda: many([1, 2])):
            source.arrives(call)
    monkeypatch.setenv("CACHES_DISABLE", "1")
    with isolated():
        for call in (f, f.refresh, lambda: many([1]), lambda: many.refresh([1])):
            source.arrives(call)


def test_of_collections(store: Any, source: Source) -> None:
    """load(), __missing__, default=, and inside of a pipeline."""

    class Loads(SetCache[Any]):
        prefix = "loads"

        def load(self) -> Any:
            return source()

    class Missing(DictCache[Any, Any]):
        prefix = "missing"

        def __missing__(self, field: Any) -> Any:
            return source()

    class Counted(CounterCache[Any]):
        prefix = "counted"

        def __missing__(self, field: Any) -> Any:
            return source()

    class Default(KeyCache[Any]):
        prefix = "default"
        default = staticmethod(source.__call__)

    source.arrives(lambda: len(Loads()))
    source.arrives(lambda: "x" in Loads())
    source.arrives(lambda: Missing()["x"])
    source.arrives(lambda: Counted()["x"])
    source.arrives(lambda: Default("x").get())
    source.arrives(lambda: Default("x").data)
    source.arrives(lambda: Default("x").gets())
    assert leases(store) == []


@pytest.mark.parametrize("kind", [StopIteration, Ended, StopAsyncIteration, RuntimeError])
def test_who_waits_gets_it_too(store: Any, kind: type[Exception]) -> None:
    """The callers that wait in this process for the computation that raises."""
    go = threading.Event()

    @cached
    def f() -> Any:
        assert go.wait(10)
        raise kind("no more")

    def caller() -> Any:
        try:
            f()
        except kind as error:
            return type(error), error.args

    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(caller) for _ in range(5)]
        wait_until(lambda: f.cache_info().waits >= 4)
        go.set()
        assert [each.result(10) for each in answers] == [(kind, ("no more",))] * 5
    assert f.cache_info().computes == 1


@pytest.mark.parametrize("kind", [StopIteration, Ended, StopAsyncIteration, RuntimeError])
def test_cached_like_a_result(store: Any, kind: type[Exception]) -> None:
    calls: list[int] = []

    @cached(cache_errors=(kind,))
    def f() -> Any:
        calls.append(1)
        raise kind("no more")

    for call in (f, f, f.peek, f.get_ttl):
        with pytest.raises(kind) as caught:
            call()
        assert caught.value.args == ("no more",)
    assert len(calls) == 1


def test_in_an_event_loop(store: Any) -> None:
    """What an ``async def`` may raise arrives; Python itself turns its StopIteration into a RuntimeError."""

    @cached
    async def f() -> Any:
        raise StopAsyncIteration("no more")

    @cached
    async def g() -> Any:
        raise StopIteration("no more")

    async def main() -> None:
        with pytest.raises(StopAsyncIteration):
            await f()
        for call in (g.uncached, g, g.refresh):
            with pytest.raises(RuntimeError, match="StopIteration"):
                await call()

    asyncio.run(main())
    assert leases(store) == []
