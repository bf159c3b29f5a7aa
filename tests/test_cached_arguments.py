"""``@cached``: the arguments of a call in its key: exact, and one key for what Python calls one call."""

from __future__ import annotations

import base64
import functools
import inspect
import re
from collections import Counter, OrderedDict, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcollections import CounterCache, KeyCache, cached
from rcollections.functions.arguments import Arguments
from rcollections.functions.texts import text_of

pytestmark = pytest.mark.usefixtures("fresh")


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    RED = "red"


Point = namedtuple("Point", "x y")


@dataclass
class Box:
    size: int


class User:
    def __init__(self, number: Any) -> None:
        self.id = number

    def __cache_key__(self) -> Any:
        return self.id


# -- one argument ----------------------------------------------------------------------------------

READABLE: list[tuple[Any, str]] = [
    (1, "1"), (-5, "-5"), (1.0, "1.0"), (float("nan"), "nan"), (float("-inf"), "-inf"), (True, "True"), (None, "None"),
    ("ann", "ann"), ("ann@example.com", "ann@example.com"), ("/a/b.html", "/a/b.html"), ("a-b:c+d.e", "a-b:c+d.e"),
    ("1", "'1'"), ("", "''"), ("True", "'True'"), ("nan", "'nan'"), ("-inf", "'-inf'"), ("a b", "'a b'"), ("é", "'é'"),
    ("it's", r"'it\'s'"), ("{a}", r"'\(a\)'"), ("f(x)", r"'f\x28x)'"), ("a\nb", r"'a\nb'"), ("\x01\x7f", r"'\x01\x7f'"),
    ("a\\b", r"'a\\b'"), ("\ud800", r"'\ud800'"), ("\u2028", r"'\u2028'"),
    (date(2026, 11, 27), "2026-11-27"), (datetime(2026, 11, 27, 10, 30), "2026-11-27T10:30:00"),
    (datetime(2026, 11, 27, 10, 30, tzinfo=UTC), "2026-11-27T10:30:00+00:00"), (time(10, 30), "10:30:00"),
    (datetime(2026, 1, 1, tzinfo=timezone(timedelta(0), "a,b")), "datetime'2026-01-01T00:00:00+00:00|na,b'"),
    (UUID(int=0xC0FFEE << 104), "c0ffee00-0000-0000-0000-000000000000"),
    ("c0ffee00-0000-0000-0000-000000000000", "'c0ffee00-0000-0000-0000-000000000000'"),
    (Decimal("1.50"), "Decimal'1.50'"), (Fraction(1, 16), "Fraction'1,10'"), (timedelta(days=1), "timedelta'1,0,0'"),
    (PurePosixPath("/etc"), "PurePosixPath'/etc'"), (Colour.RED, f"Enum'{__name__}:Colour=RED'"),
    (2**64, "0x10000000000000000"), (-(2**63), "-9223372036854775808"), (-(2**64), "-0x10000000000000000"),
    ((1, "a", (True,)), "(1,a,(True))"), ([1, [2]], "[1,[2]]"), ({"b": 1, "a": 2}, "dict(a=2,b=1)"),
    ({2, 1}, "set(1,2)"), (frozenset("ba"), "frozenset(a,b)"), ((), "()"), ({}, "dict()"),
    (b"x", "~" + base64.urlsafe_b64encode(b"\xc1bx").decode()),
    (User(7), f"{__name__}:User!7"), ([User("a b")], f"[{__name__}:User!'a b']"),
    ({"who": User(7)}, f"dict(who={__name__}:User!7)"),
    (KeyCache("a", 1), "rcollections.collections.keycache:KeyCache!a.1"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), READABLE, ids=[text for _, text in READABLE])
def test_the_text_of_an_argument(value: Any, text: str) -> None:
    """Numbers, dates and UUIDs as they read; text bare where nothing else reads like it; base64 for the rest."""
    assert text_of(value) == text


