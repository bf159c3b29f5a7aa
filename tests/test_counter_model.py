"""A ``CounterCache`` and a ``Counter`` that get the same calls answer the same, whatever they are."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rcollections import CounterCache
from rcollections.testing import isolated

FIELDS = st.sampled_from(["a", "b", "", "7", 7, 7.5, None, ("t", 1), b"raw", "é"])
SMALL = st.integers(-5, 5)
COUNTS = SMALL | st.integers(-(2**61), 2**61)
CONTENT = st.dictionaries(FIELDS, COUNTS, max_size=6)
LIMIT = 2**62  # sums stay inside of 64 bits


class Model(RuleBasedStateMachine):
    """``real`` lives on a server, ``plain`` is the model, ``other`` a second one that is read."""

    def __init__(self) -> None:
        super().__init__()
        self.server = isolated()
        self.server.__enter__()
        self.plain: Counter[Any] = Counter()
        self.real: CounterCache[Any] = CounterCache("real")
        self.other: CounterCache[Any] = CounterCache("other")

    def teardown(self) -> None:
        self.server.__exit__(None, None, None)

    def small(self) -> bool:
        return all(abs(count) < LIMIT // 4 for count in self.plain.values())

    @initialize(content=CONTENT)
    def begin(self, content: dict[Any, int]) -> None:
        self.plain = Counter(content)
        self.real = CounterCache("real", data=content)

    @rule(field=FIELDS, count=COUNTS)
    def assign(self, field: Any, count: int) -> None:
        self.plain[field] = count
        self.real[field] = count

    @precondition(small)
    @rule(field=FIELDS, first=SMALL, second=COUNTS, between=SMALL)
    def add(self, field: Any, first: int, second: int, between: int) -> None:
        """Somebody else counts in between: only ours is kept by Counter, both by the server."""
        x = self.real[field]
        self.real.increment(field, between) if between else None
        x += first
        x -= second
        self.real[field] = x
        self.plain[field] += between + first - second

    @rule(source=FIELDS, field=FIELDS, by=SMALL)
    def move(self, source: Any, field: Any, by: int) -> None:
        x = self.real[source]
        x += by
        if source != field:
            self.real[field] = x
            self.plain[field] = self.plain[source] + by

    @precondition(small)
    @rule(field=FIELDS, by=COUNTS)
    def increment(self, field: Any, by: int) -> None:
        if by:
            self.plain[field] += by
        assert self.real.increment(field, by) == self.plain[field]

    @rule(field=FIELDS)
    def remove(self, field: Any) -> None:
        del self.plain[field]
        del self.real[field]

    @rule(field=FIELDS, default=st.none() | SMALL)
    def pop(self, field: Any, default: Any) -> None:
        assert self.real.pop(field, default) == self.plain.pop(field, default)

    @rule(field=FIELDS, default=SMALL)
    def setdefault(self, field: Any, default: int) -> None:
        assert self.real.setdefault(field, default) == self.plain.setdefault(field, default)

    @precondition(lambda self: self.plain)
    @rule()
    def popitem(self) -> None:
        field, count = self.real.popitem()
        assert self.plain.pop(field) == count

    @rule(elements=st.lists(FIELDS, max_size=8), sign=st.booleans())
    def count(self, elements: list[Any], sign: bool) -> None:
        for counter in (self.real, self.plain):
            counter.update(elements) if sign else counter.subtract(elements)

    @precondition(small)
    @rule(content=CONTENT, sign=st.booleans(), server=st.booleans())
    def update(self, content: dict[Any, int], sign: bool, server: bool) -> None:
        other = CounterCache("other", data=content) if server else content
        (self.real.update if sign else self.real.subtract)(other)
        (self.plain.update if sign else self.plain.subtract)(content)

    @precondition(small)
    @rule(content=CONTENT, sign=st.sampled_from("+-|&"), server=st.booleans())
    def in_place(self, content: dict[Any, int], sign: str, server: bool) -> None:
        other: Any = CounterCache("other", data=content) if server else Counter(content)
        if sign == "+":
            self.real += other
            self.plain += Counter(content)
        elif sign == "-":
            self.real -= other
            self.plain -= Counter(content)
        elif sign == "|":
            self.real |= other
            self.plain |= Counter(content)
        else:
            self.real &= other
            self.plain &= Counter(content)

    @rule(content=CONTENT)
    def compare(self, content: dict[Any, int]) -> None:
        other = Counter(content)
        for name in ("__eq__", "__le__", "__lt__", "__ge__", "__gt__", "__add__", "__sub__", "__or__", "__and__"):
            assert getattr(self.real, name)(other) == getattr(self.plain, name)(other)

    @rule(fields=st.lists(FIELDS, max_size=4))
    def ask(self, fields: list[Any]) -> None:
        assert self.real.getmany(*fields) == [self.plain[field] for field in fields]
        assert sorted(self.real.most_common(), key=repr) == sorted(self.plain.most_common(), key=repr)
        assert [count for _, count in self.real.most_common(2)] == [count for _, count in self.plain.most_common(2)]

    @invariant()
    def same(self) -> None:
        assert self.real.to_dict() == dict(self.plain)


Model.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestModel = Model.TestCase
