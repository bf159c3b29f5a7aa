"""What the store of L1 promises, compiled or not."""

from __future__ import annotations

import copy
import gc
import math
import os
import pickle
import random
import subprocess
import sys
import threading
import weakref
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rcollections import CacheMissError, ConfigError
from tests.contract.stores import KINDS, Clock, store_class

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Any:
    return store_class(request.param)


@pytest.fixture
def clock() -> Clock:
    return Clock()


# -- a mapping


def test_what_was_put_is_found(make: Any) -> None:
    """A value comes back as the same object, None and False too."""
    store, value = make(10), object()
    for key, each in [("a", value), (1, None), ((1, "x"), False), (b"k", "")]:
        store.put(key, each)
        assert store.get(key) is each
        assert store.get(key, "default") is each
        assert key in store
        assert store.contains(key)
    assert len(store) == store.usage == 4
    assert set(store) == set(store.keys()) == {"a", 1, (1, "x"), b"k"}


def test_a_miss_raises_or_gives_the_default(make: Any) -> None:
    """CacheMissError is a KeyError and names the key; any default is given as it is."""
    store = make(10)
    with pytest.raises(CacheMissError, match="nothing is stored under 'gone'"):
        store.get("gone")
    with pytest.raises(KeyError):
        store.get_ttl("gone")
    assert store.get("gone", None) is None
    assert store.get_ttl("gone", 5) == (5, -1.0)
    assert "gone" not in store
    assert not store.contains("gone")


def test_keys_are_those_of_a_dict(make: Any) -> None:
    """Equal keys are one key, and the first one stays, as in a dict."""
    store, first, second = make(10), "".join(["k", "ey"]), "".join(["ke", "y"])
    assert first is not second
    store.put(first, 1)
    store.put(second, 2)
    assert store.get("key") == 2
    assert [key is first for key in store] == [True]
    store.put(1, "one")
    assert store.get(1.0) == store.get(True) == "one"
    with pytest.raises(TypeError, match="unhashable"):
        store.put([], 1)
    with pytest.raises(TypeError, match="unhashable"):
        store.get([])
    store._check()


@pytest.mark.parametrize("kind", ["ascii", "latin", "wide", "widest"])
def test_strings_of_all_widths(make: Any, kind: str) -> None:
    """Strings are compared by content, however they are kept."""
    letter = {"ascii": "a", "latin": "é", "wide": "Ω", "widest": "🙂"}[kind]
    store = make(100)
    for length in range(20):
        store.put(letter * length + "x", length)
    for length in range(20):
        assert store.get("".join([letter] * length + ["x"])) == length

    class Text(str):
        __slots__ = ()

    assert store.get(Text(letter + "x")) == 1
    store.put(Text("own"), 7)
    assert store.get("own") == 7


def test_delete_and_clear(make: Any) -> None:
    """delete says whether it was there; after clear nothing is, and everything works."""
    store = make(10)
    store.put("a", 1)
    assert store.delete("a") is True
    assert store.delete("a") is False
    assert store.get("a", None) is None
    for n in range(100):
        store.put(n, n, ttl=5)
    store.clear()
    assert len(store) == 0
    assert store.keys() == []
    assert store.bytes == 0
    store._check()
    store.put("a", 2)
    assert store.get("a") == 2
    store.clear()
    store.clear()


def test_the_limits_are_checked(make: Any) -> None:
    """A store of nothing, of no bytes or of negative times is an error at once."""
    for wrong in ({"capacity": 0}, {"capacity": -1}, {"bytes": 0}, {"ttl": -1}, {"ttl": math.nan}):
        with pytest.raises(ConfigError):
            make(**wrong)
    with pytest.raises(ValueError, match="ttl"):
        make(5).put("a", 1, ttl=-0.5)
    with pytest.raises(ConfigError, match="size"):
        make(5).put("a", 1, size=-1)
    with pytest.raises(TypeError):
        make(5).__init__(6)
    assert make().capacity == 10_000


def test_a_text_is_no_ttl(make: Any) -> None:
    """A number as text comes from a file that was read wrongly; whatever gives a number is one."""
    for wrong in ("5", b"5", None):
        with pytest.raises(TypeError):
            make(5, ttl=wrong)
    with pytest.raises(TypeError, match="must be real number, not str"):
        make(5).put("a", 1, ttl="5")
    assert make(5, ttl=Decimal("1.5")).capacity == 5


