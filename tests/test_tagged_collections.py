"""Collections with tags: after ``invalidate_tags`` they read as empty, and what was there never comes back."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from rcollections import CounterCache, DictCache, KeyCache, SetCache, SortedSetCache, invalidate_tags
from tests.trips import sent, trips


class D(DictCache[Any, Any]):
    prefix = "d"
    tags = ("one", "two")


class S(SetCache[Any]):
    prefix = "s"
    tags = ("one", "two")


class Z(SortedSetCache[Any]):
    prefix = "z"
    tags = ("one", "two")


class C(CounterCache[Any]):
    prefix = "c"
    tags = ("one", "two")


class K(KeyCache[Any]):
    prefix = "k"
    tags = ("one", "two")


DATA: dict[type[Any], Any] = {D: {"a": 1, "b": 2}, S: {"a", "b"}, Z: {"a": 1.0, "b": 2.0}, C: {"a": 1, "b": 2}}
COLLECTIONS = tuple(DATA)
HASHES = (D, C)


def content(c: Any) -> Any:
    return c.to_set() if isinstance(c, SetCache) else c.to_dict()


def add(c: Any, field: str) -> None:
    c.add(field) if isinstance(c, (SetCache, SortedSetCache)) else c.set(field, 1)


def look(c: Any) -> list[Any]:
    """Everything that a collection can be asked, as plain values."""
    seen = [len(c), "a" in c, bool(c), c.exists(), c.has(ttl=1), sorted(map(str, c)), content(c)]
    if isinstance(c, (DictCache, CounterCache)):
        seen += [c.get("a", "none"), c.get_many(["a"], "none"), c.getmany("a"), list(c.keys()), list(c.values())]
        seen += [list(c.items()), c == {}, dict(c)]
    if isinstance(c, DictCache):
        seen += [c.get_ttl("a", "none"), c.gets("a", "none")[0], c | {}, {"z": 1} | c]
    if isinstance(c, CounterCache):
        seen += [c["a"], c.most_common(1), c.total(), list(c.elements()), +c, c == {}]
    if isinstance(c, SetCache):
        seen += [c.contains_many(["a"]), c.random_sample(3), c | {"x"}, c & {"a"}, c - {"x"}, c ^ {"x"}, {"a"} - c]
        seen += [c <= {"x"}, c == set(), c.isdisjoint({"a"})]
    if isinstance(c, SortedSetCache):
        seen += [c.get("a", "none"), c[0:5], c.range(), c.count(), list(reversed(c)), list(c.elements())]
        seen += [c.get_many(["a"], "none"), c.union({"x": 1}), c.intersection({"a": 1}), c.difference({"a"}), c == {}]
    return seen


@pytest.mark.parametrize("cls", COLLECTIONS)
@pytest.mark.parametrize("tag", ["one", "two"])
def test_an_invalidated_collection_answers_like_a_missing_one(store: Any, cls: type[Any], tag: str) -> None:
    """Every read: len 0, not in, the default, an empty iteration; whichever of its tags it was."""
    c = cls("x", data=DATA[cls])
    assert content(c) == DATA[cls]
    assert len(c) == 2
    assert "a" in c
    invalidate_tags(tag)
    assert look(c) == look(cls("never"))
    with pytest.raises(KeyError):
        c.pop() if cls in (S, Z) else c.pop("a")


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_writing_begins_anew(store: Any, cls: type[Any]) -> None:
    """The first write after an invalidation finds nothing; what it writes counts."""
    c = cls("x", data=DATA[cls])
    invalidate_tags("one")
    add(c, "new")
    assert set(content(c)) == {"new"}
    add(c, "newer")
    assert set(content(c)) == {"new", "newer"}
    c2 = cls("x", data=DATA[cls])
    assert content(c2) == DATA[cls]


WRITES: list[tuple[type[Any], str, Any]] = [
    (D, "set", lambda d: d.set("n", 1)),
    (D, "setitem", lambda d: d.__setitem__("n", 1)),
    (D, "setdefault", lambda d: d.setdefault("a", 9)),
    (D, "increment", lambda d: d.increment("a", 5)),
    (D, "update", lambda d: d.update({"n": 1})),
    (D, "update server", lambda d: d.update(DictCache("plain", data={"n": 1}))),
    (D, "cas", lambda d: d.cas("n", 1, D("never").gets("n")[1])),
    (D, "popitem", lambda d: d.popitem()),
    (D, "pop", lambda d: d.pop("a", None)),
    (D, "discard", lambda d: d.discard("a")),
    (D, "delete_many", lambda d: d.delete_many(["a", "b"])),
    (D, "touch", lambda d: d.touch()),
    (D, "expire", lambda d: d.expire(50)),
    (D, "renew", lambda d: d.renew(99999)),
    (D, "clear", lambda d: d.clear()),
    (D, "big", lambda d: d.update({n: n for n in range(6000)})),
    (D, "replace big", lambda d: d._replace({n: n for n in range(6000)})),
    (C, "increment", lambda c: c.increment("a", 5)),
    (C, "+=", lambda c: c.__setitem__("a", c["a"] + 1)),
    (C, "update", lambda c: c.update("ab")),
    (C, "subtract", lambda c: c.subtract("ab")),
    (C, "iadd", lambda c: c.__iadd__({"a": 3})),
    (C, "iand", lambda c: c.__iand__({"a": 3})),
    (C, "pop", lambda c: c.pop("a", None)),
    (C, "popitem", lambda c: c.popitem()),
    (C, "update server", lambda c: c.update(CounterCache("plain", data={"n": 1}))),
    (S, "add", lambda s: s.add("n")),
    (S, "add_many", lambda s: s.add_many(["n", "m"])),
    (S, "remove", lambda s: s.remove("a")),
    (S, "discard", lambda s: s.discard("a")),
    (S, "pop", lambda s: s.pop()),
    (S, "update", lambda s: s.update(SetCache("plain", data={"n"}), {"m"})),
    (S, "&=", lambda s: s.__iand__({"a"})),
    (S, "-=", lambda s: s.__isub__({"a"})),
    (S, "^=", lambda s: s.__ixor__({"a"})),
    (S, "delete_many", lambda s: s.delete_many(["a"])),
    (S, "big", lambda s: s.update(range(6000))),
    (S, "replace big", lambda s: s._replace(range(6000))),
    (Z, "add", lambda z: z.add("n", 3)),
    (Z, "incr", lambda z: z.incr("a", 3)),
    (Z, "add_many", lambda z: z.add_many({"n": 3})),
    (Z, "pop", lambda z: z.pop()),
    (Z, "rpop", lambda z: z.rpop()),
    (Z, "remove", lambda z: z.remove("a")),
    (Z, "remove_range_by_score", lambda z: z.remove_range_by_score(0, 9)),
    (Z, "remove_range_by_rank", lambda z: z.remove_range_by_rank(0, 1)),
    (Z, "union_update", lambda z: z.union_update(SortedSetCache("plain", data={"n": 1}))),
    (Z, "merge", lambda z: z.union_update({"a": 1})),
    (Z, "intersection_update", lambda z: z.intersection_update({"a": 1})),
    (Z, "difference_update", lambda z: z.difference_update({"a"})),
    (Z, "replace big", lambda z: z._replace(dict.fromkeys(range(6000), 1))),
]


def outcome(write: Any, c: Any) -> Any:
    try:
        result = write(c)
    except KeyError as error:
        return error.args
    return None if result is c else result


@pytest.mark.parametrize(("cls", "name", "write"), WRITES, ids=[f"{w[0].__name__} {w[1]}" for w in WRITES])
def test_a_write_does_what_it_does_to_an_untagged_collection(store: Any, cls: type[Any], name: str, write: Any) -> None:
    """The same answer and content as without tags: on a living collection, and on an invalidated one as on none."""
    bare = cls.__mro__[1]("bare", ttl=7200)
    for data in (DATA[cls], None):
        if data is None:
            bare.clear()
        else:
            bare._replace(data)
        c = cls("x", data=DATA[cls])
        if data is None:
            invalidate_tags("one")
        mine, its = outcome(write, c), outcome(write, bare)
        if name not in ("pop", "popitem") or cls is Z or data is None:  # those take any one
            assert mine == its
            assert content(c) == content(bare)
        assert len(c) == len(bare)


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_the_guard_lives_as_long_as_the_collection(store: Any, cls: type[Any]) -> None:
    """Each write that arms the collection arms the guard, expire and touch do, and clear removes both."""
    c = cls("x", data=DATA[cls], ttl=100)
    guard = f"rc:g:{{{c.key}}}"

    def lives() -> int:
        mine, its = store.raw("PTTL", c.key), store.raw("PTTL", guard)
        assert its == -1 if mine == -1 else abs(mine - its) < 50
        return int(mine)

    assert 99_000 < lives() <= 100_000
    c.expire(50)
    assert 49_000 < lives() <= 50_000
    add(c, "n")
    assert 99_000 < lives() <= 100_000
    c.expire(0)
    assert lives() == -1
    c.touch()
    assert 99_000 < lives() <= 100_000
    assert c.renew(200)
    assert 199_000 < lives() <= 200_000
    c.clear()
    assert store.raw("EXISTS", c.key, guard) == 0


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_removing_the_last_element_leaves_no_guard_behind_for_ever(store: Any, cls: type[Any]) -> None:
    """What an emptied or an invalidated collection leaves has a ttl."""
    c = cls("x", data=DATA[cls])
    c.delete_many(["a", "b"])
    assert store.raw("EXISTS", c.key) == 0
    assert store.raw("PTTL", f"rc:g:{{{c.key}}}") != -1
    invalidate_tags("one")
    c.delete_many(["a"])
    assert store.raw("EXISTS", f"rc:g:{{{c.key}}}") == 0


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_evicted_tags_and_guards_only_cost_a_miss(store: Any, cls: type[Any]) -> None:
    """A tag or guard that is gone never matches: the collection reads as empty, also once the tag is made anew."""
    c = cls("x", data=DATA[cls])
    store.raw("DEL", "rc:t:one")
    assert len(c) == 0
    cls("y", data=DATA[cls])  # makes the tag anew
    assert len(c) == 0
    c = cls("x", data=DATA[cls])
    store.raw("DEL", f"rc:g:{{{c.key}}}")
    assert len(c) == 0
    assert content(c) in ({}, set())


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_classes_with_other_tags_or_none_do_not_share(store: Any, cls: type[Any]) -> None:
    """What a class without tags wrote is nothing to one with tags; other tags neither."""
    bare = cls.__mro__[1]
    bare(f"{cls.prefix}.1", data=DATA[cls])
    assert len(cls(1)) == 0
    mine = bare("q", data=DATA[cls], tags=("one",))
    assert len(mine) == 2
    assert len(bare("q", tags=("one", "two"))) == 0
    assert len(bare("q", tags=("two",))) == 0
    assert len(bare("q", tags=("one",))) == 2


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_copy_to_and_data_take_living_content_only(store: Any, cls: type[Any]) -> None:
    """A copy has a guard of its own; an invalidated source leaves nothing there."""
    c = cls("x", data=DATA[cls])
    new = c.copy_to("y")
    assert content(new) == DATA[cls]
    store.raw("DEL", c.key)
    assert content(new) == DATA[cls]
    c = cls("x", data=DATA[cls])
    store.raw("DEL", "rc:g:{" + c.key + "}")
    assert len(c.copy_to("y")) == 0


def test_operands_that_were_invalidated_count_as_empty(store: Any) -> None:
    """Set algebra checks every guard, in reads and in changes; the result has its own."""

    class Other(SetCache[str]):
        tags = ("other",)

    a, b, plain = S("a", data={"x", "y"}), Other("b", data={"y", "z"}), SetCache("p", data={"x", "z"})
    assert a & b == {"y"}
    assert plain | b == {"x", "y", "z"}
    assert plain ^ b == {"x", "y"}
    assert a.union(b, plain) == {"x", "y", "z"}
    assert not (a <= b)
    invalidate_tags("other")
    assert a & b == set()
    assert plain | b == {"x", "z"}
    assert plain ^ b == {"x", "z"}
    assert b - plain == set()
    assert b <= a
    assert a != b
    a |= b
    assert a == {"x", "y"}
    plain -= b
    assert plain == {"x", "z"}
    a &= b
    assert len(a) == 0
    b |= plain
    assert b == {"x", "z"}
    invalidate_tags("one")
    assert b == {"x", "z"}


def test_sorted_set_and_counter_operands(store: Any) -> None:
    """The same for sorted sets and counters, and for ``update`` between dicts."""

    class OtherZ(SortedSetCache[str]):
        tags = ("other",)

    class OtherC(CounterCache[str]):
        tags = ("other",)

    class OtherD(DictCache[str, int]):
        tags = ("other",)

    z, zo = Z("a", data={"x": 1}), OtherZ("b", data={"x": 2, "y": 2})
    c, co = C("a", data={"x": 1}), OtherC("bc", data={"x": 2})
    d, do = D("a", data={"x": 1}), OtherD("bd", data={"x": 2})
    assert z.union(zo) == {"x": 3, "y": 2}
    assert z == {"x": 1}
    c.update(co)
    assert c == {"x": 3}
    d.update(do)
    assert d == {"x": 2}
    invalidate_tags("other")
    assert z.union(zo) == {"x": 1}
    assert z.difference(zo) == {"x": 1}
    z.union_update(zo)
    assert z == {"x": 1}
    c.update(co)
    c += co
    assert c == {"x": 3}
    d.update(do)
    assert d == {"x": 2}


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_in_a_pipeline(store: Any, cls: type[Any]) -> None:
    """MULTI carries guarded reads and writes; reads after writes see them."""
    c = cls("x", data=DATA[cls])
    with c.pipeline() as p:
        before = p.length()
        add(p, "n")
        after = p.length()
    assert (before.value, after.value) == (2, 3)
    invalidate_tags("two")
    with c.pipeline() as p:
        before = p.length()
        add(p, "n")
        after = p.length()
        there = p.contains("a")
    assert (before.value, after.value, there.value) == (0, 1, False)
    assert set(content(c)) == {"n"}


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_clean_removes_guards_too(store: Any, cls: type[Any]) -> None:
    """What ``clean()`` leaves of a class is its tags; the number is that of the collections."""
    cls("x", data=DATA[cls])
    cls("y", data=DATA[cls])
    assert cls.clean() == 2
    assert {key for key in store.raw("KEYS", "*") if not key.startswith(b"rc:t:")} == set()


def test_braces_in_a_prefix(store: Any) -> None:
    """A prefix with a hash tag keeps collection and guard in one slot, and clean finds both."""

    class Tagged(SetCache[int]):
        prefix = "a{slot}b"
        tags = ("one",)

    Tagged(1, data={1})
    assert store.raw("EXISTS", "rc:g:a{slot}b.1") == 1
    assert Tagged.clean() == 1
    assert store.raw("KEYS", "*b.1") == []


def test_large_collections_are_read_page_by_page_until_they_are_invalidated(store: Any) -> None:
    """Pages of a generation that ended are empty ones."""
    d = D("big", data={n: n for n in range(12_000)})
    assert len(d) == 12_000
    assert len(list(d)) == 12_000
    assert d.to_dict() == {n: n for n in range(12_000)}
    walk = iter(d)
    next(walk)
    invalidate_tags("one")
    assert len(list(walk)) < 12_000
    assert len(d) == 0


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_one_round_trip_each(server: Any, cls: type[Any]) -> None:
    """With two tags every operation still is one round trip."""
    from rcollections import connection

    c = cls("x", data=DATA[cls])
    for call in (c.length, lambda: "a" in c, lambda: content(c), lambda: add(c, "n"), c.exists, c.touch, c.clear):
        assert trips(connection(), call) == 1


def test_untagged_collections_pay_nothing(store: Any) -> None:
    """Without tags the same single command goes out as ever."""
    d = DictCache("plain")
    with sent(store) as seen:
        d.get("a")
    assert seen == [["HGET"]]


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_nobody_reads_an_older_generation(store: Any, cls: type[Any]) -> None:
    """Writers put the number of the generation, an invalidator goes on to the next; readers never go back."""
    name = "x"
    current = [0]
    lock = threading.Lock()
    wrong: list[Any] = []
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with lock:  # a plain write belongs to the generation of its moment: no bump in between
                add(cls(name), f"g{current[0]}")

    def read() -> None:
        while not stop.is_set():
            before = current[0]
            wrong.extend((field, before) for field in content(cls(name)) if int(field[1:]) < before)

    threads = [threading.Thread(target=each) for each in (write, write, read, read)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        with lock:
            invalidate_tags("one" if current[0] % 2 else "two")
            current[0] += 1
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
