"""``clear()`` tells whether there was something; ``clear(if_value=)`` compares; ``expires_in()`` tells how long."""

from __future__ import annotations

import threading
from datetime import timedelta
from math import inf
from typing import Any

import pytest

from rcollections import (
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    WrongTypeError,
    cached,
    connection,
    invalidate_tags,
)
from rcollections.testing import wait_until
from tests.trips import trips

DATA: dict[Any, Any] = {
    KeyCache: 5, DictCache: {"a": 1}, SetCache: {"a"}, SortedSetCache: {"a": 1}, CounterCache: {"a": 1},
}  # fmt: skip
TYPES = pytest.mark.parametrize("kind", DATA, ids=lambda kind: kind.__name__)
TAGGED = pytest.mark.parametrize("tags", [(), ("t", "u")], ids=["plain", "tagged"])


@TYPES
@TAGGED
def test_clear_tells(store: Any, kind: Any, tags: tuple[str, ...]) -> None:
    """True if there was something, False if not; a lease or guard alone is nothing."""
    c = kind("k", tags=tags)
    assert c.clear() is False
    c.since()
    store.raw("SET", "rc:l:{k}", "token")
    assert c.clear() is False
    assert store.raw("EXISTS", "rc:l:{k}", "rc:g:{k}") == 0
    for _ in range(2):
        kind("k", tags=tags, data=DATA[kind])
        assert c.clear() is True
        assert not c.exists()
        assert c.clear() is False
    if tags:
        kind("k", tags=tags, data=DATA[kind])
        invalidate_tags("u")
        assert c.clear() is False, "what was invalidated counts as nothing"
        assert store.raw("EXISTS", "k") == 0


@TYPES
def test_clear_in_a_pipeline(store: Any, kind: Any) -> None:
    c = kind("k", data=DATA[kind])
    with c.pipeline() as p:
        first, second = p.clear(), p.clear()
    assert (first.value, second.value) == (True, False)


@TYPES
@TAGGED
def test_expires_in(store: Any, kind: Any, tags: tuple[str, ...]) -> None:
    """Seconds, inf for ever, None without a key or where a tag was invalidated."""
    c = kind("k", tags=tags)
    assert c.expires_in() is None
    kind("k", tags=tags, ttl=60, data=DATA[kind])
    assert 59 < c.expires_in() <= 60
    c.expire(timedelta(milliseconds=2500))
    assert 2 < c.expires_in() <= 2.5
    c.expire(0)
    assert c.expires_in() == inf
    with c.pipeline() as p:
        left = p.expires_in()
    assert left.value == inf
    if tags:
        invalidate_tags("t")
        assert c.expires_in() is None
        with c.pipeline() as p:
            left = p.expires_in()
        assert left.value is None


def test_expires_in_of_a_value_with_stale_windows(store: Any) -> None:
    """As long as it is fresh, as get_ttl says; then there is none."""

    class Price(KeyCache[int]):
        prefix = "price"

    @cached(Price, key=lambda: "tea", ttl=30, stale_while_revalidate=100)
    def price() -> int:
        return 3

    price()
    left = Price("tea").expires_in()
    assert left is not None
    assert 29 < left <= 30
    assert abs(left - Price("tea").get_ttl()[1]) < 1
    price.expire()
    assert Price("tea").expires_in() is None
    assert Price("tea").clear() is False


@TAGGED
def test_clear_if_value(store: Any, tags: tuple[str, ...]) -> None:
    """Only if it is that value, exactly; where it is not, nothing changes."""
    c: KeyCache[Any] = KeyCache("k", tags=tags)
    assert c.clear(if_value="a") is False
    for value, others in (
        ("a", ("b", None, 1)), (1, (1.0, True, "1", 2)), (None, (False, 0, "")), ("", (None, b"")),
        ([1, 2], ([1], (1, 2))),
    ):  # fmt: skip
        c.set(value)
        for other in others:
            assert c.clear(if_value=other) is False
        assert c.get() == value
        assert c.clear(if_value=value) is True
        assert not c.exists()
    c.data = "a"
    with c.pipeline() as p:
        first, second = p.clear(if_value="b"), p.clear(if_value="a")
    assert (first.value, second.value) == (False, True)
    if tags:
        c.data = "a"
        invalidate_tags("u")
        assert c.clear(if_value="a") is False
    with pytest.raises(TypeError):
        c.clear(if_value=object())
    SetCache("s", data="a")
    with pytest.raises(WrongTypeError):
        KeyCache("s").clear(if_value="a")


def test_clear_if_value_of_what_a_function_stored(store: Any) -> None:
    """It sees through the metadata of the entry; a value that is stale is none."""

    class Price(KeyCache[int]):
        prefix = "price"

    @cached(Price, key=lambda: "tea", ttl=30, stale_while_revalidate=100)
    def price() -> int:
        return 3

    price()
    assert Price("tea").clear(if_value=4) is False
    assert Price("tea").clear(if_value=3) is True
    price()
    price.expire()
    assert Price("tea").clear(if_value=3) is False


@pytest.mark.parametrize("compared", [False, True])
def test_a_computation_that_runs_is_too_late(store: Any, compared: bool) -> None:
    """``clear`` drops its lease, whether it compares or not."""

    class Price(KeyCache[int]):
        prefix = "price"

    begun, go_on = threading.Event(), threading.Event()

    @cached(Price, key=lambda: "tea")
    def price() -> int:
        begun.set()
        go_on.wait(10)
        return 3

    thread = threading.Thread(target=price.refresh)
    thread.start()
    assert begun.wait(10)
    store.raw("SET", "price.tea", "2")
    assert Price("tea").clear(if_value=1) is False
    assert store.raw("EXISTS", "rc:l:{price.tea}") == 1
    assert Price("tea").clear(if_value=2) if compared else Price("tea").clear()
    go_on.set()
    thread.join(10)
    assert not Price("tea").exists()


def test_only_one_of_two_removes(store: Any) -> None:
    """Compared and removed in one step: of many owners that give back what is theirs, each removes its own."""
    owner: KeyCache[int] = KeyCache("owner")
    told: list[bool] = []

    def give_back(number: int) -> None:
        told.append(owner.clear(if_value=number))

    owner.set(3)
    threads = [threading.Thread(target=give_back, args=(number % 5,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [False] * 19 + [True]


def test_round_trips(server: Any) -> None:
    """One each."""
    for kind, data in DATA.items():
        for tags in ((), ("t",)):
            c = kind("k", tags=tags, data=data)
            assert trips(connection(), c.expires_in) == 1
            assert trips(connection(), c.clear) == 1
    assert trips(connection(), lambda: KeyCache("k").clear(if_value=1)) == 1


def test_l1_hears_of_it(server: Any) -> None:
    """What this process holds goes with the key."""

    class Held(DictCache[str, int]):
        prefix = "held"
        l1 = True

    d = Held("d", data={"a": 1})
    wait_until(lambda: d.get("a") == 1)
    assert d.clear() is True
    assert d.get("a") is None
    assert d.expires_in() is None


def test_nothing_is_there_when_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """CACHES_DISABLE=1: there is no key."""
    from rcollections import configure
    from rcollections.testing import isolated

    monkeypatch.setenv("CACHES_DISABLE", "1")
    with isolated():
        configure("redis://127.0.0.1:1")
        for kind in DATA:
            assert kind("k").clear() is False
            assert kind("k").expires_in() is None
        assert KeyCache("k").clear(if_value=1) is False
