"""Any sequence of operations: both stores do the same, and what a simple model allows."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from tests.contract.stores import Clock, store_class

KEYS = st.one_of(
    st.integers(0, 25), st.sampled_from([f"key {n}" for n in range(10)]), st.tuples(st.integers(0, 2), st.just("x"))
)
TTLS = st.sampled_from([None, 0, 0.25, 1, 5, 600, 5000])
GONE = object()


class Stores(RuleBasedStateMachine):
    """Each operation on every store there is; the model is a dict of what may be found."""

    keys: Bundle[Any] = Bundle("keys")

    @initialize(
        capacity=st.sampled_from([1, 2, 5, 12, 30]),
        limit=st.sampled_from([None, 50, 300]),
        ttl=st.sampled_from([0, 2]),
        touch=st.booleans(),
    )
    def begin(self, capacity: int, limit: int | None, ttl: float, touch: bool) -> None:
        self.clock = Clock()
        self.left: list[list[Any]] = []
        self.stores: list[Any] = []
        for kind in ("pure", "compiled"):
            try:
                make = store_class(kind)
            except pytest.skip.Exception:
                continue
            self.left.append([])
            self.stores.append(
                make(
                    capacity,
                    bytes=limit,
                    ttl=ttl,
                    touch_on_read=touch,
                    eviction_callback=partial(self.told, self.left[-1]),
                    clock=self.clock,
                )
            )
        self.capacity, self.limit, self.ttl = capacity, limit, ttl
        self.model: dict[Any, tuple[Any, float]] = {}

    @staticmethod
    def told(left: list[Any], *what: Any) -> None:
        left.append(what)

    def all(self, call: Any) -> Any:
        """The answer, which must be the same from each."""
        answers = [call(store) for store in self.stores]
        assert all(answer == answers[0] for answer in answers)
        return answers[0]

    def may_be(self, key: Any) -> Any:
        value, end = self.model.get(key, (GONE, 0.0))
        return value if end > self.clock.seconds else GONE

    @rule(target=keys, key=KEYS)
    def name(self, key: Any) -> Any:
        return key

    @rule(key=keys, value=st.integers(), ttl=TTLS, size=st.sampled_from([0, 1, 10, 40, 60, 400]))
    def put(self, key: Any, value: int, ttl: float | None, size: int) -> None:
        self.all(lambda store: store.put(key, value, ttl, size))
        lasts = self.ttl if ttl is None else ttl
        self.model[key] = (value, self.clock.seconds + lasts if lasts else float("inf"))
        if not self.limit or size <= self.limit:
            assert self.all(lambda store: store.contains(key))

    @rule(key=keys, count=st.integers(1, 40))
    def put_many(self, key: Any, count: int) -> None:
        for n in range(count):
            self.all(lambda store, n=n: store.put((key, n), n, size=3))  # type: ignore[misc]
            self.model[(key, n)] = (n, self.clock.seconds + self.ttl if self.ttl else float("inf"))

    @rule(key=keys, times=st.integers(1, 4))
    def get(self, key: Any, times: int) -> None:
        for _ in range(times):
            found = self.all(lambda store: store.get(key, GONE))
            assert found is GONE or found == self.may_be(key)

    @rule(key=keys)
    def get_ttl(self, key: Any) -> None:
        found, left = self.all(lambda store: store.get_ttl(key, GONE))
        if found is GONE:
            assert left == -1.0
        else:
            assert found == self.may_be(key)
            assert left == pytest.approx(self.model[key][1] - self.clock.seconds, abs=1e-6)

    @rule(key=keys)
    def delete(self, key: Any) -> None:
        self.all(lambda store: store.delete(key))
        assert not self.all(lambda store: store.contains(key))

    @rule(key=keys)
    def expire(self, key: Any) -> None:
        self.all(lambda store: store.expire(key))
        assert not self.all(lambda store: store.contains(key))

    @rule(seconds=st.sampled_from([0.1, 0.25, 1, 4, 61, 1000, 100_000]))
    def go(self, seconds: float) -> None:
        self.clock.go(seconds)

    @rule()
    def purge(self) -> None:
        self.all(lambda store: store.purge())
        assert self.all(lambda store: len(store) == len(store.keys()))

    @rule()
    def clear(self) -> None:
        self.all(lambda store: store.clear())
        assert self.all(len) == 0

    @invariant()
    def they_agree(self) -> None:
        """Same entries in the same queues in the same order, same shares, same counts, same farewells."""
        if not hasattr(self, "stores"):
            return
        small, main, *_ = self.all(lambda store: store._check())
        self.all(lambda store: store.stats)
        assert all(left == self.left[0] for left in self.left)
        assert len(small) + len(main) <= self.capacity
        found = self.all(lambda store: sorted(store.keys(), key=repr))
        assert all(self.may_be(key) is not GONE for key in found)


TestStores = Stores.TestCase
TestStores.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limit", [None, 4000])
def test_they_evict_the_same(seed: int, limit: int | None) -> None:
    """A long run of skewed lookups with scans: the same hits and the same order at the end."""
    import random

    ends = []
    for kind in ("pure", "compiled"):
        rnd, clock = random.Random(seed), Clock()
        store = store_class(kind)(300, bytes=limit, clock=clock)
        hits = 0
        for n in range(20_000):
            key = f"scan {n}" if n % 1000 > 800 else f"key {int(rnd.paretovariate(0.6)) % 3000}"
            size = rnd.randrange(40)
            lasts = rnd.choice([0, 0, 3])
            if store.get(key, None) is None:
                store.put(key, n, ttl=lasts, size=size)
            else:
                hits += 1
            clock.go(0.001)
        ends.append((hits, store.stats, store._check()))
    assert ends[0] == ends[1]
    assert ends[0][0] > 3000
