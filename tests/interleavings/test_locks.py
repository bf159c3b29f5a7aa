"""Locks in every order of their callers, and what goes wrong around them; each guard is taken out once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interleavings.explorer import explore
from tests.interleavings.locking import LOCK_GUARDS, locks
from tests.interleavings.promises import Broken


def test_locks(holds: Any) -> None:
    """One owner at a time, numbers that grow, in order in a process, and whoever lost it is told."""
    holds(locks())


@pytest.mark.parametrize("name", LOCK_GUARDS)
def test_the_guard_is_needed(name: str) -> None:
    """The same scenario holds with the guard and breaks without it."""
    guard = LOCK_GUARDS[name]
    explore(guard.scenario.but(name=name))
    with pytest.raises(Broken) as broken:
        explore(guard.scenario.but(name=name, parts=guard.without()))
    print(broken.value)
