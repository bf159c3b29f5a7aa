"""What a store does like a dict, in one step each: ``add``, ``pop``, ``renew``; and that what expired leaves first."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from rcollections import CacheMissError
from rcollections.errors import ConfigError
from tests.contract.stores import KINDS, Clock, store_class


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Any:
    return store_class(request.param)


def test_add(make: Any) -> None:
    """Only where nothing counts; with size and ttl as put."""
    clock = Clock()
    store = make(10, ttl=5, clock=clock)
    assert store.add("a", 1) is True
    assert store.add("a", 2) is False
    assert store.get_ttl("a") == (1, 5.0)
    clock.go(5)
    assert store.add("a", 3, 2) is True
    assert store.get_ttl("a") == (3, 2.0)
    assert store.add("b", None, ttl=0, size=7) is True
    assert store.add("b", 1) is False
    assert store.bytes == 7
    with pytest.raises(ConfigError):
        store.add("c", 1, size=-1)
    with pytest.raises(TypeError):
        store.add([], 1)
    store._check()


def test_add_of_what_is_too_large(make: Any) -> None:
    """It is new, and not kept; what is there already stays."""
    store = make(10, bytes=100)
    assert store.add("a", 1, size=101) is True
    assert "a" not in store
    store.put("a", 1, size=50)
    assert store.add("a", 1, size=101) is False
    assert store.get("a") == 1
    store._check()


def test_pop(make: Any) -> None:
    """The value, and a hit; of nothing, or of what expired, the default or an error, and a miss."""
    clock, left = Clock(), list[Any]()
    store = make(10, clock=clock, eviction_callback=lambda *what: left.append(what))
    store.put("a", None)
    store.put("b", 2, ttl=5)
    assert store.pop("a") is None
    assert store.pop("a", 7) == 7
    with pytest.raises(CacheMissError, match="'a'"):
        store.pop("a")
    clock.go(5)
    assert store.pop("b", default=8) == 8
    assert left == [("b", 2, "expired")]
    assert (store.stats.hits, store.stats.misses, len(store)) == (1, 3, 0)
    store._check()


def test_renew(make: Any) -> None:
    """It lengthens, and never shortens; 0 is for ever."""
    clock = Clock()
    store = make(10, ttl=5, clock=clock)
    store.put("a", 1)
    assert store.renew("a", 4) is False
    assert store.renew("a", 5) is False
    assert store.renew("a", timedelta(seconds=9)) is True
    assert store.get_ttl("a") == (1, 9.0)
    clock.go(6)
    assert store.renew("a") is True
    assert store.get_ttl("a") == (1, 5.0)
    assert store.renew("a", 0) is True
    assert store.get_ttl("a") == (1, float("inf"))
    assert store.renew("a", 100) is False
    assert store.renew("b", 100) is False
    store.put("b", 1)
    clock.go(5)
    assert store.renew("b", 100) is False
    assert store.get("b", None) is None
    with pytest.raises(ConfigError):
        store.renew("a", -1)
    store._check()


def test_contains_for_longer(make: Any) -> None:
    """With a ttl: whether it stays for more than that."""
    clock = Clock()
    store = make(10, clock=clock)
    store.put("a", 1, ttl=5)
    store.put("b", 1)
    assert [store.contains("a", ttl) for ttl in (None, 0, 4.9, 5, timedelta(seconds=6))] == [True] * 3 + [False] * 2
    assert store.contains("b", 10**6) is True
    assert store.contains("c", 0) is False
    clock.go(5)
    assert store.contains("a", 0) is False
    assert (store.stats.hits, store.stats.misses) == (0, 0)


def test_clear_tells(make: Any) -> None:
    """How many entries were removed."""
    store = make(10)
    for n in range(4):
        store.put(n, n)
    assert store.clear() == 4
    assert store.clear() == 0
    store._check()


@pytest.mark.parametrize("late", [0.001, 0.3, 0.9, 1.5, 70])
@pytest.mark.parametrize("first", [True, False])
def test_what_expired_leaves_before_what_counts(make: Any, late: float, first: bool) -> None:
    """Whenever it expired, however lately, and wherever it stands in its queue."""
    clock = Clock()
    store = make(10, clock=clock)
    live = [("live", n) for n in range(5)]
    for key in live if not first else []:
        store.put(key, 1)
    for n in range(5):
        store.put(n, 1, ttl=7)
    for key in live if first else []:
        store.put(key, 1)
    clock.go(7)
    clock.go(late)
    for n in range(10, 15):
        store.put(n, 1)
        assert all(key in store for key in live), "only what has expired made room"
    assert store.stats.evictions == 0
    assert store.stats.expirations == 5
    store._check()


def test_expiry_by_the_bytes(make: Any) -> None:
    """Where bytes are short, too."""
    clock = Clock()
    store = make(100, bytes=100, clock=clock)
    for n in range(5):
        store.put(("live", n), 1, size=10)
        store.put(n, 1, ttl=3 + n / 100, size=10)
    clock.go(3.5)
    store.put("large", 1, size=50)
    assert sorted(map(str, store)) == sorted(map(str, [*(("live", n) for n in range(5)), "large"]))
    assert store.stats.evictions == 0
    store._check()


def test_entries_that_expire_one_by_one_while_it_is_full(make: Any) -> None:
    """Each is found when its time has come, beside others of the same second."""
    clock = Clock()
    store = make(200, clock=clock)
    for n in range(100):
        store.put(n, 1, ttl=2 + n / 200)
        store.put(("live", n), 1)
    clock.go(2)
    for n in range(100):
        clock.go(1 / 200)
        store.put(("new", n), 1)
        store._check()
    assert store.stats.evictions <= 1
    assert all(("live", n) in store for n in range(100))


@pytest.mark.parametrize("name", ["add", "pop"])
def test_one_thread_alone_succeeds(make: Any, name: str) -> None:
    """Of many that try at once."""
    store = make(2000)
    wins: list[int] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait(10)
        wins.extend(n for n in range(500) if (store.add(n, 1) if name == "add" else store.pop(n, 0)))

    if name == "pop":
        for n in range(500):
            store.put(n, 1)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(wins) == list(range(500))