def test_bytes_are_counted_as_whole_numbers(make: Any) -> None:
    """What a size function gives as a fraction is cut."""
    store = make(10, bytes=100.5, size=lambda key, value: 1.75)
    store.put("a", 1)
    store.put("b", 1, size=2.5)
    assert store.bytes == 3
    assert type(store.bytes) is int
    store.put("c", 1, size=97.9)
    store.put("d", 1, size=100.4)
    assert store.keys() == ["d"]
    store._check()


def test_a_store_is_neither_copied_nor_pickled(make: Any) -> None:
    """A shallow copy would share the entries, but neither the lock nor the counts."""
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor pickled"):
            attempt(make(5))


def test_it_explains_itself(make: Any) -> None:
    """Each public name has its sentence, the same in both stores."""
    for name, each in vars(store_class("pure")).items():
        if not name.startswith("_"):
            assert each.__doc__.split("\n")[0] in getattr(make, name).__doc__
    assert make.__doc__


# -- room


@pytest.mark.parametrize("capacity", [1, 2, 3, 7, 100])
def test_it_never_holds_more_than_its_capacity(make: Any, capacity: int) -> None:
    store, rnd = make(capacity), random.Random(capacity)
    for _ in range(3000):
        key = int(rnd.paretovariate(0.7)) % 500
        if store.get(key, None) is None:
            store.put(key, key + 1)
            assert store.get(key) == key + 1
        assert len(store) <= capacity
    assert len(store) == store.capacity == capacity
    store._check()
    assert store.stats.evictions > 100


def test_it_never_holds_more_than_its_bytes(make: Any) -> None:
    """Sizes given with put count; enough entries leave, at once, also many for one."""
    store, rnd = make(1000, bytes=5000), random.Random(3)
    for n in range(2000):
        store.put(rnd.randrange(300), n, size=rnd.choice([1, 10, 400, 2500]))
        assert store.bytes <= 5000
    store._check()
    store.clear()
    for n in range(500):
        store.put(n, n, size=10)
    store.put("large", 1, size=4999)
    assert store.keys() == ["large"]
    assert store.get("large") == 1
    store._check()


def test_what_is_larger_than_the_store_is_not_kept(make: Any) -> None:
    """It pushes nothing out, and an older value of its key does not stay behind."""
    left: list[Any] = []
    store = make(10, bytes=100, eviction_callback=lambda *each: left.append(each))
    store.put("a", 1, size=10)
    store.put("b", 2, size=10)
    store.put("a", 3, size=101)
    assert store.get("a", None) is None
    assert store.get("b") == 2
    assert left == [("a", 3, "evicted")]
    assert store.bytes == 10


def test_a_value_that_grows_makes_others_leave(make: Any) -> None:
    """Replacing by something larger keeps the bound, and the entry itself."""
    store = make(10, bytes=100)
    for key in "abcde":
        store.put(key, key, size=20)
    store.put("a", "A", size=70)
    assert store.get("a") == "A"
    assert store.bytes <= 100
    store.put("a", "a", size=1)
    assert store.get("a") == "a"
    store._check()


def test_sizes_are_estimated_if_they_are_not_given(make: Any) -> None:
    """With a limit of bytes and no size the store looks at the value, or asks the size function."""
    store = make(1000, bytes=100_000)
    store.put("a", "x" * 1000)
    assert 1000 < store.bytes < 1300
    store.put("b", {"rows": ["y" * 1000 for _ in range(10)]})
    assert 2000 < store.bytes < 13_500
    store = make(1000, bytes=100, size=lambda key, value: len(key) + len(value))
    store.put("ab", "cde")
    assert store.bytes == 5
    assert make(1000).bytes == 0


def test_the_useful_stay(make: Any) -> None:
    """What is used again outlives a scan of things that are used once; LRU would keep none of it."""
    store = make(100)
    for _ in range(5):
        for key in range(60):
            if store.get(key, None) is None:
                store.put(key, key)
    for key in range(1000, 6000):
        store.put(key, key)
    assert sum(key in store for key in range(60)) >= 50


def test_a_loop_larger_than_the_store_is_no_disaster(make: Any) -> None:
    """Going round twice as many things as there is room for hits at times; LRU and FIFO never do."""
    store, hits = make(100), 0
    for n in range(20_000):
        if store.get(n % 200, None) is None:
            store.put(n % 200, n)
        else:
            hits += 1
    assert hits > 20_000 * 0.1


