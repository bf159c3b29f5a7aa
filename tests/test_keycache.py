"""``KeyCache`` holds one value of any kind under one key, and each step on it is atomic."""

from __future__ import annotations

import operator
from datetime import timedelta
from math import inf
from typing import Any

import pytest

from rcollections import (
    MISSING,
    CacheError,
    CacheMissError,
    DecodeError,
    DictCache,
    EncodeError,
    KeyCache,
    KeyExistsError,
    WrongTypeError,
    connection,
    invalidate_tags,
    observe,
)
from tests.trips import trips

VALUES: list[Any] = [
    0, 1, -5, 2**63 - 1, 2**70, 0.0, -0.5, 1e300, "", "a", "7", "007", "é", b"", b"\xff", True, False, None, [],
    [1, [2]], (), (1, (2,)), {}, {"a": 1}, {1: 2}, set(), {1, "a"}, frozenset({1}), 1j, timedelta(seconds=1),
]  # fmt: skip


class Price(KeyCache[int]):
    prefix = "price"
    ttl = 60


def left(cache: Any) -> int:
    return int(connection().raw("PTTL", cache.key))


# -- one value -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", VALUES, ids=lambda each: type(each).__name__)
def test_any_value_comes_back_as_itself(store: Any, value: Any) -> None:
    """Falsy ones and None too, by every way in and out."""
    k = KeyCache("k", default="unset")
    k.data = value
    for found in (k.data, k.get(), k.get("x"), k.peek(), k.get_ttl()[0], k.gets()[0], KeyCache("k").data):
        assert found == value
        assert type(found) is type(value)
    assert KeyCache("made", data=value).data == value
    assert k.exists()
    assert k.getdel("x") == value
    assert not k.exists()


def test_a_missing_key_reads_as_the_default(store: Any) -> None:
    """None unless the class, the handle or the call says otherwise; MISSING can be asked for."""
    assert KeyCache("k").data is None
    assert KeyCache("k").get() is None
    assert KeyCache("k", default=7).data == 7
    assert KeyCache("k", default=7).get(8) == 8
    assert KeyCache("k", default=7).get(None) is None
    assert KeyCache("k").get(MISSING) is None
    assert KeyCache("k", default=7).getdel() == 7
    assert KeyCache("k").getdel("x") == "x"
    assert not KeyCache("k").exists()


def test_a_stored_none_is_not_the_default(store: Any) -> None:
    """None is a value."""
    k = KeyCache("k", default=7, data=None)
    assert k.data is None
    assert k.get(8) is None
    assert k.peek() is None


def test_a_default_can_be_a_function(store: Any) -> None:
    """A plain one, a lambda in the class body, a method, a type, a static method."""
    made: list[int] = []

    class Plain(KeyCache[Any]):
        default = lambda: made.append(1) or [1]  # noqa: E731

    class Method(KeyCache[Any]):
        def default(self) -> str:  # type: ignore[override]
            return self.key

    class Type(KeyCache[Any]):
        default = dict

    class Static(KeyCache[Any]):
        @staticmethod
        def default() -> int:  # type: ignore[override]
            return 5

    assert Plain("k").data == [1]
    assert Plain("k").data is not Plain("k").data
    assert len(made) == 3
    assert Method("k").data == "k"
    assert Type("k").data == {}
    assert Static("k").data == 5
    assert KeyCache("k", default=lambda: 3).data == 3
    assert Plain("k", data=0).data == 0
    assert len(made) == 3


def test_del_and_clear_remove(store: Any) -> None:
    """Fine with a missing key."""
    k = KeyCache("k", data=1)
    del k.data
    del k.data
    assert not k.exists()
    k.data = 1
    k.clear()
    k.clear()
    assert not k.has()


def test_peek_raises_on_a_miss(store: Any) -> None:
    """CacheMissError is a KeyError and names the key."""
    with pytest.raises(CacheMissError, match=r"there is nothing under 'k'"):
        KeyCache("k").peek()
    with pytest.raises(KeyError):
        KeyCache("k", default=7).peek()


def test_bytes_that_cannot_be_read_are_a_miss(store: Any) -> None:
    """And an event; ``peek(strict=True)`` is a DecodeError that names the key."""
    events: list[observe.Event] = []

    class Log(observe.Observer):
        def after(self, event: observe.Event) -> None:
            if event.unreadable:
                events.append(event)

    store.raw("SET", "k", b"\xff\xfe")
    k = KeyCache("k", default=7)
    with observe.observing(Log()):
        assert k.data == 7
        assert k.get(8) == 8
        assert KeyCache.get_many(["k"]) == {}
        with pytest.raises(CacheMissError):
            k.peek()
        assert len(events) == 4
        assert {event.key for event in events} == {"k"}
    with pytest.raises(DecodeError, match="'k'"):
        k.peek(strict=True)
    assert store.raw("GET", "k") == b"\xff\xfe"


