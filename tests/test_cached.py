"""``@cached``: its forms, its options, and the methods of the cached function."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import threading
from typing import Any

import pytest

from rcollections import (
    CacheError,
    CacheMissError,
    ConfigError,
    EncodeError,
    KeyCache,
    cached,
    configure,
    connection,
    deadline,
    invalidate_tags,
    multi_cached,
    observe,
)
from rcollections.cachedfunction import CachedFunction
from rcollections.wire.adriver import aclose
from rcollections.wire.codec import encode_raw
from tests.servers import Server, wait_until


class Counting:
    """A function that says how often it was called."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __call__(self, *args: Any) -> Any:
        self.calls.append(args)
        return len(self.calls)


@cached
def module_level(n: int) -> int:
    """Doubles."""
    return 2 * n


class Short(KeyCache):
    prefix = "short"
    ttl = 50
    tags = ("all",)


# -- forms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("decorate", [cached, cached(), cached(ttl=5)], ids=["bare", "called", "options"])
def test_bare_and_called(store: Any, decorate: Any) -> None:
    """``@cached``, ``@cached()`` and ``@cached(ttl=…)`` compute once."""
    count = Counting()

    @decorate
    def f(x: int) -> int:
        return count(x)

    assert (f(1), f(1), f(x=1), f(2)) == (1, 1, 1, 2)


def test_with_a_class(store: Any) -> None:
    """``@cached(MyCache, …)`` and ``MyCache.cached(…)`` take prefix, ttl and tags from the class."""

    @cached(Short, version="a")
    def f(x: int) -> int:
        return x

    @Short.cached
    def g(x: int) -> int:
        return x

    @Short.cached(key="one", ttl=7)
    def h(x: int) -> int:
        return x

    for function, limit in ((f, 50), (g, 50), (h, 7)):
        assert function(3) == 3
        assert function.key(3).startswith("short.")
        assert limit - 1 < function.get_ttl(3)[1] <= limit
    assert h.key(3) == h.key(4) == "short.one"
    invalidate_tags("all")
    for function in (f, g, h):
        with pytest.raises(CacheMissError):
            function.peek(3)


def test_methods_of_every_kind(store: Any) -> None:
    """Methods, class methods, static methods and properties, whichever decorator is outside."""
    count = Counting()

    class Thing:
        def __init__(self, name: str) -> None:
            self.name = name

        def __cache_key__(self) -> str:
            return self.name

        @cached
        def method(this, x: int) -> Any:
            return this.name, x, count()

        @cached
        @classmethod
        def outside(cls, x: int) -> Any:
            return cls.__name__, x, count()

        @classmethod
        @cached
        def inside(cls, x: int) -> Any:
            return cls.__name__, x, count()

        @cached
        @staticmethod
        def static_outside(x: int) -> Any:
            return x, count()

        @staticmethod
        @cached
        def static_inside(x: int) -> Any:
            return x, count()

        @cached
        @property
        def outside_property(self) -> Any:
            return self.name, count()

        @property
        @cached
        def inside_property(self) -> Any:
            return self.name, count()

    class Sub(Thing):
        pass

    ann, bob, sub = Thing("ann"), Thing("bob"), Sub("ann")
    assert ann.method(1) == Thing("ann").method(1) == ("ann", 1, 1)
    assert bob.method(1) == ("bob", 1, 2)
    assert sub.method(1) == ("ann", 1, 3), "a subclass may compute something else"
    ann.method.invalidate(1)
    assert ann.method(1)[2] == 4
    assert bob.method(1)[2] == 2
    assert Thing.method(ann, 1) == ann.method(1)
    assert list(inspect.signature(ann.method).parameters) == ["x"]
    assert ann.method.uncached(5)[:2] == ("ann", 5)
    for name in ("outside", "inside"):
        call = getattr(Thing, name)
        assert call(1) == getattr(ann, name)(1) == call(1)
        assert getattr(Sub, name)(1)[0] == "Sub"
    Thing.outside.invalidate(1)
    for name in ("static_outside", "static_inside"):
        call = getattr(Thing, name)
        assert call(1) == getattr(ann, name)(1) == call(1)
        call.invalidate(1)
    for name in ("outside_property", "inside_property"):
        first = getattr(ann, name)
        assert first == getattr(Thing("ann"), name)
        assert getattr(bob, name)[0] == "bob"
        getattr(Thing, name).fget.invalidate(ann)
        assert getattr(ann, name) != first


