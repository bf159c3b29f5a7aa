"""``DictCache`` is a dict as far as a hash on a server can be one, and each step on it is atomic."""

from __future__ import annotations

import copy
import json
import operator
from collections import Counter, OrderedDict, UserDict
from collections.abc import Mapping, MutableMapping
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import inf
from typing import Any
from uuid import UUID

import pytest

import rcollections.plans.collections.hashes as hash_plans
from rcollections import (
    CacheError,
    CounterCache,
    DecodeError,
    DictCache,
    EncodeError,
    KeyCache,
    WrongTypeError,
    configure,
    connection,
    observe,
)
from rcollections.testing import isolated
from tests.trips import trips


class Profile(DictCache[str, Any]):
    prefix = "profile"
    ttl = 60


def left(cache: Any) -> int:
    return int(connection().raw("PTTL", cache.key))


def full(cache: Any) -> bool:
    return 59_000 < left(cache) <= 60_000


# -- one field -------------------------------------------------------------------------------------

FIELDS: list[Any] = [
    "a", "", "7", "007", "é", 7, -1, 7.5, None, b"a", b"\xff", (), (1, "a", (2,)), frozenset({1, 2}), 2**70, inf,
    UUID(int=5), Fraction(1, 3), timedelta(seconds=1), "\ud800",
]  # fmt: skip
VALUES: list[Any] = [0, "", None, False, b"", [], {}, (), set(), 1, "a", "7", 1.5, [1, {"a": (2,)}], {1: {2}}, 2**80]


def test_any_field_and_value_come_back_as_themselves(store: Any) -> None:
    """Fields of different types are different fields."""
    d, twin = DictCache("d"), {}
    for number, field in enumerate(FIELDS):
        d[field] = twin[field] = number
    for number, value in enumerate(VALUES):
        d["value", number] = twin["value", number] = value
    assert d.to_dict() == twin
    assert len(d) == len(twin)
    for field, value in twin.items():
        assert field in d
        assert d[field] == value
        assert type(d[field]) is type(value)
    assert {repr(field) for field in d} == {repr(field) for field in twin}


def test_equal_fields_are_one_field(store: Any) -> None:
    """As in dict: 1, 1.0, True and Decimal(1)."""
    d = DictCache("d", data={1: "int"})
    for same in (1.0, True, Decimal(1), Fraction(1)):
        assert d[same] == "int"
        d[same] = "int"
    assert d.to_dict() == {1: "int"}
    assert 1.5 not in d
    assert "1" not in d


def test_a_missing_field_is_a_plain_key_error(store: Any) -> None:
    """With the field as its only argument."""
    d = DictCache("d")
    for call in (
        lambda: d[("a", 1)],
        lambda: d.pop(("a", 1)),
        lambda: d.delete(("a", 1)),
        lambda: operator.delitem(d, ("a", 1)),
        lambda: d.get_ttl(("a", 1)),
    ):
        with pytest.raises(KeyError) as caught:
            call()
        assert type(caught.value) is KeyError
        assert caught.value.args == (("a", 1),)
    with pytest.raises(KeyError, match="dictionary is empty"):
        d.popitem()


@pytest.mark.parametrize("field", [[], {}, set(), bytearray()])
def test_unhashable_fields_are_a_type_error(store: Any, field: Any) -> None:
    """As in dict; NaN, which is equal to nothing, is a ValueError."""
    d = DictCache("d")
    for call in (
        lambda: d[field],
        lambda: d.set(field, 1),
        lambda: field in d,
        lambda: d.get(field),
        lambda: d.pop(field),
    ):
        with pytest.raises(TypeError, match="unhashable"):
            call()
    with pytest.raises(ValueError, match="NaN"):
        d[float("nan")] = 1
    assert len(d) == 0


def test_what_cannot_be_stored_is_refused_with_the_key(store: Any) -> None:
    """Before anything is sent: an update with one bad value changes nothing."""
    d = DictCache("d", data={"a": 1})
    for call in (
        lambda: d.__setitem__("b", object()),
        lambda: d.update({"b": 1, "c": object()}),
        lambda: d.setdefault("b", object()),
        lambda: DictCache("d", data={"b": object()}),
    ):
        with pytest.raises(EncodeError, match="'d'"):
            call()
    assert d.to_dict() == {"a": 1}


