"""A caller who is alone at his key, stepped by hand: his hit makes nothing for others, and others still find him."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rcollections.errors import CacheConnectionError
from rcollections.plans.effects import Command, Wait
from rcollections.plans.flights import Alone
from tests.interleavings.actors import reader
from tests.interleavings.parts import KEY, Cancelled
from tests.interleavings.parts import Signal as PlainSignal
from tests.interleavings.scenario import Scenario, cold, stored
from tests.interleavings.stepping import until
from tests.interleavings.world import World

if TYPE_CHECKING:
    from collections.abc import Callable


def reading(*lives: Any, initial: Callable[[World], None] | None = None) -> tuple[World, list[PlainSignal]]:
    """Actor 0 has sent its read, alone. With all signals that are made from here on."""
    w = World(Scenario((lives,), initial=initial or stored(), split=True))
    made: list[PlainSignal] = []

    def signal() -> PlainSignal:
        made.append(PlainSignal())
        return made[-1]

    w.processes[0].flights.signal = signal
    until(w, 0, Command, "MGET")
    return w, made


def finish(w: World, number: int) -> None:
    """Let one actor go on to its end."""
    for _ in range(20):
        if w.actors[number].over:
            return
        w.step(w.moves(w.actors[number])[0])
    raise AssertionError(f"actor {number} never ends")


def test_a_lone_hit_makes_no_flight() -> None:
    """Its place in the table is all that there is of it, and that goes with the reply."""
    w, made = reading(reader())
    table = w.processes[0].flights.table
    assert isinstance(table[KEY], Alone)
    finish(w, 0)
    assert not table
    assert not made


def test_a_lone_miss_makes_no_signal() -> None:
    """It drives a flight, with nobody to wake."""
    w, made = reading(reader(), initial=cold)
    finish(w, 0)
    assert not w.processes[0].flights.table
    assert not made


def test_who_comes_meanwhile_reads_when_that_read_has_ended() -> None:
    """The read of the lone caller was sent before the others began: it is not for them. They share the next one."""
    w, made = reading(reader(), reader(), reader())
    until(w, 1, Wait)
    until(w, 2, Wait)
    finish(w, 0)
    assert isinstance(w.actors[2].effect, Wait)
    until(w, 1, Command, "MGET")
    finish(w, 1)
    finish(w, 2)
    assert len(made) == 2, "of the end of the first read, and of the second"
    assert not w.processes[0].flights.table


@pytest.mark.parametrize("failure", [Cancelled(), CacheConnectionError("no answer")], ids=["cancelled", "failed"])
def test_the_lone_caller_gets_no_reply(failure: BaseException) -> None:
    """Who came meanwhile reads all the same."""
    w, _ = reading(reader(), reader())
    until(w, 1, Wait)
    w.actors[0].failed = True  # it may compute without a lease
    w.resume(w.actors[0], None, failure)
    until(w, 1, Command, "MGET")
    finish(w, 1)
    finish(w, 0)
    assert not w.processes[0].flights.table
