"""``CounterCache`` is a Counter, adds atomically, and never writes half of anything."""

from __future__ import annotations

import copy
import json
import operator
import pickle
from collections import Counter
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest

import rcollections.plans.collections.counters as counter_plans
from rcollections import (
    CacheError,
    ConfigError,
    CounterCache,
    DictCache,
    EncodeError,
    KeyCache,
    WrongTypeError,
    configure,
    connection,
    observe,
)
from rcollections.plans import target
from rcollections.plans.collections import hashes
from rcollections.values.count import Count
from tests.trips import trips

LARGEST, SMALLEST = 2**63 - 1, -(2**63)
IN_PLACE = {"+": operator.iadd, "-": operator.isub, "|": operator.ior, "&": operator.iand}
BINARY = {"+": operator.add, "-": operator.sub, "|": operator.or_, "&": operator.and_}


class Number(IntEnum):
    ONE = 1


def armed(cache: Any) -> bool:
    """Whether the full ttl of the class was armed just now (tests set another one before)."""
    return 7_000_000 < connection().raw("PTTL", cache.key) <= 7_200_000


# -- one field -------------------------------------------------------------------------------------


def test_a_missing_field_counts_0_and_is_not_stored(store: Any) -> None:
    """Reading makes nothing."""
    c = CounterCache("c")
    assert c["x"] == 0
    assert c.get("x") is None
    assert c.get("x", 7) == 7
    assert "x" not in c
    assert len(c) == 0
    assert not c
    assert not c.exists()


def test_assignment_sets_and_del_is_fine_with_nothing(store: Any) -> None:
    """As Counter has it; del and delete of what is missing do not raise, pop does."""
    c = CounterCache("c")
    c["a"] = 5
    c["a"] = 3
    c[2] = -4
    assert c.to_dict() == {"a": 3, 2: -4}
    assert c.set("a", 1) is False
    assert c.set("b", 1) is True
    del c["a"]
    del c["a"]
    c.delete("b")
    c.delete("b")
    assert c.discard(2) is True
    assert c.discard(2) is False
    assert c.to_dict() == {}
    with pytest.raises(KeyError) as caught:
        c.pop("a")
    assert caught.value.args == ("a",)
    assert c.pop("a", None) is None
    with pytest.raises(KeyError, match="dictionary is empty"):
        c.popitem()
    c["a"] = 3
    assert c.setdefault("a", 9) == 3
    assert c.setdefault("z", 9) == 9
    assert c.pop("a") == 3
    assert c.popitem() == ("z", 9)


def test_plus_equals_sends_the_step_and_not_the_sum(store: Any) -> None:
    """What others added between the reading and the writing is not lost."""
    c = CounterCache("c", data={"a": 5})
    mine = c["a"]
    CounterCache("c").increment("a", 100)
    mine += 1
    mine += 1
    mine -= 5
    c["a"] = mine
    assert mine == 2
    assert c["a"] == 102


def test_plus_equals_makes_a_missing_field(store: Any) -> None:
    """Adding 0 makes one too, as in Counter."""
    c = CounterCache("c")
    c["a"] += 2
    c["b"] -= 3
    c["z"] += 0
    c[("x", 1)] += True
    assert c.to_dict() == {"a": 2, "b": -3, "z": 0, ("x", 1): 1}


def test_a_sum_is_counted_once(store: Any) -> None:
    """Stored a second time it is a number, so a loop that stores again cannot count double."""
    c = CounterCache("c", data={"a": 5})
    x = c["a"]
    x += 1
    c["a"] = x
    c["a"] = x
    assert c["a"] == 6


def test_every_other_assignment_sets(store: Any) -> None:
    """Another field, another key, plain arithmetic, the count itself, other operators."""
    c, other = CounterCache("c", data={"a": 5}), CounterCache("d", data={"a": 100, "b": 100})
    x = c["a"]
    x += 1
    other["a"] = x
    other["b"] = x
    assert other.to_dict() == {"a": 6, "b": 6}
    c["b"] = c["a"]
    assert c["b"] == 5
    read = c["a"]
    CounterCache("c")["a"] = 50
    c["a"] = read + 1
    assert c["a"] == 6
    c["a"] *= 2
    assert c["a"] == 12
    c["a"] //= 5
    assert c["a"] == 2


