"""Stale values: only where they were asked for, inside their window, while one caller refreshes."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rcollections import CacheMissError, KeyCache, cached, invalidate_tags
from rcollections.testing import wait_until


class Source:
    """What is cached: a number that counts its reads, and can fail or be slow."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> int:
        self.calls += 1
        mine = self.calls
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return mine


@pytest.fixture
def source() -> Source:
    return Source()


def left(store: Any, function: Any, seconds: float) -> None:
    """Let the entry have that much of its whole ttl left."""
    assert store.raw("PEXPIRE", function.key(), round(seconds * 1000)) == 1


def test_without_stale_options_nothing_older_is_returned(store: Any, source: Source) -> None:
    """Past its ttl a value is gone."""

    @cached(ttl=60)
    def f() -> int:
        return source()

    assert f() == 1
    assert store.raw("PTTL", f.key()) <= 60_000
    left(store, f, 0.001)
    wait_until(lambda: not store.raw("EXISTS", f.key()))
    assert f() == 2


def test_async_ttl_refreshes_ahead(store: Any, source: Source) -> None:
    """Below ``async_ttl`` the value is served, and refreshed once in the background."""

    @cached(ttl=100, async_ttl=40)
    def f() -> int:
        return source()

    assert [f(), f()] == [1, 1]
    left(store, f, 41)
    assert f() == 1
    assert source.calls == 1
    source.gate.clear()
    left(store, f, 39)
    assert [f() for _ in range(5)] == [1] * 5, "served while it is refreshed"
    source.gate.set()
    wait_until(lambda: f.peek() == 2)
    assert source.calls == 2
    assert f.get_ttl()[1] > 99


def test_negative_async_ttl_counts_from_the_ttl(store: Any, source: Source) -> None:
    """``ttl=300, async_ttl=-60``: refreshed once it is older than 60 s."""

    @cached(ttl=300, async_ttl=-60)
    def f() -> int:
        return source()

    f()
    left(store, f, 241)
    assert f() == 1
    assert source.calls == 1
    left(store, f, 239)
    assert f() == 1
    wait_until(lambda: f.peek() == 2)


def test_a_failing_refresh_ahead_is_logged_and_the_value_stays(store: Any, source: Source, caplog: Any) -> None:
    """Nobody waits for it, so the log has it; the next call tries again."""

    @cached(ttl=100, async_ttl=40)
    def f() -> int:
        return source()

    f()
    left(store, f, 10)
    source.error = ZeroDivisionError("source down")
    assert f() == 1
    wait_until(lambda: "refreshing" in caplog.text)
    assert "source down" in caplog.text
    source.error = None
    wait_until(lambda: f() == 3)


def test_stale_while_revalidate(store: Any, source: Source) -> None:
    """Past the ttl the stale value is served inside the window, while one caller refreshes."""

    @cached(ttl=100, stale_while_revalidate=50)
    def f() -> int:
        return source()

    assert f() == 1
    assert 149_000 < store.raw("PTTL", f.key()) <= 150_000
    left(store, f, 49)
    with pytest.raises(CacheMissError):
        f.peek()
    value, ttl = f.get_ttl()
    assert (value, -2 < ttl < 0) == (1, True)
    source.gate.clear()
    assert [f(), f()] == [1, 1]
    assert f.cache_info().stale >= 2
    source.gate.set()
    wait_until(lambda: f.get_ttl()[0] == 2)
    assert (f(), source.calls) == (2, 2)


def test_the_readers_own_window_counts(store: Any, source: Source) -> None:
    """An entry that was stored with a longer window is used no longer than this reader's."""
    g = cached(ttl=100, stale_while_revalidate=1000, key="shared")(lambda: source())
    f = cached(ttl=100, stale_while_revalidate=10, key="shared")(lambda: source())
    assert g() == 1
    left(store, f, 985)
    assert f() == 2, "15 s past its ttl"
    f.invalidate()
    assert g() == 3
    left(store, f, 995)
    assert f() == 3, "5 s past its ttl"


def test_stale_if_error(store: Any, source: Source) -> None:
    """Past the ttl the function is asked; only if it fails the stale value is served."""

    @cached(ttl=100, stale_if_error=50)
    def f() -> int:
        return source()

    assert f() == 1
    left(store, f, 40)
    source.error = ConnectionError("source down")
    assert [f(), f(), f()] == [1, 1, 1]
    assert source.calls == 2, "nobody asks it again at once"
    source.error = None
    wait_until(lambda: f() == 3)
    source.error = ConnectionError("source down")
    left(store, f, 0.001)
    wait_until(lambda: not store.raw("EXISTS", f.key()))
    with pytest.raises(ConnectionError, match="source down"):
        f()


