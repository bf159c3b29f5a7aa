"""``SetCache`` gives the answers of ``set``, raises its exceptions, and keeps its promises on the server."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import MutableSet
from typing import Any

import pytest

from rcollections import CacheError, ConfigError, DictCache, EncodeError, SetCache, WrongTypeError, configure
from rcollections.plans.effects import Batch, Script
from tests.trips import sent, trips


def left(store: Any, cache: SetCache[Any]) -> int:
    return int(store.raw("PTTL", cache.key))


def staged(store: Any) -> list[bytes]:
    return list(store.raw("KEYS", "rc:s:*"))


# -- one element -----------------------------------------------------------------------------------


def test_elements_come_and_go(store: Any) -> None:
    """add tells what is new, discard what was there, remove raises KeyError with the element."""
    s = SetCache("s")
    assert not s
    assert s.add("a") is True
    assert s.add("a") is False
    assert "a" in s
    assert "b" not in s
    assert s.contains("a") is True
    assert (len(s), s.length(), bool(s)) == (1, 1, True)
    assert s.discard("a") is True
    assert s.discard("a") is False
    with pytest.raises(KeyError) as caught:
        s.remove("a")
    assert caught.value.args == ("a",)
    with pytest.raises(KeyError):
        s.delete("a")
    assert not s.exists()


def test_pop_takes_any(store: Any) -> None:
    """And raises what set raises when there is none."""
    s = SetCache("s", data={1, 2})
    assert {s.pop(), s.pop()} == {1, 2}
    with pytest.raises(KeyError, match="pop from an empty set"):
        s.pop()


@pytest.mark.parametrize("elem", ["text", "7", "", 7, -1.5, None, b"\xff", (1, ("x", frozenset({2}))), 10**30])
def test_elements_are_what_a_set_takes(store: Any, elem: Any) -> None:
    """They come back equal and of their type."""
    s = SetCache("s", data=[elem])
    assert s.to_set() == {elem}
    assert type(next(iter(s))) is type(elem)
    assert elem in s
    assert s == {elem}
    s.remove(elem)
    assert not s


def test_equal_elements_are_one(store: Any) -> None:
    """As in a set: 1, 1.0 and True; but not "1"."""
    s = SetCache("s", data=[1, 1.0, True, (1,), (1.0,)])
    assert len(s) == 2
    assert True in s
    assert "1" not in s
    assert s == {1, (1,)}


@pytest.mark.parametrize("elem", [[], {}, bytearray(b"x"), ([],)])
def test_unhashable_elements_are_a_type_error(store: Any, elem: Any) -> None:
    """In every method, and nothing is stored."""
    s = SetCache("s", data={1})
    for call in (s.add, s.discard, s.remove, s.contains, lambda e: e in s):
        with pytest.raises(TypeError):
            call(elem)
    for many in (
        s.update,
        s.difference_update,
        s.intersection_update,
        s.symmetric_difference_update,
        s.union,
        s.add_many,
    ):
        with pytest.raises(TypeError):
            many([elem])
    for many in (s.intersection, s.difference, s.issubset, s.issuperset, s.isdisjoint, s.delete_many):
        with pytest.raises(TypeError):
            many([elem])
    assert s == {1}


def test_a_set_as_element_means_its_frozenset(store: Any) -> None:
    """For in, remove and discard, as in set; add refuses it."""
    s = SetCache("s", data=[frozenset({1}), frozenset({2}), 3])
    assert {1} in s
    assert {3} not in s
    s.remove({1})
    assert s.discard({2}) is True
    assert s == {3}
    with pytest.raises(KeyError) as caught:
        s.remove({9})
    assert caught.value.args == ({9},)
    with pytest.raises(TypeError):
        s.add({1})  # type: ignore[arg-type]


def test_what_cannot_be_stored_is_in_no_set(store: Any) -> None:
    """Comparisons and reading algebra with such elements work as in Python; storing them is an EncodeError."""
    strange = object()
    s = SetCache("s", data={1, 2})
    assert s & {1, strange} == {1}
    assert s - {1, strange} == {2}
    assert {1, strange} - s == {strange}
    assert s | {strange} == {1, 2, strange}
    assert s ^ {1, strange} == {2, strange}
    assert s != {1, strange}
    assert not s >= {1, strange}
    assert s <= {1, 2, strange}
    s -= {1, strange}
    assert s == {2}
    s &= {2, strange}
    assert s == {2}
    with pytest.raises(EncodeError):
        s |= {strange}
    with pytest.raises(EncodeError):
        s.add(strange)
    with pytest.raises(ValueError, match="NaN"):
        s.add(float("nan"))


# -- a handle --------------------------------------------------------------------------------------


def test_it_is_a_mutable_set_and_no_set(store: Any) -> None:
    """isinstance of the abstract type; unhashable; pickled as a handle; repr without content."""
    s = SetCache("s", data={1})
    assert isinstance(s, MutableSet)
    assert not isinstance(s, set)
    with pytest.raises(TypeError):
        hash(s)
    with pytest.raises(TypeError):
        copy.deepcopy(s)
    assert pickle.loads(pickle.dumps(s)) == {1}
    assert copy.copy(s) == {1}
    assert repr(s) == "SetCache('s')"
    assert s.copy() == {1}
    assert type(s.copy()) is type(s.to_set()) is set
    assert s.copy_to("t") == {1}


def test_another_kind_of_key_is_a_wrong_type_error(store: Any) -> None:
    """Reading, writing and algebra; no staging key stays."""
    DictCache("k", data={"a": 1})
    s, other = SetCache("k"), SetCache("o", data={1})
    for call in (
        lambda: s.add(1), lambda: 1 in s, lambda: len(s), lambda: list(s), lambda: s.pop(), lambda: s | other,
        lambda: other & s, lambda: s == other, lambda: other.update(s), lambda: s.update(other),
        lambda: s.intersection_update([1]), lambda: other.intersection_update(s, [1]),
    ):  # fmt: skip
        with pytest.raises(WrongTypeError):
            call()
    assert other == {1}
    assert not staged(store)


def test_a_serializer_is_refused(store: Any) -> None:
    """Members have one form, whatever is stored elsewhere."""

    class Odd(SetCache[Any]):
        serializer = "json"

    with pytest.raises(ConfigError, match="serialize=False"):
        Odd("s").add(1)


def test_raw_elements_are_text(store: Any) -> None:
    """serialize=False: "1" and 1 are one element, and comparisons and algebra know that."""
    s = SetCache("s", data=[1, "a", b"\xff", 1.5], serialize=False)
    assert set(store.raw("SMEMBERS", "s")) == {b"1", b"a", b"\xff", b"1.5"}
    assert s.to_set() == {1, "a", b"\xff", 1.5}
    assert "1" in s
    assert 1 in s
    assert s & {"1", "b"} == {1}
    assert s - {"1", "1.5"} == {"a", b"\xff"}
    assert {"1", "b"} - s == {"b"}
    assert s == {"1", "a", b"\xff", "1.5"}
    assert s > {"1", "a"}
    assert s.isdisjoint(["2"])
    s ^= {"1", "2"}
    assert s == {"a", b"\xff", 1.5, 2}
    with pytest.raises(EncodeError):
        s.add((1,))


def test_normalize_sees_every_element_that_is_read(store: Any) -> None:
    """The hook of the class, as on the other types."""

    class Loud(SetCache[str]):
        def normalize(self, elem: str) -> str:
            return elem.upper()

    assert Loud("s", data={"a", "b"}).to_set() == {"A", "B"}


def test_typed_subclass_keeps_its_options(store: Any) -> None:
    """Prefix and ttl of the class, overrides of the handle."""

    class Online(SetCache[str]):
        prefix = "online"
        ttl = 60

    s = Online("web", data={"ann"})
    assert s.key == "online.web"
    assert 50_000 < left(store, s) <= 60_000
    assert Online("app", ttl=0, data={"x"}).exists(ttl=1e9)


# -- algebra and comparisons ------------------------------------------------------------------------

MINE = {1, 2, 3, "a"}
OTHERS: list[set[Any]] = [set(), {1}, {1, 2, 3, "a"}, {3, 4, "b"}, {1, 2, 3, "a", "z"}, {"q"}]
OPERATORS = [operator.or_, operator.and_, operator.sub, operator.xor]
COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
METHODS = ["union", "intersection", "difference", "symmetric_difference", "issubset", "issuperset", "isdisjoint"]


def operand(kind: str, content: set[Any]) -> Any:
    if kind == "set":
        return set(content)
    if kind == "frozenset":
        return frozenset(content)
    if kind == "keys":
        return dict.fromkeys(content).keys()
    if kind == "server":
        return SetCache("other", data=content)
    if kind == "raw":
        return SetCache("other", data=content, serialize=False)
    return SetCache("other", data=content, connection_name="elsewhere")


@pytest.fixture
def elsewhere(fresh: Any) -> None:
    configure({"default": "memory://one", "elsewhere": "memory://two"})


@pytest.mark.parametrize("kind", ["set", "frozenset", "keys", "server", "raw"])
def test_operators_and_comparisons_are_those_of_set(store: Any, kind: str) -> None:
    """Both ways round, with sets of every kind; operators give plain sets."""
    s = SetCache("s", data=MINE)
    for content in OTHERS:
        other = operand(kind, content)
        for apply in OPERATORS:
            found = apply(s, other)
            assert found == apply(MINE, content)
            assert type(found) is set
            assert apply(other, s) == apply(content, MINE)
        for compare in COMPARISONS:
            assert compare(s, other) is compare(MINE, content)
            assert compare(other, s) is compare(content, MINE)


@pytest.mark.parametrize("kind", ["set", "server", "elsewhere"])
def test_sets_of_other_connections_are_plain_operands(elsewhere: None, kind: str) -> None:
    """They are read, then everything is as with a plain set."""
    for content in OTHERS:
        other = operand(kind, content)
        for name in METHODS:
            assert getattr(SetCache("s", data=MINE), name)(other) == getattr(MINE, name)(content)
        for name in ("update", "intersection_update", "difference_update", "symmetric_difference_update"):
            s, plain = SetCache("s", data=MINE), set(MINE)
            getattr(s, name)(other)
            getattr(plain, name)(content)
            assert s == plain


@pytest.mark.parametrize("method", METHODS)
def test_named_forms_take_any_iterable(store: Any, method: str) -> None:
    """Lists, generators, dicts, texts; a number is set's TypeError."""
    s = SetCache("s", data=MINE)
    for make in (list, iter, dict.fromkeys):
        for content in OTHERS:
            assert getattr(s, method)(make(content)) == getattr(MINE, method)(content)
    assert getattr(s, method)("abc") == getattr(MINE, method)("abc")
    with pytest.raises(TypeError):
        getattr(s, method)(7)