def test_two_handles_of_one_key_are_one_place(store: Any) -> None:
    """And equal fields are one field, whatever they are made of."""
    x = CounterCache("c", data={1: 5})[1.0]
    CounterCache("c").increment(1, 10)
    x += 1
    CounterCache("c")[True] = x
    assert CounterCache("c")[Fraction(1)] == 16


def test_a_place_is_of_one_connection() -> None:
    """The same key on another server is another counter."""
    from rcollections.testing import isolated

    with isolated():
        configure({"default": "memory://one", "b": "memory://two"})
        a, b = CounterCache("c", data={"x": 1}), CounterCache("c", connection_name="b", data={"x": 50})
        x = a["x"]
        x += 1
        b["x"] = x
        assert (a["x"], b["x"]) == (1, 2)
        a += b
        assert a.to_dict() == {"x": 3}
        a.update(b)
        assert a.to_dict() == {"x": 5}


def test_a_count_is_an_int_to_everybody(store: Any) -> None:
    """Text, json, pickle, copies, hash, arithmetic, the other collections."""
    count = CounterCache("c", data={"a": 5})["a"]
    assert type(count) is Count
    assert (count, repr(count), str(count), f"{count:03d}", json.dumps(count)) == (5, "5", "5", "005", "5")
    for twin in (pickle.loads(pickle.dumps(count)), copy.copy(count), copy.deepcopy(count), count + 1 - 1, int(count)):
        assert type(twin) is int
        assert twin == 5
    assert {count: 1} == {5: 1}
    total = count
    total += 0.5  # type: ignore[assignment]
    assert total == 5.5
    assert type(KeyCache("k", data=count).data) is int
    assert DictCache("d", data={count: [count, (count,)]}).to_dict() == {5: [5, (5,)]}
    assert store.raw("GET", "k") == b"5"


@pytest.mark.parametrize("wrong", [1.0, "1", b"1", None, True, Fraction(1), [1]])
def test_only_ints_are_counts(store: Any, wrong: Any) -> None:
    """Everything else is a TypeError before anything is sent, wherever it is given."""
    c = CounterCache("c", data={"a": 5})
    for call in (
        lambda: c.__setitem__("a", wrong),
        lambda: c.set("a", wrong),
        lambda: c.increment("a", wrong),
        lambda: c.setdefault("x", wrong),
        lambda: c.update({"b": 1, "a": wrong}),
        lambda: c.subtract({"b": 1, "a": wrong}),
        lambda: c.set_many({"b": 1, "a": wrong}),
        lambda: c.__iadd__({"b": 1, "a": wrong}),
        lambda: c.__iand__({"b": 1, "a": wrong}),
        lambda: CounterCache("c", data={"b": 1, "a": wrong}),
    ):
        with pytest.raises(TypeError, match="counts are int, not"):
            call()
    assert c.to_dict() == {"a": 5}
    c["a"] = Number.ONE
    assert type(c.to_dict()["a"]) is int


def test_what_is_more_than_64_bits_is_refused(store: Any) -> None:
    """Before it is sent where it can be seen, else on the server, with nothing half-written."""
    c = CounterCache("c", data={"a": LARGEST, "low": SMALLEST})
    assert c.to_dict() == {"a": LARGEST, "low": SMALLEST}
    with pytest.raises(EncodeError, match="64-bit"):
        c["a"] = LARGEST + 1
    with pytest.raises(EncodeError, match="64-bit"):
        c.update(a=SMALLEST - 1)
    with pytest.raises(EncodeError, match="would leave 64 bits; nothing was changed"):
        c.increment("a")
    with pytest.raises(EncodeError, match="would leave 64 bits"):
        c["low"] -= 1
    for call in (c.update, c.__iadd__):
        with pytest.raises(EncodeError, match="nothing was changed"):
            call({"x": 1, "y": 2, "a": 1})
    for call in (c.subtract, c.__isub__):
        with pytest.raises(EncodeError, match="nothing was changed"):
            call({"x": 1, "low": 1})
    assert c.to_dict() == {"a": LARGEST, "low": SMALLEST}
    x = c["a"]
    x += 10**30
    with pytest.raises(EncodeError):
        c["a"] = x