LIKE: list[Any] = [
    1, True, 1.0, "1", b"1", 1j, Decimal(1), Fraction(1), Colour.RED, Level.LOW, Word.RED, "red", (1,), [1], {1},
    {1: 1}, {True: 1}, {1.0: 1}, {"1": 1}, frozenset((1,)), Point(1, 2), (1, 2), OrderedDict({1: 1}), Counter({1: 1}),
    Box(1), bytearray(b"1"), "b'1'", "Decimal'1'", "(1)", "[1]", "set(1)", "dict(1=1)", "~wWIx", "-1", -1, "0x1",
    10**30, "1e30", 1e30, date(2026, 1, 1), "2026-01-01", datetime(2026, 1, 1), time(1), "01:00:00", UUID(int=1),
    str(UUID(int=1)),
    timedelta(1), range(1), range(2), 0.0, -0.0, "a,b", ("a", "b"), ("a,b",), "a;b", "a!b", User("a"), User(("a",)),
    User(1), User("1"), KeyCache("a"), CounterCache("a"), "#" + "0" * 32, "'", "''", "\\", "\\'", None, "None", "inf",
    float("inf"), "Infinity", "\n", "\\n", "(", "\\x28", ")", "{", "}", "\\(", "\\)", [[]], [()], [{}], (((1,),),),
    [1, 2], [[1], 2], [[1, 2]], [12], "=", "a=1", {"a": 1}, {"a": {"b": 1}}, {"a": 1, "b": 1}, tuple(range(40)),
    list(range(40)), {n: n for n in range(40)}, {**{n: n for n in range(40)}, 0: 1},
]  # fmt: skip


def test_no_two_arguments_share_a_text() -> None:
    """1, True, 1.0 and "1" are four; text that reads like something else is text; deep inside of containers too."""
    for wrap in (lambda x: x, lambda x: (x,), lambda x: [0, (x, 1)], lambda x: {"a": [x]}, lambda x: (x,) * 40):
        texts = [text_of(wrap(each)) for each in LIKE]
        assert len(set(texts)) == len(LIKE)
        assert not any(char in text for text in texts for char in "{}\n")


def test_order_where_it_says_nothing() -> None:
    """Equal dicts and sets are one argument, nested ones too, shown or packed."""

    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(each) for key, each in reversed(value.items())}
        return type(value)(map(turned, value)) if isinstance(value, (list, tuple)) else value

    for size in (3, 100):
        value = {f"k{n}": [{n: n, "x": {"y": n, "z": (n, {"a": 1, "b": 2})}}] for n in range(size)}
        assert str(value) != str(turned(value))
        assert text_of(value) == text_of(turned(value))
        assert text_of(set(range(size))) == text_of({*reversed(range(size))})


def test_values_that_hold_themselves() -> None:
    """No endless loop: an error that names the function."""
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(TypeError, match=r"identity cannot be part of a key"):
        identity(loop)
    deep: Any = User(1)
    for _ in range(12):
        deep = [deep]
    assert "User!1" in text_of(deep)


@cached
def identity(x: Any) -> Any:
    return x


def test_an_object_in_a_large_container() -> None:
    """Who an object is, counts there too."""
    many = [User(n) for n in range(100)]
    assert identity.key(many) == identity.key([User(n) for n in range(100)]) != identity.key(many[1:])


PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.binary(max_size=3),
    st.decimals(allow_nan=False), st.dates(), st.datetimes(), st.times(), st.timedeltas(), st.uuids(),
    st.sampled_from(["1", "True", "1.0", "nan", "a,b", "'", "\\", "(", "{}", "\n", "~", "#", "=", ";"]),
)  # fmt: skip
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(), st.booleans()), inner, max_size=3),
    ),
    max_leaves=5,
)