def test_named_forms_take_any_number(store: Any) -> None:
    """Sets of the server, plain ones and both mixed; none is a copy."""
    s, t, u = SetCache("s", data=range(9)), SetCache("t", data={1, 2, 3, 10}), SetCache("u", data={2, 3, 11})
    mine, two, three = set(range(9)), {1, 2, 3, 10}, {2, 3, 11}
    for name in ("union", "intersection", "difference"):
        apply, want = getattr(s, name), getattr(mine, name)
        assert apply() == mine
        assert apply(t, u) == want(two, three)
        assert apply(t, [3, 12]) == want(two, [3, 12])
        assert apply([1, 2], (2, 7)) == want([1, 2], (2, 7))
        assert apply(s) == want(mine)
    assert s == mine


def test_operators_demand_sets(store: Any) -> None:
    """A list is a TypeError, as with set, and equal to none."""
    s = SetCache("s", data={1})
    for apply in (*OPERATORS, operator.lt, operator.le, operator.gt, operator.ge):
        for other in ([1], "1", 1, (1,), {1: 1}):
            with pytest.raises(TypeError):
                apply(s, other)
            with pytest.raises(TypeError):
                apply(other, s)
    for change in (operator.ior, operator.iand, operator.isub, operator.ixor):
        with pytest.raises(TypeError):
            change(s, [1])
    assert s != [1]
    assert s == {1}


