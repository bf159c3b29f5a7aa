"""``SetCache`` beside a ``set``: the same calls, in any order, give the same answers."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from rcollections import SetCache

ELEMS = st.sampled_from([0, 1, 2, 1.0, True, "1", "a", "", None, (1, "a"), frozenset({1}), b"a", -2.5])
SETS = st.sets(ELEMS, max_size=6)
NAMES = st.sampled_from(["a", "b", "c"])
READS = st.sampled_from(
    ["union", "intersection", "difference", "symmetric_difference", "issubset", "issuperset", "isdisjoint"]
)
CHANGES = st.sampled_from(["update", "intersection_update", "difference_update", "symmetric_difference_update"])
OPERATORS = st.sampled_from(
    ["__or__", "__and__", "__sub__", "__xor__", "__lt__", "__le__", "__gt__", "__ge__", "__eq__"]
)
IN_PLACE = st.sampled_from(["__ior__", "__iand__", "__isub__", "__ixor__"])


class Sets(RuleBasedStateMachine):
    """Three sets of the server, and three plain ones that are told the same."""

    connection: Any

    @initialize()
    def begin(self) -> None:
        self.connection.raw("FLUSHALL")
        self.ours = {name: SetCache(name) for name in "abc"}
        self.plain: dict[str, set[Any]] = {name: set() for name in "abc"}

    def both(self, name: str, call: Any) -> Any:
        answers = []
        for sets in (self.ours, self.plain):
            try:
                answers.append(call(sets[name], sets))
            except (KeyError, TypeError) as error:
                answers.append((type(error), error.args if isinstance(error, KeyError) else ()))
        assert answers[0] == answers[1]
        return answers[0]

    @rule(name=NAMES, elem=ELEMS)
    def add(self, name: str, elem: Any) -> None:
        new = elem not in self.plain[name]
        self.plain[name].add(elem)
        assert self.ours[name].add(elem) is new

    @rule(name=NAMES, elem=ELEMS)
    def remove(self, name: str, elem: Any) -> None:
        self.both(name, lambda s, _: s.remove(elem))

    @rule(name=NAMES, elem=ELEMS)
    def discard(self, name: str, elem: Any) -> None:
        self.both(name, lambda s, _: (s.discard(elem), None)[1])

    @rule(name=NAMES, elem=ELEMS)
    def contains(self, name: str, elem: Any) -> None:
        self.both(name, lambda s, _: elem in s)

    @rule(name=NAMES)
    def pop(self, name: str) -> None:
        if self.plain[name]:
            self.plain[name].remove(self.ours[name].pop())
        else:
            self.both(name, lambda s, _: s.pop())

    @rule(name=NAMES)
    def clear(self, name: str) -> None:
        assert self.ours[name].clear() is bool(self.plain[name])  # it tells, other than set
        self.plain[name].clear()

    @rule(name=NAMES, data=SETS)
    def replace(self, name: str, data: set[Any]) -> None:
        self.plain[name] = set(data)
        SetCache(name, data=data)

    @rule(name=NAMES, other=NAMES)
    def copy(self, name: str, other: str) -> None:
        self.plain[other] = set(self.plain[name])
        assert self.ours[name].copy_to(other).copy() == self.plain[other]

    @rule(name=NAMES, method=READS | CHANGES, data=SETS)
    def with_plain(self, name: str, method: str, data: set[Any]) -> None:
        self.both(name, lambda s, _: getattr(s, method)(list(data)))

    @rule(name=NAMES, method=READS | CHANGES, other=NAMES)
    def with_ours(self, name: str, method: str, other: str) -> None:
        self.both(name, lambda s, sets: getattr(s, method)(sets[other]))

    @rule(
        name=NAMES,
        method=st.sampled_from(["union", "intersection", "difference"]),
        others=st.lists(NAMES | SETS, max_size=3),
    )
    def with_several(self, name: str, method: str, others: list[Any]) -> None:
        for full in (method, "update" if method == "union" else f"{method}_update"):
            self.both(
                name,
                lambda s, sets, full=full: getattr(s, full)(*(sets[o] if isinstance(o, str) else o for o in others)),
            )

    @rule(name=NAMES, method=OPERATORS | IN_PLACE, other=NAMES | SETS)
    def operators(self, name: str, method: str, other: Any) -> None:
        def call(s: Any, sets: Any) -> Any:
            found = getattr(s, method)(sets[other] if isinstance(other, str) else other)
            return "itself" if found is s else found

        self.both(name, call)
        if method in ("__or__", "__and__", "__sub__", "__xor__") and not isinstance(other, str):
            self.both(name, lambda s, _: getattr(s, method.replace("__", "__r", 1))(other))

    @invariant()
    def same(self) -> None:
        for name, plain in getattr(self, "plain", {}).items():
            ours = self.ours[name]
            assert ours.to_set() == plain
            assert len(ours) == len(plain)
            assert bool(ours) is bool(plain)
        assert not hasattr(self, "plain") or not self.connection.raw("KEYS", "rc:s:*")


def test_any_calls_in_any_order(store: Any) -> None:
    """Answers, exceptions and contents are those of ``set``, and no staging key stays."""

    class Here(Sets):
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