def test_a_foreign_field_is_a_wrong_type_and_stays(store: Any) -> None:
    """What redis-cli put there is neither read as a count nor changed."""
    c = CounterCache("c", data={"a": 5})
    store.raw("HSET", "c", "bad", "x")
    for call in (
        lambda: c["bad"],
        lambda: c.get("bad"),
        lambda: c.pop("bad"),
        lambda: c.increment("bad"),
        lambda: c.setdefault("bad"),
        lambda: c.update(["a", "bad"]),
        lambda: c.subtract(["a", "bad"]),
        lambda: c.__iadd__({"a": 1}),
        lambda: c.__iand__({"a": 1}),
        lambda: c.getmany("a", "bad"),
        lambda: c.get_many(["a", "bad"]),
        c.to_dict,
        c.total,
        lambda: list(c.items()),
        lambda: list(c.values()),
    ):
        with pytest.raises(WrongTypeError, match="'c'"):
            call()
    assert store.raw("HMGET", "c", "a", "bad") == [b"5", b"x"]
    c["bad"] = 1
    assert c.to_dict() == {"a": 5, "bad": 1}


def test_a_key_of_another_type_is_a_wrong_type(store: Any) -> None:
    """The error names the key."""
    KeyCache("c").data = 1
    c = CounterCache("c")
    for call in (
        lambda: c["a"],
        lambda: c.increment("a"),
        lambda: c.update("a"),
        lambda: c.__iadd__({"a": 1}),
        c.total,
    ):
        with pytest.raises(WrongTypeError, match="'c'"):
            call()


def test_increment_gives_the_new_count(store: Any) -> None:
    """0 reads: nothing is made."""
    c = CounterCache("c")
    assert c.increment("a") == 1
    assert c.increment("a", 41) == 42
    assert c.inc("a", -2) == 40
    assert c.increment("a", 0) == 40
    assert c.increment("x", 0) == 0
    assert c.to_dict() == {"a": 40}


def test_many_fields_at_once(store: Any) -> None:
    """Missing ones count 0."""
    c = CounterCache("c")
    c.set_many({"a": 1, "b": 2})
    c.set_many({"b": 3})
    assert c.getmany("b", "x", "a", "b") == [3, 0, 1, 3]
    assert c.getmany() == []
    assert c.get_many(["b", "x", "a"]) == {"b": 3, "x": 0, "a": 1}
    assert c.get_many(["x"], None) == {"x": None}
    assert c.delete_many(["a", "x"]) == 1
    assert c.delete_many([]) == 0
    assert c.to_dict() == {"b": 3}


# -- what a Counter knows --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", ["", "abcaba", ["a", 1, (2, 3), None], {"a": 3, "b": -1, "z": 0}, None, Counter("xyx"), (), 0 * [1]]
)
def test_data_is_what_counter_takes(store: Any, data: Any) -> None:
    """It replaces what was there, empty data leaves nothing."""
    CounterCache("c", data="old")
    c = CounterCache("c", data=data)
    assert c.to_counter() == Counter(data)
    assert c.to_dict() == dict(Counter(data))
    assert c.exists() == bool(Counter(data))
    assert CounterCache.create("c2", data=data) == Counter(data)


