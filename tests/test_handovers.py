"""Whose acknowledged invalidations are sent again, and when: the journal of each shard, without servers (M7, K13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rcollections.plans.purpose import Due, Whole
from rcollections.plans.slots import slot_of
from rcollections.servers import recent as recents
from rcollections.servers.journal import Journal
from rcollections.wire.heirs import Handover, handed_over, taken_over
from rcollections.wire.slotmap import SlotMap, changed, read_slots

if TYPE_CHECKING:
    from collections.abc import Sequence

A, B, C, RA, RB, NEW = (("h", n) for n in range(1, 7))
HALF = 8192


def cluster(*shards: tuple[int, int, Sequence[tuple[str, int]]]) -> SlotMap:
    """A map: from which slot to which slot, and the owner before its replicas."""
    return read_slots([[first, last, *[[host.encode(), port] for host, port in who]] for first, last, who in shards], A)


BEFORE = cluster((0, HALF - 1, [A, RA]), (HALF, 16383, [B, RB]))


def between(new: SlotMap) -> Handover | None:
    return handed_over(BEFORE, new, changed(BEFORE, new))


def test_a_replica_that_took_over() -> None:
    """Whether the old primary is its replica, or gone, or still said to own something else."""
    for new in (
        cluster((0, HALF - 1, [RA, A]), (HALF, 16383, [B, RB])),
        cluster((0, HALF - 1, [RA]), (HALF, 16383, [B, RB])),
    ):
        found = between(new)
        assert found == Handover(frozenset(range(HALF)), {A: RA})
    some = between(cluster((0, 99, [RA]), (100, HALF - 1, [A]), (HALF, 16383, [B, RB])))
    assert some == Handover(frozenset(range(100)), {A: RA})


def test_a_node_that_nobody_knew_took_over() -> None:
    """It may have become a replica after the last map was learned."""
    found = between(cluster((0, HALF - 1, [NEW]), (HALF, 16383, [B, RB])))
    assert found == Handover(frozenset(range(HALF)), {A: NEW})


def test_slots_that_move() -> None:
    """To another primary, or to a node that came for them: they take along what was acknowledged."""
    assert between(cluster((0, 99, [B]), (100, HALF - 1, [A, RA]), (HALF, 16383, [B, RB]))) is None
    assert between(cluster((0, 99, [NEW]), (100, HALF - 1, [A, RA]), (HALF, 16383, [B, RB]))) is None


def test_a_map_that_is_the_same() -> None:
    """And one that is the first."""
    assert between(BEFORE) is None
    assert handed_over(SlotMap.empty(), BEFORE, changed(SlotMap.empty(), BEFORE)) is None


def test_what_a_refusal_tells() -> None:
    """MOVED to a replica, or to a node that nobody knows, may be a handover of that slot; to a primary it is none."""
    assert taken_over(BEFORE, 5, RA) == Handover(frozenset((5,)), {A: RA})
    assert taken_over(BEFORE, 5, NEW) == Handover(frozenset((5,)), {A: NEW})
    assert taken_over(BEFORE, 5, B) is None
    assert taken_over(BEFORE, 5, RB) is None


# -- the journal -------------------------------------------------------------------------------------


def kept(journal: Journal) -> set[str]:
    return set(journal._names)


def part(parity: int, number: int = 0) -> Due:
    """A name in an even slot, which is A's here, or in an odd one, B's."""
    return Due([f"k{n}" for n in range(200) if slot_of(f"k{n}") % 2 == parity][number])


EVEN, ODD = range(0, 16384, 2), range(1, 16384, 2)


@pytest.fixture
def journal() -> Journal:
    """One that remembers what two primaries have acknowledged."""
    made = Journal("redis+cluster://a")
    made.remembers = True
    for parity, place in ((0, A), (1, B)):
        due = part(parity)
        made.done([due], None, 0, True, {place: [due]})
    return made


def test_only_the_shard_that_was_handed_over(journal: Journal) -> None:
    """What the others have acknowledged is not sent again."""
    assert not journal.holds
    journal.again(1.0, EVEN, {A: RA})
    assert kept(journal) == {part(0).key}
    assert journal.holds


def test_the_heir_may_die_as_well(journal: Journal) -> None:
    """What was sent again is remembered, and so is what was not sent yet."""
    journal.again(1.0, EVEN, {A: RA})
    journal.again(1.0, EVEN, {RA: RA}, begins=False)
    taken = journal.take(frozenset())
    assert taken is not None
    journal.delivered(taken)
    assert not journal.holds
    journal.again(1.0, EVEN, {RA: NEW})
    assert kept(journal) == {part(0).key}


def test_names_of_slots_that_moved_before_a_handover(journal: Journal) -> None:
    """They were acknowledged by another primary than the one that is lost."""
    journal.again(1.0, [slot_of(part(0).key)], {B: RB})
    assert kept(journal) == {part(0).key}


def test_each_shard_forgets_by_its_own_time(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is away for minutes loses nothing because others go on; one that is well forgets."""
    now = [recents.time.monotonic()]
    monkeypatch.setattr(recents.time, "monotonic", lambda: now[0])
    now[0] += 300
    other = part(1, 1)
    journal.done([other], None, 0, True, {B: [other]})
    journal.again(1.0, EVEN, {})
    assert kept(journal) == {part(0).key}
    journal.again(1.0, ODD, {})
    assert kept(journal) == {part(0).key, other.key}, "B was well 300 s behind the first one"
    fresh = Journal("x")
    fresh.done([part(0)], None, 0, True, {A: [part(0)]})
    now[0] += 13
    fresh.well(A)
    fresh.again(1.0, EVEN, {})
    assert not kept(fresh), "2 x (1 + 5) s before it was well last"