def test_reads_count_only_if_asked_to(make: Any) -> None:
    """With touch_on_read=False a read saves nothing from leaving."""
    kept: dict[bool, bool] = {}
    for touch in (True, False):
        store = make(10, touch_on_read=touch)
        for key in range(10):
            store.put(key, key)
        for _ in range(3):
            store.get(9)
            store.get_ttl(9)
        for key in range(100, 140):
            store.put(key, key)
        kept[touch] = 9 in store
    assert kept == {True: True, False: False}


# -- time


def test_nothing_is_served_after_its_time(make: Any, clock: Clock) -> None:
    """At the end of its ttl an entry is a miss, not a moment before."""
    store = make(10, ttl=10, clock=clock)
    store.put("usual", 1)
    store.put("short", 2, ttl=0.5)
    store.put("long", 3, ttl=timedelta(hours=1))
    store.put("ever", 4, ttl=0)
    clock.go(0.499)
    assert store.get("short") == 2
    clock.go(0.001)
    assert store.get("short", None) is None
    assert store.get_ttl("usual") == (1, pytest.approx(9.5))
    clock.go(9.5)
    assert "usual" not in store
    assert not store.contains("usual")
    assert set(store.keys()) == {"long", "ever"}
    assert store.get_ttl("usual", None) == (None, -1.0)
    assert store.get_ttl("ever") == (4, math.inf)
    clock.go(1e6)
    assert store.keys() == ["ever"]
    store.put("new", 5, ttl=1e300)
    assert store.get_ttl("new") == (5, math.inf)
    store.put("tiny", 6, ttl=1e-300)
    clock.go(1e-3)
    assert "tiny" not in store
    store._check()


def test_real_time(make: Any) -> None:
    """Without a clock of its own it is the time that passes."""
    store, done = make(10), threading.Event()
    store.put("a", 1, ttl=0.2)
    assert store.get("a") == 1
    assert 0 < store.get_ttl("a")[1] <= 0.2
    done.wait(0.25)
    assert store.get("a", None) is None
    assert make(10, ttl=7).get_ttl("a", None) == (None, -1.0)


def test_a_value_put_again_has_its_time_anew(make: Any, clock: Clock) -> None:
    store = make(10, clock=clock)
    store.put("a", 1, ttl=1)
    store.put("a", 2, ttl=100)
    clock.go(50)
    assert store.get("a") == 2
    store.put("a", 3)
    clock.go(1000)
    assert store.get("a") == 3
    store.put("a", 4, ttl=1)
    clock.go(1)
    store.put("a", 5)
    assert store.get("a") == 5
    store._check()


def test_purge_frees_what_is_expired(make: Any, clock: Clock) -> None:
    """All of it, and nothing else; an idle store does it when asked."""
    store = make(100_000, clock=clock)
    for key in range(20_000):
        store.put(key, key, ttl=1 + key % 2000)
    assert store.purge() == 0
    clock.go(1000)
    assert store.purge() == 10_000
    assert len(store) == 10_000
    assert store.purge() == 0
    store._check()
    clock.go(0.999)
    assert store.purge() == 0
    clock.go(0.001)
    assert store.purge() == 10
    clock.go(1e5)
    assert store.purge() == 9_990
    assert len(store) == 0
    store._check()


def test_putting_frees_what_is_expired_bit_by_bit(make: Any, clock: Clock) -> None:
    """Memory of the expired comes back without a scan, and no put does more than its share of it."""
    store = make(100_000, ttl=30, clock=clock)
    for key in range(10_000):
        store.put(key, key)
    clock.go(3600)
    store.put("a", 1)  # the hour passes in the wheel, a few slots each
    for n in range(400):
        before = len(store)
        store.put(n, n, ttl=0)
        assert before - len(store) <= 32
    assert len(store) == 401
    assert store.stats.expirations == 10_000
    assert store.stats.evictions == 0
    store._check()


def test_the_wheel_turns_many_times(make: Any, clock: Clock) -> None:
    """Entries of very different lives are freed in their time, whatever the steps of the clock."""
    store, rnd, ends = make(5000, clock=clock), random.Random(11), dict[int, float]()
    for key in range(4000):
        lasts = rnd.choice([0.01, 0.5, 1, 3, 60, 500, 549, 550, 600, 3600, 90_000])
        store.put(key, key, ttl=lasts)
        ends[key] = clock.seconds + lasts
        clock.go(rnd.choice([0, 0, 0.01, 1, 7, 400]) if key % 50 == 0 else 0.001)
        if key % 500 == 0:
            store.purge()
            assert set(store.keys()) == {k for k, end in ends.items() if end > clock.seconds + 1e-6}
            assert len(store) == len(store.keys())
            store._check()


