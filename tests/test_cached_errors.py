"""Errors of the function: who gets them, what is kept, and that nobody waits for ever."""

from __future__ import annotations

import functools
import gc
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from rcollections import CacheError, CacheMissError, KeyCache, cached, connection, multi_cached, observe
from rcollections.plans.entries import ERROR, Entry, pack
from rcollections.testing import wait_until
from tests.leases import keys, leases


class SourceError(Exception):
    """Found by its path in this module."""


def waiting(function: Any, callers: int) -> None:
    wait_until(lambda: function.cache_info().waits >= callers, what=f"{callers} callers wait")


def test_errors_are_not_cached(store: Any) -> None:
    """The caller gets it as it was raised, with its traceback and nothing of ours around it."""
    count = 0

    @cached
    def f() -> int:
        nonlocal count
        count += 1
        raise SourceError("down", count)

    for n in (1, 2):
        with pytest.raises(SourceError) as caught:
            f()
        assert caught.value.args == ("down", n)
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None
        assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "f"
    assert keys(store) == []


def test_an_error_reaches_all_that_joined_and_there_is_no_convoy(store: Any) -> None:
    """20 callers, one failing computation: all get its error at once, with where it happened."""
    go = threading.Event()
    calls: list[int] = []

    @cached
    def f() -> int:
        calls.append(1)
        assert go.wait(10)
        raise SourceError("down")

    def caller() -> Any:
        try:
            f()
        except SourceError as error:
            return len(traceback.extract_tb(error.__traceback__))

    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(caller) for _ in range(20)]
        waiting(f, 19)
        go.set()
        depths = [answer.result(5) for answer in answers]
    assert len(calls) == 1
    assert None not in depths
    assert max(depths) < 60, "no caller adds its frames to those of all the others"
    with pytest.raises(SourceError):
        f()
    assert len(calls) == 2, "a later call tries again"


def test_results_that_are_not_kept_make_no_convoy(store: Any) -> None:
    """Callers that waited for a result that ttl refuses compute side by side, not one after another."""
    together = threading.Barrier(9)
    go = threading.Event()
    first = threading.Lock()

    @cached(ttl=lambda _: 0)
    def f() -> int:
        if first.acquire(blocking=False):
            assert go.wait(10)
        else:
            together.wait(10)
        return 1

    with ThreadPoolExecutor(10) as pool:
        answers = [pool.submit(f) for _ in range(10)]
        waiting(f, 9)
        go.set()
        assert [answer.result(10) for answer in answers] == [1] * 10


def test_cache_errors(store: Any) -> None:
    """Exceptions of the types that were asked for are results; others are not."""
    count = 0

    @cached(cache_errors=(SourceError, KeyError))
    def f(error: str) -> int:
        nonlocal count
        count += 1
        raise {"source": SourceError("down", count), "key": KeyError("k"), "value": ValueError("v")}[error]

    for name, kind, calls in (("source", SourceError, 1), ("key", KeyError, 1), ("value", ValueError, 2)):
        before = count
        for _ in range(2):
            with pytest.raises(kind) as caught:
                f(name)
            assert caught.value.__context__ is None
        assert count - before == calls
    with pytest.raises(SourceError) as caught:
        f("source")
    assert caught.value.args == ("down", 1)
    with pytest.raises(SourceError):
        f.peek("source")
    f.invalidate("source")
    with pytest.raises(CacheMissError):
        f.peek("source")


def test_an_error_that_cannot_be_cached_still_reaches_the_caller(store: Any) -> None:
    """A local type has no path, an argument has no bytes: raised as it is, not stored, the lease free."""

    class LocalError(Exception):
        pass

    @cached(cache_errors=(Exception,), lease=30)
    def f(error: Any) -> int:
        raise error

    began = time.monotonic()
    for error in (LocalError("x"), SourceError(object())):
        g = cached(cache_errors=(Exception,), key="k", name="g")(functools.partial(f.uncached, error))
        for _ in range(2):
            with pytest.raises(type(error)) as caught:
                g()
            assert caught.value is error
    assert time.monotonic() - began < 5
    assert keys(store) == []


def test_a_cached_error_is_a_miss_where_it_is_not_asked_for(store: Any) -> None:
    """Without ``cache_errors`` (after a change of the code, say) it is computed over."""
    fails = cached(cache_errors=KeyError, key="k")(lambda: {}["x"])
    works = cached(key="k")(lambda: 5)
    other = cached(cache_errors=ValueError, key="k")(lambda: 6)
    with pytest.raises(KeyError):
        fails()
    assert works() == 5
    works.invalidate()
    with pytest.raises(KeyError):
        fails()
    assert other() == 6