def test_bytes_that_cannot_be_read_are_a_decode_error(store: Any) -> None:
    """That names the key; the other fields are fine."""
    d = DictCache("d", data={"a": 1})
    store.raw("HSET", "d", "bad", b"\xff\xfe")
    for call in (lambda: d["bad"], lambda: d.get("bad"), d.to_dict, lambda: d.getmany("bad")):
        with pytest.raises(DecodeError, match="'d'"):
            call()
    assert d["a"] == 1
    assert sorted(d) == ["a", "bad"]


def test_get_set_delete_discard(store: Any) -> None:
    """``set`` tells whether the field is new, ``discard`` whether it was there."""
    d = DictCache("d")
    assert d.get("a") is None
    assert d.get("a", 7) == 7
    assert d.set("a", None) is True
    assert d.set("a", 2) is False
    assert d.get("a", 7) == 2
    assert d.discard("a") is True
    assert d.discard("a") is False
    d["a"] = d["b"] = 1
    del d["a"]
    d.delete("b")
    assert not d.exists()


def test_setdefault_pop_popitem(store: Any) -> None:
    """None is a value, not a missing field."""
    d = DictCache("d")
    assert d.setdefault("a") is None
    assert d.setdefault("a", 5) is None
    assert d.setdefault("b", [1]) == [1]
    assert d.pop("a") is None
    assert d.pop("a", 7) == 7
    assert d.pop("a", None) is None
    assert d.popitem() == ("b", [1])
    assert not d


def test_increment(store: Any) -> None:
    """As KeyCache: ints stay ints, floats floats, what is no number is refused."""
    d = DictCache("d")
    assert d.increment("a") == 1
    assert d.increment("a", -5) == -4
    assert d.increment("a", 0.5) == -3.5
    d["text"] = "7"
    with pytest.raises(WrongTypeError, match="'d'"):
        d.increment("text")
    with pytest.raises(TypeError):
        d.increment("a", "1")  # type: ignore[arg-type]
    d["big"] = 2**63 - 1
    with pytest.raises(EncodeError, match="nothing was changed"):
        d.increment("big")
    assert d.to_dict() == {"a": -3.5, "text": "7", "big": 2**63 - 1}


def test_gets_cas_edit(store: Any) -> None:
    """Compare and set, for a field."""
    d = DictCache("d", data={"a": [1]})
    value, token = d.gets("a")
    assert value == [1]
    assert d.cas("a", [2], token) is True
    assert d.cas("a", [3], token) is False
    value, token = d.gets("x", "default")
    assert value == "default"
    assert d.cas("x", 1, token) is True
    assert d.cas("x", 1, token) is False
    with pytest.raises(TypeError, match="token"):
        d.cas("a", 1, None)  # type: ignore[arg-type]
    with d.edit("a") as v:
        v.append(5)
    assert d["a"] == [2, 5]
    with pytest.raises(CacheError, match=r"field 'a' of 'd' was changed by somebody else"), d.edit("a") as v:  # noqa: PT012
        v.append(6)
        d["a"] = "other"
    d["a"] = [1]
    with pytest.raises(CacheError, match="changed by somebody else"), d.edit("a") as v:  # noqa: PT012
        v.append(6)
        del d["a"]
    with pytest.raises(KeyError), d.edit("a"):
        pass
    with d.edit("a", {}) as v:
        v["new"] = 1
    assert d["a"] == {"new": 1}


def test_missing_hook(store: Any) -> None:
    """``__missing__`` makes the value of a field, which is stored; get, in and pop do not ask it."""
    calls: list[str] = []

    class Squares(DictCache[int, int]):
        def __missing__(self, field: int) -> int:
            calls.append(f"{field}")
            return field * field

    s = Squares("s")
    assert s.get(3) is None
    assert 3 not in s
    assert (3, 9) not in s.items()
    assert s.pop(3, None) is None
    assert s[3] == 9
    assert s[3] == 9
    assert calls == ["3"]
    assert s.to_dict() == {3: 9}
    with s.pipeline() as p:
        there, new = p[3], p[4]
    assert there.value == 9
    assert new.value == 16
    assert s.to_dict() == {3: 9, 4: 16}


# -- many fields -----------------------------------------------------------------------------------

UPDATES: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    (({},), {}),
    (({"a": 1, "b": 2},), {}),
    (([("a", 1), ("b", 2)],), {}),
    ((), {"a": 1, "self": 2, "other": 3}),
    (({"a": 1},), {"a": 2}),
    ((zip("ab", [1, 2], strict=True),), {}),
    ((OrderedDict(a=1),), {}),
    ((UserDict(a=1),), {}),
    ((["ab", "cd"],), {}),
    ((Counter("aab"),), {}),
    ((iter(()),), {}),
]


