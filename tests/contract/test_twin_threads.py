"""Both twins with many threads at once: nothing is lost, and nothing void is served. Free-threaded builds need it most.

With the GIL threads change places where Python lets them: at calls and loops, not in the middle of ``n += 1``. A trace
function that is called before each instruction lets them change places between any two of the twin in Python, as they
would without the GIL. Of what the compiled twin does without its lock, all that can be seen here is that it is right.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rcollections.l1 import ABSENT, PLAIN, SKIP
from rcollections.l1.calls import bypassed
from rcollections.l1.store import Store as PureStore
from rcollections.l1.tier import Tier as PureTier
from tests.contract.hits import LONG, World
from tests.contract.tiers import KINDS, Clock, tier_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREADS = 4
F = 2


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


@pytest.fixture(autouse=True)
def _restless() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def rounds(world: World, compiled: int, pure: int) -> range:
    """So many of the one, of the other; finely takes its time."""
    return range(compiled if world.kind == "compiled" else pure)


def finely(frame: Any, event: str, _arg: Any) -> Any:
    """Before each instruction of the twin in Python, perhaps another thread comes first."""
    if event == "call":
        if Path(frame.f_code.co_filename).parent.name != "l1":
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
    elif event == "opcode":
        time.sleep(0)
    return finely


def together(world: World, *parts: Callable[[], Any]) -> list[Any]:
    """Run them all at once, from one moment on; what they gave. The first exception is raised here."""
    fine = world.kind == "pure"
    start = threading.Barrier(len(parts))
    results: list[Any] = [None] * len(parts)
    raised: list[BaseException] = []

    def run(n: int) -> None:
        try:
            start.wait(30)
            sys.settrace(finely if fine else None)
            results[n] = parts[n]()
        except BaseException as error:
            raised.append(error)
        finally:
            sys.settrace(None)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if raised:
        raise raised[0]
    return results


# -- the switches of the quick call


def test_no_block_is_lost(world: World) -> None:
    """Every ``no_l1()`` block counts once, and when all are closed there is none: in whatever order threads come."""
    f = world.function()
    assert world.hold(f, "held", 1)

    def in_and_out() -> None:
        for _ in rounds(world, 1000, 10):
            token = bypassed.set(True)
            world.hit.bypass(1)
            assert f(1) == LONG
            world.hit.bypass(-1)
            bypassed.reset(token)
            assert f(1) == "held"

    def many() -> None:
        for _ in rounds(world, 2000, 60):
            world.hit.bypass(1)
            world.hit.bypass(2)
            world.hit.bypass(-3)

    together(world, *[in_and_out, many] * (THREADS // 2))
    token = bypassed.set(True)
    try:
        assert f(1) == "held"  # none is open, so nobody asks whether this thread is in one
        world.hit.bypass(1)
        assert f(1) == LONG
        world.hit.bypass(-1)
        assert f(1) == "held"
    finally:
        bypassed.reset(token)


def test_no_renewal_is_lost(world: World) -> None:
    """Who was armed before connections were configured is not armed afterwards, whoever else configures them."""

    def arm_and_renew() -> None:
        f = world.function()
        for _ in rounds(world, 2000, 100):
            f._owner.arm(world.tier, PLAIN)
            world.hit.renew()
            assert f._owner.tier is None

    together(world, *[arm_and_renew] * THREADS)


def test_owners_of_all_threads_have_numbers_of_their_own(world: World) -> None:
    many = rounds(world, 100, 50)
    made = together(world, *[lambda: [world.hit.Owner().number for _ in many]] * THREADS)
    numbers = [number for each in made for number in each]
    assert len({*numbers, *(number + 1 for number in numbers)}) == 2 * THREADS * len(many)


def test_a_tier_may_go_while_others_look_into_it(world: World) -> None:
    """Armed anew again and again: a call looks into the one or the other, by the rule that belongs to it."""
    f = world.function()
    make = tier_class(world.kind)
    ends = threading.Event()

    def rearm() -> None:
        try:
            for n in rounds(world, 1000, 8):
                tier = make(10)
                tier.begin(local=True)
                # The rules are not those of one function: (1, 2) is two arguments by the one, and 2 by the other.
                for args, value in (((1, 2), "plain"), ((2,), "skip")):
                    tier.keep(tier.token("k"), f._owner.number, args, (n % 2, value))
                f._owner.arm(tier, (PLAIN, SKIP)[n % 2])
        finally:
            ends.set()

    def look() -> None:
        while not ends.is_set():
            assert f(1, 2) in ((0, "plain"), (1, "skip"), LONG)

    together(world, rearm, *[look] * 3)


def test_hits_are_counted_all(world: World) -> None:
    """By the compiled twin always; the one in Python may miss some where there is no GIL, and never counts too many."""
    f = world.function()
    assert world.hold(f, "held", 1)

    many = rounds(world, 2000, 15)

    def hit() -> None:
        for n in many:
            assert f(1) == "held"
            assert f(n + 2) == LONG

    together(world, *[hit] * THREADS)
    counts = world.tier.counts
    wanted = THREADS * len(many)
    for count in (f._owner.hits, counts.hits, counts.misses):
        assert count == wanted if world.kind == "compiled" else 0 < count <= wanted


# -- the tier


@pytest.mark.parametrize("told", ["void", "lost"])
def test_nothing_that_was_read_before_is_served_afterwards(world: World, told: str) -> None:
    """``void`` and ``lost`` beside fills: what comes in with an older token is gone or refused when they return."""
    tier = tier_class(world.kind)(100, staleness=1e6)
    tier.begin(local=True)
    source, floor, found, ends = [0], [0], threading.Event(), threading.Event()

    def empty() -> None:
        try:
            for n in rounds(world, 60, 10):
                source[0] = n
                getattr(tier, told)()
                floor[0] = n
                if told == "lost":
                    tier.begin(local=True)
                found.clear()
                assert found.wait(30)  # there is something to empty again
        finally:
            ends.set()

    def fill() -> None:
        while not ends.is_set():
            token = tier.token("k")
            value = source[0]
            if token is not None:
                tier.keep(token, F, (1,), value)

    def look() -> None:
        while not ends.is_set():
            least = floor[0]
            held = tier.held(F, (1,), ABSENT)
            assert held is ABSENT or held >= least
            if held is not ABSENT:
                found.set()

    together(world, empty, fill, fill, look, look)
    least, held = floor[0], tier.held(F, (1,), ABSENT)
    assert held is ABSENT or held >= least
    tier._check()


def test_a_proof_that_meets_a_loss_proves_nothing(world: World) -> None:
    """However the two fall together, after a loss it is served again only after a proof of its own."""
    tier = tier_class(world.kind)(10, staleness=1e6)
    instant = tier.instant()
    for _ in rounds(world, 150, 20):
        tier.begin()
        tier.prove(instant)
        together(world, *[lambda: [tier.prove(instant) for _ in range(5)]] * 2, tier.lost)
        tier.begin()
        assert not tier.serves
        assert tier.age is None
        tier.lost()


def test_proofs_losses_and_readings_at_once(world: World) -> None:
    """No reading of the tier meets half of a change: neither an error nor a number that cannot be."""
    clock, wall = Clock(), Clock()
    tier = tier_class(world.kind)(10, clock=clock, wall=wall)
    ends = threading.Event()

    def prove() -> None:
        try:
            for n in rounds(world, 5000, 25):
                wall.seconds = clock.seconds + (n % 3) * 10  # it seems to have slept, now and then
                tier.prove(tier.instant())
                if n % 10 == 0:
                    tier.lost()
                    tier.begin()
        finally:
            ends.set()

    def read() -> None:
        while not ends.is_set():
            assert tier.age in (None, 0.0)
            assert tier.serves in (True, False)
            token = tier.token("k", (name for name in ("rc:t:a",)))
            if token is not None:
                tier.keep(token, F, (1,), "value")
            assert tier.held(F, (1,), "none") in ("value", "none")
            assert tier.counts.entries in (0, 1)
            assert len(tier.keys()) in (0, 1)
            tier.changed([b"rc:t:a"])

    together(world, prove, read, read)
    tier._check()


# -- what interrupts a step; only the twin in Python can be interrupted


class Interrupted(PureTier):
    """In the middle of its steps something happens, as a signal or the collector would have it."""

    __slots__ = ("what",)

    def _insert(self, *args: Any) -> None:
        what, self.what = getattr(self, "what", None), None
        if what is not None:
            what()
        super()._insert(*args)


class Overtaken(PureStore[Any, Any]):
    """Another thread comes between finding an entry and looking at its end."""

    __slots__ = ("what",)

    def _find(self, key: Any, hash_: int) -> Any:
        found, what, self.what = super()._find(key, hash_), getattr(self, "what", None), None
        if what is not None:
            what()
        return found


def test_what_ended_and_is_taken_out_meanwhile_is_not_served() -> None:
    """Its end is still its end for who has found it already."""
    clock = Clock()
    for ask in (
        lambda store: store.get(1, None),
        lambda store: store.get_ttl(1, None)[0],
        lambda store: store.contains(1) or None,
    ):
        store = Overtaken(10, ttl=1, clock=clock)
        store.put(1, "over")
        clock.go(2)
        store.what = store.purge
        assert ask(store) is None
        assert len(store) == 0


def test_what_is_put_anew_meanwhile_stays() -> None:
    """Who found what had ended takes out that, not what came in its place."""
    clock, left = Clock(), []
    for ask in (lambda store: store.get(1, None), lambda store: store.get_ttl(1, None)[0]):
        store = Overtaken(10, ttl=1, clock=clock, eviction_callback=lambda *what: left.append(what))
        store.put(1, "over")
        clock.go(2)
        store.what = functools.partial(store.put, 1, "new")
        assert ask(store) is None
        assert store.get(1) == "new"
    assert left == [(1, "over", "expired")] * 2


@pytest.mark.parametrize("told", ["changed", "wrote", "void", "lost"])
def test_who_interrupts_a_fill_is_heard(told: str) -> None:
    """A handler that changes something in the middle of a step: it does not find the older value afterwards."""
    tier = Interrupted(10)
    tier.begin(local=True)
    assert tier.keep(tier.token("k"), F, ("before",), "old")
    seen: list[Any] = []

    def interrupt() -> None:
        getattr(tier, told)(*([b"k"],) * (told in ("changed", "wrote")))
        seen.append(tier.held(F, ("before",), ABSENT))

    tier.what = interrupt
    assert tier.keep(tier.token("k"), F, ("meanwhile",), "old") is False
    assert seen == [ABSENT]
    assert tier.held(F, ("before",), ABSENT) is ABSENT
    assert tier.held(F, ("meanwhile",), ABSENT) is ABSENT
    assert tier.counts.refused == 1
    tier.begin(local=True)
    assert tier.keep(tier.token("k"), F, ("before",), "new")
    assert tier.held(F, ("before",)) == "new"
    tier._check()
