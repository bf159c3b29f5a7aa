"""A ``DictCache`` and a ``dict`` that get the same calls answer the same, whatever they are."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rcollections import DictCache
from rcollections.testing import isolated

FIELDS = st.sampled_from(["a", "b", "", "7", 7, 7.5, None, ("t", 1), b"raw", "é"]) | st.text(max_size=2)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.binary(max_size=5)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(FIELDS, inner, max_size=3)
)
CONTENT = st.dictionaries(FIELDS, VALUES, max_size=5)
NOTHING = object()


def outcome(call: Any) -> Any:
    """What a call gives, or what it raises: type and arguments."""
    try:
        return call()
    except Exception as error:
        return type(error), error.args


class Model(RuleBasedStateMachine):
    """``real`` lives on a server, ``plain`` is the model."""

    def __init__(self) -> None:
        super().__init__()
        self.server = isolated()
        self.server.__enter__()
        self.plain: dict[Any, Any] = {}
        self.real: DictCache[Any, Any] = DictCache("real")

    def teardown(self) -> None:
        self.server.__exit__(None, None, None)

    def both(self, call: Any) -> None:
        assert outcome(lambda: call(self.real)) == outcome(lambda: call(self.plain))

    @rule(field=FIELDS, value=VALUES)
    def assign(self, field: Any, value: Any) -> None:
        self.both(lambda d: d.__setitem__(field, value))

    @rule(field=FIELDS)
    def read(self, field: Any) -> None:
        self.both(lambda d: d[field])
        self.both(lambda d: d.get(field))
        self.both(lambda d: field in d)
        self.both(lambda d: (field, d.get(field)) in d.items())

    @rule(field=FIELDS)
    def remove(self, field: Any) -> None:
        self.both(lambda d: d.__delitem__(field))

    @rule(field=FIELDS, default=st.none() | st.just("default"), given=st.booleans())
    def pop(self, field: Any, default: Any, given: bool) -> None:
        self.both(lambda d: d.pop(field, default) if given else d.pop(field))

    @rule(field=FIELDS, value=VALUES)
    def setdefault(self, field: Any, value: Any) -> None:
        self.both(lambda d: d.setdefault(field, value))

    @precondition(lambda self: self.plain)
    @rule()
    def popitem(self) -> None:
        field, value = self.real.popitem()
        assert self.plain.pop(field, NOTHING) == value

    @rule(content=CONTENT, how=st.sampled_from(["mapping", "pairs", "server", "|="]))
    def update(self, content: dict[Any, Any], how: str) -> None:
        other: Any = DictCache("other", data=content) if how == "server" else content
        if how == "|=":
            self.real |= other
        else:
            self.real.update(list(content.items()) if how == "pairs" else other)
        self.plain.update(content)

    @rule(content=CONTENT)
    def replace(self, content: dict[Any, Any]) -> None:
        self.plain = dict(content)
        self.real = DictCache("real", data=content)

    @rule(content=CONTENT)
    def combine(self, content: dict[Any, Any]) -> None:
        self.both(lambda d: d | content)
        self.both(lambda d: content | d)
        self.both(lambda d: d == content)
        self.both(lambda d: d.keys() & content.keys())

    @rule(fields=st.lists(FIELDS, max_size=4))
    def ask(self, fields: list[Any]) -> None:
        assert self.real.getmany(*fields) == [self.plain.get(field) for field in fields]
        assert self.real.get_many(fields) == {field: self.plain[field] for field in fields if field in self.plain}

    @rule()
    def clear(self) -> None:
        assert self.real.clear() is bool(self.plain)  # it tells, other than dict
        self.plain.clear()

    @invariant()
    def same(self) -> None:
        assert self.real.to_dict() == self.plain
        assert len(self.real) == len(self.plain)
        assert bool(self.real) == bool(self.plain)
        found = self.real.to_dict()
        assert {repr(value) for value in found.values()} == {repr(value) for value in self.plain.values()}


Model.TestCase.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestModel = Model.TestCase