def test_it_looks_like_the_function(store: Any) -> None:
    """Name, docstring, module, signature, annotations; pickled by name, copied as itself."""
    assert module_level.__name__ == "module_level"
    assert module_level.__doc__ == "Doubles."
    assert module_level.__module__ == __name__
    assert str(inspect.signature(module_level)) == "(n: 'int') -> 'int'"
    assert module_level.__wrapped__(4) == 8
    assert module_level.uncached(4) == 8
    assert pickle.loads(pickle.dumps(module_level)) is module_level
    assert copy.deepcopy(module_level) is copy.copy(module_level) is module_level
    assert repr(module_level) == f"<cached {__name__}.module_level>"
    assert module_level.key(1) == f"{__name__}.module_level.1"


def test_what_cannot_be_cached_is_refused() -> None:
    """Classes, generators, partials, and what is cached already."""
    import functools

    def numbers() -> Any:
        yield 1

    async def later() -> Any:
        yield 1

    for wrong in (int, numbers, later, functools.partial(max, 1), 5, module_level, staticmethod(module_level)):
        with pytest.raises((TypeError, ConfigError)):
            cached(wrong)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="options alone"):
        cached(max, ttl=5)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"tll": 5}, "ttl"),
        ({"nonsense": 5}, "nonsense"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": "5"}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"key": ""}, "key"),
        ({"key": 5}, "key"),
        ({"async_ttl": "x"}, "async_ttl"),
        ({"async_ttl": 50, "ttl": 50}, "async_ttl"),
        ({"async_ttl": -50, "ttl": 50}, "async_ttl"),
        ({"async_ttl": -1, "ttl": 0}, "async_ttl"),
        ({"async_ttl": -1, "ttl": len}, "async_ttl"),
        ({"stale_while_revalidate": -1}, "stale_while_revalidate"),
        ({"stale_if_error": None}, "stale_if_error"),
        ({"soft_timeout": 1}, "soft_timeout"),
        ({"lease": 0}, "lease"),
        ({"lease": None}, "lease"),
        ({"tags": "users"}, "tags"),
        ({"tags": ("",)}, "tags"),
        ({"version": 1.5}, "version"),
        ({"version": "{x}"}, "version"),
        ({"cache_errors": 5}, "cache_errors"),
        ({"cache_errors": (KeyboardInterrupt,)}, "cache_errors"),
        ({"on_error": "ignore"}, "on_error"),
        ({"ignore_self": 1}, "ignore_self"),
        ({"l1": "yes"}, "l1"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], word: str) -> None:
    """ConfigError or TypeError, with the option in it, where it is decorated."""
    with pytest.raises((ConfigError, TypeError), match=word):
        cached(**options)(lambda x: x)


def test_an_early_refresh_that_jitter_would_never_let_rest_is_refused() -> None:
    """With jitter the shortest ttl counts: below ``async_ttl`` from the start every hit would refresh."""

    class Jittery(KeyCache):
        ttl = 100
        jitter = 0.5

    with pytest.raises(ConfigError, match="jitter"):
        cached(Jittery, async_ttl=-20)(lambda x: x)
    assert cached(Jittery, async_ttl=20)(lambda x: x)


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, False, 0, 0.0, "", b"", [], {}, (), "0", "None"])
def test_empty_results_are_kept(store: Any, value: Any) -> None:
    """None, False, 0 and empty values are results like others, and come back exactly."""
    count = Counting()

    @cached
    def f() -> Any:
        count()
        return value

    assert [f(), f()] == [value, value]
    assert type(f()) is type(value)
    assert len(count.calls) == 1


def test_a_result_that_cannot_be_written(store: Any) -> None:
    """It is an EncodeError that names the function; nothing is stored, and the lease is free."""

    @cached
    def f() -> Any:
        return object()

    for _ in range(2):
        with pytest.raises(EncodeError, match=r"\bf'"):
            f()
    assert store.raw("DBSIZE") == 0


