"""The same calls on both twins, side by side: what is found, what is handed on, what is raised and counted.

Where they differed once stands as a test of its own, for each of the two.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcollections.l1 import ABSENT, PLAIN, SKIP, TOLD
from rcollections.l1.calls import bypassed
from tests.contract.hits import LONG, World
from tests.contract.odd import ASKED, CLASSES, HOOKLESS, INSTANCES, ODD, TELLERS, Text, Told
from tests.contract.tiers import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXACT = [
    0, 1, True, False, 0.0, -0.0, 1.0, float("nan"), -float("nan"), float("inf"), "", "1", "a", "é", b"", b"1", None,
    -1, -2, 1 << 70,
]  # fmt: skip
NAMES = ["a", "b", "self", Text("a"), Text("c")]
MODES = (PLAIN, SKIP, TOLD)


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    ASKED.clear()
    yield World(request.param)
    assert not ASKED


# -- what differed once


def test_a_class_is_itself_whatever_its_metaclass_says(world: World) -> None:
    """Neither ``__eq__`` nor ``__hash__`` of a metaclass is asked, and no two classes are one."""
    f = world.function(TOLD)
    for n, each in enumerate(CLASSES):
        assert world.hold(f, n, each, 5)
    assert [f(each, 5) for each in CLASSES] == list(range(len(CLASSES)))
    assert [f.__get__(each, type(each))(5) for each in CLASSES] == list(range(len(CLASSES)))
    assert not f.calls


def test_instances_are_told_apart_by_their_classes(world: World) -> None:
    """By identity as well; two instances of one class that tell the same are one."""
    f = world.function(TOLD)
    kept: list[Any] = []
    for each in TELLERS:
        found = f(each, 5)
        if found is LONG:
            assert world.hold(f, type(each), each, 5)
            kept.append(each)
        assert f(each, 5) is type(each)
    assert len(kept) == 6


def test_arguments_with_odd_classes_go_the_long_way(world: World) -> None:
    """Asking for the class of an argument must not hash that class."""
    for mode in MODES:
        f = world.function(mode)
        for each in [*ODD, *CLASSES]:
            assert not world.hold(f, "held", Told(1), each)
            assert not world.hold(f, "held", Told(1), name=each)
            assert f(Told(1), each) == f(Told(1), name=each) == LONG


def test_a_tier_takes_classes_as_arguments(world: World) -> None:
    """Below the quick call: ``keep`` and ``held`` know a class by its identity, and keep it alive."""
    tier = world.tier
    for n, each in enumerate(CLASSES):
        assert tier.keep(tier.token("k"), 2, (each, 1), n)
        assert tier.keep(tier.token("k"), 2, (each,), -n)
    assert [tier.held(2, (each, 1)) for each in CLASSES] == list(range(len(CLASSES)))
    assert [tier.held(2, (each,)) for each in CLASSES] == [-n for n in range(len(CLASSES))]
    for round_ in range(50):
        assert tier.keep(tier.token("k"), 2, (type("New", (), {}),), round_)
        assert tier.held(2, (type("New", (), {}),), ABSENT) is ABSENT
    tier._check()


@pytest.mark.parametrize("each", HOOKLESS, ids=lambda each: type(each).__name__)
def test_who_has_no_hook_goes_the_long_way(world: World, each: Any) -> None:
    """``__cache_key__ = None``, on the class or the instance, is none: as the key on the server has it."""
    f = world.function(TOLD)
    assert not world.hold(f, "held", each, 5)
    assert f(each, 5) == LONG
    assert f.__get__(each, type(each))(5) == LONG or each is None


def test_numbers_that_are_none_are_compared_by_their_bits(world: World) -> None:
    """A nan with a sign is another one: exact is exact."""
    f = world.function()
    assert world.hold(f, "nan", float("nan"))
    assert f(float("nan")) == "nan"
    assert f(-float("nan")) == LONG
    assert world.hold(f, "-nan", -float("nan"), x=-float("nan"))
    assert f(-float("nan"), x=-float("nan")) == "-nan"
    assert f(-float("nan"), x=float("nan")) == LONG


def test_names_that_are_no_plain_text_go_the_long_way(world: World) -> None:
    """Their hash is code of others: whoever makes a dict of them is the first to ask for it."""

    class Name(str):
        __slots__ = ()

        def __hash__(self) -> int:
            raise ValueError("asked")

    f = world.function()
    counts = world.tier.counts
    named = {Text("a"): 1}
    assert not world.hold(f, "held", **named)
    assert f(**named) == f(1, **named) == LONG
    assert f._owner.arguments((), {Text("a"): 1}) is None
    assert world.tier.counts == counts
    with pytest.raises(ValueError, match="asked"):
        vectorcall(f, (1,), (Name("a"),))


def vectorcall(call: Any, args: tuple[Any, ...], names: tuple[str, ...]) -> Any:
    """A call as C code makes it: the last arguments have these names."""
    api: Any = getattr(ctypes.pythonapi, "PyObject_Vectorcall", None)
    if api is None:
        pytest.skip("this Python has it in its headers only")
    api.restype = ctypes.py_object
    api.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_size_t, ctypes.py_object]
    array = (ctypes.py_object * (len(args) or 1))(*args)
    return api(call, ctypes.addressof(array), len(args) - len(names), names)


def test_no_names_are_no_names(world: World) -> None:
    """C code may hand over an empty tuple of names."""
    f = world.function()
    assert world.hold(f, "one", 1)
    assert world.hold(f, "none")
    assert world.hold(f, "named", 1, a=2)
    assert vectorcall(f, (1,), ()) == "one"
    assert vectorcall(f, (), ()) == "none"
    assert vectorcall(f, (1, 2), ("a",)) == "named"


def test_only_look_ups_are_counted(world: World) -> None:
    """A call whose arguments cannot be looked up as they are is counted by the look-up under its key, if any."""
    f, told = world.function(), world.function(TOLD)
    before = world.tier.counts
    for serves in (True, False):
        for each in [*ODD, *CLASSES]:
            assert f(each) == f(1, x=each) == told(each.__repr__, 1) == told() == LONG
        assert world.tier.counts == before
        assert f(1) == LONG
        assert world.tier.counts.misses == before.misses + 1
        before = world.tier.counts
        if serves:
            world.clock.go(10)
            world.wall.go(10)
    assert not world.tier.serves


def test_what_ended_is_counted_as_expired(world: World) -> None:
    f = world.function()
    owner = f._owner
    assert world.tier.keep(world.tier.token("k"), owner.number, (1,), "held", round(100.5 * 1e9))
    assert f(1) == "held"
    world.clock.go(0.75)
    assert f(1) == LONG
    assert world.tier.held(owner.number, (1,), ABSENT) is ABSENT
    assert (world.tier.stats.expirations, world.tier.counts.misses) == (1, 2)


def test_a_class_with_a_call_of_its_own_is_not_made_quick(world: World) -> None:
    """It would never be asked; nor a class that is no Hit."""

    class Own(world.hit.Hit):  # type: ignore[misc,name-defined]
        def __call__(self) -> None:
            pass

    for each in (Own, int):
        with pytest.raises(TypeError, match="__call__ of its own"):
            world.hit.enable(each)


def test_without_an_owner_nothing_is_looked_up(world: World) -> None:
    f = world.cls.__new__(world.cls)
    f.calls = []
    assert f._owner is None
    assert f(1, x=2) == LONG
    assert f.calls == [((), (1,), {"x": 2})]


def test_a_token_takes_any_text_and_any_names(world: World) -> None:
    """A generator of watched keys; texts that are a little more than text."""
    tier = world.tier
    token = tier.token(Text("k"), (name for name in ["rc:t:a", Text("rc:t:b")]))
    assert tier.keep(token, 2, (1,), "held")
    assert tier.held(2, (1,)) == "held"
    tier.changed([b"rc:t:b"])
    assert tier.held(2, (1,), ABSENT) is ABSENT
    assert tier.keep(tier.token(Text("k")), 2, (1,), "held")
    tier.wrote([Text("k")])
    assert tier.held(2, (1,), ABSENT) is ABSENT
    with pytest.raises(TypeError):
        tier.token(b"k")


# -- any sequence of calls


class Reentrant:
    """Its hook does something to the tier, or to the owner, or calls the function again, before it tells."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.world: Any = None
        self.function: Any = None

    def __cache_key__(self) -> Any:
        world, self.world = self.world, None
        if world is not None:
            EVENTS[self.what](world, self.function)
        return self.what


