"""``copy_to`` makes a second content, on every type and every kind of server."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections import CounterCache, DictCache, KeyCache, SetCache, SortedSetCache

CASES: dict[str, tuple[Any, Any, Any]] = {
    "key": (KeyCache, 5, lambda c: c.increment()),
    "dict": (DictCache, {"a": 1}, lambda c: c.update(b=2)),
    "set": (SetCache, {"a"}, lambda c: c.add("b")),
    "sortedset": (SortedSetCache, {"a": 1.0}, lambda c: c.add("b")),
    "counter": (CounterCache, {"a": 1}, lambda c: c.update("b")),
}


@pytest.mark.parametrize("case", CASES)
def test_a_copy_shares_nothing(store: Any, case: str) -> None:
    """What is changed in one afterwards is not changed in the other; the ttl of the copy begins anew."""
    cls, data, change = CASES[case]
    source = cls("source", data=data)
    source.expire(10)
    copy = source.copy_to("copy")
    assert copy == data
    assert store.raw("PTTL", "copy") > 7_000_000
    change(source)
    assert copy == data
    assert source != data
    change(copy)
    change(copy)
    assert cls("missing").copy_to("copy").exists() is False