def test_update_and_subtract_take_what_counters_take(store: Any) -> None:
    """An iterable, a mapping, keywords, both, nothing, None; equal elements are one."""
    c, twin = CounterCache("c"), Counter[Any]()
    for args, kwargs in (
        (("which",), {}),
        ((), {"w": 5}),
        (({"w": -3, "z": 0},), {"h": 2, "w": 1}),
        ((Counter("hello"),), {}),
        ((), {}),
        ((None,), {}),
        ((iter([1, 1.0, True]),), {}),
        ((), {"self": 3, "iterable": 4, "other": 5}),
    ):
        c.update(*args, **kwargs)
        twin.update(*copy.copy(args), **kwargs) if not hasattr(args[:1], "__next__") else None
    twin.update([1] * 3) if twin[1] == 0 else None
    assert c.to_dict() == dict(twin)
    for args, kwargs in ((("witch",), {}), (({"w": 7},), {"h": 1}), ((), {}), ((None,), {"self": 1})):
        c.subtract(*args, **kwargs)
        twin.subtract(*args, **kwargs)
    assert c.to_dict() == dict(twin)
    assert min(c.values()) < 0
    with pytest.raises(TypeError):
        c.update(5)
    with pytest.raises(TypeError, match="unhashable"):
        c.update([[]])
    with pytest.raises(TypeError):
        c.update(1, 2)  # type: ignore[call-arg]
    assert c.to_dict() == dict(twin)


def test_update_from_another_counter_runs_on_the_server(store: Any) -> None:
    """Itself included; together with keywords it is read first."""
    a, b = CounterCache("a", data="aab"), CounterCache("b", data={"a": 1, "c": -2})
    a.update(b)
    assert a.to_dict() == {"a": 3, "b": 1, "c": -2}
    a.subtract(b, a=2)
    assert a.to_dict() == {"a": 0, "b": 1, "c": 0}
    b.update(b)
    assert b.to_dict() == {"a": 2, "c": -4}
    b.subtract(b)
    assert b.to_dict() == {"a": 0, "c": 0}
    a.update(CounterCache("nothing"))
    a.update(DictCache("d", data={"b": 5}))
    assert a.to_dict() == {"a": 0, "b": 6, "c": 0}


def test_most_common_elements_total(store: Any) -> None:
    """Sorted by count; elements leaves out what is not above 0."""
    c = CounterCache("c", data={"a": 3, "b": 2, "low": -5, "zero": 0})
    assert c.most_common(2) == [("a", 3), ("b", 2)]
    assert c.most_common() == [("a", 3), ("b", 2), ("zero", 0), ("low", -5)]
    assert c.most_common(0) == []
    assert sorted(c.elements()) == ["a", "a", "a", "b", "b"]
    assert c.total() == 0
    assert CounterCache("none").most_common(3) == []
    assert CounterCache("none").total() == 0
    assert CounterCache("t", data={"a": LARGEST, "b": LARGEST}).total() == 2 * LARGEST


def test_views_ask_the_server(store: Any) -> None:
    """They see what came later, and give plain ints."""
    c = CounterCache("c", data="a")
    keys, values, items = c.keys(), c.values(), c.items()
    c.update("ab")
    assert sorted(keys) == ["a", "b"]
    assert sorted(values) == [1, 2]
    assert sorted(items) == [("a", 2), ("b", 1)]
    assert set(map(type, values)) == {int}
    assert ("a", 2) in items
    assert ("x", 0) not in items
    assert 2 in values
    assert sorted(c) == ["a", "b"]


def test_fromkeys_is_refused_as_in_counter(store: Any) -> None:
    """The message names the way to do it."""
    with pytest.raises(NotImplementedError, match="data=iterable"):
        CounterCache.fromkeys("abc")


PAIRS: list[tuple[dict[str, int], dict[str, int]]] = [
    ({}, {}),
    ({"a": 1}, {}),
    ({"a": 3, "b": -2, "z": 0}, {"a": 1, "b": 5, "c": 2, "d": -4}),
    ({"a": -1}, {"a": -1}),
    ({"a": 2**60, "b": 1}, {"a": 2**60 + 1, "b": 0}),
    ({"a": 1, "b": 2}, {"a": 1, "b": 2}),
    ({"a": 1, "z": 0}, {"a": 1}),
]