@pytest.mark.parametrize("number", range(len(UPDATES)))
def test_update_takes_what_dict_takes(store: Any, number: int) -> None:
    """Mappings, pairs, keywords."""
    args, kwargs = UPDATES[number]
    args = tuple(list(arg) if hasattr(arg, "__next__") else arg for arg in args)
    d, twin = DictCache("d", data={"a": 0, "old": 1}), {"a": 0, "old": 1}
    assert d.update(*args, **kwargs) is None
    twin.update(*args, **kwargs)
    assert d.to_dict() == twin
    if args:
        assert DictCache("e", data=args[0]).to_dict() == dict(args[0])


@pytest.mark.parametrize("wrong", [5, [1], ["abc"], [("a",)], "abc", None])
def test_update_refuses_what_dict_refuses(store: Any, wrong: Any) -> None:
    """With the same exception; nothing is changed."""
    d = DictCache("d", data={"a": 1})
    with pytest.raises((TypeError, ValueError)) as expected:
        {}.update(wrong)
    for call in (d.update, d.__ior__, lambda other: DictCache("d", data=other)):
        with pytest.raises(expected.type):
            call(wrong)
    assert d.to_dict() == {"a": 1}


def test_update_from_another_runs_on_the_server(server: Any) -> None:
    """One round trip, itself included; another serializer or connection is read first."""
    d, other = DictCache("d", data={"a": 1}), DictCache("other", data={"a": 2, "b": [3]})
    assert trips(connection(), lambda: d.update(other)) == 1
    assert d.to_dict() == {"a": 2, "b": [3]}
    d.update(d)
    d |= other
    assert d.to_dict() == {"a": 2, "b": [3]}
    json_ = DictCache("json", serializer="json", data={"c": [4]})
    d.update(json_)
    json_.update(other)
    assert d["c"] == [4]
    assert json_.to_dict() == {"a": 2, "b": [3], "c": [4]}
    d.update(CounterCache("count", data="x"))
    assert d["x"] == 1


def test_update_from_another_connection() -> None:
    """By way of this process."""
    with isolated():
        configure({"default": "memory://one", "b": "memory://two"})
        d, other = DictCache("d", data={"a": 1}), DictCache("d", connection_name="b", data={"b": 2})
        d.update(other)
        assert d.to_dict() == {"a": 1, "b": 2}
        assert other.to_dict() == {"b": 2}


def test_many_fields_at_once(store: Any) -> None:
    """In order, without repeats; missing ones are left out unless a default is given."""
    d = DictCache("d")
    d.set_many({"a": 1, "b": None, 3: 3})
    assert d.get_many(["b", "x", 3, "b"]) == {"b": None, 3: 3}
    assert list(d.get_many([3, "b"])) == [3, "b"]
    assert d.get_many(["b", "x"], 7) == {"b": None, "x": 7}
    assert d.get_many([]) == {}
    assert d.getmany("x", "a", "a", "b") == [None, 1, 1, None]
    assert d.getmany() == []
    assert d.delete_many(["a", "x"]) == 1
    assert d.delete_many(()) == 0
    d.set_many({})
    assert d.to_dict() == {"b": None, 3: 3}


def test_data_replaces(store: Any) -> None:
    """Empty data leaves nothing; another type is replaced too."""
    DictCache("d", data={"old": 1})
    assert DictCache("d", data={"a": 1}).to_dict() == {"a": 1}
    assert DictCache("d", data={}).exists() is False
    KeyCache("d", data=1)
    assert DictCache.create("d", data=[("a", 1)]).to_dict() == {"a": 1}
    assert DictCache("e", data=DictCache("d")).to_dict() == {"a": 1}
    assert DictCache.create("d").to_dict() == {"a": 1}


def test_fromkeys(store: Any) -> None:
    """Replaces what is under the key of the parts."""
    Profile(1)["old"] = 1
    assert Profile.fromkeys("ab", 5, 1).to_dict() == {"a": 5, "b": 5}
    assert Profile.fromkeys(["x"]).key == "profile"
    assert Profile().to_dict() == {"x": None}


# -- whole reads -----------------------------------------------------------------------------------


