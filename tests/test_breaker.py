"""The circuit breaker: closed, open, probing, closed again; on a clock of the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections import CacheConnectionError, CacheTimeout, WrongTypeError
from rcollections.servers.breaker import FIRST_PAUSE, LAST_PAUSE, VERDICT, Breaker


class World:
    """A server that answers or not, a clock, and probes that run when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.up = False
        self.room = True
        self.pings = 0
        self.probes: list[Any] = []
        self.breaker = Breaker("redis://somewhere", self.ping, self.start, lambda: self.now)

    def ping(self) -> None:
        self.pings += 1
        if not self.up:
            raise CacheTimeout("no answer")

    def start(self, probe: Any) -> bool:
        if self.room:
            self.probes.append(probe)
        return self.room

    def run_probe(self) -> None:
        self.probes.pop()()


@pytest.fixture
def world() -> World:
    return World()


def test_closed_until_something_fails(world: World) -> None:
    """It lets all through, and asks nobody."""
    assert all(world.breaker.allows() for _ in range(100))
    world.breaker.worked()
    assert not world.breaker.is_open
    assert not world.probes


def test_one_failure_opens_it_and_one_probe_closes_it(world: World, caplog: Any) -> None:
    """No call goes to the server meanwhile; said once when it opens and once when it is back."""
    world.breaker.failed(CacheConnectionError("refused"))
    assert not world.breaker.allows()
    assert not world.probes, "the first pause has not passed"
    world.now += FIRST_PAUSE
    assert [world.breaker.allows() for _ in range(5)] == [False] * 5
    assert len(world.probes) == 1, "one at a time"
    world.up = True
    world.run_probe()
    assert world.breaker.allows()
    assert len(caplog.records) == 2
    assert "redis://somewhere" in caplog.text
    assert "is back" in caplog.text


def test_pauses_double_up_to_a_limit(world: World) -> None:
    """Each failing probe doubles the pause; a new failure after health begins anew."""
    world.breaker.failed(CacheTimeout("no answer"))
    pause = FIRST_PAUSE
    for _ in range(10):
        world.now += pause - 0.01
        world.breaker.allows()
        assert not world.probes
        world.now += 0.011
        world.breaker.allows()
        world.run_probe()
        pause = min(2 * pause, LAST_PAUSE)
    assert world.pings == 10
    world.up = True
    world.now += LAST_PAUSE
    world.breaker.allows()
    world.run_probe()
    world.breaker.failed(CacheTimeout("again"))
    world.now += FIRST_PAUSE
    world.breaker.allows()
    assert world.probes


def test_many_calls_that_fail_at_once_count_once(world: World, caplog: Any) -> None:
    """50 threads that were under way open it once: one line in the log, the first pause."""
    for _ in range(50):
        world.breaker.failed(CacheTimeout("no answer"))
    assert len(caplog.records) == 1
    world.now += FIRST_PAUSE
    world.breaker.allows()
    assert world.probes


def test_a_call_that_works_closes_it(world: World) -> None:
    """One that began before it opened may come back well."""
    world.breaker.failed(CacheTimeout("no answer"))
    world.breaker.worked()
    assert world.breaker.allows()


def test_an_answer_that_is_an_error_does_not_open_it(world: World, caplog: Any) -> None:
    """The server is there: such errors cost no time. Said once until it works again."""
    for _ in range(3):
        world.breaker.failed(WrongTypeError("a list"))
    assert world.breaker.allows()
    assert len(caplog.records) == 1
    world.breaker.worked()
    world.breaker.failed(WrongTypeError("a list"))
    assert len(caplog.records) == 1, "reading works all the time"
    world.breaker.stored()
    world.breaker.failed(WrongTypeError("a list"))
    assert len(caplog.records) == 3


def test_without_room_for_a_probe_the_next_call_tries_again(world: World) -> None:
    """A full background does not keep it open for ever."""
    world.breaker.failed(CacheTimeout("no answer"))
    world.now += FIRST_PAUSE
    world.room = False
    assert not world.breaker.allows()
    world.room = True
    world.breaker.allows()
    assert world.probes


def test_a_probe_that_breaks_does_not_end_probing(world: World, monkeypatch: Any) -> None:
    """Whatever it raises, the next pause has a probe of its own."""

    def broken() -> None:
        raise MemoryError

    world.breaker._ping = broken
    world.breaker.failed(CacheTimeout("no answer"))
    world.now += FIRST_PAUSE
    world.breaker.allows()
    with pytest.raises(MemoryError):
        world.run_probe()
    world.breaker.allows()
    assert world.probes


def test_the_error_names_the_server(world: World) -> None:
    """For functions with ``on_error="raise"``: of the type of the failure, with its text."""
    world.breaker.failed(CacheTimeout("redis://somewhere did not answer"))
    error = world.breaker.error()
    assert isinstance(error, CacheTimeout)
    assert "somewhere" in str(error)
    world.breaker.worked()
    assert isinstance(world.breaker.error(), CacheConnectionError)


def silent_link() -> CacheTimeout:
    error = CacheTimeout("no answer on a connection that had been open")
    error._about = "link"
    return error


def test_a_link_that_fell_silent_is_probed_at_once(world: World) -> None:
    """Callers wait a moment for what the probe says, then no more."""
    world.breaker.failed(silent_link())
    assert len(world.probes) == 1
    assert world.breaker.undecided()
    assert not world.breaker.allows()
    world.now += VERDICT
    assert not world.breaker.undecided()
    world.up = True
    world.run_probe()
    assert world.breaker.allows()
    assert not world.breaker.undecided()


def test_the_probe_at_once_may_fail(world: World) -> None:
    """Then nobody waits any more; nor where there is no room for a probe."""
    world.breaker.failed(silent_link())
    world.run_probe()
    assert not world.breaker.undecided()
    assert not world.breaker.allows()
    other = World()
    other.room = False
    other.breaker.failed(silent_link())
    assert not other.breaker.undecided()


def test_a_call_that_was_only_late_does_not_open_it(world: World, caplog: Any) -> None:
    """Said once, in other words."""
    late = CacheTimeout("the reply was arriving")
    late._about = "call"
    for _ in range(3):
        world.breaker.failed(late)
    assert world.breaker.allows()
    assert [each.getMessage().count("did not serve one call") for each in caplog.records] == [1]


def test_a_probe_that_found_no_free_connection_tells_nothing(world: World) -> None:
    """The failure for which it is open stays the one that is raised."""
    world.breaker.failed(CacheTimeout("silence"))
    busy = CacheTimeout("all connections are busy")
    busy._about = "call"

    def ping() -> None:
        raise busy

    world.breaker._ping = ping
    world.now += FIRST_PAUSE
    world.breaker.allows()
    world.run_probe()
    assert "silence" in str(world.breaker.error())
