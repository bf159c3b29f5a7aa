"""Replies never cross, in short: ``make crossing`` is the long form."""

from __future__ import annotations

import pytest

from tests.faults.crossing import crossing
from tests.faults.crossing_worker import Actor, Wrong, same, text
from tests.kinds import one_server


def test_no_reply_is_somebody_elses() -> None:
    """Under cuts, kills, pauses, cancellations, signals and forks."""
    told = crossing(seconds=5, seed=7, kind=one_server())
    assert told["keys"] > 2000
    assert told["calls"] > 50
    assert told["acalls"] > 50
    assert told["signals"] > 10
    assert told["cancelled"] > 10
    assert told["forks"] > 1


@pytest.mark.parametrize(("got", "stored"), [(text(8), True), (text(8), False), (None, True), ("", True)])
def test_a_wrong_reply_is_noticed(got: str | None, stored: bool) -> None:
    """The check itself: the value of another key, and none where there is one."""
    with pytest.raises(Wrong) as caught:
        same(7, got, stored)
    actor = Actor("somebody", "seed")
    actor.failed(caught.value)
    assert actor.wrong
    same(7, text(7), stored)


def test_what_faults_raise_is_no_wrong_reply() -> None:
    """And anything else is."""
    actor = Actor("somebody", "seed")
    actor.failed(TimeoutError("late"))
    assert not actor.wrong
    actor.failed(TypeError("'int' object is not subscriptable"))
    assert actor.wrong
