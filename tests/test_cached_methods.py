"""``@cached``: the methods of the cached function."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest

from rcollections import CacheError, CacheMissError, KeyCache, cached, connection, multi_cached
from rcollections.servers.loops import aclose
from tests.counting import Counting


class Short(KeyCache):
    prefix = "short"
    ttl = 50
    tags = ("all",)


def test_looking(store: Any) -> None:
    """``peek``, ``lazy`` and ``get_ttl`` never compute."""
    count = Counting()

    @cached(ttl=60)
    def f(x: int) -> int:
        return count(x)

    for look in (f.peek, f.lazy, f.get_ttl):
        with pytest.raises(CacheMissError, match=r"f.*\(1\)'"):
            look(1)
    assert f(1) == f.peek(1) == f.lazy(1) == 1
    value, left = f.get_ttl(1)
    assert value == 1
    assert 59 < left <= 60
    assert len(count.calls) == 1


def test_changing(store: Any) -> None:
    """``refresh``, ``invalidate``, ``expire``, ``put``, ``store``, ``clear``."""
    count = Counting()

    @cached
    def f(x: int) -> Any:
        return count(x)

    assert (f(1), f.refresh(1), f(1)) == (1, 2, 2)
    assert f.invalidate(1) is None
    assert f(1) == 3
    f.expire(1)
    assert f(1) == 4
    assert f.put(1, _cache_put=50) is None
    assert f(1) == 50
    f.store("typed")(1)
    assert f(1) == "typed"
    f(2)
    assert f.clear() == 2
    assert f(1) == 6


def test_clear_takes_this_function_only(store: Any) -> None:
    """Not its namesakes, not other versions' neighbours, and with ``key=`` it is a clear error."""

    def make(name: str, **options: Any) -> Any:
        def f() -> int:
            return 1

        f.__qualname__ = name
        return cached(**options)(f)

    f, ff, other = make("f"), make("ff"), make("g")
    for each in (f, ff, other):
        each()
    assert f.clear() == 1
    assert ff.peek() == other.peek() == 1
    with pytest.raises(CacheError, match="key= of its own"):
        make("k", key="k").clear()


def test_functools_names(store: Any) -> None:
    """``cache_info``, ``cache_clear`` and ``cache_parameters`` as functools has them."""

    @cached(ttl=5)
    def f(x: int) -> int:
        return x

    f(1), f(1), f(2)
    info = f.cache_info()
    assert (info.hits, info.misses, info.maxsize, info.currsize) == (1, 2, None, 0)
    assert (info.computes, info.stores) == (2, 2)
    assert f.cache_parameters()["ttl"] == 5
    assert f.cache_parameters()["cls"] is KeyCache
    f.cache_clear()
    assert f.cache_info().misses == 0
    with pytest.raises(CacheMissError):
        f.peek(1)


def test_counts_unpack_as_those_of_functools(fresh: Any) -> None:
    """Four in the tuple, all by name; read-only, compared and copied whole."""

    @cached(ttl=5)
    def f(x: int) -> int:
        return x

    f(1), f(1)
    info = f.cache_info()
    hits, misses, maxsize, currsize = info
    assert (hits, misses, maxsize, currsize) == (1, 1, None, 0) == info
    assert info._fields == ("hits", "misses", "maxsize", "currsize")
    assert info._asdict()["computes"] == info.computes == 1
    assert repr(info).startswith("CacheInfo(hits=1, misses=1, maxsize=None, currsize=0, stale=0, ")
    again = pickle.loads(pickle.dumps(info))
    assert (type(again), again, again.stores) == (type(info), info, 1)
    assert copy.copy(info) == info != info._replace(stores=7)
    assert hash(again) == hash(info)
    with pytest.raises(AttributeError, match="read-only"):
        info.stores = 2
    with pytest.raises(TypeError, match="has no nothing"):
        info._replace(nothing=1)


def test_on_value(store: Any, caplog: Any) -> None:
    """Called after each computation with the value and the arguments; its errors are logged."""
    seen: list[Any] = []

    @cached
    def f(x: int, y: int = 0) -> int:
        return x + y

    @f.on_value
    def told(value: int, *args: Any, **kwargs: Any) -> None:
        seen.append((value, args, kwargs))
        raise RuntimeError("an observer fails")

    assert f(1, y=2) == f(1, 2) == 3
    assert seen == [(3, (1,), {"y": 2})]
    assert "on_value callback" in caplog.text


def test_what_cannot_be_called_back_is_refused() -> None:
    """At once: nothing to call, and an ``async def`` that nobody would await."""

    class Later:
        async def __call__(self, value: Any) -> None: ...

    async def later(value: Any) -> None: ...

    @multi_cached("ids", Short)
    def many(ids: list[int]) -> dict[int, int]:
        return {}

    for function in (cached(len), many):
        for wrong in (None, 5):
            with pytest.raises(TypeError, match="on_value takes a function, not "):
                function.on_value(wrong)  # type: ignore[attr-defined]
        for wrong in (later, Later()):
            with pytest.raises(TypeError, match="nobody would await"):
                function.on_value(wrong)  # type: ignore[attr-defined]
        assert function._function.watching.callbacks == []  # type: ignore[attr-defined]


def test_an_argument_called_self(store: Any) -> None:
    """A function may have one, and is asked by all names as it is called."""

    @cached
    def kw(self: int = 1) -> int:
        return self

    @multi_cached("self", Short)
    def many(self: tuple[int, ...] = ()) -> dict[int, int]:
        return dict.fromkeys(self, 1)

    @cached
    async def later(self: int = 1) -> int:
        return self

    assert kw(self=9) == kw.peek(self=9) == kw.lazy(self=9) == kw.refresh(self=9) == kw.get_ttl(self=9)[0] == 9
    assert kw.key(self=9).endswith("(9)")
    assert kw.bg()(self=9) == kw.bg().lazy(self=9) == 9
    kw.bg().refresh(self=9)
    future = kw.future()
    for call in (future, future.peek, future.lazy, future.refresh):
        assert call(self=9).result(5) == 9
    kw.put(self=9, _cache_put=7)
    assert kw(self=9) == 7
    kw.store(6)(self=9)
    with kw.writing(self=9) as w:
        w.put(5)
    assert kw(self=9) == 5
    kw.expire(self=9)
    kw.invalidate(self=9)
    assert many(self=(1,)) == many.peek(self=(1,)) == many.refresh(self=(1,)) == {1: 1}

    async def main() -> None:
        assert await later(self=9) == await later.peek(self=9) == await later.lazy(self=9) == 9
        assert await later.refresh(self=9) == (await later.get_ttl(self=9))[0] == 9
        assert later.key(self=9).endswith("(9)")
        assert await later.bg()(self=9) == await later.bg().lazy(self=9) == 9
        await later.bg().refresh(self=9)
        future = later.future()
        for call in (future, future.peek, future.lazy, future.refresh):
            assert await call(self=9) == 9
        await later.put(self=9, _cache_put=7)
        await later.store(6)(self=9)
        async with later.writing(self=9) as w:
            w.put(5)
        assert await later(self=9) == 5
        await later.expire(self=9)
        await later.invalidate(self=9)
        await aclose(connection())

    asyncio.run(main())
