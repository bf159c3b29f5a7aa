"""Several servers behind one tier: a value is served as long as each server that answered for it is proven."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.l1 import ABSENT
from tests.contract.tiers import KINDS, Clock, tier_class

F = 2
BOTH = 0b11


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class World:
    """A tier of two nodes, both heard and proven, and its clocks."""

    def __init__(self, kind: str, nodes: tuple[int, ...] = (0, 1)) -> None:
        self.clock, self.wall = Clock(), Clock()
        self.wall.seconds = 5000.0
        self.tier = tier_class(kind)(100, clock=self.clock, wall=self.wall)
        for node in nodes:
            self.tier.begin(node=node)
            self.prove(node)

    def prove(self, node: int) -> None:
        self.tier.prove(self.tier.instant(), node)

    def go(self, seconds: float) -> None:
        self.clock.go(seconds)
        self.wall.go(seconds)

    def fill(self, name: str, nodes: int, watched: tuple[str, ...] = (), slots: tuple[int, ...] = ()) -> None:
        token = self.tier.token(name, watched, nodes, slots)
        assert token.nodes == nodes
        assert self.tier.keep(token, F, (name,), name)

    def held(self, *names: str) -> list[str]:
        return [name for name in names if self.tier.held(F, (name,), ABSENT) is not ABSENT]


@pytest.fixture
def world(kind: str) -> World:
    made = World(kind)
    made.fill("on a", 1)
    made.fill("on b", 2)
    made.fill("on a, tag on b", BOTH, ("rc:t:x",))
    return made


NAMES = ("on a", "on b", "on a, tag on b")


def test_the_proof_of_one_node_runs_out(world: World) -> None:
    """Q5: what other nodes answered is served on, and the rest again with the next proof."""
    assert world.held(*NAMES) == list(NAMES)
    assert world.tier.serving() == [True, True]
    world.go(0.9)
    world.prove(1)
    world.go(0.2)
    assert world.tier.serving() == [False, True]
    assert world.tier.serves
    assert world.held(*NAMES) == ["on b"]
    world.prove(0)
    assert world.held(*NAMES) == list(NAMES)


def test_a_node_is_lost(world: World) -> None:
    """F4 of one node: what depends on it goes, also by a tag alone, and nothing of it comes in before it is back."""
    tokens = [world.tier.token("k", (), nodes) for nodes in (1, 2, BOTH)]
    world.tier.lost(1)
    assert world.tier.live
    assert world.held(*NAMES) == ["on a"]
    assert world.tier.counts.entries == 1
    assert world.tier.token("k", (), 2) is None
    assert world.tier.token("k", (), BOTH) is None
    assert world.tier.token("k", (), 1) is not None
    world.tier.begin(node=1)
    assert not any(world.tier.keep(token, F, (n,), n) for n, token in enumerate(tokens[1:]))
    world.fill("on b", 2)
    assert world.held("on b") == [], "a beginning is no proof"
    world.prove(1)
    assert world.held("on a", "on b") == ["on a", "on b"]


def test_a_node_is_flushed(world: World) -> None:
    """Its values go, and what is on its way from it; of other nodes nothing."""
    tokens = [world.tier.token("k", (), nodes) for nodes in (1, 2, BOTH)]
    world.tier.void(0)
    assert world.held(*NAMES) == ["on b"]
    assert world.tier.counts.entries == 1
    assert [world.tier.keep(token, F, (n,), n) for n, token in enumerate(tokens)] == [False, True, False]


def test_all_is_void(world: World) -> None:
    tokens = [world.tier.token("k", (), nodes) for nodes in (1, 2, BOTH)]
    world.tier.void()
    assert world.held(*NAMES) == []
    assert not any(world.tier.keep(token, F, (n,), n) for n, token in enumerate(tokens))


def test_a_change_is_heard_from_any_node(world: World) -> None:
    """Keys have one name, whoever owns them: after a move the old owner may be the one that tells."""
    world.tier.changed([b"on a"])
    world.tier.changed([b"rc:t:x"])
    assert world.held(*NAMES) == ["on b"]


def test_slots_that_moved(kind: str) -> None:
    """What was read in them goes, by the key or by a tag; the rest stays; what is on its way is refused."""
    world = World(kind)
    world.fill("one", 1, (), (5,))
    world.fill("two", 2, (), (16383,))
    world.fill("three", BOTH, ("rc:t:x",), (7, 16383))
    world.fill("four", BOTH, ("rc:t:y",), (7, 8))
    on_its_way = world.tier.token("five", (), 1, (5,))
    world.tier.moved([16383, 9])
    assert world.held("one", "two", "three", "four") == ["one", "four"]
    assert not world.tier.keep(on_its_way, F, ("five",), 5)
    world.fill("two", 2, (), (16383,))
    world.tier.moved(range(5, 6))
    assert world.held("one", "two", "three", "four") == ["two", "four"]
    world.tier._check()


def test_many_values_of_many_nodes(kind: str) -> None:
    """More than one step takes out, and the highest number of a node."""
    world = World(kind, (0, 3, 63))
    names = [f"{node} {n}" for node in (0, 3, 63) for n in range(30)]
    for name in names:
        world.fill(name, 1 << int(name.split()[0]))
    world.tier.lost(63)
    assert world.held(*names) == names[:60]
    world.tier.void(3)
    assert world.held(*names) == names[:30]
    world.tier._check()
    world.tier.lost(0)
    world.tier.lost(3)
    assert not world.tier.live
    assert world.tier.counts.entries == 0


def test_a_number_is_given_again(kind: str) -> None:
    """A node left and another came in its place: of the first one nothing counts, not even what is on its way."""
    world = World(kind)
    world.fill("of the first", 2)
    token = world.tier.token("k", (), 2)
    world.tier.lost(1)
    world.tier.begin(node=1)
    world.prove(1)
    assert world.held("of the first") == []
    assert not world.tier.keep(token, F, (1,), 1)


def test_the_age_is_that_of_the_oldest_proof(kind: str) -> None:
    world = World(kind)
    world.go(0.25)
    world.prove(1)
    assert world.tier.age == 0.25
    world.tier.lost(0)
    assert world.tier.age == 0


def test_a_sleep_is_noticed_by_any_node(kind: str) -> None:
    """Who should have told us may have slept too, so all goes."""
    world = World(kind)
    world.fill("on a", 1)
    world.wall.go(3600)
    assert world.held("on a") == []
    world.prove(1)
    world.prove(0)
    assert world.held("on a") == []


def test_the_real_clocks(kind: str) -> None:
    tier: Any = tier_class(kind)(10, staleness=30.0)
    for node in (0, 1):
        tier.begin(node=node)
        tier.prove(tier.instant(), node)
    assert tier.keep(tier.token("k", (), BOTH), F, (1,), "value")
    assert tier.held(F, (1,)) == "value"
    late = tuple(each - 31 * 10**9 for each in tier.instant())
    tier.prove(late, 1)
    if kind == "pure":  # a proof may be set back by hand
        assert tier.held(F, (1,), ABSENT) is ABSENT
