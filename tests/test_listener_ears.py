"""A listener that changes ears, stepped by hand: no change falls between two of them, whatever the order."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections.coherence import listener as module
from rcollections.coherence.attendant import Wait
from rcollections.coherence.listener import Listener
from rcollections.l1 import Tier
from rcollections.testing import wait_until
from rcollections.wire.dsn import dsn as dsns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rcollections.coherence.attendant import Job

made: list[StandIn] = []


class StandIn:
    """An ear that hears what the test says, in the thread that the listener runs it in."""

    def __init__(self, _dsn: Any, prefixes: tuple[str, ...], hearer: Any, places: Any = None) -> None:
        self.prefixes, self.hearer, self.places = prefixes, hearer, dict(places or {})
        self.opened, self.reason = 0.0, None
        self.server, self.version, self.since = b"one", (9, 0, True), 0
        self.closed = 0
        self._steps: queue.Queue[tuple[Callable[[], None], threading.Event]] = queue.Queue()
        self._stopping = threading.Event()
        made.append(self)

    @property
    def stopped(self) -> bool:
        return self._stopping.is_set()

    def open(self) -> None:
        self._step()
        self.since = time.monotonic_ns()

    def run(self) -> Job:
        while not self.stopped:
            yield Wait((), 0.002)
            while not self._steps.empty():
                self._step()

    def _step(self) -> None:
        job, done = self._steps.get()
        try:
            job()
        finally:
            done.set()

    def do(self, job: Callable[[], None]) -> None:
        done = threading.Event()
        self._steps.put((job, done))
        assert done.wait(5)

    def stop(self) -> None:
        self._stopping.set()
        self._steps.put((lambda: None, threading.Event()))

    def close(self) -> None:
        self.closed += 1

    # -- what it hears

    def opens(self) -> None:
        self.do(lambda: None)

    def confirms(self) -> None:
        self.do(lambda: self.hearer.confirmed(self))

    def proves(self, at: int | None = None) -> None:
        now = time.monotonic_ns() if at is None else at
        self.do(lambda: self.hearer.proved(self, (now, now + time.time_ns() - time.monotonic_ns())))

    def breaks(self) -> None:
        before = self.closed

        def job() -> None:
            raise ConnectionError("broken")

        self.do(job)
        wait_until(lambda: self.closed > before, what="it is closed")


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(module, "Ear", StandIn)
    made.clear()
    listener = Listener(dsns.parse("redis://nowhere"))
    yield listener
    for tier in listener._tiers:
        listener.remove(tier)
    for ear in made:
        ear.stop()
    wait_until(lambda: all(each.name != "rcollections-listener" for each in threading.enumerate()))


@pytest.fixture
def tier(listener: Listener) -> Any:
    """Told by a listener that hears of "a."."""
    tier = Tier(staleness=60)
    listener.add(tier, 60)
    listener.want(["a."])
    listener.start()
    made[0].opens()
    made[0].confirms()
    made[0].proves()
    return tier


def hold(tier: Any, key: str) -> None:
    token = tier.token(key)
    assert tier.keep(token, 2, (key,), key)


def held(tier: Any, key: str) -> bool:
    return tier.held(2, (key,)) == key


def test_a_wider_ear_takes_over_once_the_old_one_told_all_from_before(listener: Listener, tier: Any) -> None:
    """A change from before the new one listened comes by the old one alone, which may be stuck."""
    hold(tier, "a.1")
    before = time.monotonic_ns()
    listener.want(["b."])
    listener.start()
    old, new = made
    new.opens()
    new.confirms()
    new.proves()
    assert listener.ear is old, "what happened before the new one listened is not known yet"
    assert listener.prefixes == ("a.",)
    old.proves(before)
    assert listener.ear is old, "nor by a proof from before"
    assert held(tier, "a.1"), "hits go on"
    old.proves()
    assert listener.ear is new
    assert listener.prefixes == ("a.", "b.")
    assert old.stopped
    assert held(tier, "a.1")


def test_of_a_stuck_ear_nothing_is_kept(listener: Listener, tier: Any) -> None:
    """It breaks before it has told all: what was held goes, and the new one is taken at once."""
    hold(tier, "a.1")
    listener.want(["b."])
    listener.start()
    old, new = made
    new.opens()
    new.confirms()
    old.breaks()
    assert listener.ear is new
    assert old.stopped
    new.proves()
    assert tier.serves
    assert not held(tier, "a.1")


def test_a_narrower_ear_does_not_come_back(listener: Listener, tier: Any) -> None:
    """The old one breaks while a wider one opens: it must not take over later, for it would not hear of the rest."""
    listener.want(["b."])
    listener.start()
    old, new = made
    old.breaks()
    new.opens()
    new.confirms()
    assert listener.ear is new
    new.proves()
    hold(tier, "b.1")
    assert old.stopped, "its thread ends"
    assert len(made) == 2
    assert held(tier, "b.1")


def test_another_server_empties_all(listener: Listener, tier: Any) -> None:
    """The address leads to another server now: what is held is of the old one."""
    hold(tier, "a.1")
    listener.want(["b."])
    listener.start()
    _, new = made
    new.opens()
    new.server = b"two"
    new.confirms()
    assert listener.ear is new
    new.proves()
    assert not held(tier, "a.1")


def test_an_error_takes_the_readiness_of_a_new_ear(listener: Listener, tier: Any) -> None:
    listener.want(["b."])
    listener.start()
    old, new = made
    new.opens()
    new.confirms()
    new.do(lambda: new.hearer.unsure(new))
    old.proves()
    assert listener.ear is old
    new.confirms()
    old.proves()
    assert listener.ear is new


def test_many_new_prefixes_wait_for_each_other(listener: Listener, tier: Any) -> None:
    """A hundred functions at once: one connection for the first of them, one for all the others."""
    for n in range(100):
        listener.want([f"f{n}."])
        listener.start()
    assert len(made) == 2
    made[1].opens()
    made[1].confirms()
    made[0].proves()
    assert len(made) == 3
    made[2].opens()
    made[2].confirms()
    made[1].proves()
    assert len(made) == 3
    assert all(f"f{n}.".startswith(listener.prefixes) for n in range(100))
    assert len(listener.prefixes) <= 16


def test_an_ear_that_fails_asks_for_all_the_next_time(listener: Listener) -> None:
    tier = Tier()
    listener.add(tier, 1.0)
    listener.want(["a."])
    listener.start()
    listener.want(["b."])
    listener.start()
    made[0].breaks()
    wait_until(lambda: len(made) == 2, what="another one")
    made[1].opens()
    made[1].confirms()
    assert listener.prefixes == ("a.", "b.")


def test_those_who_wait_to_be_woken_change_ears_too(listener: Listener, tier: Any) -> None:
    """Told that the old one is gone, they find the new one: whoever subscribed to the old one would never be woken."""
    found: list[Any] = []

    class Follower:
        def lost(self, ear: Any) -> None:
            found.append((ear, listener.ear))

        def heard(self, message: Any) -> None:
            """Nothing is published here."""

    follower = Follower()
    listener.followers.add(follower)
    listener.want(["b."])
    listener.start()
    old, new = made
    new.opens()
    new.confirms()
    old.proves()
    new.breaks()
    assert found == [(old, new), (new, None)]


def test_after_an_error_nobody_waits_for_a_subscription(listener: Listener, tier: Any) -> None:
    """A busy server answers SUBSCRIBE with an error too, which does not say to which channel."""
    found: list[Any] = []

    class Follower:
        def lost(self, ear: Any) -> None:
            found.append(ear)

    follower = Follower()
    listener.followers.add(follower)
    (ear,) = made
    ear.do(lambda: ear.hearer.unsure(ear))
    assert found == [ear]
    assert not tier.live
