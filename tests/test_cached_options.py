"""``@cached``: templates and constants as ``key=``, class attributes as options, ``ttl=`` with the arguments."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcollections import CacheMissError, ConfigError, KeyCache, cached, configure, connection, multi_cached
from rcollections.functions.arguments import Arguments
from rcollections.functions.templates import Template
from tests.counting import Counting


class Users(KeyCache[Any]):
    prefix = "user"
    ttl = 60


class Level(Enum):
    HIGH = "high"
    NONE = None


@dataclass
class Owner:
    id: int
    name: str = "ann"


# -- templates -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("fresh")
def test_templates() -> None:
    """Names of parameters and dotted attributes, defaults applied, under the class's prefix and the namespace."""

    @cached(key="user:{id}")
    def user(id: Any, lang: str = "en") -> Any:  # noqa: A002 - the name is the point
        return id

    assert user.key(5) == user.key(id=5) == user.key(5, "de") == "user:5"
    assert cached(Users, key="{lang}/{id}")(user.uncached).key(5) == "user.en/5"
    assert cached(key="{o.id}-{o.name}")(lambda o: 1).key(Owner(7)) == "7-ann"
    assert cached(key="a{{b}}{x}")(lambda x: 1).key(1) == r"a\(b\)1"
    assert cached(key="{{x}}")(lambda: 1).key() == r"\(x\)"
    assert cached(key="f(x):{x}")(lambda x: 1).key(1) == r"f\x28x):1"
    configure("memory://?namespace=app")
    assert user.key(5) == "app.user:5"
    assert cached(Users, key="{{x}}")(lambda: 1).key() == r"app.user.\(x\)"


@pytest.mark.usefixtures("fresh")
def test_values_in_templates() -> None:
    """The texts of key parts, with what a key cannot hold escaped; anything else is a TypeError that names it."""

    @cached(key="x:{x}")
    def one(x: Any) -> Any:
        return x

    for value, text in (
        (1, "1"), ("1", "1"), (True, "True"), (1.5, "1.5"), (date(2026, 1, 2), "2026-01-02"), (Level.HIGH, "high"),
        (UUID(int=1), str(UUID(int=1))), ("", ""), ("a.b", "a.b"), ("a:b-c", "a:b-c"), ("{a}", r"\(a\)"),
        ("a\nb", r"a\nb"), ("a\\b", r"a\\b"), ("\ud800", r"\ud800"), ("f(", r"f\x28"), (10**30, str(10**30)),
        (10**5000, hex(10**5000)),
    ):  # fmt: skip
        assert one.key(value) == f"x:{text}"
    for wrong in (None, b"x", [1], object(), Level.NONE):
        with pytest.raises(TypeError, match=r"one, key=\{x\}: a key part is str, int"):
            one.key(wrong)
    with pytest.raises(TypeError, match="is an id missing"):
        one(None)
    with pytest.raises(TypeError, match=r"asks for \{o\.id\.x\}, and a int has no attribute 'x'"):
        cached(key="{o.id.x}")(lambda o: 1)(Owner(1))
    with pytest.raises(TypeError):
        one()


@pytest.mark.parametrize(
    ("key", "match"),
    [
        ("{y}", r"'y', which is no parameter; there are x, z"),
        ("{y.id}", r"'y'"),
        ("{x}{z}", r"mark between \{x\} and \{z\}"),
        ("{x}and{z}", "mark between"),
        ("{x}({z}", "mark between"),
        ("{x}{{{z}", "mark between"),
        ("{x} {z}", "mark between"),
        ("{}", "placeholder"),
        ("{0}", "placeholder"),
        ("{x[0]}", "placeholder"),
        ("{x.}", "placeholder"),
        ("{x:>3}", "format"),
        ("{x!r}", "format"),
        ("{x", "template"),
        ("x}", "template"),
    ],
)
def test_wrong_templates_are_refused(key: str, match: str) -> None:
    """A ConfigError where the function is decorated."""
    with pytest.raises(ConfigError, match=match):
        cached(key=key)(lambda x, z: 1)


@pytest.mark.usefixtures("fresh")
def test_templates_of_methods() -> None:
    """``self`` is a parameter like others; each instance has its answer, in L1 as well."""

    class Account:
        def __init__(self, number: int) -> None:
            self.number = number

        def __cache_key__(self) -> str:
            return "the same for all"

        @cached(key="account:{self.number}:{x}", l1=True)
        def total(self, x: int) -> Any:
            return self.number, x

    for _ in range(3):
        assert [Account(n).total(5) for n in (1, 2)] == [(1, 5), (2, 5)]
    assert Account(1).total.key(5) == "account:1:5"