ME = Told(1)


def again(world: World, function: Any) -> None:
    result_of(lambda: function(ME, 1))
    token = world.tier.token("k")
    if token is not None:
        world.tier.keep(token, function._owner.number, (Told, 1, 1), "again")


def go(world: World, seconds: float) -> None:
    world.clock.go(seconds)
    world.wall.go(seconds)


def mend(world: World) -> None:
    """From now on everything is looked up again."""
    world.tier.begin()
    world.tier.prove(world.tier.instant())
    world.hit.watch(False)
    block(world, False)
    for n, each in enumerate(world.functions):
        each._owner.arm(world.tier, MODES[n % 3])


def block(world: World, on: bool) -> None:
    if on is not world.blocked:
        world.blocked = on
        world.hit.bypass(1 if on else -1)
        bypassed.set(on)


EVENTS: dict[str, Callable[[World, Any], Any]] = {
    "void": lambda world, _: world.tier.void(),
    "changed": lambda world, _: world.tier.changed([b"k"]),
    "wrote": lambda world, _: world.tier.wrote(["k"]),
    "lost": lambda world, _: world.tier.lost(),
    "go": lambda world, _: go(world, 0.25),
    "go long": lambda world, _: go(world, 3),
    "renew": lambda world, _: world.hit.renew(),
    "disarm": lambda world, function: function._owner.arm(None, PLAIN),
    "watch": lambda world, _: world.hit.watch(True),
    "block": lambda world, _: block(world, True),
    "again": again,
    "mend": lambda world, _: mend(world),
}