@pytest.mark.parametrize("sign", BINARY)
def test_operators_give_plain_counters(store: Any, sign: str) -> None:
    """On either side, with Counter and with each other; other types are refused."""
    op = BINARY[sign]
    for mine, theirs in PAIRS:
        a, b = CounterCache("a", data=mine), CounterCache("b", data=theirs)
        want = op(Counter(mine), Counter(theirs))
        for found in (op(a, b), op(a, Counter(theirs)), op(Counter(mine), b)):
            assert type(found) is Counter
            assert dict(found) == dict(want)
    for wrong in ([("a", 1)], 5, "a", {"a"}):
        with pytest.raises(TypeError):
            op(a, wrong)
        with pytest.raises(TypeError):
            op(wrong, a)


def test_unary_operators(store: Any) -> None:
    """+c keeps what is above 0, -c what is below, turned around."""
    c = CounterCache("c", data={"a": 3, "b": -2, "z": 0})
    assert dict(+c) == {"a": 3}
    assert dict(-c) == {"b": 2}
    assert type(+c) is type(-c) is Counter


@pytest.mark.parametrize("sign", IN_PLACE)
@pytest.mark.parametrize("kind", ["server", "counter", "dict", "dictcache"])
def test_in_place_operators_change_the_server(store: Any, sign: str, kind: str) -> None:
    """As Counter does: afterwards only what is above 0 is left. The handle stays itself."""
    op = IN_PLACE[sign]
    for mine, theirs in PAIRS:
        c = CounterCache("c", data=mine)
        other: Any = {
            "server": lambda theirs: CounterCache("other", data=theirs),
            "counter": Counter,
            "dict": dict,
            "dictcache": lambda theirs: DictCache("other", data=theirs),
        }[kind](theirs)
        assert op(c, other) is c
        assert c.to_dict() == dict(op(Counter(mine), Counter(theirs)))
    for wrong in ([("a", 1)], 5, "a", {"a"}):
        with pytest.raises(TypeError):
            op(c, wrong)


def test_in_place_with_itself(store: Any) -> None:
    """Doubles, keeps, keeps, empties."""
    c = CounterCache("c", data={"a": 2, "low": -1})
    c += c
    assert c.to_dict() == {"a": 4}
    c |= c
    c &= c
    assert c.to_dict() == {"a": 4}
    c -= c
    assert not c.exists()


COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}


@pytest.mark.parametrize("sign", COMPARE)
def test_comparisons_take_missing_as_0(store: Any, sign: str) -> None:
    """In all directions, with Counter and with each other."""
    op = COMPARE[sign]
    for mine, theirs in PAIRS + [(b, a) for a, b in PAIRS]:
        a, b = CounterCache("a", data=mine), CounterCache("b", data=theirs)
        want = op(Counter(mine), Counter(theirs))
        assert op(a, b) == op(a, Counter(theirs)) == op(Counter(mine), b) == want


def test_comparison_with_other_types(store: Any) -> None:
    """A dict is compared as dict, field by field; order needs a Counter."""
    c = CounterCache("c", data={"a": 1, "z": 0})
    assert c == {"a": 1, "z": 0}
    assert c == {"a": 1, "z": 0}
    assert c != {"a": 1}
    assert c == Counter("a")
    assert c == DictCache("d", data={"a": 1, "z": 0})
    assert c != [("a", 1)]
    assert c != 5
    for op in (operator.lt, operator.le, operator.gt, operator.ge):
        with pytest.raises(TypeError):
            op(c, {"a": 1})
        with pytest.raises(TypeError):
            op(5, c)


def test_copies_are_plain_counters(store: Any) -> None:
    """copy() is the content, copy.copy a handle, copy_to a copy on the server, deepcopy refused."""
    c = CounterCache("c", data="aab")
    assert type(c.copy()) is type(c.to_counter()) is Counter
    assert type(c.to_dict()) is dict
    assert c.copy() == Counter("aab")
    twin = copy.copy(c)
    twin["a"] += 1
    assert c["a"] == 3
    assert c.copy_to("d").to_dict() == {"a": 3, "b": 1}
    assert pickle.loads(pickle.dumps(c)) == c
    with pytest.raises(TypeError, match="handle"):
        copy.deepcopy(c)
    with pytest.raises(TypeError, match="unhashable"):
        hash(c)