@pytest.mark.usefixtures("fresh")
def test_a_template_over_a_decorator() -> None:
    """Names that the decorator hides are known by keyword; by position they are not guessed."""
    import functools

    def injecting(fn: Any) -> Any:
        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return fn("db", *args, **kwargs)

        return wrapper

    @cached(key="n:{number}")
    @injecting
    def load(db: str, number: int = 1) -> Any:
        return db, number

    assert load(number=7) == ("db", 7)
    assert load.key(number=7) == "n:7"
    with pytest.raises(TypeError, match="number.*by keyword"):
        load(7)


MARKED = st.sampled_from("-:/.,;_|+*#@")
PIECES = st.text(alphabet="ab-:/.,_\\(){}\n\x28", max_size=5)


@settings(deadline=None)
@given(MARKED, st.text(alphabet="x -:", max_size=2), PIECES, PIECES, PIECES, PIECES)
def test_two_calls_of_a_template_meet_only_with_equal_values(
    mark: str, around: str, a: str, b: str, c: str, d: str
) -> None:
    """Marks between placeholders are escaped in the values."""

    def refuse(what: str) -> Any:
        raise AssertionError(what)

    arguments = Arguments(lambda a, b: None, "fn", method=False, ignore_self=False)
    template = Template(f"{around}{{a}}{around}{mark}{around}{{b}}{around}", arguments, refuse)
    assert (template.text((a, b), {}) == template.text((c, d), {})) == ((a, b) == (c, d))


@pytest.mark.usefixtures("fresh")
def test_marks_between_placeholders() -> None:
    """x-y and z are not x and y-z; marks that stand elsewhere stay as they are."""
    pair = cached(key="id:{a}-{b}")(lambda a, b: (a, b))
    assert (pair("x-y", "z"), pair("x", "y-z")) == (("x-y", "z"), ("x", "y-z"))
    assert pair.key("x-y", "z:1") == r"id:x\-y-z:1"


# -- constants -------------------------------------------------------------------------------------


