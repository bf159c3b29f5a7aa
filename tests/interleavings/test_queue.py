"""The queue behind a driver, stepped by hand: it is woken once, with the result of a read that came after it."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.errors import CacheConnectionError
from rcollections.plans.effects import Command, Script, Wait
from tests.interleavings.actors import failing, reader
from tests.interleavings.parts import KEY, LEASE, Cancelled
from tests.interleavings.scenario import TAG, Scenario
from tests.interleavings.stepping import about_to_compute, queue_behind_the_owner, until
from tests.interleavings.world import World

READ = Command(("MGET", KEY, TAG))


def queued(*lives: Any) -> World:
    """All but the first one queue behind it."""
    w = World(Scenario((lives,), tags=(TAG,)))
    queue_behind_the_owner(w, len(lives) - 1)
    return w


def wake(w: World, number: int) -> Any:
    """One step of an actor that waits; gives what it asks for next, None when it has its value."""
    assert w.actors[number].effect.signal.is_set(), "it is not woken yet"
    w.step(("go", number))
    return None if w.actors[number].over else w.actors[number].effect


def test_the_owner_reads_for_the_queue() -> None:
    """The others sleep until its read is answered, and need nothing more."""
    w = queued(reader(), reader(), reader())
    until(w, 0, Command, "MGET")  # stored, and read again: its own value is for its own caller only
    assert not w.actors[1].effect.signal.is_set()
    w.step(("do", 0))
    w.step(("go", 0))
    assert w.actors[0].over
    assert wake(w, 1) is None
    assert wake(w, 2) is None


def test_nobody_reads_for_an_empty_queue() -> None:
    """A caller who is alone has its value as soon as it is stored."""
    w = World(Scenario(((reader(),),), split=True))
    until(w, 0, Script, "entry_store")
    w.step(("do", 0))
    w.step(("go", 0))
    assert w.actors[0].over


def test_a_look_is_no_queue() -> None:
    """Who only gathers callers for a look is woken at once, and looks for itself."""
    w = World(Scenario(((reader(), reader()),)))
    until(w, 0, Script, "entry_store")
    until(w, 1, Wait)
    w.step(("do", 0))
    w.step(("go", 0))
    assert w.actors[0].over
    assert isinstance(wake(w, 1), Command)


def gathering() -> tuple[World, Any, Any]:
    """As ``queued``, with a third who gathers callers for a look, and a fourth who joined it."""
    w = queued(reader(), reader())
    leader = w.add(w.processes[0], reader()(w, w.processes[0].job))
    until(w, leader.number, Wait)
    joined = w.add(w.processes[0], reader()(w, w.processes[0].job))
    until(w, joined.number, Wait)
    return w, leader, joined


def test_the_owner_reads_for_those_who_gather_too() -> None:
    """They began before that read was sent: nobody of them reads for himself, and only the leader wakes twice."""
    w, leader, joined = gathering()
    until(w, 0, Command, "MGET")
    w.step(("do", 0))
    w.step(("go", 0))
    assert wake(w, joined.number) is None
    assert isinstance(wake(w, leader.number), Wait)
    assert wake(w, leader.number) is None
    assert wake(w, 1) is None


def test_who_joins_when_the_owner_has_sent_its_read_reads_later() -> None:
    """Also where it finds a round that gathered: that one is sent."""
    w, leader, joined = gathering()
    until(w, 0, Command, "MGET")
    late = w.add(w.processes[0], reader()(w, w.processes[0].job))
    until(w, late.number, Wait)
    w.step(("time out", leader.number))
    assert isinstance(leader.effect, Wait), "its read is sent already, by the owner"
    w.step(("do", 0))
    w.step(("go", 0))
    assert wake(w, joined.number) is None
    assert wake(w, leader.number) is None
    assert wake(w, late.number) == READ


@pytest.mark.parametrize("gone", ["owner", "leader"])
def test_one_of_those_who_read_for_others_is_cancelled(gone: str) -> None:
    """The owner: the round gathers anew. The leader of the round: the owner reads for it."""
    w, leader, joined = gathering()
    until(w, 0, Command, "MGET")
    if gone == "leader":
        w.resume(leader, None, Cancelled())
        w.step(("do", 0))
        w.step(("go", 0))
        assert wake(w, joined.number) is None
        return
    w.resume(w.actors[0], None, Cancelled())
    until(w, joined.number, Command, "MGET")
    assert isinstance(wake(w, leader.number), Wait)


def test_who_missed_before_the_owner_stored_needs_no_lease() -> None:
    """It has read too early and hears of it too late: the read of the owner, sent after it began, answers it."""
    w = queued(reader(), reader())
    slow = w.add(w.processes[0], reader()(w, w.processes[0].job))
    until(w, slow.number, Command, "MGET")
    w.step(("do", slow.number))  # a miss; it is not told yet
    until(w, 0, Command, "MGET")
    w.step(("go", slow.number))
    assert isinstance(slow.effect, Wait)
    w.step(("do", 0))
    w.step(("go", 0))
    assert wake(w, slow.number) is None


def test_who_comes_after_the_read_was_sent_has_no_part_in_it() -> None:
    """It began later than that read: the next one is for it."""
    w = queued(reader(), reader(), reader())
    w.actors[2].over = True  # as if it did not call
    until(w, 0, Command, "MGET")
    late = w.add(w.processes[0], reader()(w, w.processes[0].job))
    until(w, late.number, Command, "MGET")
    w.step(("do", 0))
    w.step(("go", 0))
    assert wake(w, 1) is None
    assert isinstance(late.effect, Command)


def test_the_server_fails_when_the_owner_reads() -> None:
    """The owner has its value all the same; the queue is told, and computes without the server."""
    w = queued(reader(), reader())
    until(w, 0, Command, "MGET")
    w.answer(w.actors[0], None, CacheConnectionError("no answer"))
    w.step(("go", 0))
    assert w.actors[0].over
    w.actors[1].failed = True  # it may compute without a lease
    assert type(wake(w, 1)).__name__ == "Call"


def test_a_store_without_answer_is_not_read() -> None:
    """The owner does not wait for a silent server twice: those in the queue read for themselves."""
    w = queued(reader(), reader())
    w.actors[0].failed = True
    w.answer(w.actors[0], None, CacheConnectionError("no answer"))
    w.step(("go", 0))
    assert w.actors[0].over
    assert wake(w, 1) == READ


def test_the_owner_is_cancelled_when_it_reads() -> None:
    """The others go on without it, by a read of their own."""
    w = queued(reader(), reader(), reader())
    until(w, 0, Command, "MGET")
    w.resume(w.actors[0], None, Cancelled())
    assert w.actors[0].over
    assert wake(w, 1) == READ
    assert isinstance(wake(w, 2), Wait)  # for the next round: this one is sent
    w.step(("do", 1))
    w.step(("go", 1))
    until(w, 2, Command, "MGET")


def test_an_error_goes_to_the_queue() -> None:
    """Those that waited for it get it, without asking the server again."""
    w = World(Scenario(((failing(), failing()),)))
    until(w, 0, Script, "entry_fetch")
    w.step(("do", 0))
    until(w, 1, Command, "MGET")
    until(w, 1, Wait)
    w.step(("go", 0))
    until(w, 0, Script, "lease_free")
    w.step(("do", 0))
    w.step(("go", 0))
    assert w.actors[0].over
    assert wake(w, 1) is None


@pytest.mark.parametrize("lives", [2, 5])
def test_one_read_for_all(lives: int) -> None:
    """However many queue, the server is asked once."""
    w = queued(*(reader() for _ in range(lives)))
    asked: list[Any] = []
    run = w.model.run
    w.model.run = lambda step: (asked.append(step), run(step))[1]  # type: ignore[func-returns-value, method-assign]
    until(w, 0, Command, "MGET")
    w.step(("do", 0))
    w.step(("go", 0))
    for number in range(1, lives):
        assert wake(w, number) is None
    assert [step for step in asked if isinstance(step, Command)] == [READ]


# -- what is stored answers the queue --------------------------------------------------------------


def storing(lives: int) -> World:
    """All but the first one queue behind it, and then it sends what it has computed."""
    w = World(Scenario((tuple(reader() for _ in range(lives)),)))
    about_to_compute(w)
    for number in range(1, lives):
        until(w, number, Command, "MGET")
        until(w, number, Wait)
    until(w, 0, Script, "entry_store")
    return w


@pytest.mark.parametrize("lives", [2, 5])
def test_what_the_server_has_taken_needs_no_read(lives: int) -> None:
    """Without tags the value counts as it was stored: those that came before that get it, and nobody reads."""
    w = storing(lives)
    asked: list[Any] = []
    run = w.model.run
    w.model.run = lambda step: (asked.append(step), run(step))[1]  # type: ignore[func-returns-value, method-assign]
    w.step(("do", 0))
    assert not w.actors[1].effect.signal.is_set()
    w.step(("go", 0))
    assert w.actors[0].over
    for number in range(1, lives):
        assert wake(w, number) is None
    assert [step.name for step in asked] == ["entry_store"]


def test_who_waits_to_look_gets_what_is_stored() -> None:
    """Who has not queued yet, and who has only missed, began before that, too."""
    w = World(Scenario(((reader(), reader(), reader()),)))
    until(w, 0, Script, "entry_fetch")
    until(w, 2, Command, "MGET")
    w.step(("do", 2))  # a miss; it is not told yet
    until(w, 0, Script, "entry_store")
    until(w, 1, Wait)
    w.step(("do", 0))
    w.step(("go", 0))
    w.step(("go", 2))
    assert isinstance(w.actors[2].effect, Wait)
    assert wake(w, 2) is None
    until(w, 1, Command, "MGET")


def test_who_comes_while_it_is_stored_reads() -> None:
    """It may have begun after a change that came behind the STORE."""
    w = storing(2)
    late = w.add(w.processes[0], reader()(w, w.processes[0].job))
    until(w, late.number, Wait)
    w.step(("do", 0))
    w.step(("go", 0))
    assert w.actors[0].over
    assert wake(w, 1) is None
    until(w, late.number, Command, "MGET")


@pytest.mark.parametrize("how", ["refused", "without answer", "cancelled"])
def test_what_was_not_stored_answers_nobody(how: str) -> None:
    """They look for themselves: one read for all of them."""
    w = storing(3)
    if how == "refused":
        w.model.unlink(LEASE.encode())
        w.step(("do", 0))
        w.step(("go", 0))
    elif how == "cancelled":
        w.resume(w.actors[0], None, Cancelled())
    else:
        w.actors[0].failed = True
        w.answer(w.actors[0], None, CacheConnectionError("no answer"))
        w.step(("go", 0))
    assert w.actors[0].over
    assert wake(w, 1) == Command(("MGET", KEY))
    assert isinstance(wake(w, 2), Wait)
