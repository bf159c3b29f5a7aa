"""Rule W7 in every order: one computation for threads and tasks, nobody waits for ever; and each guard is needed."""

from __future__ import annotations

import pytest

from tests.interleavings.unserved_guards import STORIES, UNSERVED_GUARDS
from tests.interleavings.unserved_world import Harm, explore


@pytest.mark.parametrize("name", STORIES)
def test_one_computes_and_all_have_it(name: str) -> None:
    assert explore(STORIES[name]) > 10


@pytest.mark.parametrize("name", UNSERVED_GUARDS)
def test_each_guard_is_needed(name: str) -> None:
    with pytest.raises(Harm):
        explore(UNSERVED_GUARDS[name])
