"""``LocalCache``, as users meet it."""

from __future__ import annotations

import threading

import pytest

from rcollections import CacheMissError, LocalCache
from rcollections.l1.size import estimate


def test_as_in_its_documentation() -> None:
    """Put, get, the time left, the end of it."""
    names: LocalCache[int, str] = LocalCache(100, ttl=60)
    names.put(7, "ann")
    assert names.get(7) == "ann"
    value, left = names.get_ttl(7)
    assert value == "ann"
    assert 59 < left <= 60
    assert names.get(8, None) is None
    with pytest.raises(CacheMissError):
        names.get(8)
    assert (names.capacity, names.usage, len(names), 7 in names) == (100, 1, 1, True)
    assert names.expire(7)
    assert names.purge() == 0
    names.put(7, "bob", ttl=0)
    assert names.delete(7)
    names.clear()
    assert names.stats.hits == 2


def test_it_can_be_subclassed() -> None:
    """With attributes and an __init__ of one's own."""

    class Sessions(LocalCache[str, dict[str, int]]):
        def __init__(self, name: str) -> None:
            super().__init__(5, bytes=10_000)
            self.name = name

    sessions = Sessions("web")
    sessions.put("a", {"x": 1})
    assert sessions.name == "web"
    assert sessions.get("a") == {"x": 1}
    assert 200 < sessions.bytes < 1000
    assert repr(sessions) == "<Sessions: 1 of 5 entries>"


def test_a_subclass_that_forgets_init() -> None:
    class Forgetful(LocalCache[str, int]):
        def __init__(self) -> None:
            pass

    with pytest.raises((TypeError, AttributeError)):
        Forgetful().put("a", 1)


def test_names_and_types_at_run_time() -> None:
    assert LocalCache[str, int](3).capacity == 3
    assert LocalCache().capacity == 10_000


def test_an_estimate_follows_containers_and_attributes() -> None:
    """Near the truth for usual values, shared parts once, huge and cyclic ones quickly."""

    class Point:
        def __init__(self) -> None:
            self.x = "x" * 5000

    class Slotted:
        __slots__ = ("x", "y")

        def __init__(self) -> None:
            self.x = b"x" * 5000

    assert 5000 < estimate("k", Point()) < 7000
    assert 5000 < estimate("k", Slotted()) < 7000
    assert 10_000 < estimate("k", {"a": ["x" * 5000], "b": ("y" * 5000,)}) < 12_000
    shared = "x" * 5000
    assert estimate("k", [shared] * 10) < 6000
    cycle: list[object] = ["x" * 1000]
    cycle.append(cycle)
    assert 1000 < estimate("k", cycle) < 2000
    large = [f"{n:0100}" for n in range(100_000)]
    assert 12_000_000 < estimate("k", large) < 18_000_000
    nested = [[f"{n} {m:0100}" for m in range(100)] for n in range(100)]
    assert 1_000_000 < estimate("k", nested) < 2_500_000


def test_it_is_used_like_a_dict() -> None:
    """Items, ``setdefault``, ``pop``, ``update``; a missing key is a KeyError."""
    names: LocalCache[object, str] = LocalCache(100, ttl=60)
    names[7] = "ann"
    assert names[7] == "ann"
    assert names.get_ttl(7)[1] > 59
    with pytest.raises(KeyError, match="8"):
        names[8]
    assert names.setdefault(8, "bob", ttl=5) == names.setdefault(8, "eve") == "bob"
    assert names.get_ttl(8)[1] <= 5
    assert names.pop(8) == "bob"
    del names[7]
    with pytest.raises(CacheMissError, match="7"):
        del names[7]
    names.update({1: "a"}, b="b")
    names.update([(2, "c")])
    assert {key: names[key] for key in names} == {1: "a", "b": "b", 2: "c"}
    assert names.clear() == 3


def test_many_keys_at_once() -> None:
    """Each is a hit or a miss; those that are missing are left out, or get the default."""
    names: LocalCache[int, str] = LocalCache(100)
    names.set_many({1: "a", 2: "b"}, ttl=5)
    names.set_many([(3, "c")])
    assert names.get_many([3, 1, 9, 9]) == {3: "c", 1: "a"}
    assert list(names.get_many(iter([9, 2]), None).items()) == [(9, None), (2, "b")]
    assert (names.stats.hits, names.stats.misses) == (3, 2)
    assert names.get_ttl(1)[1] <= 5
    assert names.get_ttl(3)[1] == float("inf")


def test_of_threads_that_set_a_default_one_decides() -> None:
    """And all get its value."""
    names: LocalCache[int, int] = LocalCache(1000)
    got: list[list[int]] = []

    def work(mine: int) -> None:
        got.append([names.setdefault(n, mine) for n in range(500)])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert all(each == got[0] for each in got)