def test_expire_ends_an_entry_now(make: Any) -> None:
    """As delete, and counted and told as an expiry."""
    left: list[Any] = []
    store = make(10, eviction_callback=lambda *each: left.append(each))
    store.put("a", 1)
    assert store.expire("a") is True
    assert store.expire("a") is False
    assert "a" not in store
    assert left == [("a", 1, "expired")]
    assert store.stats.expirations == 1


# -- statistics and the callback


def test_what_is_counted(make: Any, clock: Clock) -> None:
    """Lookups by get and get_ttl; evictions and expirations apart; deleting and replacing in none."""
    store = make(3, clock=clock)
    for key in "abcd":
        store.put(key, key, size=5)
    store.put("d", "D", size=6)
    store.get("d")
    store.get_ttl("d")
    store.get("x", None)
    assert store.contains("d")
    assert "x" not in store
    store.put("d", "d", ttl=1, size=5)
    clock.go(1)
    store.get("d", None)
    store.delete(store.keys()[0])
    stats = store.stats
    assert stats._asdict() == {
        "hits": 2,
        "misses": 2,
        "evictions": 1,
        "expirations": 1,
        "entries": 1,
        "bytes": 5,
    }
    assert stats.hit_ratio == 0.5
    assert make(1).stats.hit_ratio == 0.0


def test_the_callback_is_told_what_leaves_by_itself(make: Any, clock: Clock) -> None:
    """Evicted and expired entries, once each, when they are out; not what was deleted, replaced or cleared."""
    left: list[Any] = []

    def told(key: Any, value: Any, reason: str) -> None:
        assert key not in store
        left.append((key, value, reason))

    store = make(2, eviction_callback=told, clock=clock)
    store.put("a", 1)
    store.put("b", 2, ttl=1)
    store.put("b", 3, ttl=1)
    store.delete("a")
    clock.go(5)
    store.purge()
    assert left == [("b", 3, "expired")]
    store.put("c", 4)
    store.put("d", 5)
    store.put("e", 6)
    assert len(left) == 2
    assert left[1][2] == "evicted"
    store.clear()
    assert len(left) == 2


def test_a_callback_that_raises_harms_nobody(make: Any) -> None:
    """The put succeeds; the error goes where errors of __del__ go."""
    seen: list[Any] = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda args: seen.append(args.exc_value)
    try:
        store = make(1, eviction_callback=lambda *_: 1 / 0)
        store.put("a", 1)
        store.put("b", 2)
    finally:
        sys.unraisablehook = hook
    assert store.get("b") == 2
    assert [type(each) for each in seen] == [ZeroDivisionError]
    store._check()


def test_a_callback_may_use_the_store(make: Any) -> None:
    """It runs when the step is over: putting back, deleting, clearing and reading all work."""
    calls = 0

    def told(key: Any, value: Any, reason: str) -> None:
        nonlocal calls
        calls += 1
        if calls % 7 == 0:
            store.clear()
        elif calls % 2 and calls < 2000:
            store.put(("again", calls), value)
        store.get(key, None)
        store.delete(calls)
        store._check()

    store = make(20, bytes=200, eviction_callback=told, clock=Clock())
    for n in range(2000):
        store.put(n, n, size=n % 50, ttl=n % 3)
    store._check()
    assert calls > 1000


# -- code of others, at the worst moment


class Meddler:
    """A key whose ``__eq__`` and ``__hash__`` work on the store that is looking at it."""

    def __init__(self, number: int, deed: Any) -> None:
        self.number = number
        self.deed = deed

    def __hash__(self) -> int:
        self.deed(self, "hash")
        return self.number % 3

    def __eq__(self, other: object) -> bool:
        self.deed(self, "eq")
        return isinstance(other, Meddler) and other.number == self.number


class Farewell:
    """A value whose ``__del__`` works on the store that lets it go."""

    def __init__(self, deed: Any) -> None:
        self.deed = deed

    def __del__(self) -> None:
        self.deed()


