"""The automatic key: one call is one key, and never two calls one."""

from __future__ import annotations

import functools
import math
import os
import subprocess
import sys
import textwrap
from abc import ABC
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import pytest

from rcollections import ConfigError, CounterCache, KeyCache, cached, configure, multi_cached

ROOT = Path(__file__).parents[1]
T = TypeVar("T")


@cached
def f(a: Any, b: Any = 2, *rest: Any, c: Any = 3, **more: Any) -> Any:
    return None


@cached
def one(a: Any) -> Any:
    return None


pytestmark = pytest.mark.usefixtures("fresh")


def test_one_call_written_in_several_ways_is_one_key() -> None:
    """By position, by keyword, with or without defaults."""
    assert f.key(1) == f.key(1, 2) == f.key(a=1, b=2) == f.key(b=2, a=1) == f.key(1, c=3)
    keys = {f.key(1), f.key(2), f.key(1, 3), f.key(1, 2, 3), f.key(1, 2, (3,)), f.key(1, x=1), f.key(1, c=1)}
    assert len(keys) == 7


VALUES = [
    1, True, 1.0, "1", b"1", 0, False, 0.0, -0.0, "0", "", None, "None", "True", "False", "nan", "inf", float("inf"),
    float("-inf"), "-inf", "-1", -1, "1.0", "1e5", 1e5, 1e-5, "1e-05", -1e-5, "-1e-05", "~", "#", "~gQE", "a,b", "a.b",
    ";", (), [], {}, (1,), (True,), (1.0,), ("1",), ((1,),), ((True,),), [1], [[1]], {1: 1}, {True: 1}, {"1": 1},
    frozenset(), set(), 1 + 0j, UUID(int=1), "é", "\u2028", "{a}", 10**30, "a" * 300, "a" * 301, ("a",),
    (("a", 1), 1), ("a", (1, 1)),
]  # fmt: skip


def test_different_arguments_are_different_keys() -> None:
    """1, True, 1.0 and "1" are four, deep inside tuples too; text that looks like a number is text."""
    keys: dict[str, Any] = {}
    for value in VALUES:
        key = one.key(value)
        assert key not in keys, f"{value!r} and {keys.get(key)!r} share {key}"
        keys[key] = value
    pairs = {f.key(x, y) for x in ("a", "a,b", ",", "") for y in ("b", "b,a", "", ",")}
    assert len(pairs) == 16


def test_long_arguments_become_a_digest() -> None:
    """The key stays below 200 bytes, whatever the arguments; its beginning can still be read."""
    for value in ("a" * 10_000, tuple(range(10_000)), "é" * 150):
        key = one.key(value)
        assert len(key.encode()) <= 200
        assert key.startswith(f"fn:{__name__}:one(")
    assert one.key("a" * 199) != one.key("a" * 198)
    configure("memory://?namespace=" + "n" * 150)
    assert len(one.key("b" * 300)) <= 230, "a long namespace leaves room for a digest all the same"


def test_readable_keys() -> None:
    """Plain arguments stand in the key as they are."""
    assert one.key(42) == f"fn:{__name__}:one(42)"
    assert f.key("ann", None).startswith(f"fn:{__name__}:f(ann,None,")
    assert cached(version="2")(one.uncached).key("x") == f"fn:{__name__}:one@2(x)"
    assert one.key(1) != cached(version="2")(one.uncached).key(1)


def test_equal_sets_and_dicts_of_keywords_are_one_key() -> None:
    """Where order means nothing, it makes no difference."""
    names = [f"name{n}" for n in range(20)]
    assert one.key(set(names)) == one.key({*names[10:], *names[:10]})
    assert one.key(frozenset(names)) == one.key(frozenset(reversed(names)))