HOWS: list[Callable[[Any, tuple[Any, ...], dict[Any, Any]], Any]] = [
    lambda f, args, named: f(*args, **named),
    lambda f, args, named: f.__call__(*args, **named),
    lambda f, args, named: functools.partial(f, *args)(**named),
    lambda f, args, named: f.__get__(args[0], type(args[0]))(*args[1:], **named) if args else f(**named),
    lambda f, args, named: f(args[0], **named) if len(args) == 1 else f(*args, **named),
    lambda f, args, named: f(*args) if not named else f(*args, **named),
]

ARGUMENTS = [*EXACT, *ODD, *CLASSES]
FIRSTS = [*INSTANCES, *(Reentrant(what) for what in EVENTS), *EXACT[:6]]
indexes = st.one_of(st.integers(0, len(EXACT) - 1), st.integers(0, len(EXACT) - 1), st.integers(0, len(ARGUMENTS) - 1))
many = st.one_of(st.lists(indexes, max_size=3), st.integers(9, 14).map(lambda n: [n % 5] * n))
calls = st.tuples(
    st.integers(0, 5),  # the function
    st.integers(0, len(HOWS) - 1),
    st.one_of(st.none(), st.integers(0, len(FIRSTS) - 1)),
    many,
    st.lists(st.tuples(st.integers(0, len(NAMES) - 1), indexes), max_size=3, unique_by=lambda pair: pair[0]),
)
steps = st.one_of(
    st.tuples(st.just("call"), calls),
    st.tuples(st.just("hold and call"), calls),
    st.tuples(st.just("hold and call"), calls),
    st.tuples(st.just("mend"), st.just(0)),
    st.tuples(st.sampled_from(sorted(EVENTS)), st.integers(0, 5)),
)


def result_of(call: Callable[[], Any]) -> Any:
    """What it gives, or raises."""
    try:
        found = call()
    except Exception as error:
        return type(error), str(error)
    if inspect.isawaitable(found):
        return "awaited", asyncio.run(_awaited(found))
    return found


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


def shown(called: Any) -> Any:
    """What was handed on, by identity; a bound instance is the first argument."""
    bound, args, named = called
    return (*map(id, bound), *map(id, args)), [(type(name), str(name), id(each)) for name, each in named.items()]


def state(world: World) -> Any:
    """All that can be seen of it."""
    world.tier._check()
    return (
        world.tier.counts, world.tier.stats, world.tier.serves, [f._owner.hits for f in world.functions],
        [f._owner.tier is None for f in world.functions], [list(map(shown, f.calls)) for f in world.functions],
    )  # fmt: skip


def hold(world: World, function: Any, value: int, args: tuple[Any, ...], named: dict[Any, Any]) -> Any:
    """As the long way does, for a second."""
    exact = function._owner.arguments(args, named)
    token = world.tier.token("k")
    if exact is None or token is None:
        return exact is None, token is None
    return world.tier.keep(token, function._owner.number, exact, value, round((world.clock.seconds + 1) * 1e9))


def done(world: World, number: int, what: str, told: Any) -> Any:
    """One step in one of the worlds."""
    if what in EVENTS:
        return result_of(lambda: EVENTS[what](world, world.functions[told]))
    which, how, first, rest, names = told
    f = world.functions[which]
    args = tuple(ARGUMENTS[n] for n in rest)
    if first is not None:
        args = (FIRSTS[first], *args)
        if type(args[0]) is Reentrant and what == "call":
            args[0].world, args[0].function = world, f
    named = {NAMES[n]: ARGUMENTS[value] for n, value in names}
    results = [result_of(lambda: hold(world, f, number, args, named))] if what == "hold and call" else []
    results.append(result_of(lambda: HOWS[how](f, args, named)))
    if args and type(args[0]) is Reentrant:
        args[0].world = None
    return results


@given(st.lists(steps, min_size=5, max_size=40))
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_both_twins_do_the_same(told: list[Any]) -> None:
    """Whatever is called, in any of six functions: three modes, each as ``def`` and as ``async def``."""
    ASKED.clear()
    worlds = [World(kind) for kind in KINDS]
    for world in worlds:
        world.blocked = False
        world.functions = [world.function(mode, bool(asynchronous)) for asynchronous in (0, 1) for mode in MODES]
    try:
        for number, (what, each) in enumerate(told):
            answers = [done(world, number, what, each) for world in worlds]
            assert answers[0] == answers[1], (what, each)
            states = [state(world) for world in worlds]
            assert states[0] == states[1], (what, each)
        assert not ASKED
    finally:
        for world in worlds:
            mend(world)