def test_keys_that_change_the_store_while_it_compares_them(make: Any) -> None:
    """All that ``__eq__`` and ``__hash__`` may do: put, delete, clear, purge, get, in the middle of each of these."""
    rnd, deep, done = random.Random(5), 0, 0
    store = make(8, bytes=100, size=lambda key, value: rnd.randrange(20))

    def deed(key: Meddler, moment: str) -> None:
        nonlocal deep, done
        if deep >= 2 or rnd.random() < 0.5:
            return
        deep += 1
        done += 1
        try:
            work(rnd.choice([key, Meddler(rnd.randrange(12), deed)]))
        finally:
            deep -= 1

    def work(key: Meddler) -> None:
        match rnd.randrange(12):
            case 0 | 1 | 2 | 3 | 4:
                store.put(key, Farewell(lambda: store.put(rnd.randrange(30), 1)), ttl=rnd.choice([0, 1e-9, 60]))
            case 5 | 6:
                store.get(key, None)
            case 7:
                store.delete(key)
            case 8:
                store.expire(key)
            case 9:
                store.purge()
            case 10:
                store.contains(key)
            case 11:
                store.clear() if rnd.random() < 0.1 else store.keys()

    for n in range(4000):
        work(Meddler(rnd.randrange(12), deed))
        if n % 20 == 0:
            store._check()
    store._check()
    assert done > 2000


def test_a_comparison_that_raises_changes_nothing(make: Any) -> None:
    """The error reaches the caller of get, put, delete and in; the store works on."""

    def refuse(key: Meddler, moment: str) -> None:
        if moment == "eq":
            raise ZeroDivisionError

    store = make(5)
    stored = Meddler(1, refuse)
    store.put(stored, "value")
    key = Meddler(1, lambda *_: None)
    for call in (store.get, store.delete, store.expire, store.contains, store.get_ttl, lambda k: store.put(k, 1)):
        with pytest.raises(ZeroDivisionError):
            call(key)
        store._check()
    assert len(store) == 1
    assert store.get(stored) == "value"


def test_values_that_call_back_when_they_go(make: Any) -> None:
    """``__del__`` runs when the step is over: whatever it does to the store is fine."""
    store, gone = make(10, ttl=60, clock=Clock()), []

    def deed() -> None:
        gone.append(len(store))
        store.put(("from del", len(gone)), len(gone))
        store.delete(("from del", len(gone) - 3))
        store._check()

    for n in range(300):
        store.put(n % 15, Farewell(deed))
        store.put(0, Farewell(deed))
        store.delete(n % 4)
    store.clear()
    gc.collect()
    assert len(gone) == 600
    store._check()


def test_deleting_from_del_while_the_same_key_is_replaced(make: Any) -> None:
    store = make(3)
    for _ in range(100):
        store.put("a", Farewell(lambda: store.delete("a")))
    store.put("a", None)
    assert store.get("a", None) is None
    store._check()


# -- nothing is kept, nothing is lost


def test_values_are_let_go(make: Any) -> None:
    """Evicted, expired, deleted, replaced, cleared, or left in a store that goes: all references come back."""

    class Thing:
        pass

    def one() -> tuple[Any, Any]:
        thing = Thing()
        return thing, weakref.ref(thing)

    store = make(2)
    refs = []
    for n in range(10):
        thing, ref = one()
        store.put(n, thing)
        store.put("same", thing)
        refs.append(ref)
        del thing
    assert sum(ref() is not None for ref in refs) <= 2
    store.delete("same")
    store.clear()
    assert all(ref() is None for ref in refs)
    thing, ref = one()
    store.put("a", thing, ttl=60)
    del thing, store
    gc.collect()
    assert ref() is None


def test_a_value_that_refers_to_its_store_is_collected(make: Any) -> None:
    """A cycle through a store is garbage like any other."""

    class Holder:
        pass

    def tie() -> Any:
        holder: Any = Holder()
        holder.store = make(10, ttl=60, eviction_callback=lambda *_: holder)
        holder.store.put("me", holder)
        holder.store.put(holder, "me", ttl=0)
        return weakref.ref(holder), weakref.ref(holder.store)

    refs = tie()
    assert all(ref() is not None for ref in refs)
    gc.collect()
    assert all(ref() is None for ref in refs)


