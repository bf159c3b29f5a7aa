"""Results that no codec carries: returned, not cached, told once, and nobody waits for one."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rcollections import ConfigError, EncodeError, KeyCache, cached, multi_cached
from rcollections.plans.marks import ALONE, read_mark
from tests.leases import keys


def told(caplog: Any) -> list[str]:
    return [record.getMessage() for record in caplog.records if "cannot be cached" in record.getMessage()]


def test_it_is_returned_and_told_once(store: Any, caplog: Any) -> None:
    """Each call computes; the count says how often."""

    @cached
    def f() -> Any:
        return object()

    assert [type(f()) for _ in range(3)] == [object] * 3
    assert f.refresh() is not None
    assert len(told(caplog)) == 1
    assert "register its class" in told(caplog)[0]
    assert f.cache_info().unstorable == 2, "then the lease is passed by"
    assert f.cache_info().computes == 4
    assert keys(store) == []


def test_a_coroutine_function_too(store: Any, caplog: Any) -> None:
    @cached
    async def f() -> Any:
        await asyncio.sleep(0)
        return object()

    async def main() -> list[Any]:
        return await asyncio.gather(*(f() for _ in range(5)))

    assert len({id(each) for each in asyncio.run(main())}) == 5
    assert len(told(caplog)) == 1


def test_nobody_waits_for_it(store: Any) -> None:
    """Ten callers compute side by side, and so do those that come within a minute: a barrier needs them all at once."""
    together = threading.Barrier(10)

    @cached(key="k")
    def f() -> Any:
        if not first.acquire(blocking=False):
            together.wait(20)
        return object()

    first = threading.Lock()
    f()
    mark = read_mark(store.raw("GET", "rc:l:{k}"))
    assert mark is not None
    assert mark.kind == ALONE
    assert 55_000 < store.raw("PTTL", "rc:l:{k}") <= 60_000
    for _ in range(2):
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda _: f(), range(10)))
        assert len({id(each) for each in answers}) == 10


def test_what_can_be_stored_again_is_stored(store: Any) -> None:
    """By ``refresh``, and by hand."""
    values: list[Any] = [object()]

    @cached(key="k")
    def f() -> Any:
        return values[-1]

    f()
    values.append(5)
    assert f() == 5
    assert store.raw("EXISTS", "k") == 0, "the lease is passed by"
    assert f.refresh() == 5
    assert f.peek() == 5
    values.append(object())
    f.invalidate()
    f()
    f.put(_cache_put=7)
    assert f() == 7


def test_by_hand_it_is_always_an_error(store: Any) -> None:
    f = cached(key="k")(lambda: 1)
    for put in (lambda: f.put(_cache_put=object()), lambda: f.store(object())(), lambda: KeyCache("k").set(object())):
        with pytest.raises(EncodeError):
            put()
    with f.writing() as w, pytest.raises(EncodeError):
        w.put(object())


def test_raising_is_an_option(store: Any, monkeypatch: Any) -> None:
    """And what CACHES_STRICT means."""
    strict = cached(unstorable="raise")(lambda: object())
    with pytest.raises(EncodeError, match="object"):
        strict()
    with pytest.raises(ConfigError, match="unstorable"):
        cached(unstorable="ignore")(lambda: 1)
    monkeypatch.setenv("CACHES_STRICT", "1")
    with pytest.raises(EncodeError, match="object"):
        cached(lambda: object())()


def test_many_ids(store: Any, caplog: Any) -> None:
    """The other ids are cached; these are in the result all the same."""

    class User(KeyCache[Any]):
        prefix = "user"

    calls: list[Any] = []

    @multi_cached("ids", User)
    def users(ids: list[int]) -> dict[int, Any]:
        calls.append(ids)
        return {each: object() if each == 2 else each for each in ids}

    for wanted in ([1, 2, 3], [2], [2]):
        assert set(users([1, 2, 3])) == {1, 2, 3}
        assert calls[-1] == wanted
    assert users.peek([1, 2, 3]) == {1: 1, 3: 3}
    assert len(told(caplog)) == 1
    assert set(users.refresh([1, 2])) == {1, 2}
    with pytest.raises(EncodeError):
        multi_cached("ids", User, unstorable="raise")(lambda ids: {each: object() for each in ids})([7])