def test_a_counter_takes_a_countercache(store: Any) -> None:
    """In its in-place operators, and to be made from."""
    c, plain = CounterCache("c", data="aab"), Counter("ax")
    plain += c
    assert plain == Counter("aaabx")
    plain |= c
    plain.subtract(c)
    assert plain == Counter("ax")
    assert Counter(c) == Counter("aab")


def test_missing_may_be_another_number(store: Any) -> None:
    """Then ``+=`` starts there and sets: the server knows only 0."""

    class Lives(CounterCache[str]):
        def __missing__(self, field: str) -> int:
            return 3

    lives = Lives("lives")
    assert lives["ann"] == 3
    lives["ann"] -= 1
    assert lives["ann"] == 2
    lives["ann"] -= 1
    assert lives["ann"] == 1
    assert lives["bob"] == 3


def test_a_serializer_is_refused(store: Any) -> None:
    """Counts are numbers of the server; ``serialize`` makes no difference."""
    with pytest.raises(ConfigError, match="serializer"):
        CounterCache("c", serializer="json")
    with pytest.raises(ConfigError, match="serializer"):
        type("Bad", (CounterCache,), {"serializer": "json"})
    c = CounterCache("c", serialize=False, data={"a": 5, 7: 1})
    c["a"] += 1
    assert c.to_dict() == {"a": 6, 7: 1}
    assert store.raw("HGET", "c", "a") == b"6"


# -- time to live ----------------------------------------------------------------------------------

STORES: dict[str, Any] = {
    "c[k] = n": lambda c: c.__setitem__("a", 9),
    "c[k] += n": lambda c: operator.setitem(c, "a", operator.iadd(c["a"], 1)),
    "increment": lambda c: c.increment("a"),
    "setdefault": lambda c: c.setdefault("new", 1),
    "update": lambda c: c.update("a"),
    "update with server": lambda c: c.update(CounterCache("other", data="a")),
    "update with 0 for a new one": lambda c: c.update(new=0),
    "subtract": lambda c: c.subtract("a"),
    "set_many": lambda c: c.set_many({"a": 7}),
    "+=": lambda c: c.__iadd__({"a": 1}),
    "-=": lambda c: c.__isub__({"a": 1}),
    "|=": lambda c: c.__ior__({"a": 100}),
    "&=": lambda c: c.__iand__({"a": 1}),
}
NO_STORES: dict[str, Any] = {
    "reading": lambda c: [c["a"], c["x"], c.to_dict(), c.total(), c.getmany("a"), c.most_common()],
    "del": lambda c: c.__delitem__("b"),
    "pop": lambda c: c.pop("b"),
    "popitem": lambda c: c.popitem(),
    "delete_many": lambda c: c.delete_many(["b"]),
    "increment by 0": lambda c: c.increment("a", 0),
    "c[k] += 0": lambda c: operator.setitem(c, "a", operator.iadd(c["a"], 0)),
    "setdefault of what is there": lambda c: c.setdefault("a", 1),
    "update with nothing": lambda c: c.update({}),
    "update with an empty one": lambda c: c.update(CounterCache("nothing")),
    "update with 0": lambda c: c.update(a=0),
    "+= nothing": lambda c: c.__iadd__({}),
    "+= which only drops": lambda c: c.__iadd__({"b": -5}),
    "|= smaller": lambda c: c.__ior__({"a": 1}),
    "&= which only drops": lambda c: c.__iand__({"a": 100}),
}


