"""Handles: what their keys are, what may be said of them, and that they hold nothing but key and options."""

from __future__ import annotations

import copy
import pickle
import threading
from collections import namedtuple
from datetime import date, datetime, timedelta
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest

from rcollections import (
    CacheError,
    ConfigError,
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    configure,
    connection,
    connections,
)
from rcollections.testing import isolated
from tests.trips import trips

TYPES: list[Any] = [KeyCache, DictCache, SetCache, SortedSetCache, CounterCache]
DATA: dict[Any, Any] = {
    KeyCache: 5,
    DictCache: {"a": 1},
    SetCache: {"a"},
    SortedSetCache: {"a": 1},
    CounterCache: "aab",
}


class Color(Enum):
    RED = "red"
    WRONG = None


class Level(IntEnum):
    HIGH = 3


class Profile(DictCache[str, int]):
    prefix = "profile"
    ttl = 600
    tags = ("users",)


class Own(DictCache[str, int]):
    """Its __init__ takes other things than ours does."""

    prefix = "own"

    def __init__(self, name: str, *, level: int) -> None:
        super().__init__(name, str(level), ttl=5)
        self.level = level


Sub = namedtuple("Sub", "a b")


# -- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("a",), "a"),
        (("a", "b", 1), "a.b.1"),
        (("a.b",), "a.b"),
        (("", "a", "", "b", ""), "a.b"),
        ((0,), "0"),
        ((False,), "False"),
        ((1.5, True), r"1\.5.True"),
        ((-1,), "-1"),
        ((UUID(int=1),), "00000000-0000-0000-0000-000000000001"),
        ((date(2024, 5, 6),), "2024-05-06"),
        ((datetime(2024, 5, 6, 7, 8),), "2024-05-06 07:08:00"),
        ((Color.RED,), "red"),
        ((Level.HIGH,), "3"),
        (("é", " ", "a b"), "é. .a b"),
        ((".",), "."),
    ],
)
def test_keys_are_prefix_and_parts(fresh: Any, parts: tuple[Any, ...], key: str) -> None:
    """Joined with dots, empty strings dropped, 0 and False kept; for every type the same."""
    for cls in TYPES:
        assert cls(*parts).key == key
        assert cls(*parts, prefix="pre").key == f"pre.{key}"


@pytest.mark.parametrize(
    "part", [None, b"a", [], ("a",), {}, object(), Color.WRONG, 1j, timedelta(1), Color, Sub("a", "b")]
)
def test_what_is_no_part_is_a_type_error(fresh: Any, part: Any) -> None:
    """A forgotten id must not share a key with others."""
    for cls in TYPES:
        with pytest.raises(TypeError, match="a key part is"):
            cls("user", part)
    with pytest.raises(TypeError, match="is an id missing"):
        KeyCache("user", None)


def test_no_key_at_all_is_a_value_error(fresh: Any) -> None:
    """Neither prefix nor part."""
    for parts in ((), ("",), ("", "")):
        with pytest.raises(ValueError, match="needs a prefix or at least one"):
            KeyCache(*parts)
    assert Profile().key == "profile"
    assert Profile("").key == "profile"


def test_parts_are_not_escaped(fresh: Any) -> None:
    """So a key addresses itself, and 1 and "1" are one key (documented)."""
    assert KeyCache(Profile(42).key).key == "profile.42"
    assert KeyCache(1).key == KeyCache("1").key
    assert KeyCache("a.b").key == KeyCache("a", "b").key
    assert Profile(42, data={"a": 1}) == DictCache("profile.42")


def test_a_prefix_may_hold_one_hash_tag(fresh: Any) -> None:
    """One, with something in it."""
    assert KeyCache("a", prefix="{users}.x").key == "{users}.x.a"
    for wrong in ("{", "}", "{}", "}a{", "{a}{b}", "{{a}}", "a\n", 5, None, b"a"):
        with pytest.raises(ConfigError, match="prefix"):
            KeyCache("a", prefix=wrong)