def test_recursion_is_an_error_not_a_deadlock(store: Any) -> None:
    """With the same arguments, directly or through another function; with others it works."""

    @cached
    def f(n: int) -> int:
        return f(n)

    @cached
    def ping(n: int) -> int:
        return pong(n)

    @cached
    def pong(n: int) -> int:
        return ping(n)

    @cached
    def fib(n: int) -> int:
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    with pytest.raises(CacheError, match="calls itself"):
        f(1)
    with pytest.raises(CacheError, match="calls itself"):
        ping(1)
    with pytest.raises(CacheError, match="calls itself"):
        cached(key="future")(lambda: f.future()(2).result(5))()
    assert fib(30) == 832040


def test_two_functions_that_wait_for_each_other(store: Any) -> None:
    """Two threads, each computing what the other waits for: an error, not a deadlock."""
    both = threading.Barrier(2)

    @cached
    def ping() -> int:
        both.wait(5)
        return pong()

    @cached
    def pong() -> int:
        both.wait(5)
        return ping()

    with ThreadPoolExecutor(2) as pool:
        for answer in [pool.submit(ping), pool.submit(pong)]:
            with pytest.raises(CacheError, match="wait"):
                answer.result(10)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_owner_frees_the_lease(store: Any, error: type[BaseException]) -> None:
    """Waiting callers go on without it: one of them computes."""
    go = threading.Event()
    calls: list[int] = []

    @cached(lease=30)
    def f() -> int:
        calls.append(1)
        if len(calls) == 1:
            assert go.wait(10)
            raise error
        return 5

    with ThreadPoolExecutor(3) as pool:
        owner = pool.submit(f)
        wait_until(lambda: calls)
        others = [pool.submit(f) for _ in range(2)]
        waiting(f, 2)
        go.set()
        with pytest.raises(error):
            owner.result(5)
        assert [other.result(5) for other in others] == [5, 5]
    assert len(calls) == 2
    assert not leases(store)


def test_nothing_is_left_behind(store: Any) -> None:
    """No lease, no flight: after results, errors and interrupts."""

    errors: list[type[BaseException] | None] = [None, SourceError, KeyboardInterrupt]

    @cached
    def f(n: int) -> int:
        error = errors[n]
        if error:
            raise error
        return 1

    for n in range(3):
        with suppress(SourceError, KeyboardInterrupt):
            f(n)
    assert not leases(store)
    assert not store.flights.table


def test_a_def_that_gives_a_coroutine(store: Any) -> None:
    """Nobody would await it: the error says what to do, and no warning of a coroutine that was never awaited."""

    async def answer() -> int:
        return 1

    @cached
    def f() -> Any:
        return answer()

    @multi_cached("ids", key=str)
    def g(ids: list[int]) -> Any:
        return answer()

    calls = (f, f.refresh, lambda: g([1]))
    for call in calls:
        with pytest.raises(TypeError, match="async def"):
            call()
    f.on_value(lambda value: None)
    with observe.observing(observe.Observer()):
        for call in calls:
            with pytest.raises(TypeError, match="async def"):
                call()
    gc.collect()  # a coroutine that was never awaited would be a warning, and that an error here
    assert keys(store) == []


# -- what is checked before anything runs (W6) -------------------------------------------------------


class Made(Exception):
    """Counts how often it is made."""

    times = 0

    def __init__(self, *args: object) -> None:
        type(self).times += 1
        super().__init__(*args)

    def __setstate__(self, state: Any) -> None:
        type(self).times += 1


class Failure:
    """No exception, though it stands under a path."""

    def __init__(self, *_: object) -> None:
        raise AssertionError("this class was called")


