"""Every guard of the in-process tier is needed: without it the explorer finds an order that breaks a promise."""

from __future__ import annotations

import pytest

from tests.interleavings.explorer import explore
from tests.interleavings.near_guards import GUARDS, SCENARIOS
from tests.interleavings.promises import Broken


@pytest.mark.parametrize("name", GUARDS)
def test_the_guard_is_needed(name: str) -> None:
    """The scenario, which holds with all guards (``test_near.py``), breaks without this one."""
    without, scenario = GUARDS[name]
    with pytest.raises(Broken) as broken:
        explore(SCENARIOS[scenario].but(parts=without()))
    print(broken.value)
