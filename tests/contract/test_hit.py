"""The quick call, compiled or not: exact arguments, methods, and when it does not look."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import TYPE_CHECKING, Any

import pytest

from rcollections.l1 import PLAIN, SKIP, TOLD, Packed
from rcollections.l1.calls import bypassed
from tests.contract.hits import LONG, World
from tests.contract.tiers import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(kind: str) -> Iterator[World]:
    world = World(kind)
    yield world
    world.hit.watch(False)


KINDS_OF_ARGUMENTS = [
    1, True, 1.0, "1", b"1", 0, False, 0.0, -0.0, "", b"", None, 2, -1, -2, 1 << 70, -(1 << 70), float("inf"),
    float("-inf"), float("nan"), "é", "Ω", "🙂", "a" * 1000, "é" * 1000, "\ud800", b"\xff" * 300, "None", "True",
]  # fmt: skip


def test_arguments_are_exact(world: World) -> None:
    """Every two of these are two arguments, alone and in every position among others."""
    f = world.function()
    for n, each in enumerate(KINDS_OF_ARGUMENTS):
        assert world.hold(f, (n,), each)
        for at in range(3):
            args: list[Any] = [7, 7, 7]
            args[at] = each
            assert world.hold(f, (n, at), *args, x=at)
            assert world.hold(f, (n, at, "named"), at, a=each, b=7)
    for n, each in enumerate(KINDS_OF_ARGUMENTS):
        assert f(each) == (n,)
        for at in range(3):
            args = [7, 7, 7]
            args[at] = each
            assert f(*args, x=at) == (n, at)
            assert f(at, a=each, b=7) == (n, at, "named")
    assert not f.calls
    world.tier._check()


def test_equal_arguments_that_are_other_objects(world: World) -> None:
    """Numbers and texts are compared by value."""
    f = world.function()
    for each in KINDS_OF_ARGUMENTS:
        assert world.hold(f, "held", each, each)
    for text in ("a", "é", "Ω", "🙂"):
        assert world.hold(f, "held", text * 50)
        assert f("".join([text] * 50)) == "held"
    assert world.hold(f, "held", b"x" * 50)
    assert f(bytes(bytearray(b"x" * 50))) == "held"
    assert f(int("1180591620717411303424"), 1 << 70) == "held"
    assert f(float("0.0"), float("0")) == "held"
    assert f(float("nan"), float("nan")) == "held"


class Int(int):
    """Not exactly an int."""


class Text(str):
    __slots__ = ()


class Unhashable:
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise AssertionError("nobody may ask")


@pytest.mark.parametrize(
    "odd", [Int(1), Text("1"), Unhashable(), [1], (1,), (True,), ((1,),), {1: 2}, frozenset([1]), object(), int, 1j,
            bytearray(b"1"), ()]
)  # fmt: skip
def test_what_cannot_be_compared_here_goes_the_long_way(world: World, odd: Any) -> None:
    """Subclasses, containers, anything that would run code of others: held under its key on the server instead."""
    f = world.function()
    for each in (1, "1", b"1", True):
        assert world.hold(f, "held", each)
        assert world.hold(f, "held", each, x=each)
    assert not world.hold(f, "held", odd)
    assert not world.hold(f, "held", 1, x=odd)
    assert f(odd) == LONG
    assert f(1, x=odd) == LONG
    assert f(odd, 1) == LONG


def test_names_of_keywords_count(world: World) -> None:
    """In the order in which they are given; a positional one is another call here, if not on the server."""
    f = world.function()
    assert world.hold(f, "ab", a=1, b=2)
    assert f(a=1, b=2) == "ab"
    assert f(b=2, a=1) == LONG
    assert f(a=2, b=1) == LONG
    assert f(1, b=2) == LONG
    assert f(1, 2) == LONG
    named = {"a": 1, "b": 2}
    assert f(**named) == "ab"
    assert functools.partial(f, a=1)(b=2) == "ab"
    assert world.hold(f, "ba", b=2, a=1)
    assert (f(b=2, a=1), f(a=1, b=2)) == ("ba", "ab")
    many = {f"name{n}": n for n in range(30)}
    assert world.hold(f, "many", **many)
    assert f(**many) == "many"
    assert f(**{**many, "name7": 8}) == LONG


@pytest.mark.parametrize("count", range(21))
def test_any_number_of_arguments(world: World, count: int) -> None:
    """By position, by name, mixed, through a method of each kind."""
    args = tuple(range(count))
    names = {f"n{n}": n for n in range(count)}
    f = world.function()
    assert world.hold(f, "p", *args, 1)
    assert world.hold(f, "n", **names)
    assert world.hold(f, "m", *args, **names)
    assert f(*args, 1) == "p"
    assert f(*args, **names) == "m"
    assert not count or f(**names) == "n"
    told, skip = world.function(TOLD), world.function(SKIP)
    me = Told("me")
    for method in (told, skip):
        assert world.hold(method, "p", me, *args)
        assert world.hold(method, "n", me, 0, **names)
        bound = method.__get__(me, Told)
        for call in (bound, functools.partial(method, me)):
            assert call(*args) == "p"
            assert call(0, **names) == "n" or not count
    assert not told.calls
    world.tier._check()


class Told:
    """Tells what it is."""

    def __init__(self, own: Any) -> None:
        self.own = own

    def __cache_key__(self) -> Any:
        return self.own


class Other(Told):
    """Another class with the same key."""


def test_methods_ask_the_instance(world: World) -> None:
    """``__cache_key__`` tells instances apart, and the class does."""
    f = world.function(TOLD)
    assert world.hold(f, "one", Told(1), 5)
    assert world.hold(f, "true", Told(True), 5)
    assert world.hold(f, "other", Other(1), 5)
    assert f(Told(1), 5) == f.__get__(Told(1), Told)(5) == "one"
    assert f(Told(True), 5) == "true"
    assert f.__get__(Other(1), Other)(5) == "other"
    assert f(Told(2), 5) == f(Told(1), 6) == f(Told(1)) == f() == LONG
    assert f(self=Told(1), x=5) == LONG


@pytest.mark.parametrize("odd", [(1,), [1], Int(1), object(), int, Told(1)])
def test_odd_keys_of_instances_go_the_long_way(world: World, odd: Any) -> None:
    f = world.function(TOLD)
    assert world.hold(f, "one", Told(1), 5)
    assert not world.hold(f, "odd", Told(odd), 5)
    assert f(Told(odd), 5) == LONG
    assert f(object(), 5) == f(7, 5) == f(Told, 5) == LONG


def test_a_key_that_cannot_be_had_raises(world: World) -> None:
    """As the long way would."""

    class Broken:
        def __cache_key__(self) -> Any:
            raise ValueError("no key")

    f = world.function(TOLD)
    with pytest.raises(ValueError, match="no key"):
        f(Broken(), 1)
    with pytest.raises(ValueError, match="no key"):
        f.__get__(Broken(), Broken)(1)


def test_ignored_instances(world: World) -> None:
    f = world.function(SKIP)
    assert world.hold(f, "any", object(), 5)
    assert f(object(), 5) == f.__get__(3, int)(5) == "any"
    assert world.hold(f, "none", object())
    assert f([]) == f.__get__([], list)() == "none"
    assert f() == LONG


def test_in_a_class_body(world: World) -> None:
    """Called on the instance, on the class, through super, as class and static method, as property."""
    f, plain = world.function(TOLD), world.function()

    class Thing(Told):
        method = f
        static = staticmethod(plain)
        computed = property(f)
        of_class = classmethod(plain)

    class Sub(Thing):
        def method(self, n: int) -> Any:
            return super().method(n)

    assert world.hold(f, "held", Thing(1), 5)
    assert world.hold(f, "property", Thing(1))
    assert world.hold(f, "sub", Sub(1), 5)
    assert world.hold(plain, "static", 5)
    thing = Thing(1)
    assert thing.method(5) == Thing.method(thing, 5) == thing.method.__call__(5) == "held"
    bound = thing.method
    assert bound(5) == bound(*[5]) == "held"
    assert Thing.computed.fget(thing) == thing.computed == "property"
    assert Sub(1).method(5) == "sub"
    assert thing.static(5) == Thing.static(5) == "static"
    assert thing.of_class(5) == LONG
    thing.__dict__["method"] = lambda n: n
    assert thing.method(5) == 5
    assert [f(thing, 6), thing.method(7)] == [LONG, 7]
    assert list(map(plain, [5, 5, 6])) == ["static", "static", LONG]


def test_packed_values_are_made_anew(world: World) -> None:
    f = world.function()
    assert world.hold(f, Packed(b"x", lambda data: [data]), 1)
    one, other = f(1), f(1)
    assert one == other == [b"x"]
    assert one is not other


def test_hits_are_counted(world: World) -> None:
    f = world.function()
    assert world.hold(f, "held", 1)
    assert [f(1), f(1), f(2), f(x=1)] == ["held", "held", LONG, LONG]
    assert f._owner.hits == 2
    assert f.calls == [((), (2,), {}), ((), (), {"x": 1})]


def test_when_it_does_not_look(world: World) -> None:
    """Observers, no tier, connections configured anew, no proof: the long way."""
    f = world.function()
    assert world.hold(f, "held", 1)
    assert f(1) == "held"
    world.hit.watch(True)
    assert f(1) == LONG
    world.hit.watch(False)
    assert f(1) == "held"
    world.hit.renew()
    assert f._owner.tier is None
    assert f(1) == LONG
    f._owner.arm(world.tier, PLAIN)
    assert f(1) == "held"
    f._owner.arm(None, PLAIN)
    assert f(1) == LONG
    f._owner.arm(world.tier, PLAIN)
    world.tier.lost()
    assert f(1) == LONG


def test_a_bypass_counts_for_its_own_thread_and_task(world: World) -> None:
    """``no_l1``: others go on looking."""
    f = world.function()
    assert world.hold(f, "held", 1)
    token = bypassed.set(True)
    world.hit.bypass(1)
    try:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(f(1)))
        thread.start()
        thread.join()
        assert (f(1), found) == (LONG, ["held"])
        assert f._owner.tier is None
    finally:
        world.hit.bypass(-1)
        bypassed.reset(token)
    assert f(1) == "held"

    async def inside() -> Any:
        bypassed.set(True)
        world.hit.bypass(1)
        await asyncio.sleep(0)
        result = f(1)
        await asyncio.sleep(0)
        world.hit.bypass(-1)
        return result

    async def both() -> Any:
        task = asyncio.ensure_future(inside())
        await asyncio.sleep(0)
        return f(1), await task, f(1)

    assert asyncio.run(both()) == ("held", LONG, "held")


def test_owners_have_numbers_of_their_own(world: World) -> None:
    """Two functions never see each other's values; nor those that are held by key."""
    f, g = world.function(), world.function()
    assert len({f._owner.number, f._owner.by_key, g._owner.number, g._owner.by_key, 1}) == 5
    for args in ((), (1,), (1, 2)):
        assert world.hold(f, "f", *args)
        assert g(*args) == LONG
        assert world.hold(g, "g", *args)
        assert (f(*args), g(*args)) == ("f", "g")


def test_reads_of_collections(world: World) -> None:
    """``Near``: parts of one key, and replies to whole steps."""
    near = world.hit.Near(world.tier, "d")
    absent = world.hit.Near(world.tier, "d").part("get", "a")
    for n, part in enumerate(("a", 1, "1")):
        assert world.tier.keep(world.tier.token("d"), 1, ("d", "get", part), n)
        assert near.part("get", part) == n
    for part in (True, 1.0, b"a", None, Text("a"), (1,), []):
        assert near.part("get", part) is absent
    assert near.part("other", "a") is absent
    assert world.hit.Near(world.tier, "e").part("get", "a") is absent
    assert world.tier.keep(world.tier.token("d"), 1, ("HLEN", "d"), 3)
    assert near.reply(("HLEN", "d")) == 3
    assert near.reply(("HLEN", "e")) is absent
    assert near.usable
    world.hit.watch(True)
    assert near.part("get", "a") is absent
    world.hit.watch(False)
    world.hit.renew()
    assert not near.usable
    assert near.part("get", "a") is absent