def test_stale_if_error_does_not_hide_an_interrupt(store: Any, source: Source) -> None:
    """KeyboardInterrupt is no error of the source; and the lease is free afterwards."""
    interrupt: list[BaseException] = []

    @cached(ttl=100, stale_if_error=50)
    def f() -> int:
        if interrupt:
            raise interrupt.pop()
        return source()

    f()
    left(store, f, 40)
    interrupt.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        f()
    assert f() == 2


def test_soft_timeout(store: Any, source: Source) -> None:
    """When computing takes longer, the stale value is served; the computation goes on and is stored."""

    @cached(ttl=100, stale_if_error=50, soft_timeout=0.02)
    def f() -> int:
        return source()

    assert f() == 1
    left(store, f, 40)
    source.gate.clear()
    assert f() == 1
    source.gate.set()
    wait_until(lambda: f.get_ttl()[1] > 0)
    assert (f(), source.calls) == (2, 2)
    left(store, f, 40)
    assert f() == 3, "in time: the new value"


def test_soft_timeout_with_an_error(store: Any, source: Source, caplog: Any) -> None:
    """Failing in time: the stale value; failing late: the log has it."""

    @cached(ttl=100, stale_if_error=50, soft_timeout=0.02)
    def f() -> int:
        return source()

    f()
    left(store, f, 40)
    source.error = ZeroDivisionError("late")
    assert f() == 1
    source.gate.clear()
    assert f() == 1
    source.gate.set()
    wait_until(lambda: "late" in caplog.text)


def test_expire_marks_stale(store: Any, source: Source) -> None:
    """Those who take stale values still get it, for their whole window; others compute."""

    @cached(ttl=100, stale_if_error=50)
    def f() -> int:
        return source()

    f()
    f.expire()
    value, ttl = f.get_ttl()
    assert value == 1
    assert ttl <= 0
    source.error = ZeroDivisionError()
    assert f() == 1
    source.error = None
    assert f.refresh() == 3


def test_an_invalidated_value_is_never_served_stale(store: Any, source: Source) -> None:
    """Not by a window, not by an error: invalidated is gone."""

    @cached(ttl=100, stale_while_revalidate=50, stale_if_error=50, tags=("t",))
    def f() -> int:
        return source()

    for n, change in enumerate((lambda: invalidate_tags("t"), f.invalidate)):
        f()
        left(store, f, 10)
        change()
        source.error = ZeroDivisionError(n)
        with pytest.raises(ZeroDivisionError):
            f()
        source.error = None


def test_for_ever_is_never_stale(store: Any, source: Source) -> None:
    """``ttl=0`` with a window: no ttl at all."""

    @cached(ttl=0, stale_while_revalidate=50)
    def f() -> int:
        return source()

    assert f() == f() == 1
    assert store.raw("PTTL", f.key()) == -1
    assert f.get_ttl() == (1, float("inf"))


def test_background_calls_take_stale_values_inside_the_window(store: Any, source: Source) -> None:
    """``bg()(x)`` gives a stale value at once, whichever window it is in; a miss it computes."""

    @cached(ttl=100, stale_if_error=50)
    def f() -> int:
        return source()

    assert f.bg()() == 1
    left(store, f, 40)
    assert f.bg()() == 1
    wait_until(lambda: f.get_ttl()[1] > 0)
    assert f() == 2
    left(store, f, 40)
    assert f.bg().lazy() == 2
    wait_until(lambda: f.get_ttl()[1] > 0)


def test_for_ever_by_hand(store: Any, source: Source) -> None:
    """``expire(0)`` of a ``KeyCache`` on a value with stale windows: fresh for ever, whoever looks."""

    class Value(KeyCache[int]):
        prefix = "for-ever"

    for options in ({"stale_while_revalidate": 30}, {"stale_if_error": 30}, {"async_ttl": 5}):
        f = cached(Value, key=lambda x: (x,), ttl=60, **options)(lambda x: source())
        Value(1).clear()
        value = f(1)
        assert Value(1).expire(0)
        before = source.calls
        assert f(1) == f.peek(1) == f.bg()(1) == Value(1).get() == Value(1).peek() == value
        assert f.get_ttl(1) == Value(1).get_ttl() == (value, float("inf"))
        assert Value(1).exists()
        assert Value(1).exists(ttl=10**9)
        assert not Value(1).renew(100)
        assert source.calls == before
        f.expire(1)
        if "async_ttl" not in options:
            assert f.get_ttl(1)[1] <= 0
        with pytest.raises(CacheMissError):
            f.peek(1)
        assert Value(1).get() is None
