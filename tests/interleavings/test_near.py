"""A process that holds values, stepped in every order: what it serves counted not long ago, and own writes are read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.tiers import tier_class
from tests.interleavings.nearby import nearby
from tests.interleavings.scenario import Parts
from tests.interleavings.twins import twins

LONG = pytest.mark.long


@pytest.mark.parametrize(
    "part", [pytest.param(0, marks=LONG), 1, pytest.param(2, marks=LONG), pytest.param(3, marks=LONG)]
)
def test_held_values(holds: Any, part: int) -> None:
    """Fills against writes, messages in any order, PINGs, lost connections, busy scripts, forks, time."""
    holds(list(nearby())[part::4])


@LONG
def test_the_compiled_tier_does_the_same(holds: Any) -> None:
    """Stepped beside its twin in Python, in the smaller scenarios: equal answers, equal counts."""
    parts = Parts(tier=twins(tier_class("compiled")))
    small = (each for each in nearby() if not each.ticks and not each.opens)
    holds(scenario.but(parts=parts) for scenario in small)