def test_namespaces() -> None:
    """Before everything, once; a key with it addresses itself."""
    with isolated("memory://?namespace=shop"):
        assert Profile(1).key == "shop.profile.1"
        assert KeyCache("a").key == "shop.a"
        assert KeyCache(Profile(1).key).key == "shop.profile.1"
        Profile(1)["a"] = 1
        Profile(2)["a"] = 1
        assert DictCache(Profile(1).key).to_dict() == {"a": 1}
        assert repr(Profile(1)) == "Profile('profile.1')"
        assert Profile(1).copy_to(3).key == "shop.profile.3"
        connection().raw("SET", "profile.9", "of another application")
        assert Profile.clean() == 3
        assert connection().raw("GET", "profile.9") == b"of another application"


# -- options ---------------------------------------------------------------------------------------


def test_overrides_are_of_one_handle(fresh: Any) -> None:
    """Every class attribute can be one."""
    p = Profile(1, ttl=5, ttl_from="first", jitter=0.5, tags=["a", "b"], prefix="other", default=3, l1=True, share=True)
    assert (p.key, p.ttl, p.ttl_from, p.jitter, p.tags, p.default, p.l1) == (
        "other.1", 5, "first", 0.5, ("a", "b"), 3, True,
    )  # fmt: skip
    assert (Profile(1).ttl, Profile.prefix, Profile.tags) == (600, "profile", ("users",))


def test_an_option_set_later_counts_from_then_on(fresh: Any) -> None:
    """Though the handle had been used."""
    p = Profile(1)
    p["a"] = 1
    p.ttl = 5
    p["a"] = 1
    assert connection().raw("PTTL", "profile.1") <= 5_000
    with pytest.raises(ValueError, match="ttl"):
        p.ttl = -1
    p.serializer = "json"
    p["a"] = 2
    assert connection().raw("HGET", "profile.1", "a") == b"2"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("ttl", -1),
        ("ttl", "5"),
        ("ttl", None),
        ("ttl", float("inf")),
        ("ttl", float("nan")),
        ("ttl", True),
        ("ttl", timedelta(seconds=-1)),
        ("ttl", 1e13),
        ("ttl_from", "never"),
        ("ttl_from", None),
        ("jitter", 1),
        ("jitter", -0.1),
        ("jitter", True),
        ("jitter", "0.1"),
        ("serialize", 1),
        ("serialize", None),
        ("serializer", "yaml"),
        ("serializer", object()),
        ("connection_name", None),
        ("connection_name", 5),
        ("tags", "users"),
        ("tags", b"users"),
        ("tags", 5),
        ("tags", ("",)),
        ("tags", (1,)),
        ("l1", 1),
        ("l1", "yes"),
        ("share", 0),
    ],
)
def test_wrong_options_are_refused_by_name(fresh: Any, name: str, wrong: Any) -> None:
    """In the class body, as override, and when they are assigned."""
    for make in (
        lambda: type("Mine", (DictCache,), {name: wrong}),
        lambda: Profile(1, **{name: wrong}),
        lambda: setattr(Profile(1), name, wrong),
    ):
        with pytest.raises((ConfigError, ValueError, TypeError), match=name):
            make()


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("tll", "ttl"), ("tt", "ttl"), ("prefx", "prefix"), ("Prefix", "prefix"), ("tag", "tags"), ("jiter", "jitter"),
        ("serialise", "serialize"), ("ttlfrom", "ttl_from"), ("connectionname", "connection_name"), ("TTL", "ttl"),
        ("defualt", "default"), ("L1", "l1"),
    ],
)  # fmt: skip
def test_near_misses_are_refused_by_name(fresh: Any, wrong: str, meant: str) -> None:
    """A slip of the keyboard must not mean "for two hours". (Names that are not near any stay the user's.)"""
    if wrong != "L1":
        with pytest.raises(ConfigError, match=f"is '{meant}' meant"):
            type("Mine", (KeyCache,), {wrong: 5})
        with pytest.raises(ConfigError, match=f"is '{meant}' meant"):
            type("Mine", (KeyCache,), {"__annotations__": {wrong: int}})
    with pytest.raises(TypeError, match="unexpected keyword"):
        KeyCache("a", **{wrong: 5})