class WithCode(Exception):
    """Its argument is not what it says."""

    def __init__(self, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


class NeedsKeyword(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


class NeedsTwo(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Shifting(Exception):
    """Makes another type than was asked for."""

    def __new__(cls, *args: object) -> Any:
        return Exception.__new__(ValueError if args == ("again",) else cls, *args)


class Holding(Exception):
    """Has something that cannot be stored."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.held: Any = object()


def forged(path: str, content: Any) -> bytes:
    name = path.encode()
    data = connection().codec(None).dumps(content)
    return pack(Entry(len(name).to_bytes(2, "big") + name + data, ERROR))


def test_nothing_of_another_type_is_run(store: Any) -> None:
    """Bytes that name a type that is not declared, that is no exception, or that nobody knows: a miss."""

    @cached(key="f", cache_errors=(SourceError, KeyError))
    def f() -> int:
        return 1

    module = __name__
    for path in (
        f"{module}:Made", f"{module}:Failure", f"{module}:forged", f"{module}:nothing", f"{module}:Made.times",
        "os:system", "builtins:ValueError", "builtins:SystemExit", "builtins:object", "never.imported:Error", "", ":",
        "a", "x" * 300,
    ):  # fmt: skip
        for content in ((("from the wire",), None, None), (("from the wire",), None, {"a": 1}), "odd", [], None):
            store.raw("SET", "f", forged(path, content))
            assert f() == 1
    assert Made.times == 0
    for junk in (b"", b"\0", b"\0\5ab", b"\xff\xff", b"\0\2\xff\xff", b"\0\x10builtins:KeyError\xc1"):
        store.raw("SET", "f", pack(Entry(junk, ERROR)))
        assert f() == 1
    for content in ("odd", [], None, (1, 2), (1, 2, 3), (("a",), None), ("a", "b", "c", "d"), (("a",), 5, None)):
        store.raw("SET", "f", forged("builtins:KeyError", content))
        assert f() == 1
    store.raw("SET", "f", forged("builtins:KeyError", (("a",), None, None)))
    with pytest.raises(KeyError, match="a"):
        f()


def test_a_subclass_of_what_is_declared(store: Any) -> None:
    """counts as declared; where only another type is declared it is a miss, and not made."""

    @cached(key="f", cache_errors=(Made,))
    def f() -> int:
        raise Made("x")

    @cached(key="f", cache_errors=(KeyError,))
    def g() -> int:
        return 1

    with pytest.raises(Made):
        f()
    made = Made.times
    assert g() == 1
    assert Made.times == made


@pytest.mark.parametrize(
    "error",
    [
        KeyError("k"), KeyError(), OSError(2, "no such file"), FileNotFoundError(2, "no such file", "name"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), WithCode(404), SourceError(1, "a"),
        ValueError(b"\xc0"),
        ImportError("no", name="n", path="p"), StopIteration(5),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
@pytest.mark.parametrize("serializer", [None, "json"])
def test_errors_come_back_as_they_were(store: Any, error: Any, serializer: Any) -> None:
    """Type, arguments and attributes, or they are not cached."""

    class Errors(KeyCache[Any]):
        prefix = "errors"

    Errors.serializer = serializer
    calls: list[int] = []

    @cached(Errors, cache_errors=(Exception,))
    def f() -> int:
        calls.append(1)
        raise error

    for _ in range(3):
        with pytest.raises(type(error)) as caught:
            f()
        assert type(caught.value) is type(error)
        if len(calls) == 1:
            assert str(caught.value) == str(error)
            assert vars(caught.value) == vars(error)
            assert getattr(caught.value, "filename", None) == getattr(error, "filename", None)
    assert serializer == "json" or len(calls) == 1


@pytest.mark.parametrize(
    "error",
    [NeedsKeyword(code=1), NeedsTwo(1, "x"), Shifting("again"), Holding("x")],
    ids=lambda each: type(each).__name__,
)
def test_errors_that_cannot_be_made_again_are_not_cached(store: Any, error: Any) -> None:
    """Each caller computes, and gets the error itself."""
    if type(error) is ValueError:  # what Shifting is made of at once
        error = Shifting("first")
        error.args = ("again",)

    @cached(cache_errors=(Exception,))
    def f() -> int:
        raise error

    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            f()
        assert caught.value is error
    assert f.cache_info().computes == 2
    assert keys(store) == []


def test_no_normalize_sees_the_parts_of_an_error(store: Any) -> None:
    """It is for values; and a class of raw text keeps errors as well."""

    class Upper(KeyCache[str]):
        prefix = "upper"

        def normalize(self, value: str) -> str:
            return value.upper()

    class Raw(KeyCache[str]):
        prefix = "raw"
        serialize = False

    for cls in (Upper, Raw):
        calls: list[int] = []

        f = cached(cls, key="k", cache_errors=(KeyError,))(lambda: {}[calls.append(1)])  # noqa: B023 - called in this turn
        for _ in range(2):
            with pytest.raises(KeyError):
                f()
        assert len(calls) == 1
