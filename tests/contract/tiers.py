"""Both tiers and both quick calls: compiled, and in Python. Every promise is tested on both."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from tests.contract.stores import KINDS, Clock

__all__ = ["KINDS", "Clock", "hit_module", "live_tier", "tier_class"]


def module(kind: str, name: str) -> Any:
    """``tier`` or ``hit`` of that kind; skips the test if it was not built."""
    if kind == "pure":
        return importlib.import_module(f"rcollections.l1.{name}")
    try:
        return importlib.import_module(f"rcollections.l1._{name}")
    except ImportError:
        pytest.skip("the compiled tier was not built: no compiler, no Cython, or a bare checkout")


def tier_class(kind: str) -> Any:
    """The tier of that kind."""
    return module(kind, "tier").Tier


def hit_module(kind: str) -> Any:
    """The quick calls of that kind."""
    return module(kind, "hit")


def live_tier(kind: str, capacity: int = 100, **options: Any) -> tuple[Any, Clock, Clock]:
    """A tier that hears and has its first proof, its clock and its wall clock."""
    clock, wall = Clock(), Clock()
    wall.seconds = 5000.0
    tier = tier_class(kind)(capacity, clock=clock, wall=wall, **options)
    tier.begin()
    tier.prove(tier.instant())
    return tier, clock, wall