def test_every_caller_gets_what_the_serializer_gives_back(store: Any) -> None:
    """With a serializer, ``normalize`` or plain text, the first result is the round-tripped one too."""

    class Json(KeyCache):
        serializer = "json"

    class Plain(KeyCache):
        serialize = False

    class Doubled(KeyCache):
        @staticmethod
        def normalize(value: Any) -> Any:
            return [*value, "seen"]

    for cls, result, read in (
        (Json, (1, 2), [1, 2]),
        (Plain, "5", encode_raw and 5),
        (Doubled, ["a"], ["a", "seen"]),
    ):

        @cached(cls, version=cls.__name__)
        def f(result: Any) -> Any:
            return result

        assert f(result) == f(result) == read
        assert type(f(result)) is type(read)


def test_bytes_that_nobody_can_read_are_a_miss(store: Any) -> None:
    """Foreign, cut and forged bytes are computed over, on the first call."""

    @cached(tags=("t",), stale_if_error=5)
    def f() -> int:
        return 5

    for junk in (b"\xc0", b"\xc0\x07" + b"\0" * 40, b"\xc1\xff\xff", b"\xff", b"\xc0\0" + b"\0" * 16 + b"\xc1"):
        store.raw("SET", f.key(), junk, "PX", 60000)
        assert f() == 5
        assert f.peek() == 5
    store.raw("DEL", f.key())
    store.raw("HSET", f.key(), "a", "b")
    assert f() == 5, "a key of another type: computed, not stored"


# -- ttl -------------------------------------------------------------------------------------------


def test_ttl_by_result(store: Any) -> None:
    """``ttl`` may be a function of the result; None and negative mean: not stored. 0 is for ever."""
    count = Counting()

    @cached(ttl=lambda result: result)
    def f(x: Any) -> Any:
        count()
        return x

    assert f(30) == f(30) == 30
    assert 29 < f.get_ttl(30)[1] <= 30
    assert (f(0), f.get_ttl(0)) == (0, (0, float("inf")))
    before = len(count.calls)
    for x in (None, -1):
        assert f(x) == f(x) == x
    assert len(count.calls) == before + 4
    with pytest.raises(TypeError, match=r"ttl= of .*f gave 'soon'"):
        f("soon")


def test_storing_by_hand_what_is_not_to_be_stored_drops_the_older_value(store: Any) -> None:
    """``put`` and ``refresh`` with a result that ttl refuses: the older one must not be given any more."""
    source = [5]

    @cached(ttl=lambda result: result)
    def f() -> Any:
        return source[0]

    assert f() == 5
    f.put(_cache_put=None)
    with pytest.raises(CacheMissError):
        f.peek()
    assert f() == 5
    source[0] = -1
    assert f.refresh() == -1
    with pytest.raises(CacheMissError):
        f.peek()


def test_jitter_only_shortens(store: Any) -> None:
    """A class with jitter: no entry lives longer than ttl says, some shorter."""

    class Jittery(KeyCache):
        prefix = "j"
        ttl = 100
        jitter = 0.5

    @cached(Jittery)
    def f(x: int) -> int:
        return x

    left = [f(n) * 0 + f.get_ttl(n)[1] for n in range(30)]
    assert 49 < min(left) < max(left) <= 100
    assert max(left) - min(left) > 5


def test_tags_live_longer_than_the_longest_entry(store: Any) -> None:
    """A ttl function may give more than a day: the tag of such an entry is kept twice as long."""

    @cached(ttl=lambda days: days * 86400, tags=("t",))
    def f(days: int) -> int:
        return days

    f(1)
    f(30)
    f(31)
    assert store.raw("PTTL", "rc:t:t") > 59 * 86400 * 1000


# -- tags ------------------------------------------------------------------------------------------


def test_tags_of_the_arguments(store: Any) -> None:
    """``tags`` may be a function of the arguments; repeats and their order do not matter."""
    count = Counting()

    @cached(tags=lambda user, _extra=(): [f"user:{user}", "all", "all"])
    def f(user: int, _extra: Any = ()) -> int:
        return count(user)

    assert [f(1), f(2), f(1), f(2)] == [1, 2, 1, 2]
    invalidate_tags("user:1")
    assert [f(1), f(2)] == [3, 2]
    invalidate_tags("all", "user:2")
    assert [f(1), f(2)] == [4, 5]
    for wrong in ("text", [5], [""]):

        @cached(tags=lambda wrong=wrong: wrong)
        def g() -> int:
            return 1

        with pytest.raises((ConfigError, TypeError), match="tags"):
            g()