def test_too_many_names_become_coarse_in_their_shard() -> None:
    """All tags, where no more than 10,000 are remembered; the other shards go on by name."""
    journal = Journal("x")
    whole = Whole("rc:t:")
    for number in range(recents.MOST + 5):
        due = Due(f"rc:t:{number}", whole=whole)
        journal.done([due], None, 0, True, {A: [due]})
    journal.done([part(1)], None, 0, True, {B: [part(1)]})
    journal.again(1.0, ODD, {B: RB})
    assert journal.wholes() == []
    assert len(kept(journal)) < recents.MOST
    journal.again(1.0, EVEN, {A: RA})
    assert [each for each, _ in journal.wholes()] == [whole]


def test_a_clear_counts_for_every_shard() -> None:
    journal = Journal("x")
    whole = Whole("f:")
    journal.done([], whole, 0, True, {A: [], B: []})
    journal.again(1.0, ODD, {B: RB})
    assert [each for each, _ in journal.wholes()] == [whole]


def test_a_handover_while_it_was_under_way(journal: Journal) -> None:
    """Nobody knows whether the old primary has acknowledged it: it is sent again in any case."""
    before = journal.handovers
    journal.again(1.0, ODD, {B: RB})
    late = part(0, 1)
    journal.done([late], None, before, True, {A: [late]})
    assert late.key in kept(journal)


def test_what_was_carried_to_the_old_primary_meanwhile(journal: Journal) -> None:
    """A handover is told twice: a name that a trip took between stays, and so does one on its way."""
    journal.again(1.0, EVEN, {A: RA})
    for _ in range(2):
        taken = journal.take(frozenset())
        assert taken is not None
        journal.delivered(taken)
        assert kept(journal) == {part(0).key}, "it may have gone to either"
    on_its_way = journal.take(frozenset())
    assert on_its_way is not None
    journal.again(1.0, EVEN, {RA: RA}, begins=False)
    journal.delivered(on_its_way)
    assert kept(journal) == {part(0).key}
    taken = journal.take(frozenset())
    assert taken is not None
    journal.delivered(taken)
    assert not journal.holds


def test_those_of_a_dead_node_let_others_pass() -> None:
    """What was not taken goes to the end, so that the thread gets at the others."""
    journal = Journal("x")
    journal.keep([Due(f"a{n}") for n in range(700)])
    first = journal.take(frozenset())
    assert first is not None
    journal.put_back(first)
    second = journal.take(frozenset())
    assert second is not None
    assert {due.key for due, _ in second.dues} >= {f"a{n}" for n in range(500, 700)}
    journal.put_back(second)
    assert journal.age >= 0.0
    near = journal.take(frozenset(("a3",)), lambda key: key == "a5")
    assert near is not None
    assert {due.key for due, _ in near.dues} <= {"a3", "a5"}
    assert "a3" in {due.key for due, _ in near.dues}