def exact(value: Any) -> Any:
    """A value such that two are equal if and only if they are exactly the same argument."""
    kind = type(value).__name__
    if isinstance(value, dict):
        return kind, frozenset((exact(key), exact(each)) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return kind, tuple(map(exact, value))
    return kind, repr(value)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_two_arguments_are_one_text_if_and_only_if_they_are_the_same(one: Any, other: Any) -> None:
    """Whatever they are."""
    assert (text_of(one) == text_of(other)) == (exact(one) == exact(other))
    assert not set("{}\n\x00") & set(text_of(one))


# -- calls -----------------------------------------------------------------------------------------


@st.composite
def functions(draw: Any) -> Any:
    """A function with parameters of random kinds, some with defaults."""
    kinds = [inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY]
    chosen = sorted(draw(st.lists(st.sampled_from(kinds), max_size=4)))
    parts, before, optional = [], None, False
    rest = draw(st.booleans())
    for place, kind in enumerate(chosen):
        if before == inspect.Parameter.POSITIONAL_ONLY != kind:
            parts.append("/")
        if kind == inspect.Parameter.KEYWORD_ONLY != before:
            parts.append("*rest" if rest else "*")
        optional = draw(st.booleans()) or (optional and kind != inspect.Parameter.KEYWORD_ONLY)
        parts.append(f"p{place}" + (f"={draw(st.integers(0, 1))}" if optional else ""))
        before = kind
    if before == inspect.Parameter.POSITIONAL_ONLY:
        parts.append("/")
    if rest and inspect.Parameter.KEYWORD_ONLY not in chosen:
        parts.append("*rest")
    if draw(st.booleans()):
        parts.append("**more")
    text = f"def fn({', '.join(parts)}): return sorted(locals().items()), list(locals().get('more', ()))"
    names: dict[str, Any] = {}
    exec(text, names)  # noqa: S102
    return names["fn"]


SMALL = st.sampled_from([0, 1, True, "1", "0", 1.0, (1,), ((1,),), "p1=1", ""])
CALLS = st.tuples(
    st.lists(SMALL, max_size=4),
    st.dictionaries(st.sampled_from(["p0", "p1", "p2", "p3", "x", "y", "a=1"]), SMALL, max_size=4),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(functions(), st.lists(CALLS, min_size=2, max_size=12))
def test_two_calls_share_a_key_if_and_only_if_python_calls_them_one_call(fn: Any, calls: Any) -> None:
    """The same arguments arrive in the function, of the same types, further keywords in the same order."""
    arguments = Arguments(fn, "fn", method=False, ignore_self=False)
    seen: dict[Any, str] = {}
    for args, kwargs in calls:
        try:
            arrived = exact([list(map(list, fn(*args, **kwargs)[0])), fn(*args, **kwargs)[1]])
        except TypeError:
            with pytest.raises(TypeError):
                arguments.text(tuple(args), kwargs, 10**6)
            continue
        text = arguments.text(tuple(args), kwargs, 10**6)
        assert seen.setdefault(arrived, text) == text
    assert len(set(seen.values())) == len(seen)


@cached
def columns(**fields: Any) -> Any:
    return ", ".join(fields)


def test_further_keywords_count_in_their_order() -> None:
    """The function sees the order; a dict that is an argument is the same in any order."""
    assert columns(a=1, b=2) == "a, b"
    assert columns(b=2, a=1) == "b, a"
    assert columns.key(**{"a=1,b": 2}) != columns.key(a=1, b=2)
    assert columns.key(**{"x y": 1}).endswith("('x y'=1)")


def test_numbers_of_any_size() -> None:
    """As arguments and as version."""
    huge = 10**5000
    assert identity(huge) == huge
    assert identity.key(huge) != identity.key(huge + 1)
    assert cached(version=huge)(identity.uncached)(1) == 1  # type: ignore[call-overload]


# -- decorators below ------------------------------------------------------------------------------


def changing(change: Any) -> Any:
    def decorate(fn: Any) -> Any:
        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = change(args, kwargs)
            return fn(*args, **kwargs)

        return wrapper

    return decorate


@cached
@changing(lambda args, kwargs: (("me", *args), kwargs))
def page(user: str, number: int = 1, size: int = 10) -> Any:
    return user, number, size


@cached
@changing(lambda args, kwargs: (args, {**kwargs, "db": "db"}))
def row(number: int, *, db: str) -> Any:
    return number, db


@cached
@changing(lambda args, kwargs: (args, {name: value for name, value in kwargs.items() if name != "trace"}))
def traced(number: int) -> int:
    return number


@cached
@changing(lambda args, kwargs: (args[:1], kwargs))
def first_only(number: int) -> int:
    return number


@cached
@changing(lambda args, kwargs: (tuple(map(int, args)), kwargs))
def converted(number: int) -> int:
    return number


@cached
@mock.patch("os.getcwd", return_value="/here")
def patched(number: int, getcwd: Any) -> Any:
    return number, getcwd()


@cached
@functools.lru_cache
def twice_kept(number: int, by: int = 2) -> int:
    return number * by


def test_decorators_below_that_change_the_arguments() -> None:
    """The key has what the call gives: nobody gets an answer to other arguments, and nothing is refused."""
    assert [page(3), page(number=3), page(3, 1), page(10), page()] == [
        ("me", 3, 10), ("me", 3, 10), ("me", 3, 1), ("me", 10, 10), ("me", 1, 10),
    ]  # fmt: skip
    assert [page(3), page(3, 1)] == [("me", 3, 10), ("me", 3, 1)]
    assert [row(7), row(8), row(7)] == [(7, "db"), (8, "db"), (7, "db")]
    assert [traced(7, trace="a"), traced(8, trace="b"), traced(7)] == [7, 8, 7]
    assert [first_only(7, 8), first_only(8, 7)] == [7, 8]
    assert [converted("7"), converted(7), converted("8")] == [7, 7, 8]
    assert [patched(7), patched(8), patched(7)] == [(7, "/here"), (8, "/here"), (7, "/here")]
    assert twice_kept(2) == twice_kept(2, by=2) == 4
    assert twice_kept.key(2) == twice_kept.key(2, by=2)


def logged(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return wrapper


def test_decorators_above() -> None:
    """They call the cached function as they like."""

    @logged
    @cached
    def double(x: int, y: int = 0) -> int:
        return 2 * x + y

    assert double(1) == double(x=1) == double(1, 0) == 2
    assert double.__wrapped__.cache_info().computes == 1


def test_partials_and_objects() -> None:
    """With a name they are cached, by the arguments of the call."""

    class Adder:
        def __call__(self, x: int, y: int = 1) -> int:
            return x + y

    fill = functools.partial(pow, 2)
    assert cached(name="powers.of.two")(fill)(5) == 32
    assert cached(name="powers.of.two")(fill).key(5) == "fn:powers.of.two(5,None)"
    add = cached(name="add")(Adder())
    assert (add(1), add(1, 2), add(x=1, y=1)) == (2, 3, 2)
    assert add.key(1) == add.key(1, 1) == add.key(x=1)
    assert add.__name__ == "add"
    for nameless in (fill, Adder()):
        with pytest.raises(ValueError, match=r"name='prices\.current'"):
            cached(nameless)
        with pytest.raises(ValueError, match="name is a str"):
            cached(name=5)(nameless)


def test_an_object_in_a_class_body_is_told() -> None:
    """Python would not give it the instance, and a cached function would."""
    with pytest.raises((TypeError, RuntimeError)) as caught:

        class Holder:
            powers = cached(name="powers")(functools.partial(pow, 2))

    told = caught.value if isinstance(caught.value, TypeError) else caught.value.__cause__
    assert "staticmethod" in str(told)


# -- methods ---------------------------------------------------------------------------------------


class Shelf:
    @functools.cached_property
    def content(self) -> dict[str, int]:
        return {"a": 1}

    @cached
    def get(self, name: str) -> Any:
        return self.content.get(name)

    @logged
    @cached
    @logged
    def between(self, name: str) -> Any:
        return type(self).__name__, name


class Lazy:
    @cached
    def get(self, name: str) -> Any:
        if not hasattr(self, "_connection"):
            self._connection = object()
        return name


class Set(Shelf):
    def __init__(self, number: int) -> None:
        self.number = number


def test_a_lazy_attribute_of_an_instance_without_state() -> None:
    """What a cached_property keeps is derived: it works on. What a method assigns is refused at the first call."""
    shelf = Shelf()
    assert [shelf.get("a"), shelf.get("b"), shelf.get("a")] == [1, None, 1]
    assert "content" in vars(shelf)
    assert Shelf().get.key("a") == shelf.get.key("a") == f"fn:{__name__}:Shelf.get(a)"
    with pytest.raises(TypeError, match=r"_connection.*__cache_key__.*key=.*ignore_self=True"):
        Lazy().get("a")
    with pytest.raises(TypeError, match=r"__cache_key__.*key=.*ignore_self=True"):
        Set(5).get("a")
    shelf.get = 5  # type: ignore[method-assign, assignment]
    with pytest.raises(TypeError, match="__cache_key__"):
        Shelf.get(shelf, "a")


def test_a_method_between_two_decorators_is_a_method() -> None:
    """The instance is told as ever."""
    assert Shelf().between("a") == Shelf().between("a") == ("Shelf", "a")
    with pytest.raises(TypeError, match="__cache_key__"):
        Set(5).between("a")

    class Owned(Set):
        def __cache_key__(self) -> int:
            return self.number

    assert Owned(1).between("a") == ("Owned", "a")
    key = Shelf.between.__wrapped__.key  # type: ignore[attr-defined]
    assert len({key(Owned(1), "a"), key(Owned(2), "a"), key(Shelf(), "a"), key(Owned(1), "b")}) == 4
    assert key(Owned(1), "a") == key(Owned(1), "a")


def test_classes_that_a_function_makes() -> None:
    """They have one name, and other attributes: their instances do not share answers, nor do the classes."""

    def make(number: int) -> Any:
        class Scaled:
            factor = number

            @cached
            def times(self, x: int) -> int:
                return self.factor * x

            @cached
            @classmethod
            def of(cls, x: int) -> int:
                return cls.factor * x

        return Scaled

    two, three = make(2), make(3)
    assert [two().times(5), three().times(5), two.of(5), three.of(5)] == [10, 15, 10, 15]
    assert two().times.key(5) == make(2)().times.key(5)


def test_a_key_can_be_read() -> None:
    """For the class of the function its path stands there already; a subclass and an instance are named."""
    assert re.fullmatch(rf"fn:{__name__}:Base.m\({__name__}:Derived!7;x=1,y=2\)", Derived(7).m.key(x=1, y=2))
    assert Base(7).m.key(x=1) == f"fn:{__name__}:Base.m(!7;x=1)"


class Base(User):
    @cached
    def m(self, **fields: int) -> Any:
        return self.id


class Derived(Base):
    pass


# -- arguments that are left out -------------------------------------------------------------------


def test_ignored_parameters() -> None:
    """They are no part of the key, whatever they are; ``tags`` and ``ttl`` see them."""
    seen: list[Any] = []

    @cached(
        ignore=("db", "request"),
        tags=lambda number, db, *, request=None: seen.append(db) or ("loads",),
        ttl=lambda value, number, db, request=None: seen.append((value, number, db, request)) or 60,
    )
    def load(number: int, db: Any, *, request: Any = None) -> Any:
        return number, db

    assert load(1, "first") == load(1, "second", request=object()) == load(db=[], number=1) == (1, "first")
    assert load.key(1, 2) == load.key(number=1, db=object()) != load.key(2, 2)
    assert load.key(1, 2).endswith("(1)")
    assert seen[:2] == ["first", ((1, "first"), 1, "first", None)]
    assert "second" in seen

    @cached(ignore=("trace",))
    def further(number: int, **more: Any) -> Any:
        return number

    assert further.key(1, trace=5, x=1) == further.key(1, x=1, trace=6) != further.key(1, x=2)
    assert cached(ignore=("self",))(Lazy.get.uncached).key(Lazy(), "a").endswith("(a)")

    @cached(ignore=["rest"])
    def all_but(number: int, *rest: Any) -> Any:
        return number

    assert all_but.key(1, 2, 3) == all_but.key(1)


def test_wrong_names_are_refused() -> None:
    """When the function is decorated."""
    for ignore, match in ((("dbb",), "'dbb'.*number, db"), ("db", "is a tuple"), ((5,), "names"), (("",), "names")):
        with pytest.raises(ValueError, match=match):
            cached(ignore=ignore)(lambda number, db: 1)
    with pytest.raises(ValueError, match="ignore .*key="):
        cached(ignore=("db",), key=lambda number, db: number)(lambda number, db: 1)


def test_a_held_call_does_not_depend_on_what_is_ignored() -> None:
    """L1 holds one value for all of them, also of arguments that nobody can compare."""

    @cached(ttl=60, l1=True, ignore=("db",))
    def load(number: int, db: Any = None) -> Any:
        return number, str(db)

    for db in ("a", [], {}, "b", object(), "c"):
        assert load(1, db) == (1, "a")
    info = load.cache_info()
    assert (info.computes, info.hits) == (1, 5)


def test_objects_that_fail_to_say_who_they_are() -> None:
    """The error of ``__cache_key__`` arrives as it is."""

    class Broken:
        def __cache_key__(self) -> Any:
            raise RuntimeError("no database")

    with pytest.raises(RuntimeError, match="no database"):
        identity(Broken())
    with pytest.raises(TypeError, match="cannot be part of a key"):
        identity(User)

    class Proxy:
        def __getattr__(self, name: str) -> Any:
            return lambda: name

    with pytest.raises(TypeError, match="cannot be part of a key"):
        identity(Proxy())
