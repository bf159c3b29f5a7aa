"""``unsafe_clear`` removes by pattern, inside the namespace only."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections import KeyCache, configure, connection, unsafe_clear


def test_it_removes_what_matches(store: Any) -> None:
    """Many keys, in batches; the others stay."""
    KeyCache.set_many({f"old.{n}": n for n in range(2500)})
    KeyCache("new").set(1)
    assert unsafe_clear("old.*") == 2500
    assert unsafe_clear("old.*") == 0
    assert KeyCache("new").get() == 1


def test_it_stays_inside_the_namespace() -> None:
    """Wildcards in the namespace itself mean themselves."""
    configure({"default": "memory://shared?namespace=a*", "other": "memory://shared?namespace=ab"})
    KeyCache("k").set(1)
    KeyCache("k", connection_name="other").set(2)
    assert unsafe_clear("*") == 1
    assert KeyCache("k", connection_name="other").get() == 2
    assert unsafe_clear("*", connection_name="other") == 1


@pytest.mark.parametrize("wrong", ["", None, 5])
def test_it_wants_a_pattern(fresh: Any, wrong: Any) -> None:
    """Nothing is not everything."""
    with pytest.raises(ValueError, match="takes a pattern"):
        unsafe_clear(wrong)
    assert connection() is fresh