CHANGES = [
    (operator.ior, "update"),
    (operator.iand, "intersection_update"),
    (operator.isub, "difference_update"),
    (operator.ixor, "symmetric_difference_update"),
]


@pytest.mark.parametrize(("change", "method"), CHANGES)
@pytest.mark.parametrize("kind", ["set", "frozenset", "keys", "server", "raw"])
def test_in_place_forms_change_the_set_of_the_server(store: Any, change: Any, method: str, kind: str) -> None:
    """The handle stays the same object; other operands stay as they are."""
    for content in OTHERS:
        other = operand(kind, content)
        want = set(MINE)
        getattr(want, method)(content)
        s = handle = SetCache("s", data=MINE)
        s = change(s, other)
        assert s is handle
        assert s == want
        assert set(other) == content
        s = SetCache("s", data=MINE)
        assert getattr(s, method)(other) is None
        assert s == want
    assert not staged(store)


@pytest.mark.parametrize(("change", "method"), CHANGES)
def test_a_set_with_itself(store: Any, change: Any, method: str) -> None:
    """And with another handle of the same key."""
    want = set(MINE)
    getattr(want, method)(set(MINE))
    for other in (None, SetCache("s")):
        s = SetCache("s", data=MINE)
        s = change(s, s if other is None else other)
        assert s == want
    s = SetCache("s", data=MINE)
    assert s == SetCache("s") == s
    assert s | SetCache("s") == s & s == MINE
    assert s ^ s == s - SetCache("s") == set()


