"""How long a tier serves: as long as it is proven that changes are heard, on two clocks."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.coherence.proof import CHANNEL, Proof
from rcollections.l1 import ABSENT
from tests.contract.tiers import KINDS, Clock, live_tier, tier_class

F = 2


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def fill(tier: Any, *args: Any, **more: Any) -> None:
    assert tier.keep(tier.token("k"), F, args, "value", **more)


def test_it_serves_until_the_proof_is_too_old(kind: str) -> None:
    """Q5: strictly less than ``staleness`` after the proven instant; a lookup in vain counts as a miss."""
    tier, clock, wall = live_tier(kind, staleness=1.0)
    fill(tier, 1)
    for each in (clock, wall):
        each.go(0.75)
    assert tier.age == 0.75
    assert tier.serves
    assert tier.held(F, (1,)) == "value"
    for each in (clock, wall):
        each.go(0.25)
    assert not tier.serves
    assert tier.held(F, (1,), ABSENT) is ABSENT
    assert tier.counts[:2] == (1, 1)
    tier.prove((round(100.5 * 1e9), round(5000.5 * 1e9)))
    assert tier.age == 0.5
    assert tier.held(F, (1,)) == "value"


def test_a_beginning_is_no_proof(kind: str) -> None:
    """Live is whether values may come in; served they are after the first proof."""
    tier = tier_class(kind)(10)
    assert tier.age is None
    tier.prove(tier.instant())  # nobody hears: of no use
    assert not tier.serves
    tier.begin()
    assert not tier.serves
    fill(tier, 1)
    assert tier.held(F, (1,), ABSENT) is ABSENT
    tier.prove(tier.instant())
    assert tier.held(F, (1,)) == "value"
    tier.lost()
    assert (tier.live, tier.serves, tier.age) == (False, False, None)
    tier.begin()
    assert not tier.serves


def test_local_tiers_need_no_proof(kind: str) -> None:
    """Where all that write are in this process."""
    clock = Clock()
    tier = tier_class(kind)(10, clock=clock, wall=clock)
    tier.begin(local=True)
    fill(tier, 1)
    clock.go(1000)
    assert tier.held(F, (1,)) == "value"
    assert tier.age is None
    tier.lost()
    assert not tier.serves
    assert tier.held(F, (1,), ABSENT) is ABSENT


def test_a_machine_that_slept_serves_nothing_before_the_next_proof(kind: str) -> None:
    """The clock that only goes forward stood still: the wall clock shows it; then nothing of before counts."""
    tier, clock, wall = live_tier(kind)
    fill(tier, 1, deadline=round(clock.seconds * 1e9) + 10**9)
    token = tier.token("k")
    wall.go(3600)
    assert not tier.serves
    assert tier.held(F, (1,), ABSENT) is ABSENT
    tier.prove((round(clock.seconds * 1e9), round(5000 * 1e9)))  # of a PING that was sent before it slept
    assert not tier.serves
    tier.prove(tier.instant())
    assert tier.serves
    assert tier.held(F, (1,), ABSENT) is ABSENT
    assert tier.keep(token, F, (2,), "old") is False
    fill(tier, 1)
    assert tier.held(F, (1,)) == "value"


def test_a_wall_clock_that_is_set_back_does_no_harm(kind: str) -> None:
    """The other clock ends it in time; small steps are nothing."""
    tier, clock, wall = live_tier(kind)
    fill(tier, 1)
    wall.go(-3600)
    assert tier.held(F, (1,)) == "value"
    clock.go(1.0)
    wall.go(1.0)
    assert not tier.serves
    tier.prove(tier.instant())
    assert tier.held(F, (1,)) == "value"
    wall.go(0.05)
    tier.prove(tier.instant())
    assert tier.held(F, (1,)) == "value"
    wall.go(0.2)
    tier.prove(tier.instant())
    assert tier.held(F, (1,), ABSENT) is ABSENT


def test_the_real_clocks(kind: str) -> None:
    tier = tier_class(kind)(10, staleness=30.0)
    tier.begin()
    tier.prove(tier.instant())
    fill(tier, 1, deadline=tier.instant()[0] + 10**10)
    assert tier.held(F, (1,)) == "value"
    assert 0 <= tier.age < 10
    tier.prove((tier.instant()[0] - 29 * 10**9, tier.instant()[1] - 29 * 10**9))
    assert tier.serves
    tier.prove((tier.instant()[0] - 31 * 10**9, tier.instant()[1] - 31 * 10**9))
    assert not tier.serves


# -- the rule of PINGs


def pong(number: bytes) -> list[bytes]:
    return [b"pong", number]


def test_the_second_pong_proves_the_first_ping() -> None:
    """Q3, and who hears is confirmed with the first proof (F5)."""
    proof = Proof()
    assert not proof.waiting
    first = proof.ask((1, 1))
    assert proof.waiting
    assert proof.read(pong(first)) == ()
    assert proof.applied() == []
    assert not proof.waiting
    assert proof.applied() == []
    proof.read(pong(proof.ask((2, 2))))
    assert proof.applied() == [("confirmed",), ("proved", (1, 1))]
    proof.read(pong(proof.ask((3, 3))))
    assert proof.applied() == [("proved", (2, 2))]


def test_messages_are_told_as_they_come() -> None:
    proof = Proof()
    assert proof.read([b"message", CHANNEL, [b"a", b"b"]]) == ("changed", [b"a", b"b"])
    assert proof.read([b"message", CHANNEL, None]) == ("flushed",)
    assert proof.read([b"message", b"other", b"x"]) == ("published", [b"message", b"other", b"x"])
    assert proof.read([b"subscribe", b"other", 2]) == ("published", [b"subscribe", b"other", 2])
    assert proof.applied() == []


def test_any_other_reply_ends_the_proof() -> None:
    """Q4: two PONGs anew; one that belongs to a PING of before counts for nothing."""
    proof = Proof()
    for number in range(2):
        proof.read(pong(proof.ask((number, number))))
        proof.applied()
    late = proof.ask((2, 2))
    assert proof.read(Exception("BUSY")) == ("unsure",)
    assert not proof.waiting
    assert proof.read(pong(late)) == ()
    assert proof.applied() == []
    first = proof.ask((3, 3))
    proof.read(pong(late))
    assert proof.applied() == []
    assert proof.waiting
    proof.read(pong(first))
    assert proof.applied() == []
    proof.read(pong(proof.ask((4, 4))))
    assert proof.applied() == [("confirmed",), ("proved", (3, 3))]
    proof.read(pong(proof.ask((5, 5))))
    proof.read(b"OK")  # behind it in one reading
    assert proof.applied() == []
