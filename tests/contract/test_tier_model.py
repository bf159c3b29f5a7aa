"""Any sequence of operations: both tiers make the same decisions, and serve nothing that a simple model forbids."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from rcollections.l1 import ABSENT
from tests.contract.tiers import KINDS, Clock, tier_class

KEYS = st.sampled_from([f"k{n}" for n in range(6)])
TAGS = st.lists(st.sampled_from(["rc:t:a", "rc:t:b", "ns.rc:g:{d}"]), max_size=2, unique=True)
EXACT = st.one_of(
    st.sampled_from([0, 1, True, False, 0.0, -0.0, 1.0, "1", "", b"", b"1", None, float("nan")]), st.integers(0, 5)
)
ARGS = st.lists(EXACT, max_size=3).map(tuple)
OWNERS = st.sampled_from([2, 3, 4])
NODE = st.sampled_from([0, 0, 1, 63])
NODES = st.sampled_from([1, 1, 1, 2, 3, 1 << 63, 1 << 63 | 1])
SLOTS = st.integers(0, 3)


def exact(owner: int, args: tuple[Any, ...]) -> Any:
    return owner, tuple((type(each), repr(each)) for each in args)


class Tiers(RuleBasedStateMachine):
    """Each operation on both; the model knows what may be served at most."""

    tokens: Bundle[Any] = Bundle("tokens")

    @initialize(
        capacity=st.sampled_from([1, 3, 10, 100]),
        limit=st.sampled_from([None, 60]),
        staleness=st.sampled_from([1.0, 5.0]),
        local=st.booleans(),
    )
    def begin_all(self, capacity: int, limit: int | None, staleness: float, local: bool) -> None:
        self.clock, self.wall = Clock(), Clock()
        self.tiers = []
        for kind in KINDS:
            try:
                make = tier_class(kind)
            except pytest.skip.Exception:
                continue
            self.tiers.append(make(capacity, bytes=limit, staleness=staleness, clock=self.clock, wall=self.wall))
        self.local, self.staleness = local, staleness
        self.model: dict[Any, tuple[Any, str, list[str], float, int, list[int]]] = {}
        self.made = 0
        self.hears = 0

    def all(self, call: Any) -> Any:
        """The answer, which must be the same from each."""
        answers = [call(n, tier) for n, tier in enumerate(self.tiers)]
        assert all(answer == answers[0] for answer in answers), answers
        return answers[0]

    @rule(target=tokens, key=KEYS, watched=TAGS, nodes=NODES, data=st.lists(SLOTS, min_size=3, max_size=3))
    def token(self, key: str, watched: list[str], nodes: int, data: list[int]) -> Any:
        nodes = 1 if self.local else nodes
        slots = tuple(data[: 1 + len(watched)])
        made = [tier.token(key, watched, nodes, slots) for tier in self.tiers]
        assert all((each is None) is bool(nodes & ~self.hears) for each in made)
        return made, key, watched, nodes, slots

    @rule(token=tokens, owner=OWNERS, args=ARGS, lasts=st.sampled_from([None, -1, 0.5, 3, 1e14]),
          size=st.sampled_from([0, 20, 70]))  # fmt: skip
    def keep(self, token: Any, owner: int, args: Any, lasts: float | None, size: int) -> None:
        made, key, watched, nodes, slots = token
        if made[0] is None:
            return
        self.made += 1
        end = 0 if lasts is None else round((self.clock.seconds + lasts) * 1e9)
        value = self.made
        kept = self.all(lambda n, tier: tier.keep(made[n], owner, args, value, end, size))
        assert not kept or not nodes & ~self.hears
        if kept:
            ends = float("inf") if lasts is None else self.clock.seconds + lasts
            self.model[exact(owner, args)] = (value, key, watched, ends, nodes, slots)

    @rule(owner=OWNERS, args=ARGS)
    def look(self, owner: int, args: Any) -> None:
        found = self.all(lambda _, tier: tier.held(owner, args, ABSENT))
        if found is not ABSENT:
            value, _, _, ends, nodes, _ = self.model[exact(owner, args)]
            assert found == value
            assert ends > self.clock.seconds
            assert not nodes & ~self.hears

    @rule(names=st.lists(st.one_of(KEYS, TAGS.map(lambda tags: tags[0] if tags else "other")), max_size=3),
          own=st.booleans())  # fmt: skip
    def change(self, names: list[str], own: bool) -> None:
        self.all(lambda _, tier: tier.wrote(names) if own else tier.changed([name.encode() for name in names]))
        self.forget(lambda entry: entry[1] in names or any(name in entry[2] for name in names))

    def forget(self, is_void: Any) -> None:
        self.model = {args: entry for args, entry in self.model.items() if not is_void(entry)}

    @rule()
    def void(self) -> None:
        self.all(lambda _, tier: tier.void())
        self.model = {}

    @rule(node=NODE)
    def void_one(self, node: int) -> None:
        self.all(lambda _, tier: tier.void(node))
        self.forget(lambda entry: entry[4] >> node & 1)

    @rule()
    def lose(self) -> None:
        self.all(lambda _, tier: tier.lost())
        self.model, self.hears = {}, 0

    @rule(node=NODE)
    def lose_one(self, node: int) -> None:
        self.all(lambda _, tier: tier.lost(node))
        self.hears &= ~(1 << node)
        self.forget(lambda entry: entry[4] >> node & 1)

    @rule(node=NODE)
    def begin(self, node: int) -> None:
        node = 0 if self.local else node
        self.all(lambda _, tier: tier.begin(local=self.local, node=node))
        self.hears |= 1 << node

    @rule(slots=st.sets(SLOTS, max_size=2))
    def move(self, slots: set[int]) -> None:
        self.all(lambda _, tier: tier.moved(slots))
        self.forget(lambda entry: slots & set(entry[5]))

    @rule(ago=st.sampled_from([0, 0, 0.5, 2]), node=NODE)
    def prove(self, ago: float, node: int) -> None:
        now, wall = (round((clock.seconds - ago) * 1e9) for clock in (self.clock, self.wall))
        self.all(lambda _, tier: tier.prove((now, wall), node))

    @rule(seconds=st.sampled_from([0.25, 1, 4]), slept=st.sampled_from([0, 0, 0, 0.5, 60, -60]))
    def go(self, seconds: float, slept: float) -> None:
        self.clock.go(seconds)
        self.wall.go(seconds + slept)

    @invariant()
    def they_agree(self) -> None:
        """The same counts, the same proof; everything fits together."""
        if hasattr(self, "tiers"):
            self.all(lambda _, tier: (tier.counts, tier.live, tier.serving(), tier.serves, tier.age))
            for tier in self.tiers:
                tier._check()


TestTiers = Tiers.TestCase
TestTiers.settings = settings(
    max_examples=80, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