def test_in_place_forms_take_any_number(store: Any) -> None:
    """Mixed operands, each change one atomic step."""
    t, u = SetCache("t", data={1, 2, 3, 10}), SetCache("u", data={2, 3, 11})
    for name in ("update", "intersection_update", "difference_update"):
        for mine, plain in (
            ((t, u), ({1, 2, 3, 10}, {2, 3, 11})),
            ((t, [3, 12]), ({1, 2, 3, 10}, [3, 12])),
            (([1, 2], (2, 7)), ([1, 2], (2, 7))),
            ((t, []), ({1, 2, 3, 10}, [])),
            (([],), ([],)),
            ((), ()),
        ):
            s, want = SetCache("s", data=range(9)), set(range(9))
            getattr(s, name)(*mine)
            getattr(want, name)(*plain)
            assert s == want


def test_a_plain_set_takes_it_as_operand(store: Any) -> None:
    """What is written for sets works with it on either side."""
    s = SetCache("s", data={1, 2})
    plain = {2, 3}
    assert plain.union(s) == {1, 2, 3}
    assert plain.issuperset(s) is False
    plain |= s
    assert plain == {1, 2, 3}
    assert type(plain) is set
    assert frozenset({1}) | s == {1, 2}
    assert sorted(s) == [1, 2]
    assert {*s} == {1, 2}


# -- many and large --------------------------------------------------------------------------------


def test_many_at_once(store: Any) -> None:
    """add_many and delete_many count, contains_many asks for each."""
    s = SetCache("s")
    assert s.add_many([1, 2, 2]) == 2
    assert s.add_many([2, 3]) == 1
    assert s.add_many([]) == s.delete_many([]) == 0
    assert s.contains_many([3, 4, 3, "x"]) == {3: True, 4: False, "x": False}
    assert s.contains_many([]) == {}
    assert s.delete_many([1, 1, 9]) == 1
    assert s == {2, 3}