def test_attributes_of_the_user_are_fine(fresh: Any) -> None:
    """Constants, methods, properties, private names, annotations; later overrides of them too."""

    class Mine(KeyCache[int]):
        prefix = "mine"
        limit = 5
        name: str
        _tll = 3

        def tll(self) -> int:
            return self.limit

        @property
        def tag(self) -> str:
            return "x"

    class Child(Mine):
        limit = 6

    assert Child("a").tll() == 6
    assert Child("a").tag == "x"
    with pytest.raises(TypeError, match="allowed are data, prefix"):
        Mine("a", limit=7)


def test_options_may_be_properties(fresh: Any) -> None:
    """Computed for each handle."""

    class Mine(DictCache[str, int]):
        @property
        def ttl(self) -> float:  # type: ignore[override]
            return 5 if self.key_is_short else 50

        key_is_short = True

    d = Mine("a", data={"a": 1})
    assert connection().raw("PTTL", d.key) <= 5_000


def test_ttls_are_seconds_or_timedeltas(fresh: Any) -> None:
    """Fractions too; 0 is for ever."""
    for ttl, low, high in ((1.5, 1_000, 1_500), (timedelta(seconds=5), 4_000, 5_000), (0, -1, -1), (0.0, -1, -1)):
        KeyCache("a", ttl=ttl, data=1)
        assert low <= connection().raw("PTTL", "a") <= high
    KeyCache("a", ttl=1e11, data=1)
    assert connection().raw("PTTL", "a") > 9e13


def test_create_is_the_constructor(fresh: Any) -> None:
    """With the class's own __init__."""
    assert Profile.create(1, data={"a": 1}, ttl=5).to_dict() == {"a": 1}
    assert Profile.create(1).ttl == 600


# -- handles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", TYPES)
def test_repr_asks_nobody_and_shows_no_values(server: Any, cls: Any) -> None:
    """Class and key without the namespace; making a handle sends nothing either."""
    cls("k", data=DATA[cls])
    assert trips(connection(), lambda: repr(cls("k"))) == 0
    assert repr(cls("k")) == f"{cls.__name__}('k')"
    assert repr(Profile(42)) == "Profile('profile.42')"


@pytest.mark.parametrize("cls", TYPES)
def test_handles_are_unhashable_and_not_deeply_copied(fresh: Any, cls: Any) -> None:
    """== compares content, so there is no hash."""
    handle = cls("k", data=DATA[cls])
    with pytest.raises(TypeError, match="unhashable"):
        hash(handle)
    with pytest.raises(TypeError, match="handle"):
        copy.deepcopy(handle)
    with pytest.raises(TypeError, match="handle"):
        copy.deepcopy({"a": [handle]})


@pytest.mark.parametrize("cls", TYPES)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_handles_pickle_and_copy(fresh: Any, cls: Any, protocol: int) -> None:
    """Key and options travel, content and connection do not; used ones and subscripted ones too."""
    for made in (cls, cls[Any, Any] if cls in (DictCache,) else cls[Any]):
        handle = made("k", data=DATA[cls], ttl=5)
        for twin in (pickle.loads(pickle.dumps(handle, protocol)), copy.copy(handle)):
            assert type(twin) is cls
            assert (twin.key, twin.ttl) == ("k", 5)
            assert twin == handle
    data = pickle.dumps(KeyCache("k", data="secret value"))
    assert b"secret" not in data