@pytest.mark.parametrize("name", STORES)
def test_what_stores_arms_the_ttl(store: Any, name: str) -> None:
    """In the same step; with ttl_from='first' only when the key is made, with ttl=0 never."""
    c = CounterCache("c", data={"a": 5, "b": 1})
    assert armed(c)
    c.expire(100)
    STORES[name](c)
    assert armed(c)
    first = CounterCache("c", ttl_from="first")
    first.expire(100)
    first.discard("new")
    STORES[name](first)
    assert not armed(first)
    forever = CounterCache("c", ttl=0)
    forever.discard("new")
    STORES[name](forever)
    assert store.raw("PTTL", "c") > 0
    if name not in ("-=", "&=", "subtract"):
        first.clear()
        STORES[name](first)
        assert armed(first)


@pytest.mark.parametrize("name", NO_STORES)
def test_what_does_not_store_leaves_the_ttl(store: Any, name: str) -> None:
    """Reading, removing, and what changes nothing."""
    c = CounterCache("c", data={"a": 5, "b": 1})
    c.expire(100)
    NO_STORES[name](c)
    assert not armed(c)


# -- many elements ---------------------------------------------------------------------------------


def test_big_counters(store: Any) -> None:
    """Above 5,000 fields updates go in steps, above 10,000 reads by pages; the answers stay the same."""
    many = {n: n % 7 - 2 for n in range(11_000)}
    c = CounterCache("c", data=many)
    assert len(c) == 11_000
    assert c.to_dict() == many
    assert sum(1 for _ in c) == 11_000
    assert sum(c.values()) == c.total() == sum(many.values())
    twin = Counter(many)
    c.update(many)
    twin.update(many)
    c.subtract(range(6_000))
    twin.subtract(range(6_000))
    assert c.to_dict() == dict(twin)
    c.update(CounterCache("other", data=many))
    twin.update(many)
    assert c.to_dict() == dict(twin)
    assert c.most_common(3)[0][1] == twin.most_common(1)[0][1]
    assert not store.raw("KEYS", "rc:s:*")