def test_it_is_a_mutable_mapping(store: Any) -> None:
    """And no dict, so that nobody reads an empty one."""
    d = DictCache("d", data={"a": 1})
    assert isinstance(d, MutableMapping)
    assert not isinstance(d, dict)
    assert dict(d) == {**d} == {"a": 1}
    assert [*d] == ["a"]
    with pytest.raises(TypeError):
        json.dumps(d)
    assert json.dumps(d.to_dict()) == '{"a": 1}'
    with pytest.raises(TypeError):
        reversed(d)  # type: ignore[call-overload]
    match d:
        case {"a": 1}:
            pass
        case _:
            pytest.fail("it is no mapping for match")


def test_views_ask_the_server(store: Any) -> None:
    """They see what came later, and work as those of dict."""
    d = DictCache("d", data={"a": 1})
    keys, values, items = d.keys(), d.values(), d.items()
    d["b"] = [2]
    assert sorted(keys) == ["a", "b"]
    assert keys & {"a", "x"} == {"a"}
    assert keys == {"a", "b"}
    assert "a" in keys
    assert 1 in values
    assert [2] in values
    assert 5 not in values
    assert ("b", [2]) in items
    assert ("b", 2) not in items
    assert ("x", 2) not in items
    assert "a" not in items  # type: ignore[comparison-overlap]
    assert len(keys) == len(values) == len(items) == 2
    assert sorted(map(repr, items)) == ["('a', 1)", "('b', [2])"]
    assert repr(keys) == "DictCache('d').keys()"
    assert repr(values) == "DictCache('d').values()"
    assert repr(items) == "DictCache('d').items()"
    assert sorted(dict(d.iteritems())) == sorted(d.iterkeys()) == ["a", "b"]
    assert len(d.itervalues()) == 2


def test_equality_and_operators_give_plain_dicts(store: Any) -> None:
    """On either side; order does not count."""
    d, e = DictCache("d", data={"a": 1, "b": 2}), DictCache("e", data={"b": 2, "a": 1})
    assert d == {"b": 2, "a": 1}
    assert d == {"b": 2, "a": 1}
    assert d == e
    assert d == UserDict(a=1, b=2)
    assert d != {"a": 1}
    assert d != 5
    assert d != [("a", 1)]
    e["b"] = 3
    assert d != e
    for found, want in ((d | {"c": 3}, {"a": 1, "b": 2, "c": 3}), ({"a": 9, "c": 3} | d, {"a": 1, "b": 2, "c": 3})):
        assert type(found) is dict
        assert found == want
    assert d | e == {"a": 1, "b": 3}
    assert type(d.copy()) is type(d.to_dict()) is dict
    for wrong in (5, [("a", 1)], {"a"}):
        with pytest.raises(TypeError):
            d | wrong  # type: ignore[operator]
        with pytest.raises(TypeError):
            wrong | d  # type: ignore[operator]
    d |= [("c", 3)]
    assert d.to_dict() == {"a": 1, "b": 2, "c": 3}


def test_copies(store: Any) -> None:
    """copy() is the content, copy.copy a handle, copy_to a copy on the server."""
    d = Profile(1, data={"a": 1})
    twin = copy.copy(d)
    twin["a"] = 2
    assert d["a"] == 2
    there = d.copy_to(2)
    assert (there.key, there.to_dict()) == ("profile.2", {"a": 2})
    assert full(there)
    assert Profile("nothing").copy_to(2).exists() is False
    d.copy_to(1)
    assert d.to_dict() == {"a": 2}


def test_results_are_copies(store: Any) -> None:
    """Changing them changes nothing on the server."""
    d = DictCache("d", data={"a": [1]})
    d["a"].append(2)
    assert d["a"] == [1]


def test_big_dicts(store: Any) -> None:
    """Above 5,000 fields in steps, above 10,000 by pages; replaced by a rename, nothing left aside."""
    many = {n: [n] for n in range(10_500)}
    d = DictCache("d", ttl=60, data={"old": 1})
    d = DictCache("d", ttl=60, data=many)
    assert full(d)
    assert len(d) == 10_500
    assert d.to_dict() == many
    assert set(d) == set(many)
    assert sum(1 for _ in d.values()) == 10_500
    assert d == many
    other = DictCache("other", data={"a": 1})
    other.update(many)
    other.update(d)
    assert len(other) == 10_501
    assert not store.raw("KEYS", "rc:s:*")
    with pytest.raises(EncodeError):
        DictCache("d", data={**many, "bad": object()})
    assert len(d) == 10_500


def test_a_replacement_that_fails_leaves_the_old_content(store: Any) -> None:
    """And nothing aside."""
    d = DictCache("d", data={"old": 1})
    plan = hash_plans.replace_big(d._bound(), [b"x"] * 12_000)
    next(plan)
    with pytest.raises(ZeroDivisionError):
        plan.send(None) if plan.throw(ZeroDivisionError()).args[0] == "UNLINK" else None  # type: ignore[union-attr]
    assert d.to_dict() == {"old": 1}


