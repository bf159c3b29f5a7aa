"""Every guard of the in-process tier is needed: without it the explorer finds an order that breaks a promise."""

from __future__ import annotations

import pytest

from tests.interleavings.explorer import explore
from tests.interleavings.near_guards import GUARDS, SCENARIOS
from tests.interleavings.promises import Broken

LONG = {"token-only-live", "not live after a loss"}  # it takes many orders to find what they keep out
assert GUARDS.keys() > LONG


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in GUARDS])
def test_the_guard_is_needed(name: str) -> None:
    """The scenario, which holds with all guards (``test_near.py``), breaks without this one."""
    without, scenario = GUARDS[name]
    with pytest.raises(Broken) as broken:
        explore(SCENARIOS[scenario].but(parts=without()))
    print(broken.value)