@pytest.mark.parametrize("sign", IN_PLACE)
@pytest.mark.parametrize("big", ["mine", "theirs", "server", "both"])
def test_big_in_place_operators(store: Any, sign: str, big: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page at a time the result is that of Counter as well (with limits that make few fields many)."""
    for module in (counter_plans, hashes, target):
        if hasattr(module, "ATOMIC"):
            monkeypatch.setattr(module, "ATOMIC", 20)
    monkeypatch.setattr(counter_plans, "_AT_ONCE", 7)
    few, many = {n: n % 5 - 2 for n in range(10)}, {n: n % 7 - 3 for n in range(5, 45)}
    mine, theirs = {"mine": (many, few), "theirs": (few, many), "server": (few, many), "both": (many, many)}[big]
    c = CounterCache("c", data=mine)
    other = CounterCache("other", data=theirs) if big in ("server", "both") else theirs
    IN_PLACE[sign](c, other)
    assert c.to_dict() == dict(IN_PLACE[sign](Counter(mine), Counter(theirs)))


# -- round trips, pipelines, observers -------------------------------------------------------------

ONE_TRIP: dict[str, Any] = {
    "c[k]": lambda c: c["a"],
    "c[k] = n": lambda c: c.__setitem__("a", 1),
    "del": lambda c: c.__delitem__("x"),
    "increment": lambda c: c.increment("a"),
    "update": lambda c: c.update("hello", w=3),
    "subtract": lambda c: c.subtract("hello"),
    "update(server)": lambda c: c.update(CounterCache("other")),
    "+=": lambda c: c.__iadd__({"a": 3}),
    "&=": lambda c: c.__iand__(CounterCache("other")),
    "most_common": lambda c: c.most_common(),
    "elements": lambda c: list(c.elements()),
    "total": lambda c: c.total(),
    "to_counter": lambda c: c.to_counter(),
    "==": lambda c: c == Counter(),
    "getmany": lambda c: c.getmany("a", "b"),
    "pop": lambda c: c.pop("a", 0),
    "items": lambda c: [each for each in c.items()],  # noqa: C416 (list() asks for the length first)
    "data": lambda c: CounterCache("c", data="abc"),
}


@pytest.mark.parametrize("name", ONE_TRIP)
def test_one_round_trip(server: Any, name: str) -> None:
    """Each, on a real server."""
    c = CounterCache("c", data="ab")
    assert trips(connection(), lambda: ONE_TRIP[name](c)) == 1


def test_plus_equals_is_two_round_trips(server: Any) -> None:
    """The reading and the increment."""
    c = CounterCache("c", data="ab")
    assert trips(connection(), lambda: STORES["c[k] += n"](c)) == 2


def test_pipeline(store: Any) -> None:
    """``p[k] += 1`` is one increment there; reads are pending until the end."""
    c, other = CounterCache("c", data="aab"), CounterCache("other", data="b")
    with c.pipeline() as p:
        p["a"] += 1
        before = p["a"]
        p["a"] -= 10
        p["z"] += 0
        p.update("zz")
        p(other).update("bb")
        p.update(other)
        p += other
        some = p.getmany("a", "b", "x")
        p["n"] = 7
        top = p.most_common(1)
        everything = p.to_counter()
    assert before.value == 3
    assert some.value == [0, 7, 0]
    assert top.value == [("b", 7)] or top.value == [("n", 7)]
    assert everything.value == Counter({"b": 7, "n": 7, "z": 2})
    assert p.results[:5] == [3, 3, -7, 0, None]
    assert len(p.results) == 12


def test_a_pending_count_that_is_used_twice_stays_in_its_order(store: Any) -> None:
    """A read that something was queued behind is not taken back."""
    c = CounterCache("c", data={"a": 5})
    with c.pipeline() as p:
        x = p["a"]
        p["a"] = 100
        x += 1
        p["a"] = x
    assert p.results == [5, False, 101]
    with pytest.raises(TypeError, match="only be stored in the field"), c.pipeline() as p:
        p["b"] = operator.iadd(p["a"], 1)
    with pytest.raises(TypeError, match="counts are int"), c.pipeline() as p:
        p["a"] += 0.5
    with pytest.raises(TypeError, match="pending"), c.pipeline() as p:
        p["a"] = p["a"] + 1
    assert c.to_dict() == {"a": 101}


def test_errors_in_a_pipeline_stand_in_their_place(store: Any) -> None:
    """The others took effect."""
    c = CounterCache("c", data={"a": LARGEST})
    with c.pipeline() as p:
        sum_ = p.increment("a")
        p["b"] += 1
    assert isinstance(p.results[0], EncodeError)
    with pytest.raises(EncodeError):
        sum_.value  # noqa: B018
    assert p.results[1] == 1


def test_observers_see_operations(store: Any) -> None:
    """By name; a read that misses says so."""
    events: list[tuple[str, Any]] = []

    class Log(observe.Observer):
        def after(self, event: observe.Event) -> None:
            events.append((event.operation, event.hit))

    c = CounterCache("c")
    with observe.observing(Log()):
        c["a"] += 1
        c["a"]
        c.update("a")
        c.subtract("a")
        c += {"a": 1}
    assert events == [
        ("get", False),
        ("increment", None),
        ("get", True),
        ("update", None),
        ("subtract", None),
        ("add", None),
    ]


def test_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """CACHES_DISABLE=1: reads are empty, writes go nowhere, nothing fails."""
    from rcollections.testing import isolated

    monkeypatch.setenv("CACHES_DISABLE", "1")
    with isolated():
        c = CounterCache("c", data="abc")
        c["a"] += 1
        c.update("abc")
        c += {"a": 1}
        c &= CounterCache("d")
        assert c["a"] == 0
        assert c.increment("a") == 1
        assert c.to_counter() == Counter()
        assert c.pop("a", None) is None
        assert c.total() == 0
        with pytest.raises(KeyError):
            c.popitem()


def test_a_script_that_failed_on_the_way_raises(store: Any) -> None:
    """Nothing that a server says is taken for success."""
    c = CounterCache("c")
    with pytest.raises(CacheError):
        counter_plans._check(c._bound(), [b"text"])
