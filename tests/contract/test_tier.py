"""What the tier promises, compiled or not: the fence, origins, watched keys, bounds."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from rcollections.l1 import ABSENT, Packed
from tests.contract.tiers import KINDS, Clock, live_tier, tier_class

ROOT = Path(__file__).parents[2]
F, G = 2, 4  # owners
TAG, GUARD = "rc:t:a", "rc:g:{d}"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tier(kind: str) -> Any:
    return live_tier(kind)[0]


def fill(tier: Any, key: str, *args: Any, value: Any = "value", watched: Any = (), owner: int = F, **more: Any) -> bool:
    return bool(tier.keep(tier.token(key, watched), owner, args, value, **more))


# -- the fence


def test_what_is_kept_is_held(tier: Any) -> None:
    """The same object, for the same owner and arguments only; None is a value."""
    value = object()
    assert fill(tier, "k", 1, value=value)
    assert tier.held(F, (1,)) is value
    assert tier.held(G, (1,), ABSENT) is ABSENT
    assert tier.held(F, (2,), "default") == "default"
    assert fill(tier, "n", 3, value=None)
    assert tier.held(F, (3,), ABSENT) is None
    assert tier.counts[:4] == (2, 2, 2, 0)
    assert tier.counts.entries == 2
    tier._check()


@pytest.mark.parametrize("told", ["changed", "wrote", "void", "lost"])
def test_a_change_after_the_token_refuses_the_fill(tier: Any, told: str) -> None:
    """Whatever makes the reply void between token and keep; what was held goes as well."""
    assert fill(tier, "k", 1)
    token = tier.token("k")
    getattr(tier, told)(*(([b"k"],) if told in ("changed", "wrote") else ()))
    assert tier.keep(token, F, (2,), "old") is False
    assert tier.counts.refused == 1
    assert tier.counts.invalidations == (told == "changed")
    if told == "lost":
        tier.begin()
        tier.prove(tier.instant())
        assert tier.keep(token, F, (2,), "old") is False
    assert tier.held(F, (1,), ABSENT) is ABSENT
    assert tier.held(F, (2,), ABSENT) is ABSENT
    assert fill(tier, "k", 2, value="new")
    assert tier.held(F, (2,)) == "new"
    tier._check()


def test_other_keys_are_not_concerned(tier: Any) -> None:
    """A change of one key neither drops nor refuses those of others (but for the few that share its slot)."""
    tokens = {name: tier.token(name) for name in map(str, range(50))}
    tier.changed([b"another"])
    kept = [tier.keep(token, F, (name,), name) for name, token in tokens.items()]
    assert sum(kept) >= 49


def test_wrote_takes_text_and_bytes(tier: Any) -> None:
    for key in ("k", b"k"):
        assert fill(tier, "k", 1)
        tier.wrote([key, "other"])
        assert tier.held(F, (1,), ABSENT) is ABSENT
    assert fill(tier, "é", 1)
    tier.wrote(["é"])
    assert tier.held(F, (1,), ABSENT) is ABSENT
    assert tier.counts.invalidations == 0


def test_no_token_while_changes_are_not_heard(kind: str) -> None:
    """F1: neither before the beginning nor after a loss."""
    tier = tier_class(kind)(10)
    assert tier.live is False
    assert tier.token("k") is None
    tier.begin()
    assert tier.live is True
    assert tier.token("k") is not None
    tier.lost()
    assert tier.token("k") is None


class Asked(Clock):
    """A clock is code of others: asked for the time, it does something else first."""

    first: Any = staticmethod(lambda: None)

    def __call__(self) -> float:
        first, self.first = self.first, Asked.first
        first()
        return super().__call__()


def test_a_value_that_becomes_void_on_its_way_is_never_served(kind: str) -> None:
    """What is told between the look at the token and the step that stores keeps the value out."""
    clock = Asked()
    tier = tier_class(kind)(10, clock=clock, wall=Clock())
    for tell in (
        lambda: tier.changed([b"k"]),
        lambda: tier.wrote(["k"]),
        tier.void,
        tier.lost,
        lambda: tier.changed([TAG.encode()]),
    ):
        tier.begin()
        tier.prove(tier.instant())
        token = tier.token("k", [TAG])
        clock.first = tell
        assert tier.keep(token, F, (1,), "old") is False
        assert tier.counts.entries == 0
        tier._check()
    assert tier.counts.refused == 5


def test_values_let_go_may_do_anything(kind: str) -> None:
    """``__del__`` of a value that leaves calls the tier again: in a fill, a drop, a void."""
    tier, _, _ = live_tier(kind, 3)
    told: list[str] = []

    class Leaver:
        def __init__(self, what: str) -> None:
            self.what = what

        def __del__(self) -> None:
            told.append(self.what)
            tier.changed([b"k0", self.what.encode()])
            tier.held(F, (self.what,), None)
            fill(tier, "again", self.what, value=1)
            if self.what == "k2":
                tier.void()

    for n in range(40):
        fill(tier, f"k{n}", f"k{n}", value=Leaver(f"k{n}"))
        assert tier.counts.entries <= 3
        tier._check()
    tier.void()
    gc.collect()
    assert len(told) >= 37
    tier._check()
    assert fill(tier, "fresh", "fresh")
    assert tier.held(F, ("fresh",)) == "value"


# -- origins and watched keys


def test_all_entries_of_a_key_go_with_it(tier: Any) -> None:
    """Several calls may be held of one key, any number; replacing one by a value of another key moves it."""
    for n in range(100):
        assert fill(tier, "k" if n % 2 else "other", n)
    tier.changed([b"k"])
    assert [n for n in range(100) if tier.held(F, (n,), ABSENT) is not ABSENT] == list(range(0, 100, 2))
    assert tier.counts.entries == 50
    assert fill(tier, "moved", 0, value="new")
    tier.changed([b"other"])
    assert tier.counts.entries == 1
    assert tier.held(F, (0,)) == "new"
    tier._check()


def test_what_is_dropped_is_let_go(kind: str) -> None:
    """Of a thousand keys with values nothing is left, neither values nor what stood beside them."""
    tier, _, _ = live_tier(kind, 5000)

    class Value:
        pass

    values = [Value() for _ in range(1000)]
    gone = [weakref.ref(value) for value in values]
    for n, value in enumerate(values):
        assert fill(tier, f"k{n % 10}", n, value=value, watched=[TAG, f"rc:t:{n}"])
    del values, value
    tier.changed([b"k%d" % n for n in range(10)])
    gc.collect()
    assert not any(ref() for ref in gone)
    assert tier.counts.entries == 0
    tier._check()


def test_a_watched_key_makes_void_what_was_read_under_it(tier: Any) -> None:
    """F1 of tags and guards: what is held, and what is being read."""
    assert fill(tier, "k", 1, watched=[TAG, GUARD])
    assert fill(tier, "k", 2, watched=(TAG,))
    assert fill(tier, "k", 3)
    token = tier.token("k", [GUARD])
    tier.changed([GUARD.encode()])
    assert [tier.held(F, (n,), ABSENT) is ABSENT for n in (1, 2, 3)] == [True, False, False]
    assert tier.keep(token, F, (1,), "old") is False
    tier.wrote([f"ns.{TAG}", TAG])
    assert [tier.held(F, (n,), ABSENT) is ABSENT for n in (1, 2, 3)] == [True, True, False]
    assert fill(tier, "k", 1, watched=[TAG, GUARD], value="new")
    assert tier.held(F, (1,)) == "new"
    tier._check()


def test_many_watched_keys(tier: Any) -> None:
    names = [f"rc:t:{n}" for n in range(300)]
    assert fill(tier, "k", 1, watched=names)
    assert tier.held(F, (1,)) == "value"
    tier.changed([names[-1].encode()])
    assert tier.held(F, (1,), ABSENT) is ABSENT


# -- bounds and ends


def test_it_holds_no_more_than_it_may(kind: str) -> None:
    """By entries and by bytes; what is larger than the whole is not kept, and its older value goes."""
    tier, _, _ = live_tier(kind, 10, bytes=1000)
    for n in range(200):
        fill(tier, f"k{n % 7}", n, size=90)
        counts = tier.counts
        assert counts.entries <= 10
        assert counts.bytes <= 1000
        tier._check()
    assert tier.counts.evictions >= 190
    assert fill(tier, "k", "x", size=10)
    fill(tier, "k", "x", value="large", size=1001)
    assert tier.held(F, ("x",), ABSENT) is ABSENT
    tier._check()


def test_a_value_ends_at_its_deadline(kind: str) -> None:
    """Absolute, of the clock; one that has passed is not kept; one that is too far away is no end."""
    tier, clock, _ = live_tier(kind, staleness=1000.0)
    now = round(clock.seconds * 1e9)
    assert fill(tier, "k", 1, deadline=now + 2 * 10**9)
    assert fill(tier, "k", 2, deadline=now) is False
    assert fill(tier, "k", 3, deadline=10**22)
    assert fill(tier, "k", 4, deadline=(1 << 63) - 1)
    assert fill(tier, "k", 5)
    clock.go(1.999)
    assert tier.held(F, (1,)) == "value"
    clock.go(0.001)
    assert tier.held(F, (1,), ABSENT) is ABSENT
    assert [tier.held(F, (n,), ABSENT) is ABSENT for n in (2, 3, 4, 5)] == [True, False, False, False]
    tier._check()


def test_packed_values_are_made_anew(tier: Any) -> None:
    """Each hit gets one of its own."""
    calls = itertools.count()
    assert fill(tier, "k", 1, value=Packed(b"ab", lambda data: [next(calls), data]))
    assert [tier.held(F, (1,)) for _ in range(3)] == [[0, b"ab"], [1, b"ab"], [2, b"ab"]]
    assert tier.held(F, (1,)) is not tier.held(F, (1,))


@pytest.mark.parametrize("odd", [[1], {1}, (1,), ((),), ([],), 1j, object(), bytearray(b"a"), range(3)])
def test_what_cannot_be_compared_is_not_held(tier: Any, odd: Any) -> None:
    """Neither kept nor found, and no error: arguments that would run code of others."""
    assert fill(tier, "k", odd) is False
    assert fill(tier, "k", 1, odd) is False
    assert tier.held(F, (odd,), ABSENT) is ABSENT
    assert tier.held(F, (1, odd), ABSENT) is ABSENT
    assert fill(tier, "k", ("a", "b"), 1, 2)
    assert tier.held(F, (("a", "b"), 1, 2)) == "value"
    assert fill(tier, "k", ("a",))
    assert tier.held(F, (("a",),)) == "value"
    assert fill(tier, "k", ())
    assert tier.held(F, ((),)) == "value"
    assert fill(tier, "k", int, 1)
    assert tier.held(F, (int, 1)) == "value"
    assert tier.held(F, (bool, 1), ABSENT) is ABSENT
    tier._check()


# -- running long, and side by side


def test_a_million_operations_leave_nothing_behind(kind: str) -> None:
    """Memory and references are back where they were."""
    tier, clock, _ = live_tier(kind, 200, staleness=1e9)
    value, key = object(), "a key of some length"
    rounds = 100_000 if kind == "compiled" else 10_000

    def run(rounds: int) -> None:
        for n in range(rounds):
            name = f"k{n % 500}"
            fill(tier, name, key, n % 300, value=value, watched=[TAG] if n % 3 else (),
                 deadline=round(clock.seconds * 1e9) + 10**9 * (n % 5))  # fmt: skip
            for m in range(7):
                tier.held(F, (key, (n + m) % 300), None)
            if n % 11 == 0:
                tier.changed([name.encode()])
            if n % 5000 == 0:
                tier.changed([TAG.encode()])
                clock.go(1.0)
        tier.void()

    run(5_000)
    gc.collect()
    blocks, references = sys.getallocatedblocks(), (sys.getrefcount(value), sys.getrefcount(key))
    run(rounds)
    gc.collect()
    assert (sys.getrefcount(value), sys.getrefcount(key)) == references
    assert sys.getallocatedblocks() - blocks < 200
    tier._check()


def test_threads_may_do_everything_at_once(kind: str) -> None:
    """After a change was told, no thread is served what was read before it; all fits together at the end."""
    tier = tier_class(kind)(50, staleness=1e6)
    tier.begin()
    tier.prove(tier.instant())
    source = dict.fromkeys(range(20), 0)
    floors = dict.fromkeys(range(20), 0)
    failed: list[Any] = []
    ends = threading.Event()

    def read(seed: int) -> None:
        n = seed
        while not ends.is_set():
            n = (n * 7 + 3) % 20
            floor = floors[n]
            found = tier.held(F, (n,), ABSENT)
            if found is ABSENT:
                token = tier.token(f"k{n}", [TAG] if n % 2 else ())
                if token is not None:
                    tier.keep(token, F, (n,), source[n])
            elif found < floor:
                failed.append((n, found, floor))

    def write() -> None:
        for round_ in range(3000):
            n = round_ % 20
            source[n] += 1
            tier.wrote([f"k{n}"])
            floors[n] = source[n]
            if round_ % 500 == 0:
                tier.void()
            if round_ % 300 == 0:
                tier.changed([TAG.encode()])
        ends.set()

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)] + [threading.Thread(target=write)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        ends.set()
        sys.setswitchinterval(before)
    assert not failed
    tier._check()
    assert tier.counts.hits


def test_a_value_may_refer_to_its_tier(kind: str) -> None:
    """The collector sees through it."""
    tier, _, _ = live_tier(kind)

    class Value:
        pass

    value: Any = Value()
    value.tier, gone = tier, weakref.ref(value)
    assert fill(tier, "k", 1, value=value)
    del tier, value
    gc.collect()
    assert gone() is None


FORK = """
import os, sys, threading
from tests.contract.tiers import live_tier
from tests.contract.test_tier import F, fill
tier, clock, _ = live_tier(sys.argv[1])
for n in range(50): fill(tier, "k", n)
stop = threading.Event()
def busy():
    while not stop.is_set():
        fill(tier, "k", 51); tier.changed([b"k"]); fill(tier, "other", 1)
thread = threading.Thread(target=busy); thread.start()
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        tier.lost(); assert tier.token("k") is None and tier.counts.entries == 0
        tier.begin(); tier.prove(tier.instant())
        assert fill(tier, "k", 1) and tier.held(F, (1,)) == "value"
        tier._check(); os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
stop.set(); thread.join()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize("kind", KINDS)
def test_the_child_of_a_fork_goes_on(kind: str) -> None:
    """Forked while another thread is in the middle of something: emptied, filled, consistent."""
    tier_class(kind)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, kind], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