def test_a_subclass_may_have_another_init(fresh: Any) -> None:
    """We never call it: copies, pickles, copy_to and pipelines keep what it made."""
    own = Own("ann", level=3)
    own["a"] = 1
    for twin in (copy.copy(own), pickle.loads(pickle.dumps(own)), own.copy_to("bob")):
        assert (type(twin), twin.level, twin.ttl) == (Own, 3, 5)
        assert twin.to_dict() == {"a": 1}
    assert own.copy_to("bob").key == "own.bob"
    with own.pipeline() as p:
        p["b"] = 2
        assert p.level == 3
    assert own.to_dict() == {"a": 1, "b": 2}
    assert Own.create("ann", level=3).key == "own.ann.3"


def test_handles_survive_a_new_configuration() -> None:
    """They look up their connection anew."""
    with isolated():
        k = KeyCache("k", data=1)
        configure("memory://another")
        assert k.data is None
        k.data = 2
        assert len(connections()) == 1
        assert KeyCache("k").data == 2


def test_connection_name(fresh: Any) -> None:
    """Unknown ones are named with those that there are."""
    with pytest.raises(ConfigError, match="no connection 'other'"):
        KeyCache("k", connection_name="other").data  # noqa: B018


def test_handles_are_shared_by_threads(store: Any) -> None:
    """Two hundred increments from each of eight."""
    k, c = KeyCache("k"), CounterCache("c")

    def work() -> None:
        for _ in range(50):
            k.increment()
            c["a"] += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (k.data, c["a"]) == (400, 400)


# -- what every type can ---------------------------------------------------------------------------


@pytest.mark.parametrize("cls", TYPES)
def test_what_every_type_can(store: Any, cls: Any) -> None:
    """exists, expire, touch, renew, clear, copy_to, data=, on each."""
    handle = cls("k", ttl=60)
    assert not handle.exists()
    assert handle.expire(5) is handle.touch() is handle.renew() is False
    handle = cls("k", ttl=60, data=DATA[cls])
    assert handle.exists() is handle.has() is True
    assert handle.exists(ttl=50) is True
    assert handle.exists(ttl=70) is False
    assert handle.expire(5) is True
    assert handle.renew(3) is False
    assert handle.renew() is True
    assert handle.expire(5) is True
    assert handle.touch() is True
    assert handle.exists(ttl=50) is True
    there = handle.copy_to("there")
    assert there == handle
    assert handle.copy_to("k") == handle
    handle.clear()
    handle.clear()
    assert not handle.exists()
    assert bool(there) is True
    assert handle.copy_to("there").exists() is False


def test_clean_removes_the_keys_of_the_class(store: Any) -> None:
    """Those under its prefix, and nobody else's, whatever characters are in it."""

    class Odd(KeyCache[int]):
        prefix = "a*[b]?^-c"

    Odd.set_many({n: n for n in range(1_500)})
    Odd(data=1)
    for other in ("a*[b]?^-cd", "axbb-c.1", "a", "profile.1"):
        KeyCache(other).data = 1
    assert Odd.clean() == 1_501
    assert Odd.clean() == 0
    assert store.raw("DBSIZE") == 4
    with pytest.raises(ValueError, match="needs a prefix"):
        KeyCache.clean()


def test_stats_are_of_the_class(fresh: Any) -> None:
    """By operation."""
    from rcollections import observe

    observe.collect()
    d = Profile(1)
    d["a"] = 1
    d.get("a")
    d.get("x")
    assert (Profile.stats("get").hits, Profile.stats("get").misses) == (1, 1)


def test_raw_is_the_way_out(store: Any) -> None:
    """With the key of a handle."""
    d = DictCache("d", data={"a": 1})
    assert connection().raw("hlen", d.key) == 1
    assert connection().raw("SCRIPT EXISTS", "0" * 40) == [0]
    with pytest.raises(CacheError):
        connection().raw("NONSENSE")