def test_random_samples_stay_in_the_set(store: Any) -> None:
    """Different elements, at most all; a negative number is refused."""
    s = SetCache("s", data=range(20))
    found = s.random_sample(5)
    assert len(set(found)) == 5
    assert set(found) <= set(range(20))
    assert len(s.random_sample()) == 1
    assert sorted(s.random_sample(99)) == list(range(20))
    assert s.random_sample(0) == SetCache("none").random_sample(3) == []
    assert len(s) == 20
    with pytest.raises(ValueError, match="0 or more"):
        s.random_sample(-1)


BIG = 12_000


def test_a_large_set_is_read_page_by_page(store: Any) -> None:
    """12,000 elements: each at least once, whole reads complete, far fewer round trips than elements."""
    s = SetCache("s", data=range(BIG))
    assert set(s) == set(range(BIG))
    assert s.to_set() == set(range(BIG))
    assert s | {-1} == set(range(-1, BIG))
    assert s ^ set(range(1, BIG)) == {0}
    assert trips(store, lambda: list(s)) <= 40


def test_a_large_set_that_changes_shows_what_stayed(store: Any) -> None:
    """Elements come and go during the iteration, the others are all seen."""
    s = SetCache("s", data=range(BIG))
    seen = set()
    for count, elem in enumerate(s):
        seen.add(elem)
        if count % 1000 == 0:
            s.delete_many(range(count, count + 50))
            s.add_many(range(BIG + count, BIG + count + 50))
    assert seen >= s.to_set() & set(range(BIG))


def test_large_operands_work_like_small_ones(store: Any) -> None:
    """Sent ahead under a staging key, of which nothing stays."""
    s = SetCache("s", data=range(-3000, 3000))
    assert s.add_many(range(6000)) == 3000
    assert s == set(range(-3000, 6000))
    assert s.delete_many(range(-1, 6000)) == 6001
    assert s == set(range(-3000, -1))
    s |= set(range(6000))
    s &= set(range(6000))
    assert s == set(range(6000))
    s ^= set(range(1000, 7001))
    assert s == {*range(1000), *range(6000, 7001)}
    s -= set(range(-6000, 500))
    assert s == {*range(500, 1000), *range(6000, 7001)}
    assert not staged(store)


def test_comparisons_with_large_sets(store: Any) -> None:
    """Sizes that decide alone are asked first; else members are sent, in one moment."""
    s = SetCache("s", data=range(6000))
    same = set(range(6000))
    assert s == same
    assert s <= same
    assert not s < same
    assert s < same | {-1}
    assert s > same - {5}
    assert s != (same - {5}) | {-1}
    assert s.isdisjoint(range(6000, 12_001))
    assert s & set(range(-5500, 10)) == set(range(10))
    assert set(range(-5500, 10)) - s == set(range(-5500, 0))
    assert sum(s.contains_many(range(-6000, 10)).values()) == 10
    with sent(store) as seen:
        assert s != same | {-1}
    assert seen == [["SCARD"]]


def test_data_replaces_the_content(store: Any) -> None:
    """Small and large, empty too; from any iterable, and from another set of the server."""
    s = SetCache("s", data={1}, ttl=5)
    for data in ([2, 3], range(6000), "abc", (), {4}, {"k": 1}):
        s = SetCache("s", data=data)
        assert s == set(data)
        assert left(store, s) == -2 or left(store, s) > 6_000_000
    assert SetCache("t", data=s) == {"k"}
    assert SetCache("s", data=SetCache("s")) == {"k"}
    assert SetCache("s", data=SetCache("none")).exists() is False
    with pytest.raises(TypeError):
        SetCache("s", data=7)
    assert SetCache.create("s", data=[1]) == {1}
    assert not staged(store)


def test_data_replaces_another_kind_of_key(store: Any) -> None:
    """As every type does."""
    DictCache("k", data={"a": 1})
    assert SetCache("k", data=range(6000)) == set(range(6000))


class Broken(Exception):
    pass


