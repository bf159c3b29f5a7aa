"""``@cached``: what it decorates, what it makes of it, and what it refuses."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
from typing import Any

import pytest

from rcollections import CacheMissError, ConfigError, KeyCache, cached, invalidate_tags
from tests.counting import Counting


@cached
def module_level(n: int) -> int:
    """Doubles."""
    return 2 * n


class Short(KeyCache):
    prefix = "short"
    ttl = 50
    tags = ("all",)


@pytest.mark.parametrize("decorate", [cached, cached(), cached(ttl=5)], ids=["bare", "called", "options"])
def test_bare_and_called(store: Any, decorate: Any) -> None:
    """``@cached``, ``@cached()`` and ``@cached(ttl=…)`` compute once."""
    count = Counting()

    @decorate
    def f(x: int) -> int:
        return count(x)

    assert (f(1), f(1), f(x=1), f(2)) == (1, 1, 1, 2)


def test_with_a_class(store: Any) -> None:
    """``@cached(MyCache, …)`` and ``MyCache.cached(…)`` take prefix, ttl and tags from the class."""

    @cached(Short, version="a")
    def f(x: int) -> int:
        return x

    @Short.cached
    def g(x: int) -> int:
        return x

    @Short.cached(key="one:{x}", ttl=7)
    def h(x: int) -> int:
        return x

    for function, limit in ((f, 50), (g, 50), (h, 7)):
        assert function(3) == 3
        assert function.key(3).startswith("short.")
        assert limit - 1 < function.get_ttl(3)[1] <= limit
    assert h.key(3) == "short.one:3"
    invalidate_tags("all")
    for function in (f, g, h):
        with pytest.raises(CacheMissError):
            function.peek(3)


def test_methods_of_every_kind(store: Any) -> None:
    """Methods, class methods, static methods and properties, whichever decorator is outside."""
    count = Counting()

    class Thing:
        def __init__(self, name: str) -> None:
            self.name = name

        def __cache_key__(self) -> str:
            return self.name

        @cached
        def method(this, x: int) -> Any:
            return this.name, x, count()

        @cached
        @classmethod
        def outside(cls, x: int) -> Any:
            return cls.__name__, x, count()

        @classmethod
        @cached
        def inside(cls, x: int) -> Any:
            return cls.__name__, x, count()

        @cached
        @staticmethod
        def static_outside(x: int) -> Any:
            return x, count()

        @staticmethod
        @cached
        def static_inside(x: int) -> Any:
            return x, count()

        @cached
        @property
        def outside_property(self) -> Any:
            return self.name, count()

        @property
        @cached
        def inside_property(self) -> Any:
            return self.name, count()

    class Sub(Thing):
        pass

    ann, bob, sub = Thing("ann"), Thing("bob"), Sub("ann")
    assert ann.method(1) == Thing("ann").method(1) == ("ann", 1, 1)
    assert bob.method(1) == ("bob", 1, 2)
    assert sub.method(1) == ("ann", 1, 3), "a subclass may compute something else"
    ann.method.invalidate(1)
    assert ann.method(1)[2] == 4
    assert bob.method(1)[2] == 2
    assert Thing.method(ann, 1) == ann.method(1)
    assert list(inspect.signature(ann.method).parameters) == ["x"]
    assert ann.method.uncached(5)[:2] == ("ann", 5)
    for name in ("outside", "inside"):
        call = getattr(Thing, name)
        assert call(1) == getattr(ann, name)(1) == call(1)
        assert getattr(Sub, name)(1)[0] == "Sub"
    Thing.outside.invalidate(1)
    for name in ("static_outside", "static_inside"):
        call = getattr(Thing, name)
        assert call(1) == getattr(ann, name)(1) == call(1)
        call.invalidate(1)
    for name in ("outside_property", "inside_property"):
        first = getattr(ann, name)
        assert first == getattr(Thing("ann"), name)
        assert getattr(bob, name)[0] == "bob"
        getattr(Thing, name).fget.invalidate(ann)
        assert getattr(ann, name) != first


def test_it_looks_like_the_function(store: Any) -> None:
    """Name, docstring, module, signature, annotations; pickled by name, copied as itself."""
    assert module_level.__name__ == "module_level"
    assert module_level.__doc__ == "Doubles."
    assert module_level.__module__ == __name__
    assert str(inspect.signature(module_level)) == "(n: 'int') -> 'int'"
    assert module_level.__wrapped__(4) == 8
    assert module_level.uncached(4) == 8
    assert pickle.loads(pickle.dumps(module_level)) is module_level
    assert copy.deepcopy(module_level) is copy.copy(module_level) is module_level
    assert repr(module_level) == f"<cached {__name__}.module_level>"
    assert module_level.key(1) == f"fn:{__name__}:module_level(1)"


def test_what_cannot_be_cached_is_refused() -> None:
    """Classes, generators, partials, and what is cached already."""

    def numbers() -> Any:
        yield 1

    async def later() -> Any:
        yield 1

    for wrong in (int, numbers, later, functools.partial(max, 1), 5, module_level, staticmethod(module_level)):
        with pytest.raises((TypeError, ConfigError)):
            cached(wrong)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="options alone"):
        cached(max, ttl=5)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"tll": 5}, "ttl"),
        ({"nonsense": 5}, "nonsense"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": "5"}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"key": ""}, "key"),
        ({"key": 5}, "key"),
        ({"async_ttl": "x"}, "async_ttl"),
        ({"async_ttl": 50, "ttl": 50}, "async_ttl"),
        ({"async_ttl": -50, "ttl": 50}, "async_ttl"),
        ({"async_ttl": -1, "ttl": 0}, "async_ttl"),
        ({"async_ttl": -1, "ttl": len}, "async_ttl"),
        ({"stale_while_revalidate": -1}, "stale_while_revalidate"),
        ({"stale_if_error": None}, "stale_if_error"),
        ({"soft_timeout": 1}, "soft_timeout"),
        ({"lease": 0}, "lease"),
        ({"lease": None}, "lease"),
        ({"tags": "users"}, "tags"),
        ({"tags": ("",)}, "tags"),
        ({"version": 1.5}, "version"),
        ({"cache_errors": 5}, "cache_errors"),
        ({"cache_errors": (KeyboardInterrupt,)}, "cache_errors"),
        ({"on_error": "ignore"}, "on_error"),
        ({"ignore_self": 1}, "ignore_self"),
        ({"l1": "yes"}, "l1"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], word: str) -> None:
    """ConfigError or TypeError, with the option in it, where it is decorated."""
    with pytest.raises((ConfigError, TypeError), match=word):
        cached(**options)(lambda x: x)


def test_an_early_refresh_that_jitter_would_never_let_rest_is_refused() -> None:
    """With jitter the shortest ttl counts: below ``async_ttl`` from the start every hit would refresh."""

    class Jittery(KeyCache):
        ttl = 100
        jitter = 0.5

    with pytest.raises(ConfigError, match="jitter"):
        cached(Jittery, async_ttl=-20)(lambda x: x)
    assert cached(Jittery, async_ttl=20)(lambda x: x)
