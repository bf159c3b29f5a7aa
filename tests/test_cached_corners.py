"""``@cached`` in the corners of what it promises: shared decorators, overrides, loops that end, several connections."""

from __future__ import annotations

import asyncio
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CacheConnectionError,
    DictCache,
    KeyCache,
    ainvalidate_tags,
    cached,
    configure,
    connection,
    invalidate_tags,
)
from rcollections.errors import KeyExistsError
from rcollections.testing import wait_until
from tests.near import quick, settle

if TYPE_CHECKING:
    from pathlib import Path


class Base:
    @cached(ttl=60)
    def who(self) -> str:
        return "base"


class Derived(Base):
    @cached(ttl=60)
    def who(self) -> str:
        return f"derived of {super().who()}"


def test_options_in_timedelta(store: Any) -> None:
    """Wherever an option is in seconds."""
    options: dict[str, Any] = {
        name: timedelta(seconds=seconds)
        for name, seconds in {
            "ttl": 100, "async_ttl": 10, "stale_while_revalidate": 50, "stale_if_error": 60, "soft_timeout": 1,
            "lease": 5,
        }.items()
    }  # fmt: skip
    f = cached(**options)(lambda: 1)
    assert f() == 1
    assert 99 < f.get_ttl()[1] <= 100
    assert 159 < store.raw("PTTL", f.key()) / 1000 <= 160
    recipe = f._function.bound().recipe
    assert (recipe.early, recipe.swr, recipe.sie, recipe.soft_timeout, recipe.lease_ms) == (10, 50, 60, 1, 5000)


def test_one_decorator_for_two_functions(store: Any) -> None:
    """Each has its own keys, both have the options."""
    decorate = cached(ttl=5)

    @decorate
    def f(x: int) -> str:
        return "f"

    @decorate
    def g(x: int) -> str:
        return "g"

    assert (f(1), g(1), f(1), g(1)) == ("f", "g", "f", "g")
    assert f.get_ttl(1)[1] <= 5
    assert g.get_ttl(1)[1] <= 5


def test_an_override_calls_what_it_overrides(store: Any) -> None:
    """Two functions, two keys, of one instance."""
    assert Derived().who() == Derived().who() == "derived of base"
    assert Base().who() == "base"
    assert Derived.who.cache_info().computes >= 1


def test_bound_methods_travel(store: Any) -> None:
    """Pickled with their instance, by name."""
    assert pickle.loads(pickle.dumps(Derived().who))() == "derived of base"


def test_a_refresh_that_fails_leaves_the_older_value(store: Any) -> None:
    """Its error reaches who asked for it."""
    outcomes: list[Any] = [1, LookupError("gone")]

    @cached(ttl=60)
    def f() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return int(outcome)

    assert f() == 1
    with pytest.raises(LookupError):
        f.refresh()
    assert f() == 1


def test_what_is_being_computed_is_not_there_yet(store: Any) -> None:
    """A lease is no value: the collection's view of the key says so."""

    class Price(KeyCache[int]):
        prefix = "corner.price"
        ttl = 60

    seen: list[Any] = []

    @cached(Price, key=lambda name: [name])
    def price(name: str) -> int:
        seen.append((Price(name).exists(), Price(name).get("none")))
        return 3

    assert price("apple") == 3
    assert seen == [(False, "none")]
    assert Price("apple").exists()
    assert Price("apple").get() == 3


def test_one_of_many_adds(store: Any) -> None:
    """Sixteen threads at once: one wins, the others are told."""

    class Once(KeyCache[int]):
        prefix = "corner.once"
        ttl = 60

    together = threading.Barrier(16)

    def add(n: int) -> int | None:
        together.wait(10)
        try:
            Once("k").add(n)
        except KeyExistsError:
            return None
        return n

    with ThreadPoolExecutor(16) as pool:
        won = [each for each in pool.map(add, range(16)) if each is not None]
    assert won == [Once("k").get()]


def test_counts_are_exact_under_threads(store: Any) -> None:
    """Every call is a hit or a miss, none is lost."""

    @cached(ttl=60)
    def f(x: int) -> int:
        return x

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(f, [n % 4 for n in range(800)]))
    info = f.cache_info()
    assert info.hits + info.misses == 800
    assert (info.misses, info.computes, info.stores) == (4, 4, 4)


def test_what_a_caller_does_to_a_held_list(store: Any) -> None:
    """It is his own copy; with ``share`` it is everybody's, as asked for."""

    class Shared(KeyCache[Any]):
        prefix = "corner.shared"
        ttl = 60
        share = True

    mine = cached(ttl=60, l1=True)(lambda: [1])
    shared = cached(Shared, key="k", l1=True)(lambda: [1])
    settle(mine, shared)
    mine().append(2)
    assert quick(lambda: mine() == [1])
    assert mine() == [1]
    wait_until(lambda: shared() is shared())


def test_a_loop_that_ends_with_work_in_the_background(store: Any) -> None:
    """The computation is cancelled with it and its lease is given back: the next loop computes at once."""
    computed: list[str] = []

    @cached(ttl=60, lease=30)
    async def f() -> str:
        computed.append("begun")
        if len(computed) == 1:
            await asyncio.sleep(30)
        return "done"

    async def first() -> None:
        await f.bg().refresh()
        while not computed:
            await asyncio.sleep(0.001)

    async def second() -> str:
        return await asyncio.wait_for(f(), 5)

    asyncio.run(first())
    assert asyncio.run(second()) == "done"


class Here(DictCache[str, int]):
    prefix = "corner.here"
    tags = ("corner",)


class There(DictCache[str, int]):
    prefix = "corner.there"
    tags = ("corner",)
    connection_name = "other"


class Third(DictCache[str, int]):
    prefix = "corner.third"
    tags = ("corner",)
    connection_name = "third"


def test_tags_of_several_connections(store: Any, tmp_path: Path) -> None:
    """All of them, or the one that is named; one that is down harms the others not, and is told."""
    configure({"default": store.dsn.shown, "other": "memory://corner-other"})

    def fill() -> None:
        Here(1)["a"] = 1
        There(1)["a"] = 1

    fill()
    invalidate_tags("corner")
    assert (dict(Here(1)), dict(There(1))) == ({}, {})
    fill()
    invalidate_tags("corner", connection_name="other")
    assert (dict(Here(1)), dict(There(1))) == ({"a": 1}, {})
    fill()
    asyncio.run(ainvalidate_tags("corner", connection_name="default"))
    assert (dict(Here(1)), dict(There(1))) == ({}, {"a": 1})

    configure({"third": store.dsn.shown})
    Third(1)["a"] = 1
    configure({"default": f"unix://{tmp_path}/nobody?timeout=0.2&connect_timeout=0.2"})
    assert connection().dsn.path.endswith("nobody")
    There(1)["a"] = 1
    with pytest.raises(CacheConnectionError):
        invalidate_tags("corner")
    assert (dict(There(1)), dict(Third(1))) == ({}, {})
