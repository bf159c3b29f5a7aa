"""How many orders were explored is said at the end of the test run (see ``tests/conftest.py``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rcollections.plans import draws, flight
from rcollections.plans.functions import driving
from tests.interleavings.explorer import Explored, explore_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.interleavings.scenario import Scenario


@pytest.fixture(autouse=True)
def _draws() -> Iterator[None]:
    """A world that is stepped by hand numbers all draws: not those of the tests after it."""
    before = draws.source[0]
    yield
    draws.source[0] = before


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a driving caller may look at any moment, and two are a crowd, so that all this is explored."""
    monkeypatch.setattr(flight, "NET", flight.FIRST_GATHER)
    monkeypatch.setattr(driving, "CROWD", 2)


@pytest.fixture
def holds(record_property: Callable[[str, Any], None]) -> Callable[[Iterable[Scenario]], Explored]:
    """Explores scenarios, all of which must keep every promise."""

    def explored(scenarios: Iterable[Scenario]) -> Explored:
        found = explore_all(scenarios)
        assert found.states, "nothing was explored"
        record_property("explored", tuple(found))
        print(found)
        return found

    return explored
