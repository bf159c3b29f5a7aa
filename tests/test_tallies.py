"""Hits and misses: what every read of the five types counts, alone and in a pipeline, on every kind of server."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CounterCache, DictCache, KeyCache, SetCache, SortedSetCache, cached, observe
from rcollections.observe.names import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HIT, MISS = (1, 0), (0, 1)


class Key(KeyCache[Any]):
    """Counted under a name of its own."""


class Dict(DictCache[str, Any]):
    """Counted under a name of its own."""


class Set(SetCache[str]):
    """Counted under a name of its own."""


class Scores(SortedSetCache[str]):
    """Counted under a name of its own."""


class Counts(CounterCache[str]):
    """Counted under a name of its own."""


DATA: dict[type[Any], Any] = {
    Key: False,
    Dict: {"a": False, "b": None},
    Set: {"a", "b"},
    Scores: {"a": 0.0, "b": 1.0},
    Counts: {"a": 0, "b": 1},
}
EVERY = [*DATA]


def drained(items: Any) -> Any:
    return [item for item in items]  # noqa: C416 - list() asks for the length as well


# Type(s), a name, the read, and (hits, misses) with the content above, and of a missing key.
ROWS: list[tuple[Any, str, Callable[[Any], Any], tuple[int, int], tuple[int, int]]] = [
    (EVERY, "exists", lambda c: c.exists(), HIT, MISS),
    (EVERY, "has", lambda c: c.has(ttl=1), HIT, MISS),
    (EVERY, "exists for longer", lambda c: c.exists(10**6), MISS, MISS),
    (Key, "get", lambda c: c.get(), HIT, MISS),
    (Key, "get(default)", lambda c: c.get(1), HIT, MISS),
    (Key, "data", lambda c: c.data, HIT, MISS),
    (Key, "peek", lambda c: c.peek(), HIT, MISS),
    (Key, "gets", lambda c: c.gets(), HIT, MISS),
    (Key, "get_ttl", lambda c: c.get_ttl(), HIT, MISS),
    (Key, "get_ttl(default)", lambda c: c.get_ttl(1), HIT, MISS),
    (Key, "getdel", lambda c: c.getdel(), HIT, MISS),
    (Key, "getdel(default)", lambda c: c.getdel(1), HIT, MISS),
    (Key, "str", str, HIT, MISS),
    (Key, "int", int, HIT, MISS),
    (Key, "float", float, HIT, MISS),
    (Key, "bool", bool, HIT, MISS),
    (Key, "==", lambda c: c == 5, HIT, MISS),
    (Key, "<", lambda c: c < 5, HIT, MISS),
    (Key, "edit", lambda c: c.edit(None).__enter__(), HIT, MISS),
    (Key, "get_many", lambda c: type(c).get_many(["x", "y", "y"]), (1, 1), (0, 2)),
    (Key, "get_many(default)", lambda c: type(c).get_many(["x", "y"], 0), (1, 1), (0, 2)),
    (Key, "get_many with ttl", lambda c: type(c).get_many(["x", "y"], 0, with_ttl=True), (1, 1), (0, 2)),
    ([Dict, Counts], "[]", lambda c: c["a"], HIT, MISS),
    ([Dict, Counts], "get", lambda c: c.get("a"), HIT, MISS),
    ([Dict, Counts], "get(default)", lambda c: c.get("a", 1), HIT, MISS),
    ([Dict, Counts], "pop", lambda c: c.pop("a"), HIT, MISS),
    ([Dict, Counts], "pop(default)", lambda c: c.pop("a", 1), HIT, MISS),
    ([Dict, Counts], "setdefault", lambda c: c.setdefault("a", 1), HIT, MISS),
    ([Dict, Counts], "get_many", lambda c: c.get_many(["a", "b", "c"]), (2, 1), (0, 3)),
    ([Dict, Counts], "get_many(default)", lambda c: c.get_many(["a", "c", "c"], 7), (1, 1), (0, 2)),
    ([Dict, Counts], "getmany", lambda c: c.getmany("a", "b", "c"), (2, 1), (0, 3)),
    (Dict, "gets", lambda c: c.gets("a"), HIT, MISS),
    (Dict, "get_ttl", lambda c: c.get_ttl("a"), HIT, MISS),
    (Dict, "get_ttl(default)", lambda c: c.get_ttl("a", 1), HIT, MISS),
    (Dict, "edit", lambda c: c.edit("a", None).__enter__(), HIT, MISS),
    (Counts, "increment by 0", lambda c: c.increment("a", 0), HIT, MISS),
    (Counts, "most_common", lambda c: c.most_common(1), HIT, MISS),
    (Counts, "elements", lambda c: drained(c.elements()), HIT, MISS),
    (Counts, "total", lambda c: c.total(), HIT, MISS),
    (Counts, "to_counter", lambda c: c.to_counter(), HIT, MISS),
    ([Dict, Counts, Set, Scores], "in", lambda c: "a" in c, HIT, MISS),
    ([Dict, Counts, Set, Scores], "contains", lambda c: c.contains("a"), HIT, MISS),
    ([Dict, Counts, Set, Scores], "contains what is not there", lambda c: c.contains("c"), MISS, MISS),
    ([Dict, Counts, Set, Scores], "len", len, HIT, MISS),
    ([Dict, Counts, Set, Scores], "length", lambda c: c.length(), HIT, MISS),
    ([Dict, Counts, Set, Scores], "truth", bool, HIT, MISS),
    ([Dict, Counts, Set, Scores], "iter", drained, HIT, MISS),
    ([Dict, Counts, Set, Scores], "copy", lambda c: c.copy(), HIT, MISS),
    ([Dict, Counts, Scores], "to_dict", lambda c: c.to_dict(), HIT, MISS),
    ([Dict, Counts], "keys", lambda c: drained(c.keys()), HIT, MISS),
    ([Dict, Counts], "values", lambda c: drained(c.values()), HIT, MISS),
    ([Dict, Counts], "items", lambda c: drained(c.items()), HIT, MISS),
    ([Dict, Counts, Scores], "== {}", lambda c: c == {}, HIT, MISS),
    (Set, "== set()", lambda c: c == set(), HIT, MISS),
    (Set, "issubset", lambda c: c.issubset({"a"}), HIT, MISS),
    ([Dict, Counts], "popitem", lambda c: c.popitem(), HIT, MISS),
    ([Set, Scores], "pop", lambda c: c.pop(), HIT, MISS),
    (Set, "to_set", lambda c: c.to_set(), HIT, MISS),
    (Set, "contains_many", lambda c: c.contains_many(["a", "b", "c", "c"]), (2, 1), (0, 3)),
    (Set, "many of contains_many", lambda c: c.contains_many(["a", *map(str, range(6000))]), (1, 6000), (0, 6001)),
    (Set, "random_sample", lambda c: c.random_sample(5), HIT, MISS),
    (Scores, "score", lambda c: c.score("a"), HIT, MISS),
    (Scores, "get", lambda c: c.get("a"), HIT, MISS),
    (Scores, "get(default)", lambda c: c.get("a", 1.0), HIT, MISS),
    (Scores, "get_many", lambda c: c.get_many(["a", "b", "c"]), (2, 1), (0, 3)),
    (Scores, "get_many(default)", lambda c: c.get_many(["a", "c"], 0.0), (1, 1), (0, 2)),
    (Scores, "scores", lambda c: c.scores(["c", "a"]), (1, 1), (0, 2)),
    (Scores, "rank", lambda c: c.rank("a"), HIT, MISS),
    (Scores, "rank from the end", lambda c: c.rank("a", reverse=True), HIT, MISS),
    (Scores, "rpop", lambda c: c.rpop(), HIT, MISS),
    (Scores, "[0]", lambda c: c[0], HIT, MISS),
    (Scores, "[0:2]", lambda c: c[0:2], HIT, MISS),
    (Scores, "chunk", lambda c: c.chunk(2), HIT, MISS),
    (Scores, "rchunk", lambda c: c.rchunk(2), HIT, MISS),
    (Scores, "range", lambda c: c.range(0, 1), HIT, MISS),
    (Scores, "range of nothing", lambda c: c.range(5, 6), MISS, MISS),
    (Scores, "count", lambda c: c.count(0, 1), HIT, MISS),
    (Scores, "reversed", lambda c: drained(reversed(c)), HIT, MISS),
    (Scores, "elements", lambda c: drained(c.elements()), HIT, MISS),
]
READS = [
    pytest.param(cls, read, hit, miss, id=f"{cls.__name__} {name}")
    for classes, name, read, hit, miss in ROWS
    for cls in (classes if isinstance(classes, list) else [classes])
]
ERRORS = (KeyError, IndexError)  # what a read of nothing may raise; CacheMissError is a KeyError


@pytest.fixture
def counting() -> Iterator[None]:
    observe.collect()
    yield
    observe.collect(False)


def counted(cls: type[Any]) -> tuple[int, int]:
    stats = cls.stats()
    return stats.hits, stats.misses


@pytest.mark.parametrize(("cls", "read", "hit", "miss"), READS)
def test_a_read_counts_what_it_found(
    store: Any, cls: type[Any], read: Callable[[Any], Any], hit: tuple[int, int], miss: tuple[int, int]
) -> None:
    """Of a key that is there, though its values be false, and of a key that is missing."""
    filled = cls("x", data=DATA[cls])
    observe.collect()
    read(filled)
    assert counted(cls) == hit
    filled.clear()
    observe.collect()
    with suppress(*ERRORS):
        read(filled)
    assert counted(cls) == miss
    observe.collect(False)


@pytest.mark.parametrize(("cls", "read", "hit", "miss"), READS)
def test_a_read_in_a_pipeline_counts_the_same(
    store: Any, cls: type[Any], read: Callable[[Any], Any], hit: tuple[int, int], miss: tuple[int, int]
) -> None:
    """Where the operation can be a part of one: the events behind the block have the counts."""
    for data, expected in ((DATA[cls], hit), (None, miss)):
        handle = cls("x")
        if data is None:
            handle.clear()
        else:
            handle._replace(data)
        observe.collect()
        sent = True
        with handle.pipeline() as p:
            p.touch()
            try:
                read(p)
            except TypeError:  # needs an answer at once, or more than one round trip
                sent = False
        sent = sent and len(p.results) > 1
        assert not sent or counted(cls) == expected
        observe.collect(False)


def test_every_read_stands_in_the_table() -> None:
    """A public method of a type is a row above, or is named here as what changes, makes or describes."""
    others = set(
        """
        add add_many addnx at cached cas clean clear copy_to create delete delete_many difference
        difference_update discard expire expires_in fill fromkeys inc incr increment intersection
        intersection_update isdisjoint issuperset iteritems iterkeys itervalues key lock mutate pipeline
        remove remove_range_by_rank remove_range_by_score renew set set_many since stats subtract
        symmetric_difference symmetric_difference_update touch union union_update update writing
        l1_prefixes equals combine
        """.split()
    )
    rows = {name.partition("(")[0] for _, name, *_ in ROWS}
    for cls in EVERY:
        methods = {name for name, _ in inspect.getmembers(cls, callable) if not name.startswith("_")}
        assert methods - others - rows == set(), cls.__name__


def test_pages_and_algebra(store: Any, counting: None) -> None:
    """A read in pages is one hit; a set operation that joins collections counts neither."""
    Set("big", data={str(n) for n in range(10_001)})
    Set("small", data={"1"})
    observe.collect()
    assert len(drained(Set("big"))) >= 10_001
    assert counted(Set) == HIT
    observe.collect()
    assert Set("big") & Set("small") == {"1"}
    assert Set("none") | {"1"} == {"1"}
    assert Scores("none").union({"a": 1.0}) == {"a": 1.0}
    assert counted(Set) == counted(Scores) == (0, 0)


def test_an_event_has_the_numbers(store: Any) -> None:
    """``hits`` and ``misses`` of one operation; ``hit`` is whether it found any."""
    heard: list[observe.Event] = []

    class Ear(observe.Observer):
        def after(self, event: observe.Event) -> None:
            heard.append(event)

    d = Dict("x", data={"a": 1})
    with observe.observing(Ear()):
        d.get_many(["a", "b", "c"])
        d.get_many(["b", "c"])
        d["b"] = 2
    assert [(e.hits, e.misses, e.hit) for e in heard] == [(1, 2, True), (0, 2, False), (0, 0, None)]


def test_bytes_that_cannot_be_read_are_one_miss(store: Any, counting: None) -> None:
    """They are an event of their own, and the read counts the miss."""
    store.raw("SET", "x", b"\xc1\xff\xff")
    assert Key("x").get() is None
    assert counted(Key) == MISS
    assert Key.stats().unreadable == 1
    assert (Key.stats().calls, Key.stats("get").calls) == (1, 1)


def test_names_have_their_module(store: Any, counting: None) -> None:
    """Two classes of one name, and two functions, are two lines; the types of this library one."""

    def made(module: str) -> tuple[Any, Any]:
        places: dict[str, Any] = {"__name__": module, "DictCache": DictCache, "cached": cached}
        exec(  # noqa: S102 - two modules without files
            "class Profile(DictCache):\n    prefix = __name__\n@cached(ttl=60)\ndef get(n): return n\n", places
        )
        return places["Profile"], places["get"]

    (first, one), (second, two) = made("shop"), made("stock")
    first("x")["a"] = 1
    second("x").get("a")
    one(1), one(1), two(1)
    KeyCache("k").get()
    assert {"shop.Profile", "stock.Profile", "shop.get", "stock.get", "rcollections.KeyCache"} <= set(observe.stats())
    assert (first.stats().calls, second.stats().calls) == (1, 1)
    assert (observe.stats(one, "call").calls, observe.stats("stock.get", "call").calls) == (2, 1)
    assert name_of(KeyCache) == "rcollections.KeyCache"