def test_a_failure_leaves_no_staging_key(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second batch fails: the content is what it was, and what was sent ahead is gone."""
    s = SetCache("s", data={1})
    many, calls = store.many, []

    def failing(*batch: Any) -> Any:
        calls.append(batch)
        if len(calls) == 2:
            raise Broken
        return many(*batch)

    monkeypatch.setattr(store, "many", failing)
    for change in (s.update, s.intersection_update, s._replace):
        calls.clear()
        with pytest.raises(Broken):
            change(range(20_000))
        assert s == {1}
        assert not staged(store)


def test_staged_members_that_expire_change_nothing(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sends its members, stalls, they expire; then A's change must not take place without them."""
    s = SetCache("s", data={1})
    many = store.many

    def forgetful(*batch: Any) -> Any:
        replies = many(*batch)
        for key in staged(store):
            store.raw("DEL", key)
        return replies

    monkeypatch.setattr(store, "many", forgetful)
    with pytest.raises(CacheError, match="try again"):
        s.intersection_update(range(6000))
    with pytest.raises(CacheError, match="try again"):
        SetCache("s", data=range(6000))
    monkeypatch.undo()
    assert s == {1}


# -- ttl -------------------------------------------------------------------------------------------


def short(store: Any, s: SetCache[Any]) -> None:
    store.raw("PEXPIRE", s.key, 5000)


def is_short(store: Any, s: SetCache[Any]) -> bool:
    return 0 < left(store, s) <= 5000


STORES_SOMETHING = [
    lambda s, o: s.add(9),
    lambda s, o: s.update([9]),
    lambda s, o: s.update(range(6000)),
    lambda s, o: s.update(o),
    lambda s, o: operator.ior(s, {9}),
    lambda s, o: s.symmetric_difference_update([1, 9]),
    lambda s, o: s.symmetric_difference_update(o),
    lambda s, o: s.add_many([9, 1]),
    lambda s, o: SetCache("s", data=[9]),
]
STORES_NOTHING = [
    lambda s, o: s.add(1),
    lambda s, o: s.update([1, 2]),
    lambda s, o: s.update([]),
    lambda s, o: s.update(s),
    lambda s, o: s.remove(1),
    lambda s, o: s.discard(1),
    lambda s, o: s.pop(),
    lambda s, o: s.delete_many([1, 5]),
    lambda s, o: s.intersection_update([1, 9]),
    lambda s, o: s.intersection_update(o),
    lambda s, o: s.intersection_update(range(6000)),
    lambda s, o: s.difference_update([1]),
    lambda s, o: s.difference_update(o),
    lambda s, o: s.difference_update([*range(2, 3), *range(10, 6020)]),
    lambda s, o: s.symmetric_difference_update([1]),
    lambda s, o: s.symmetric_difference_update([]),
    lambda s, o: (list(s), len(s), 1 in s, s | o, s == o, s.random_sample(2)),
]


@pytest.mark.parametrize("number", range(len(STORES_SOMETHING)))
def test_what_stores_arms_the_ttl(store: Any, number: int) -> None:
    """In the same step, to the full ttl of the class; with 'first' only where the key is made."""
    change = STORES_SOMETHING[number]
    s, other = SetCache("s", data={1, 2, 3}), SetCache("o", data={3, 9})
    short(store, s)
    change(s, other)
    assert left(store, s) > 5000
    first = SetCache("s", data={1, 2, 3}, ttl_from="first")
    short(store, first)
    change(first, other)
    assert is_short(store, first) is (number != len(STORES_SOMETHING) - 1)
    first.clear()
    change(first, other)
    assert left(store, first) > 5000
    for_ever = SetCache("s", data={1, 2, 3}, ttl=0)
    assert left(store, for_ever) == -1


@pytest.mark.parametrize("number", range(len(STORES_NOTHING)))
def test_what_stores_nothing_leaves_the_ttl_alone(store: Any, number: int) -> None:
    """Elements that are there already, removing and reading: neither armed nor lost."""
    s, other = SetCache("s", data={1, 2, 3}), SetCache("o", data={3, 9})
    short(store, s)
    STORES_NOTHING[number](s, other)
    assert is_short(store, s)
    s = SetCache("s", data={1, 2, 3}, ttl=0)
    STORES_NOTHING[number](s, other)
    assert left(store, s) == -1


# -- round trips and pipelines ---------------------------------------------------------------------


def test_operations_take_one_round_trip(store: Any) -> None:
    """Whole reads, algebra, comparisons and changes, however many elements up to 5,000."""
    s, t, plain = SetCache("s", data=range(4000)), SetCache("t", data=range(2000, 6000)), set(range(3000))
    for number, call in enumerate((
        lambda: s.add(1), lambda: s.discard(-1), lambda: 1 in s, lambda: len(s), lambda: set(s), lambda: s.to_set(),
        lambda: s.contains_many(range(3000)), lambda: s.add_many(range(3000)), lambda: s.delete_many([-1, -2]),
        lambda: s | t, lambda: s & t, lambda: s - t, lambda: s ^ t, lambda: s.union(t, plain),
        lambda: s | plain, lambda: s & plain, lambda: s - plain, lambda: s ^ plain, lambda: plain - s,
        lambda: s == t, lambda: s <= t, lambda: s.isdisjoint(t), lambda: s == plain, lambda: s > plain,
        lambda: s.update(t, plain), lambda: s.intersection_update(t, plain), lambda: s.difference_update(t, plain),
        lambda: s.symmetric_difference_update(t), lambda: s.symmetric_difference_update(plain),
        lambda: SetCache("s", data=plain), lambda: SetCache("s", data=t), lambda: s.random_sample(3),
    )):  # fmt: skip
        assert trips(store, call) == 1, number


def test_only_the_smaller_side_travels(store: Any) -> None:
    """The intersection with a few plain elements does not read the set."""
    s = SetCache("s", data=range(4000))
    with sent(store) as seen:
        assert s & {1, -1} == {1}
        assert {1, -1} - s == {-1}
    assert seen == [["SMISMEMBER"], ["SMISMEMBER"]]


def test_pipelines_keep_calls(store: Any) -> None:
    """One MULTI; what needs an answer at once, or more than one round trip, is a TypeError that says so."""
    s, t = SetCache("s", data={1, 2}), SetCache("t", data={2, 3})
    with s.pipeline() as p:
        new = p.add(3)
        p |= {4}
        p.remove(1)
        p(t).update(p)
        there = p.contains(4)
        union = p.union(t, [9])
        whole = p.to_set()
        same = p.issubset(p(t))
        gone = p.discard(77)
        popped = p(SetCache("none")).pop()
    assert new.value is True  # type: ignore[attr-defined]
    assert there.value is True  # type: ignore[attr-defined]
    assert union.value == {2, 3, 4, 9}  # type: ignore[attr-defined]
    assert whole.value == {2, 3, 4}  # type: ignore[attr-defined]
    assert same.value is True  # type: ignore[attr-defined]
    assert gone.value is False  # type: ignore[attr-defined]
    with pytest.raises(KeyError):
        popped.value  # type: ignore[attr-defined]  # noqa: B018
    assert t == {2, 3, 4}
    with s.pipeline() as p:
        for call in (lambda: len(p), lambda: 1 in p, lambda: p == {1}, lambda: bool(p), lambda: p.update(range(6000))):
            with pytest.raises(TypeError):
                call()
    with s.pipeline() as p, pytest.raises(TypeError):
        bool(p <= t)


def test_a_missing_element_in_a_pipeline_is_its_result(store: Any) -> None:
    """The others take effect."""
    s = SetCache("s")
    with s.pipeline() as p:
        p.remove("nobody")
        p.add("ann")
    assert isinstance(p.results[0], KeyError)
    assert s == {"ann"}


def test_steps_of_large_changes_are_few(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 elements: batches of 10,000 in a round trip each, then one script."""
    sent = []
    many = store.many
    monkeypatch.setattr(store, "many", lambda *batch: sent.append(Batch(*batch)) or many(*batch))
    SetCache("s", data=range(20_000))
    assert [len(batch.steps) for batch in sent] == [4, 4]
    assert all(isinstance(step, Script) for batch in sent for step in batch.steps)