# -- time to live ----------------------------------------------------------------------------------

STORES: dict[str, Any] = {
    "d[k] = v": lambda d: d.__setitem__("a", 9),
    "set": lambda d: d.set("a", 9),
    "setdefault": lambda d: d.setdefault("new", 9),
    "update": lambda d: d.update(a=9),
    "update with server": lambda d: d.update(DictCache("other", data={"a": 3})),
    "set_many": lambda d: d.set_many({"a": 9}),
    "increment": lambda d: d.increment("a"),
    "increment float": lambda d: d.increment("a", 0.5),
    "cas": lambda d: d.cas("a", 9, d.gets("a")[1]),
}
NO_STORES: dict[str, Any] = {
    "reading": lambda d: [d["a"], d.get("x"), d.to_dict(), d.getmany("a"), "a" in d, len(d), list(d), d.get_ttl("a")],
    "del": lambda d: d.__delitem__("b"),
    "discard": lambda d: d.discard("x"),
    "pop": lambda d: d.pop("b"),
    "popitem": lambda d: d.popitem(),
    "delete_many": lambda d: d.delete_many(["b"]),
    "setdefault of what is there": lambda d: d.setdefault("a", 1),
    "update with nothing": lambda d: d.update({}),
    "update with an empty one": lambda d: d.update(DictCache("nothing")),
    "set_many of nothing": lambda d: d.set_many({}),
    "a failed cas": lambda d: d.cas("a", 9, d.gets("b")[1]),
}


@pytest.mark.parametrize("name", STORES)
def test_what_stores_arms_the_ttl(store: Any, name: str) -> None:
    """In the same step; with 'first' only when the key is made."""
    d = Profile("x", data={"a": 5, "b": 1})
    assert full(d)
    d.expire(10)
    STORES[name](d)
    assert full(d)
    first = Profile("x", ttl_from="first")
    first.expire(10)
    first.discard("new")
    STORES[name](first)
    assert left(first) <= 10_000
    first.clear()
    STORES[name](first)
    assert full(first)
    STORES[name](Profile("y", ttl=0))
    assert left(Profile("y")) == -1


@pytest.mark.parametrize("name", NO_STORES)
def test_what_does_not_store_leaves_the_ttl(store: Any, name: str) -> None:
    """Reading, removing, and what changes nothing."""
    d = Profile("x", data={"a": 5, "b": 1})
    d.expire(10)
    NO_STORES[name](d)
    assert left(d) <= 10_000


def test_get_ttl(store: Any) -> None:
    """Of a field that has none of its own it is the dict's."""
    d = Profile("x", data={"a": 5})
    value, seconds = d.get_ttl("a")
    assert value == 5
    assert 59 < seconds <= 60
    d.expire(0)
    assert d.get_ttl("a") == (5, inf)
    assert d.get_ttl("x", "d") == ("d", -1.0)


def test_fields_with_a_ttl_of_their_own(store: Any) -> None:
    """Where the server can do that; where not it is a clear error, and nothing is stored."""
    from rcollections.testing import wait_until

    d = Profile("x", data={"a": 5})
    d.expire(10)
    try:
        assert d.set("b", 1, ttl=0.05) is True
    except CacheError:
        with pytest.raises(CacheError, match=r"Valkey 9 or Redis 7\.4"):
            d.set_many({"b": 1, "c": 2}, ttl=5)
        assert d.to_dict() == {"a": 5}
        return
    assert full(d)
    wait_until(lambda: d.get("b") is None, 5, "the end of the field")
    d.set_many({"c": 1, "e": 2}, ttl=timedelta(seconds=5))
    assert all(4 < d.get_ttl(field)[1] <= 5 for field in ("c", "e"))
    assert d.get_ttl("a")[1] > 50
    d["c"] = 1
    assert d.get_ttl("c")[1] > 50
    d.set("e", 2, ttl=0)
    assert d.get_ttl("e")[1] > 50


# -- the rest --------------------------------------------------------------------------------------


