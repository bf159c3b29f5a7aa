"""``SortedSetCache`` beside a dict that is sorted when it is asked: the same calls give the same answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from rcollections import SortedSetCache
from rcollections.values import encode_field

ELEMS = st.sampled_from([0, 1, 1.0, "1", "a", "ab", "Z", "é", "", None, (1, "a"), frozenset({1}), b"a", -2.5])
SCORES = st.sampled_from([0.0, 1.0, 2.5, -1.0, 0.1, 1e300, 2.0**53]) | st.integers(-3, 3).map(float)
CONTENTS = st.dictionaries(ELEMS, SCORES, max_size=5)
NAMES = st.sampled_from(["a", "b"])
RANKS = st.none() | st.integers(-8, 8)
AGGREGATES = st.sampled_from(["sum", "min", "max"])
JOIN = {"sum": lambda a, b: a + b, "min": min, "max": max}


def in_order(content: dict[Any, float]) -> list[tuple[Any, float]]:
    return sorted(content.items(), key=lambda item: (item[1], encode_field(item[0])))


class SortedSets(RuleBasedStateMachine):
    """Two sorted sets of the server, and two dicts that are told the same."""

    connection: Any

    @initialize()
    def begin(self) -> None:
        self.connection.raw("FLUSHALL")
        self.ours = {name: SortedSetCache(name) for name in "ab"}
        self.plain: dict[str, dict[Any, float]] = {"a": {}, "b": {}}

    @rule(name=NAMES, elem=ELEMS, score=SCORES, flags=st.sets(st.sampled_from(["nx", "xx", "gt", "lt"]), max_size=2))
    def add(self, name: str, elem: Any, score: float, flags: set[str]) -> None:
        ours, plain = self.ours[name], self.plain[name]
        chosen = dict.fromkeys(flags, True)
        if flags in ({"nx", "xx"}, {"nx", "gt"}, {"nx", "lt"}, {"gt", "lt"}):
            try:
                ours.add(elem, score, **chosen)
            except ValueError:
                return
            raise AssertionError(flags)
        new = elem not in plain
        assert ours.add(elem, score, **chosen) is (new and "xx" not in flags)
        if new:
            stores = "xx" not in flags
        else:
            now = plain[elem]
            stores = "nx" not in flags and ("gt" not in flags or score > now) and ("lt" not in flags or score < now)
        if stores:
            plain[elem] = score

    @rule(name=NAMES, elem=ELEMS, by=SCORES)
    def incr(self, name: str, elem: Any, by: float) -> None:
        plain = self.plain[name]
        plain[elem] = plain.get(elem, 0.0) + by
        assert self.ours[name].incr(elem, by) == plain[elem]

    @rule(name=NAMES, elem=ELEMS)
    def remove(self, name: str, elem: Any) -> None:
        if self.plain[name].pop(elem, None) is not None:
            self.ours[name].remove(elem)
        else:
            with pytest.raises(KeyError) as caught:
                self.ours[name].remove(elem)
            assert caught.value.args == (elem,)

    @rule(name=NAMES, elem=ELEMS)
    def look(self, name: str, elem: Any) -> None:
        ours, plain = self.ours[name], self.plain[name]
        assert (elem in ours) is (elem in plain)
        assert ours.get(elem, "no") == plain.get(elem, "no")
        if elem in plain:
            ranked = [each for each, _ in in_order(plain)]
            assert ours.rank(elem) == ranked.index(elem)
            assert ours.rank(elem, reverse=True) == ranked[::-1].index(elem)

    @rule(name=NAMES, last=st.booleans())
    def pop(self, name: str, last: bool) -> None:
        plain = self.plain[name]
        if plain:
            pair = in_order(plain)[-1 if last else 0]
            assert (self.ours[name].rpop() if last else self.ours[name].pop()) == pair
            del plain[pair[0]]

    @rule(name=NAMES, start=RANKS, stop=RANKS, step=st.sampled_from([None, 1, 2, 3, -1, -2]))
    def slices(self, name: str, start: Any, stop: Any, step: Any) -> None:
        assert self.ours[name][start:stop:step] == in_order(self.plain[name])[start:stop:step]

    @rule(name=NAMES, rank=st.integers(-8, 8))
    def at(self, name: str, rank: int) -> None:
        pairs = in_order(self.plain[name])
        try:
            found = self.ours[name][rank]
        except IndexError:
            assert not -len(pairs) <= rank < len(pairs)
        else:
            assert found == pairs[rank]

    @rule(name=NAMES, low=SCORES, high=SCORES, reverse=st.booleans(), offset=st.integers(0, 3), limit=RANKS)
    def between(self, name: str, low: float, high: float, reverse: bool, offset: int, limit: int | None) -> None:
        ours = self.ours[name]
        want = [pair for pair in in_order(self.plain[name]) if low <= pair[1] <= high]
        assert ours.count(low, high) == len(want)
        limit = None if limit is None else abs(limit)
        found = ours.range(low, high, reverse=reverse, offset=offset, limit=limit)
        assert found == (want[::-1] if reverse else want)[offset:][:limit]

    @rule(name=NAMES, low=SCORES, high=SCORES)
    def remove_scores(self, name: str, low: float, high: float) -> None:
        gone = [elem for elem, score in self.plain[name].items() if low <= score <= high]
        assert self.ours[name].remove_range_by_score(low, high) == len(gone)
        for elem in gone:
            del self.plain[name][elem]

    @rule(name=NAMES, start=st.integers(-8, 8), stop=st.integers(-8, 8))
    def remove_ranks(self, name: str, start: int, stop: int) -> None:
        gone = in_order(self.plain[name])[start:stop]
        assert self.ours[name].remove_range_by_rank(start, stop) == len(gone)
        for elem, _ in gone:
            del self.plain[name][elem]

    @rule(name=NAMES, data=CONTENTS, how=st.sampled_from(["replace", "update"]))
    def many(self, name: str, data: dict[Any, float], how: str) -> None:
        if how == "replace":
            self.plain[name] = dict(data)
            SortedSetCache(name, data=data)
        else:
            new = len(set(data) - set(self.plain[name]))
            self.plain[name].update(data)
            assert self.ours[name].add_many(data.items()) == new

    @rule(name=NAMES, other=NAMES | CONTENTS, aggregate=AGGREGATES, change=st.booleans(), op=st.sampled_from("&|-"))
    def algebra(self, name: str, other: Any, aggregate: str, change: bool, op: str) -> None:
        mine, ours = self.plain[name], self.ours[name]
        theirs, operand = (self.plain[other], self.ours[other]) if isinstance(other, str) else (other, other)
        join = JOIN[aggregate]
        if op == "|":
            want = {**theirs, **{e: join(s, theirs[e]) if e in theirs else s for e, s in mine.items()}}
        elif op == "&":
            want = {e: join(s, theirs[e]) for e, s in mine.items() if e in theirs}
        else:
            want = {e: s for e, s in mine.items() if e not in theirs}
        method = {"|": "union", "&": "intersection", "-": "difference"}[op]
        how = {} if op == "-" else {"aggregate": aggregate}
        found = getattr(ours, method)(operand, **how)
        assert list(found.items()) == in_order(want)
        if change:
            assert getattr(ours, f"{method}_update")(operand, **how) is None
            self.plain[name] = want

    @invariant()
    def same(self) -> None:
        for name, plain in getattr(self, "plain", {}).items():
            ours, pairs = self.ours[name], in_order(plain)
            assert list(ours) == pairs
            assert list(reversed(ours)) == pairs[::-1]
            assert ours == plain
            assert all(type(score) is float for _, score in ours)
            assert len(ours) == len(plain)
        assert not hasattr(self, "plain") or not self.connection.raw("KEYS", "rc:s:*")


def test_any_calls_in_any_order(store: Any) -> None:
    """Answers and contents are those of a sorted list, and no staging key stays."""

    class Here(SortedSets):
        connection = store

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