def test_set_nx_and_add(store: Any) -> None:
    """Stores only what is missing; add says so with an error."""
    k = KeyCache("k")
    assert k.set(1, nx=True) is True
    assert k.set(2, nx=True) is False
    assert k.set(3) is True
    with pytest.raises(KeyExistsError, match="'k'"):
        k.add(4)
    assert k.data == 3
    k.clear()
    assert k.add(None) is True
    with pytest.raises(KeyExistsError):
        k.add(1)
    assert k.data is None


def test_gets_and_cas(store: Any) -> None:
    """A token is good until somebody changes the value; of a missing key too."""
    k = KeyCache("k", default="d")
    value, token = k.gets()
    assert value == "d"
    assert repr(token) == "Token()"
    assert k.cas(1, token) is True
    assert k.cas(2, token) is False
    value, token = k.gets()
    k.data = 5
    assert k.cas(2, token) is False
    assert k.data == 5
    value, token = k.gets()
    assert k.cas(6, token) is True
    k.clear()
    assert k.cas(7, token) is False
    with pytest.raises(TypeError, match="token"):
        k.cas(1, 5)  # type: ignore[arg-type]


def test_edit(store: Any) -> None:
    """Writes back what was changed, or raises; an exception inside writes nothing."""
    k = KeyCache("k", data=[1])
    with k.edit() as v:
        v.append(2)
    assert k.data == [1, 2]
    with pytest.raises(CacheError, match="changed by somebody else"), k.edit() as v:  # noqa: PT012
        v.append(3)
        k.data = ["other"]
    assert k.data == ["other"]
    with pytest.raises(ZeroDivisionError), k.edit() as v:
        v.append(1 // 0)
    assert k.data == ["other"]
    k.clear()
    with pytest.raises(CacheMissError), k.edit():
        pass
    with k.edit([]) as v:
        v.append(1)
    assert k.data == [1]
    with pytest.raises(EncodeError), k.edit() as v:
        v.append(object())
    assert k.data == [1]


def test_edit_of_nothing_new_writes_nothing(store: Any) -> None:
    """So it does not re-arm the ttl either, and somebody else's change is no conflict."""
    k = KeyCache("k", data=[1])
    k.expire(100)
    with k.edit():
        k.data = [5]
    assert k.data == [5]


def test_what_cannot_be_stored_is_refused_with_the_key(store: Any) -> None:
    """Before anything is sent."""
    k = KeyCache("k", data=1)
    with pytest.raises(EncodeError, match="'k'"):
        k.data = object()
    with pytest.raises(EncodeError, match="'k'"):
        KeyCache("k", data=[object()])
    assert k.data == 1


# -- numbers ---------------------------------------------------------------------------------------


def test_increment(store: Any) -> None:
    """Ints stay ints, a float anywhere makes a float, a missing key starts at 0."""
    k = KeyCache[Any]("k")
    assert k.increment() == 1
    k += 10
    k -= 4
    assert k.data == 7
    assert k.increment(-7) == 0
    assert store.raw("GET", "k") == b"0"
    k += 0.5
    assert k.data == 0.5
    k += 1
    k -= 0.5
    assert k.data == 1.0
    assert type(k.data) is float
    k -= 1
    assert type(k.data) is float
    assert KeyCache("new").increment(2.0) == 2.0
    assert KeyCache("plain", serialize=False).increment(5) == 5


def test_increment_is_exact_to_64_bits(store: Any) -> None:
    """Beyond them nothing is changed."""
    k = KeyCache("k", data=2**63 - 2)
    assert k.increment() == 2**63 - 1
    with pytest.raises(EncodeError, match="nothing was changed"):
        k.increment()
    assert k.data == 2**63 - 1
    with pytest.raises(EncodeError, match="64-bit"):
        k.increment(2**63)
    k.data = 1.7e308
    with pytest.raises(EncodeError):
        k.increment(1.7e308)
    for wrong in (inf, -inf, float("nan")):
        with pytest.raises(ValueError, match="nan or infinity"):
            k.increment(wrong)


@pytest.mark.parametrize("tags", [(), ("t",)], ids=["plain", "tagged"])
def test_increment_of_what_must_exist(store: Any, tags: tuple[str, ...]) -> None:
    """A missing number is an error then, and stays missing; also one whose tag was invalidated."""
    c: KeyCache[int] = KeyCache("n", tags=tags, ttl=60)
    for by in (1, 0, -1, 0.5):
        with pytest.raises(CacheMissError, match="'n'"):
            c.increment(by, must_exist=True)
    assert store.raw("EXISTS", "n") == 0
    c.data = 5
    assert c.increment(2, must_exist=True) == 7
    with c.pipeline() as p:
        first, second = p.increment(must_exist=True), p(KeyCache("other")).increment(must_exist=True)
    assert first.value == 8
    with pytest.raises(CacheMissError):
        _ = second.value
    if tags:
        invalidate_tags("t")
        with pytest.raises(CacheMissError):
            c.increment(must_exist=True)
    c.data = "text"  # type: ignore[assignment]
    with pytest.raises(WrongTypeError):
        c.increment(must_exist=True)


@pytest.mark.parametrize("tags", [(), ("t",)], ids=["plain", "tagged"])
def test_increment_that_keeps_the_ttl(store: Any, tags: tuple[str, ...]) -> None:
    """What is there ends when it was to end; what is new gets the class's ttl."""
    c: KeyCache[float] = KeyCache("n", tags=tags, ttl=60)
    assert c.increment(keep_ttl=True) == 1
    assert 59 < (c.expires_in() or 0) <= 60
    c.expire(20)
    assert c.increment(2, keep_ttl=True) == 3
    assert c.increment(0.5, keep_ttl=True, must_exist=True) == 3.5
    assert 19 < (c.expires_in() or 0) <= 20
    c.expire(0)
    c.increment(keep_ttl=True)
    assert c.expires_in() == inf
    c.increment()
    assert 59 < (c.expires_in() or 0) <= 60


@pytest.mark.parametrize("value", ["a", "", "7", [1], None, True, 2**70])
def test_what_is_no_number_cannot_be_incremented(store: Any, value: Any) -> None:
    """The value stays."""
    k = KeyCache("k", data=value)
    with pytest.raises(WrongTypeError, match="'k'"):
        k.increment()
    with pytest.raises(TypeError):
        k += 0.5
    assert k.data == value


@pytest.mark.parametrize("by", ["1", None, True, [1]])
def test_only_numbers_can_be_added(store: Any, by: Any) -> None:
    """A TypeError before anything is sent."""
    k = KeyCache("k", data=1)
    for call in (lambda: k.increment(by), lambda: operator.iadd(k, by), lambda: operator.isub(k, by)):
        with pytest.raises(TypeError):
            call()
    assert k.data == 1


def test_conversions(store: Any) -> None:
    """int, float, str and bool are those of the value."""
    k = KeyCache[Any]("k")
    assert (int(k), float(k), str(k), bool(k)) == (0, 0.0, "", False)
    k.data = 7
    assert (int(k), float(k), str(k), bool(k)) == (7, 7.0, "7", True)
    k.data = "8.5"
    assert (float(k), str(k)) == (8.5, "8.5")
    k.data = []
    assert not k
    assert str(k) == "[]"
    k.data = "text"
    with pytest.raises(ValueError, match="text"):
        int(k)


def test_comparisons(store: Any) -> None:
    """With values and with each other; missing is less than anything."""
    one, two, none = KeyCache("one", data=1), KeyCache("two", data=2), KeyCache("none")
    assert one == 1
    assert one != 2
    assert one < two
    assert two > one
    assert one <= 1
    assert one >= KeyCache("one")
    assert one < 2
    assert one > 0
    assert none < one
    assert none < -1
    assert none <= KeyCache("none2")
    assert none >= KeyCache("none2")
    assert not none < KeyCache("none2")
    assert one > none
    assert none == KeyCache("none2")
    assert none == None  # noqa: E711
    with pytest.raises(TypeError):
        one < "a"  # noqa: B015


# -- time to live ----------------------------------------------------------------------------------


def test_every_store_arms_the_ttl(store: Any) -> None:
    """With 'last' anew each time, with 'first' when the key is made, with 0 it takes the ttl away."""
    stores: list[Any] = [
        lambda k: k.set(1),
        lambda k: setattr(k, "data", 1),
        lambda k: k.increment(),
        lambda k: k.increment(0.5),
        lambda k: k.cas(9, k.gets()[1]),
        lambda k: type(k)("x", data=4),
        lambda k: type(k).set_many({"x": 1}),
    ]

    class First(Price):
        ttl_from = "first"

    for call in stores:
        k = Price("x", data=1)
        assert 59_000 < left(k) <= 60_000
        k.expire(10)
        call(k)
        assert 59_000 < left(k) <= 60_000
        first = First("x")
        first.expire(10)
        call(first)
        assert left(first) <= 10_000
        first.clear()
        call(first)
        assert 59_000 < left(first) <= 60_000
        first.clear()


def test_reading_and_what_changes_nothing_never_arms(store: Any) -> None:
    """A failed add, a failed cas, every read."""
    k = Price("x", data=1)
    token = k.gets()[1]
    k.data = 2
    k.expire(10)
    assert k.set(5, nx=True) is False
    assert k.cas(5, token) is False
    with pytest.raises(KeyExistsError):
        k.add(5)
    assert (k.data, k.get(), k.peek(), bool(k), k.exists()) == (2, 2, 2, True, True)
    with pytest.raises(EncodeError):
        k.increment(2**64)
    assert left(k) <= 10_000


def test_a_ttl_of_one_call(store: Any) -> None:
    """Seconds, fractions, timedelta, 0; wrong ones are refused."""
    k = Price("x")
    for ttl, low, high in ((5, 4_000, 5_000), (0.5, 1, 500), (timedelta(minutes=2), 110_000, 120_000)):
        k.set(1, ttl=ttl)
        assert low <= left(k) <= high
    k.set(1, ttl=0)
    assert left(k) == -1
    k.clear()
    k.add(1, ttl=5)
    assert left(k) <= 5_000
    Price.set_many({"x": 1, "y": 2}, ttl=7)
    assert left(k) <= 7_000
    first = KeyCache("f", ttl_from="first", data=1)
    first.set(2, ttl=5)
    assert left(first) <= 5_000
    for wrong, error in (
        (-1, ValueError),
        (inf, ValueError),
        (float("nan"), ValueError),
        ("5", TypeError),
        (True, TypeError),
    ):
        with pytest.raises(error):
            k.set(9, ttl=wrong)  # type: ignore[arg-type]
    assert k.data == 1


def test_get_ttl(store: Any) -> None:
    """The value and seconds; inf for ever; a miss raises or gives the default and -1."""
    k = Price("x", data=None)
    value, seconds = k.get_ttl()
    assert value is None
    assert 59 < seconds <= 60
    k.expire(0)
    assert k.get_ttl() == (None, inf)
    k.clear()
    with pytest.raises(CacheMissError):
        k.get_ttl()
    assert k.get_ttl("d") == ("d", -1.0)


def test_expire_touch_renew_exists(store: Any) -> None:
    """expire sets, touch begins anew, renew only lengthens; none of them makes a key."""
    k = Price("x")
    assert k.expire(5) is k.touch() is k.renew(5) is k.exists() is k.exists(0) is False
    k.data = 1
    assert k.expire(timedelta(seconds=5)) is True
    assert left(k) <= 5_000
    assert k.exists(ttl=3) is True
    assert k.exists(ttl=100) is False
    assert k.renew(3) is False
    assert k.renew(100) is True
    assert 99_000 < left(k) <= 100_000
    assert k.renew() is False
    assert k.touch() is True
    assert left(k) <= 60_000
    assert k.renew(0) is True
    assert left(k) == -1
    assert k.renew(9) is False
    assert k.exists(ttl=10**6) is True
    assert k.expire(5) is True
    assert k.expire(0) is True
    assert left(k) == -1
    with pytest.raises(ValueError, match="ttl"):
        k.expire(-1)


def test_jitter_only_shortens(store: Any) -> None:
    """And spreads."""
    seen = set()
    for n in range(20):
        k = KeyCache("k", n, ttl=100, jitter=0.5, data=n)
        seen.add(left(k))
        assert 49_000 < left(k) <= 100_000
    assert len(seen) > 10


def test_a_value_ends_with_its_ttl(store: Any) -> None:
    """Then it is missing."""
    from rcollections.testing import wait_until

    k = KeyCache("k", ttl=0.02, data=1)
    wait_until(lambda: not k.exists(), 5, "the end of the ttl")
    assert k.data is None


# -- many at once ----------------------------------------------------------------------------------


def test_many_at_once(store: Any) -> None:
    """By parts, as they were given; missing ones are left out unless a default is given."""
    Price.set_many({"apple": 1, ("pear", 2): 2, 7: None, 0: 0})
    assert Price("pear", 2).data == 2
    keys: list[Any] = [7, "nothing", ("pear", 2), "apple", 0, 7]
    assert Price.get_many(keys) == {7: None, ("pear", 2): 2, "apple": 1, 0: 0}
    assert list(Price.get_many(keys)) == [7, ("pear", 2), "apple", 0]
    assert Price.get_many(keys, 9)["nothing"] == 9
    assert Price.get_many([]) == {}
    found = Price.get_many(["apple", "nothing"], with_ttl=True)
    assert list(found) == ["apple"]
    assert found["apple"][0] == 1
    assert 59 < found["apple"][1] <= 60
    assert Price.get_many(["nothing"], 9, with_ttl=True) == {"nothing": (9, -1.0)}
    Price("apple").expire(0)
    assert Price.get_many(["apple"], with_ttl=True) == {"apple": (1, inf)}
    assert Price.delete_many(["apple", "nothing", ("pear", 2)]) == 2
    assert Price.delete_many([]) == 0
    Price.set_many({})
    assert Price.get_many(keys) == {7: None, 0: 0}


def test_set_many_encodes_all_before_it_sends(store: Any) -> None:
    """All or nothing."""
    with pytest.raises(EncodeError):
        Price.set_many({"a": 1, "b": object()})  # type: ignore[dict-item]
    assert not Price("a").exists()


def test_set_many_of_very_many(store: Any) -> None:
    """More than one step takes."""
    Price.set_many({n: n for n in range(6_000)})
    assert Price.get_many([0, 5_999]) == {0: 0, 5_999: 5_999}
    assert Price.clean() == 6_000


def test_the_other_types_are_wrong_types(store: Any) -> None:
    """Reading, storing only if missing, counting; a plain set replaces, as SET does."""
    DictCache("k", data={"a": 1})
    k = KeyCache("k")
    for call in (lambda: k.data, k.get, k.increment, k.getdel, k.get_ttl, lambda: k.cas(1, KeyCache("no").gets()[1])):
        with pytest.raises(WrongTypeError, match="'k'"):
            call()


ONE_TRIP: dict[str, Any] = {
    "data": lambda k: k.data,
    "data = v": lambda k: setattr(k, "data", 1),
    "get": lambda k: k.get(5),
    "peek": lambda k: k.peek(),
    "set": lambda k: k.set(1),
    "set nx": lambda k: k.set(1, nx=True),
    "increment": lambda k: k.increment(),
    "increment float": lambda k: KeyCache("f").increment(0.5),
    "get_ttl": lambda k: k.get_ttl(),
    "gets": lambda k: k.gets(),
    "exists": lambda k: k.exists(),
    "exists ttl": lambda k: k.exists(5),
    "expire": lambda k: k.expire(5),
    "touch": lambda k: k.touch(),
    "renew": lambda k: k.renew(5),
    "==": lambda k: k == 1,
    "<": lambda k: k < 1,
    "int": int,
    "bool": bool,
    "str": str,
    "copy_to": lambda k: k.copy_to("x"),
    "clear": lambda k: KeyCache("no").clear(),
    "getdel": lambda k: KeyCache("no").getdel(),
    "get_many": lambda k: KeyCache.get_many(["k", "x"]),
    "get_many ttl": lambda k: KeyCache.get_many(["k", "x"], with_ttl=True),
    "set_many": lambda k: KeyCache.set_many({"k": 1, "x": 1}),
    "delete_many": lambda k: KeyCache.delete_many(["x"]),
    "data=": lambda k: KeyCache("k", data=1),
}


@pytest.mark.parametrize("name", ONE_TRIP)
def test_one_round_trip(server: Any, name: str) -> None:
    """Each, on a real server."""
    k = KeyCache("k", data=1)
    assert trips(connection(), lambda: ONE_TRIP[name](k)) == 1


def test_making_a_handle_sends_nothing(server: Any) -> None:
    """Nor do key and repr."""
    assert trips(connection(), lambda: (KeyCache("k").key, repr(KeyCache("k")))) == 0


def test_one_process_sees_what_another_wrote(store: Any) -> None:
    """Handles remember no value (redis-cli stands for the other process)."""
    k = KeyCache("k", data=1)
    assert k.data == 1
    store.raw("SET", "k", "typed by hand")
    assert k.data == "typed by hand"
    store.raw("SET", "k", "42")
    assert k.data == 42
    assert k.increment() == 43