def test_serializers(store: Any) -> None:
    """They are for the values; fields are canonical."""
    d = DictCache("json", serializer="json", data={1: {"a": [1]}})
    assert store.raw("HGETALL", "json") == [b"1", b'{"a": [1]}'] or json.loads(store.raw("HVALS", "json")[0]) == {
        "a": [1]
    }
    assert d.to_dict() == {1: {"a": [1]}}
    raw = DictCache("raw", serialize=False, data={"n": 5, "f": 0.5, "t": "7", ("x", 1): b"\xff"})
    assert raw.to_dict() == {"n": 5, "f": 0.5, "t": 7, ("x", 1): b"\xff"}
    with pytest.raises(EncodeError):
        raw["n"] = [1]
    assert raw.increment("n") == 6


def test_normalize(store: Any) -> None:
    """A hook that every value passes on its way out."""

    class Lower(DictCache[str, str]):
        def normalize(self, value: str) -> str:
            return value.lower()

    d = Lower("d", data={"a": "ABC"})
    assert d["a"] == d.get("a") == d.to_dict()["a"] == next(iter(d.values())) == d.getmany("a")[0] == "abc"
    assert store.raw("HGET", "d", "a") == b"ABC"
    assert d.pop("a") == "abc"


def test_a_key_of_another_type_is_a_wrong_type(store: Any) -> None:
    """The error names the key."""
    KeyCache("d").data = 1
    d = DictCache("d")
    for call in (
        lambda: d["a"], lambda: d.set("a", 1), lambda: d.update(a=1), d.to_dict, lambda: len(d), lambda: d.pop("a"),
        lambda: d.set("a", 1, ttl=5) if connection().dsn.kind == "memory" else d["a"], lambda: d.increment("a"),
    ):  # fmt: skip
        with pytest.raises((WrongTypeError, CacheError), match="'d'"):
            call()


def test_observers_see_hits_and_misses(store: Any) -> None:
    """A stored None is a hit."""
    events: list[tuple[str, Any]] = []

    class Log(observe.Observer):
        def after(self, event: observe.Event) -> None:
            events.append((event.operation, event.hit))

    d = DictCache("d")
    with observe.observing(Log()):
        d["a"] = None
        d.get("a")
        d.get("x")
        with pytest.raises(KeyError):
            d["x"]
        d.pop("x", None)
        d.update(a=1)
        d.update(DictCache("other"))
    assert events == [
        ("set", None), ("get", True), ("get", False), ("get", False), ("pop", False),
        ("update", None), ("update", None),
    ]  # fmt: skip


def test_mappings_that_only_look_like_one(store: Any) -> None:
    """A Mapping of the user's own is read by its items."""

    class Mine(Mapping[str, int]):
        def __getitem__(self, key: str) -> int:
            return {"a": 1}[key]

        def __iter__(self) -> Any:
            return iter(["a"])

        def __len__(self) -> int:
            return 1

    d = DictCache("d", data=Mine())
    assert d == Mine()
    assert d | Mine() == {"a": 1}


ONE_TRIP: dict[str, Any] = {
    "d[k]": lambda d: d["a"],
    "d[k] = v": lambda d: d.__setitem__("a", 1),
    "del": lambda d: d.discard("x"),
    "in": lambda d: "a" in d,
    "len": len,
    "bool": bool,
    "get": lambda d: d.get("a"),
    "pop": lambda d: d.pop("x", None),
    "setdefault": lambda d: d.setdefault("a", 1),
    "increment": lambda d: d.increment("a"),
    "update": lambda d: d.update({n: n for n in range(5000)}),
    "update(server)": lambda d: d.update(DictCache("other")),
    "get_many": lambda d: d.get_many(["a", "b"]),
    "getmany": lambda d: d.getmany("a", "b"),
    "set_many": lambda d: d.set_many({"a": 1}),
    "delete_many": lambda d: d.delete_many(["x"]),
    "to_dict": lambda d: d.to_dict(),
    "==": lambda d: d == {},
    "|": lambda d: d | {},
    "for": lambda d: [each for each in d],  # noqa: C416 (list() asks for the length first)
    "items": lambda d: [each for each in d.items()],  # noqa: C416
    "values": lambda d: [each for each in d.values()],  # noqa: C416
    "gets": lambda d: d.gets("a"),
    "get_ttl": lambda d: d.get_ttl("a"),
    "data=": lambda d: DictCache("d", data={"a": 1}),
    "copy_to": lambda d: d.copy_to("x"),
}


@pytest.mark.parametrize("name", ONE_TRIP)
def test_one_round_trip(server: Any, name: str) -> None:
    """Each, on a real server."""
    d = DictCache("d", data={"a": 1})
    assert trips(connection(), lambda: ONE_TRIP[name](d)) == 1