def test_a_constant_for_a_function_with_parameters_is_told(monkeypatch: Any) -> None:
    """Once, where it is decorated, with a template that would do; an error under CACHES_STRICT."""
    with pytest.warns(UserWarning, match=r"key='all'.*whatever x, y may be.*'all:\{x\}'") as told:
        cached(key="all")(lambda x, y=1: x)
    assert len(told) == 1
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match="self"):

        class Thing:
            @cached(key="thing")
            def name(self) -> str:
                return "thing"

    monkeypatch.setenv("CACHES_STRICT", "1")
    with pytest.raises(ConfigError, match="key='all'"):
        cached(key="all")(lambda x: x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cached(key="all")(lambda: 1)
        cached(key="all:{x}")(lambda x: 1)

        class Other:
            @cached(key="other", ignore_self=True)
            def name(self) -> str:
                return "other"


# -- key functions ---------------------------------------------------------------------------------


def test_key_functions_that_cannot_fit_are_refused() -> None:
    """HermesCache's ``key=lambda fn, …``, and too many or too few parameters, where the function is decorated."""
    with pytest.raises(ConfigError, match="leave 'fn' out"):
        cached(key=lambda fn, *args, **kwargs: f"avg:{args[0]}")(lambda a, b: (a + b) / 2)
    with pytest.raises(ConfigError, match="leave 'func' out"):
        cached(key=lambda func: "x")(lambda a: a)
    for key in (lambda: "x", lambda a, b, c: "x", lambda a, *, z: "x", lambda a: "x"):
        with pytest.raises(ConfigError, match="key= gets what the function gets"):
            cached(key=key)(lambda a, b: a)
    for key in (str, lambda *args: "x", lambda a, b=1: "x", lambda a, **rest: "x", lambda a: "x", max):
        cached(key=key)(lambda a, b=1: a)
    cached(key=lambda fn, x: "x")(lambda fn, x: x)
    cached(key=lambda a: "x")(lambda *args, **kwargs: 1)


# -- class attributes ------------------------------------------------------------------------------


def test_class_attributes_as_options(store: Any) -> None:
    """For this function alone; the class stays as it is."""
    fn = Counting()

    def load(x: Any) -> Any:
        return x, fn()

    own = cached(Users, key="{x}", prefix="other", serializer="json", jitter=0.5, ttl=100)(load)
    assert own(1) == [1, 1]
    assert own.key(1) == "other.1"
    assert store.raw("GET", "other.1").replace(b" ", b"").endswith(b"[1,1]")
    assert 49 < own.get_ttl(1)[1] <= 100
    plain = cached(Users, key="{x}")(load)
    assert plain(1) == (1, 2)
    assert plain.key(1) == "user.1"
    raw = cached(key="raw:{x}", serialize=False)(lambda x: x)
    raw("text")
    assert store.raw("GET", "raw:text").endswith(b"text")
    automatic = cached(prefix="mine", share=True)(load)
    assert automatic.key(1).startswith("mine.")
    assert automatic.key(1).endswith("(1)")
    assert automatic.clear() == 0
    assert Users.prefix == "user"
    assert own.cache_parameters()["prefix"] == "other"


@pytest.mark.usefixtures("fresh")
def test_the_connection_of_a_function() -> None:
    """``connection_name`` leads to another server than the class's."""
    configure({"default": "memory://", "other": "memory://other?namespace=there"})
    there = cached(key="k", connection_name="other")(lambda: 5)
    assert there() == 5
    assert there.key() == "there.k"
    assert connection("other").raw("EXISTS", "there.k") == 1
    assert connection().raw("DBSIZE") == 0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"prefix": 5}, "prefix"),
        ({"prefix": "a\n"}, "prefix"),
        ({"serializer": "yaml"}, "serializer"),
        ({"serialize": 1}, "serialize"),
        ({"connection_name": 5}, "connection_name"),
        ({"jitter": 2}, "jitter"),
        ({"share": "yes"}, "share"),
        ({"default": 5}, "default.*computes what is missing"),
        ({"ttl_from": "first"}, "ttl_from"),
        ({"name": 5}, "name is a str"),
        ({"prefixx": "a"}, "prefix"),
        ({"ttl": 10**5000}, "ttl"),
        ({"lease": 10**5000}, "lease"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], match: str) -> None:
    """Where the function is decorated."""
    with pytest.raises((ConfigError, TypeError), match=match):
        cached(**options)(lambda: 1)


# -- ttl -------------------------------------------------------------------------------------------


def test_a_ttl_function_with_the_arguments(store: Any) -> None:
    """With more required positional parameters than one it gets the call as well; 0 and below: not stored."""

    @cached(ttl=lambda result, x, *, seconds: seconds)
    def of_call(x: Any, *, seconds: Any) -> Any:
        return x

    @cached(ttl=lambda result, scale=2: result * scale)
    def of_result(x: Any) -> Any:
        return x

    for seconds in (30, timedelta(seconds=30), 0.5):
        of_call(1, seconds=seconds)
        left = of_call.get_ttl(1, seconds=seconds)[1]
        assert 0 < left <= 30
    assert of_call(1, seconds=None) == 1
    assert of_call.get_ttl(1, seconds=None)[1] == float("inf")
    for seconds in (0, -1, 0.0, timedelta(0)):
        assert of_call(1, seconds=seconds) == 1
        with pytest.raises(CacheMissError):
            of_call.peek(1, seconds=seconds)
    of_call.put(2, seconds=30, _cache_put=7)
    assert of_call.peek(2, seconds=30) == 7
    with of_call.writing(2, seconds=30) as w:
        w.put(8)
    assert of_call.peek(2, seconds=30) == 8
    with pytest.raises(TypeError, match="ttl= of"):
        of_call(1, seconds=False)
    of_result(10)
    assert 19 < of_result.get_ttl(10)[1] <= 20


def test_a_ttl_of_the_arguments_is_refused_for_many() -> None:
    """One value of many has no call of its own."""
    with pytest.raises(ConfigError, match="ttl"):
        multi_cached("ids", Users, ttl=lambda value, ids: 5)(lambda ids: {})


def test_a_prefix_for_a_class_that_makes_its_keys_itself_is_refused() -> None:
    """Its keys would not have it."""

    class Doubled(KeyCache[Any]):
        def __init__(self, number: int) -> None:
            super().__init__(2 * number)

    with pytest.raises(ConfigError, match="Doubled, which makes its keys itself"):
        cached(Doubled, key="{x}", prefix="p")(lambda x: x)