def test_the_order_of_tags_does_not_matter(store: Any) -> None:
    """Two processes may list a set of tags in another order; the entry is a hit all the same."""
    order = ["b", "a", "c"]

    @cached(tags=lambda: order)
    def f() -> int:
        return 1

    f()
    order.reverse()
    assert f.peek() == 1


def test_a_lost_tag_is_a_miss(store: Any) -> None:
    """A tag that was evicted never matches: the value is computed again."""
    count = Counting()

    @cached(tags=("t",))
    def f() -> int:
        return count()

    assert f() == 1
    store.raw("DEL", "rc:t:t")
    assert f() == 2
    assert f() == 2


def test_invalidating_tags(store: Any) -> None:
    """No tags is nothing to do; a wrong one is refused by name."""
    invalidate_tags()
    for wrong in ("", "a\nb", 5, "x" * 201):
        with pytest.raises((ConfigError, TypeError), match="tags"):
            invalidate_tags(wrong)  # type: ignore[arg-type]


def _refresh_elsewhere(f: Any) -> None:
    thread = threading.Thread(target=f.refresh)
    thread.start()
    thread.join()


def _write(f: Any) -> None:
    with f.writing() as w:
        w.put(7)


CHANGES = {
    "tag": (lambda _: invalidate_tags("t"), 2),
    "invalidate": (lambda f: f.invalidate(), 2),
    "put": (lambda f: f.put(_cache_put=7), 7),
    "refresh": (_refresh_elsewhere, 2),
    "writing": (_write, 7),
    "expire": (lambda f: f.expire(), 2),
    "clear": (lambda f: f.clear(), 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_invalidation_during_a_computation(store: Any, change: str) -> None:
    """Whatever is invalidated while it is computed is not kept; who computes still gets the value."""
    count = Counting()
    act, after = CHANGES[change]

    @cached(tags=("t",))
    def f() -> int:
        mine = count()
        if len(count.calls) == 1:
            act(f)
        return mine

    assert f() == 1
    assert f() == after
    assert f.cache_info().refused == (change != "tag")


# -- methods ---------------------------------------------------------------------------------------


def test_looking(store: Any) -> None:
    """``peek``, ``lazy`` and ``get_ttl`` never compute."""
    count = Counting()

    @cached(ttl=60)
    def f(x: int) -> int:
        return count(x)

    for look in (f.peek, f.lazy, f.get_ttl):
        with pytest.raises(CacheMissError, match=r"f.*\.1'"):
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
        def f(x: int) -> int:
            return x

        f.__qualname__ = name
        return cached(**options)(f)

    f, ff, other = make("f"), make("ff"), make("g")
    for each in (f, ff, other):
        each(1)
    assert f.clear() == 1
    assert ff.peek(1) == other.peek(1) == 1
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

    for function in (module_level, many):
        for wrong in (None, 5):
            with pytest.raises(TypeError, match="on_value takes a function, not "):
                function.on_value(wrong)  # type: ignore[attr-defined]
        for wrong in (later, Later()):
            with pytest.raises(TypeError, match="nobody would await"):
                function.on_value(wrong)  # type: ignore[attr-defined]
        assert function._function.callbacks == []  # type: ignore[attr-defined]


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
    assert kw.key(self=9).endswith("9")
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
        assert later.key(self=9).endswith("9")
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


def test_writing(store: Any) -> None:
    """The value put is there after the block; without one, or with an exception, nothing is."""
    source = [1]

    @cached
    def f() -> int:
        return source[0]

    assert f() == 1
    with f.writing() as w:
        with pytest.raises(CacheMissError):
            f.peek()
        source[0] = 2
        w.put(2)
    assert f.peek() == 2
    with pytest.raises(ZeroDivisionError), f.writing() as w:
        w.put([3, 1 // 0][0])
    with pytest.raises(CacheMissError):
        f.peek()
    with f.writing():
        source[0] = 4
    assert f() == 4
    with f.writing() as w, pytest.raises(EncodeError):
        w.put(object())  # type: ignore[arg-type]
    with pytest.raises(CacheError, match="inside the block"):
        w.put(1)
    with pytest.raises(CacheError, match="one block"), w:
        pass


def test_two_writers_at_once_leave_nothing_behind(store: Any) -> None:
    """Whose change of the source came last is unknown: the next call computes."""

    @cached
    def f() -> str:
        return "computed"

    with f.writing() as first:
        with f.writing() as second:
            second.put("second")
        first.put("first")
    assert f() == "computed"


def test_nobody_computes_while_writing(store: Any) -> None:
    """A caller during ``writing()`` waits for its end and gets what was put."""
    answers: list[Any] = []

    @cached
    def f() -> str:
        return "computed"

    with f.writing() as w:
        thread = threading.Thread(target=lambda: answers.append(f()))
        thread.start()
        wait_until(lambda: f.cache_info().waits, what="the caller waits")
        w.put("put")
    thread.join(5)
    assert answers == ["put"]


def test_counts_and_observers(store: Any) -> None:
    """hit, miss, compute, store, invalidate are counted and told; a call is timed as a whole."""
    seen: list[Any] = []

    class Seen(observe.Observer):
        def after(self, event: Any) -> None:
            seen.append((event.operation, event.hit))
            assert event.took >= 0

    @cached
    def f(x: int) -> int:
        return x

    with observe.observing(Seen()):
        f(1), f(1), f.invalidate(1)
    assert seen == [
        ("miss", False), ("compute", None), ("store", None), ("call", None),
        ("hit", True), ("call", None), ("invalidate", None),
    ]  # fmt: skip
    observe.collect()
    f(1), f(1), f(1)
    stats = observe.stats(f)
    assert (stats.calls - observe.stats(f, "compute").calls, stats.hits, stats.misses) in ((3, 2, 1), (2, 2, 1))
    assert observe.stats(f, "call").calls == 3
    assert stats.ratio == pytest.approx(2 / 3)
    assert 0 < stats.min <= stats.avg <= stats.max


def test_switched_off(monkeypatch: Any) -> None:
    """``CACHES_DISABLE=1``: functions compute, all at once, and nothing is looked up."""
    from rcollections.testing import isolated

    monkeypatch.setenv("CACHES_DISABLE", "1")
    with isolated("redis://127.0.0.1:1"):
        count = Counting()
        together = threading.Barrier(3)

        @cached(tags=("t",), stale_if_error=5)
        def f() -> int:
            together.wait(5)
            return count()

        threads = [threading.Thread(target=f) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(count.calls) == 3
        f.invalidate()
        f.put(_cache_put=1)
        with pytest.raises(CacheMissError):
            f.peek()
        with f.writing() as w:
            w.put(3)
        invalidate_tags("t")
        assert cached(lambda: 4).refresh() == 4


def test_one_round_trip_on_a_hit(server: Server) -> None:
    """With 0, 3 and 10 tags: one read by the server, and no script; with the options that need the ttl as well."""
    more: list[dict[str, Any]] = [{}, {"stale_while_revalidate": 60, "stale_if_error": 60}, {"async_ttl": 10}]
    with server.client() as bare:
        for tags, options in ((tags, options) for tags in (0, 3, 10) for options in more):

            @cached(
                tags=tuple(f"t{n}" for n in range(tags)), version=f"{tags} {len(options)}", ttl=600, l1=False, **options
            )
            def f() -> int:
                return 1

            f(), f()
            before = bare.info("stats")["total_reads_processed"]
            scripts = bare.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
            for _ in range(20):
                f()
            reads = bare.info("stats")["total_reads_processed"] - before
            assert reads == 20 + 2, "the two others asked for these numbers"
            assert bare.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0) == scripts


def test_a_new_server_is_found(server: Server) -> None:
    """After ``configure()`` the same function works on the new server."""

    @cached
    def f() -> int:
        return 1

    f()
    configure("memory://")
    with pytest.raises(CacheMissError):
        f.peek()
    assert f() == 1


def test_a_deadline_bounds_waiting(store: Any) -> None:
    """Who waits for another's computation waits no longer than its deadline."""
    from rcollections import CacheTimeout

    started, go = threading.Event(), threading.Event()

    @cached
    def f() -> int:
        started.set()
        go.wait(10)
        return 1

    thread = threading.Thread(target=f)
    thread.start()
    started.wait(5)
    with pytest.raises(CacheTimeout), deadline(0.05):
        f()
    go.set()
    thread.join()
    assert f() == 1
    assert isinstance(f, CachedFunction)