def test_the_same_key_in_every_process(tmp_path: Path) -> None:
    """Whatever the hash seed."""
    (tmp_path / "keyed.py").write_text(
        textwrap.dedent("""
        from rcollections import cached, configure
        configure("memory://")

        @cached(tags=("a",))
        def f(*args, **kwargs): ...

        def outer(n):
            @cached
            def inner(x): return x in {"a", "b", "c"} or n
            return inner

        names = {"x", "y", "z", "long" * 30}
        print(f.key(1, "a", names, frozenset(names), {"k": names}, z=1, y=2), outer(5).key(1), outer(6).key(1))
        """)
    )
    seen = {
        subprocess.run(
            [sys.executable, "keyed.py"],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path, capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1", "42")
    }  # fmt: skip
    assert len(seen) == 1
    *_, five, six = seen.pop().split()
    assert five != six


# -- namesakes -------------------------------------------------------------------------------------


def test_two_functions_of_one_name() -> None:
    """Nested twice with other code, or with other captured values, lambdas: none gets the other's answers."""

    def make(n: int, label: str | None = None) -> Any:
        @cached
        def inner(x: int) -> Any:
            return n, label, x

        return inner

    assert make(1)(5) == (1, None, 5)
    assert make(2)(5) == (2, None, 5)
    assert make(2, "a")(5) == (2, "a", 5)
    assert make(2).key(5) == make(2).key(5)

    first = cached(lambda x: (1, x))
    second = cached(lambda x: (2, x))
    assert first(0) == (1, 0)
    assert second(0) == (2, 0)


# -- methods ---------------------------------------------------------------------------------------


class Bare:
    @cached
    def m(self, x: int) -> Any:
        return type(self).__name__, x

    @cached(ignore_self=True)
    def shared(self, x: int) -> int:
        return x

    @cached(key=lambda self, x: (self.id, x))
    def keyed(self, x: int) -> int:
        return x


class WithAttributes(Bare):
    def __init__(self, number: int) -> None:
        self.id = number


class WithSlots(Bare):
    __slots__ = ("id",)

    def __init__(self, number: int) -> None:
        self.id = number


class WithHook(WithAttributes):
    def __cache_key__(self) -> Any:
        return "user", self.id


@dataclass(frozen=True)
class Point:
    x: int

    @cached
    def m(self) -> int:
        return self.x


class Price(KeyCache):
    prefix = "price"

    @cached
    def m(self) -> str:
        return self.key


class Stock(CounterCache):
    prefix = "stock"

    @cached
    def m(self) -> str:
        return self.key


def test_an_instance_without_attributes_adds_nothing() -> None:
    """All of a class's are the same; its subclasses are not."""

    class Sub(Bare):
        pass

    assert Bare().m.key(1) == Bare().m.key(1) == f"fn:{__name__}:Bare.m(1)"
    assert Sub().m.key(1) != Bare().m.key(1)
    assert Sub().m(1) == ("Sub", 1)


@pytest.mark.parametrize("cls", [WithAttributes, WithSlots])
def test_an_instance_that_cannot_be_told_is_a_type_error(cls: Any) -> None:
    """User 2 must never get user 1's answer: the error names the three ways out."""
    with pytest.raises(TypeError, match=r"(?s)__cache_key__.*key=.*ignore_self=True"):
        cls(1).m(1)
    assert cls(1).shared.key(5) == cls(2).shared.key(5)
    assert cls(1).keyed.key(5) == "1.5"
    assert cls(2).keyed.key(5) == "2.5"


def test_an_instance_that_can_be_told() -> None:
    """By ``__cache_key__``, by the codec, or by a collection's key."""
    assert WithHook(1).m.key(5) == WithHook(1).m.key(5) != WithHook(2).m.key(5)
    assert Point(1).m.key() == Point(1).m.key() != Point(2).m.key()
    assert Price("a").m() == "price.a"
    assert Price("b").m() == "price.b"
    assert Stock("b").m() == "stock.b"
    assert len({WithHook(n).m.key(x) for n in range(3) for x in range(3)}) == 9


class Pair(NamedTuple):
    x: int

    @cached
    def m(self) -> int:
        return self.x


class Text(str):
    @cached
    def m(self) -> str:
        return str(self)


class Amount(Decimal):
    @cached
    def m(self) -> str:
        return str(self)


class Private:
    __slots__ = ("__id",)

    def __init__(self, number: int) -> None:
        self.__id = number

    @cached
    def m(self) -> int:
        return self.__id


class Empty(Bare, Generic[T], ABC):
    __slots__ = ()


def test_what_a_builtin_base_holds_is_not_nothing() -> None:
    """A tuple with no attributes is its items; what the codec does not know is a TypeError, not everybody's answer."""
    assert [Pair(1).m(), Pair(2).m(), Pair(1).m()] == [1, 2, 1]
    for instance in (Text("a"), Text(), Amount(1), Private(1)):
        with pytest.raises(TypeError, match="__cache_key__"):
            instance.m()
    assert Empty().m.key(1) == Empty().m.key(1)


def test_a_method_of_one_instance() -> None:
    """``cached(instance.method)`` answers for this instance, and by all its arguments."""

    class Rates:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        def __cache_key__(self) -> int:
            return self.factor

        def times(self, x: int) -> int:
            return self.factor * x

        @classmethod
        def name(cls, x: int) -> tuple[str, int]:
            return cls.__name__, x

    class Others(Rates):
        pass

    two, three = cached(Rates(2).times), cached(Rates(3).times)
    assert [two(5), two(6), three(5), three(x=6)] == [10, 12, 15, 18]
    assert two.key(5) == cached(Rates(2).times).key(5)
    assert cached(Rates.name)(1) == ("Rates", 1)
    assert cached(Others.name)(1) == ("Others", 1)
    with pytest.raises(ConfigError, match=r"whose str\.upper"):
        cached("abc".upper)
    assert cached(math.sqrt)(16) == 4.0


def by_the_book(fn: Any) -> Any:
    @functools.wraps(fn)
    def wrapper(*args: Any) -> Any:
        return fn(*args)

    return wrapper


def by_hand(fn: Any) -> Any:
    def wrapper(*args: Any) -> Any:
        return fn(*args)

    return wrapper


@pytest.mark.parametrize("decorator", [by_the_book, by_hand])
def test_what_another_decorator_wraps_is_told_apart(decorator: Any) -> None:
    """By its code, and by what it captures."""

    def make(value: str) -> Any:
        def g(x: int) -> str:
            return value

        return cached(decorator(g))

    def make_one(first: bool) -> Any:
        if first:

            def g(x: int) -> str:
                return "first"
        else:

            def g(x: int) -> str:
                return "other"

        return cached(decorator(g))

    assert [make("a")(1), make("b")(1), make("a")(1)] == ["a", "b", "a"]
    assert [make_one(True)(1), make_one(False)(1)] == ["first", "other"]
    assert make("a").key(1) == make("a").key(1) != make("b").key(1)


def test_namesakes_in_two_modules_are_two_classes() -> None:
    """A subclass that is called like its base."""
    base = Bare

    class Bare_(base):
        pass

    Bare_.__qualname__, Bare_.__module__ = "Bare", "elsewhere"
    assert Bare_().m.key(1) != base().m.key(1)


# -- key= ------------------------------------------------------------------------------------------


def test_key_given() -> None:
    """A str, or a function of exactly what the function gets, which gives a str or key parts."""

    class Users(KeyCache):
        prefix = "user"

    assert cached(key="all")(lambda: 1).key() == "all"
    assert cached(Users, key=lambda x, y=0: (x, y))(lambda x, y=0: x).key(5, y=7) == "user.5.7"
    assert cached(Users, key=lambda x: ["a", x])(lambda x: x).key(5) == "user.a.5"
    assert cached(Users, key=str)(lambda x: x).key(5) == "user.5"
    for wrong in (5, None, b"x", {"a": 1}):
        with pytest.raises(TypeError, match="key= gave"):
            cached(key=lambda wrong=wrong: wrong)(lambda: 1)()
    with pytest.raises(TypeError, match="NoneType"):
        cached(key=lambda x: [x])(lambda x: x)(None)


def test_a_class_that_makes_its_keys_itself() -> None:
    """``key=`` gives what the class is called with: its own ``__init__`` and ``key`` have their say, each time."""

    class Doubled(KeyCache[int]):
        prefix = "doubled"

        def __init__(self, number: int) -> None:
            super().__init__(2 * number)

    class Shouted(KeyCache[int]):
        prefix = "shouted"

        @property
        def key(self) -> str:
            return super().key.upper()

    assert cached(Doubled, key=lambda x: [x])(lambda x: x).key(5) == "doubled.10"
    assert multi_cached("ids", Doubled)(lambda ids: {}).key(5) == "doubled.10"
    assert cached(Shouted, key="all")(lambda: 1).key() == "SHOUTED.ALL"
    assert cached(Shouted, key=str)(lambda x: x).key(5) == "SHOUTED.5"


@pytest.mark.parametrize("given", [None, "all:{x}", str], ids=["automatic", "template", "function"])
def test_a_key_belongs_to_the_namespace_of_now(given: Any) -> None:
    """What was made ready for one connection is made anew for the next one."""
    of_one = cached(key=given)(lambda x: x)
    configure("memory://?namespace=first")
    assert of_one.key(5).startswith("first.")
    configure("memory://?namespace=second")
    assert of_one.key(5).startswith("second.")


def test_a_key_function_that_fails_is_heard(caplog: Any) -> None:
    """It is a bug, and the caller gets it; nothing is computed."""

    @cached(key=lambda x: x.nothing)
    def g(x: int) -> int:
        raise AssertionError("computed")

    with pytest.raises(AttributeError):
        g(1)


def test_the_namespace_comes_first() -> None:
    """Once, for automatic and for given keys, and for the class's prefix."""
    configure("memory://?namespace=app")
    assert one.key(1) == f"app.fn:{__name__}:one(1)"
    assert cached(key="k")(lambda: 1).key() == "app.k"
    assert cached(Price)(one.uncached).key(1) == f"app.price.{__name__}:one(1)"


def test_wrong_arguments_are_the_functions_own_error() -> None:
    """A call that the function would refuse is a TypeError."""
    for wrong in (lambda: one(), lambda: one(1, 2), lambda: one(b=1)):
        with pytest.raises(TypeError):
            wrong()


def test_arguments_that_nobody_can_write() -> None:
    """A TypeError that says what to do."""
    with pytest.raises(TypeError, match=r"one cannot be part of a key.*key="):
        one(object())