def test_a_million_operations_leave_nothing_behind(make: Any) -> None:
    """Reference counts of what went in are as before, and the process does not grow."""
    count = 1_000_000 if make.__module__.endswith("_store") else 100_000
    store, rnd, clock = make(500, bytes=20_000, clock=(clock := Clock())), random.Random(1), clock
    values = [object() for _ in range(50)]
    keys = [f"key {n}" for n in range(3000)]
    before = [sys.getrefcount(each) for each in [*values, *keys]]

    def work(times: int) -> None:
        for n in range(times):
            key = keys[int(rnd.random() ** 2 * 3000)]
            kind = n % 16
            if kind < 8:
                if store.get(key, None) is None:
                    store.put(key, values[n % 50], ttl=n % 5, size=n % 90)
            elif kind < 12:
                store.put(key, values[n % 50], size=1)
            elif kind == 12:
                store.delete(key)
            elif kind == 13:
                store.get_ttl(key, values[0])
            elif kind == 14:
                store.contains(key)
            else:
                clock.go(0.001)
                if n % 65536 == 15:
                    store.keys()
                    store.purge()
                    store.clear()

    work(count // 10)
    gc.collect()
    blocks, resident = sys.getallocatedblocks(), memory()
    work(count)
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 5000  # entries of the twin come and go
    assert memory() - resident < 4_000_000
    store._check()
    store.clear()
    gc.collect()
    assert [sys.getrefcount(each) for each in [*values, *keys]] == before


@pytest.mark.parametrize("entries", [8193, 10_000, 16_384])
def test_an_entry_takes_at_most_160_bytes(entries: int) -> None:
    """Of the compiled store, full, with ttl and as many ghosts as entries; also where its tables have just grown."""
    store = store_class("compiled")(entries, ttl=60)
    for key in range(2 * entries):
        store.put(key, None)
    assert len(store) == entries
    assert sys.getsizeof(store) / entries <= 160


def memory() -> int:
    """Resident bytes of this process; 0 where that cannot be read."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


# -- threads and processes


def test_threads_share_a_store(make: Any) -> None:
    """Everything at once from several threads: no error, no value under a wrong key, no bound broken."""
    store = make(200, bytes=10_000, ttl=0.01, eviction_callback=lambda key, value, why: store.delete(key))
    errors: list[BaseException] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    class Key:
        def __init__(self, number: int) -> None:
            self.number = number

        def __hash__(self) -> int:
            return self.number % 50

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Key) and self.number == other.number

    def work(seed: int) -> None:
        rnd = random.Random(seed)
        try:
            for n in range(4000):
                number = rnd.randrange(400)
                key: Any = Key(number) if n % 3 == 0 else f"text {number}"
                found = store.get(key, None)
                assert found in (None, number)
                if found is None:
                    store.put(key, number, size=rnd.randrange(100))
                if n % 50 == 0:
                    store.delete(key)
                    store.keys()
                if n % 500 == 0:
                    store.purge()
                if n % 1000 == 0:
                    store.clear()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    store._check()


FORK = """
import os, sys, threading, time
sys.path.insert(0, {root!r})
from {module} import Store
store = Store(500, ttl=60)
store.put("before", 1, ttl=0)
stop = False
def work():
    n = 0
    while not stop:
        n += 1
        store.put(n % 2000, n)
        store.get("before", None)
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
for thread in threads: thread.start()
bad = 0
for _ in range(30):
    time.sleep(0.002)
    child = os.fork()
    if not child:
        store.put("child", 1)
        store._check()
        os._exit(0 if store.get("child") == 1 and len(store) > 0 else 1)
    bad += os.waitpid(child, 0)[1] != 0
stop = True
for thread in threads: thread.join()
store._check()
assert "child" not in store
sys.exit(bad)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_process_has_a_store_that_works(make: Any) -> None:
    """fork at any moment, other threads busy in the store: the child's copy is sound, and its own."""
    code = FORK.format(root=str(ROOT), module=make.__module__)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


# -- which one


@pytest.mark.parametrize("pure", ["1", ""])
def test_the_environment_chooses(pure: str) -> None:
    """RCOLLECTIONS_PURE=1 takes the twin in Python; without it the compiled one, if it was built."""
    code = (
        "import rcollections, rcollections.l1 as l1; print(l1.COMPILED, rcollections.LocalCache.__mro__[1].__module__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RCOLLECTIONS_PURE": pure}
    out = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout
    if pure:
        assert out.split() == ["False", "rcollections.l1.store"]
    else:
        store_class("compiled")
        assert out.split() == ["True", "rcollections.l1._store"]
