"""The history checker of ``make torture`` finds what it is there for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.torture.check import SECOND, check, check_counts, check_end
from tests.torture.computations import check_computations

TOLD = [["change", 9 * SECOND, 1, 5], ["told", 10 * SECOND, 1, 5, "tag"]]


def read(seconds: float, version: int, name: str = "price", down: bool = False) -> list[Any]:
    return ["read", round(seconds * SECOND), 1000, name, 1, version, down, None]


@pytest.mark.parametrize(
    ("event", "told", "right"),
    [
        (read(10.3, 4), "tag", True),  # another process, within ``staleness``
        (read(10.6, 4), "tag", False),
        (read(10.6, 5), "tag", True),
        (read(10.1, 4), "settled", False),
        (read(10.1, 4, "fresh"), "tag", False),  # never held
        (read(10.1, 4, "fresh", down=True), "tag", True),  # shares a computation while the server is away
        (read(11.0, 4, "fresh", down=True), "tag", False),
        (read(20.0, 4), "CacheTimeout", True),  # nothing was promised
        (read(20.0, 6), "tag", False),  # never was
    ],
)
def test_answers_that_are_too_old(event: list[Any], told: str, right: bool) -> None:
    teller = [TOLD[0], [*TOLD[1][:4], told]]
    report = check({"w0": teller, "w1": [event]}, staleness=0.5, timeout=0.5, stopped={})
    assert (not report.broken) is right, report.broken


def test_its_own_change_counts_at_once() -> None:
    assert check({"w0": [*TOLD, read(10.01, 4)]}, 0.5, 0.5, {}).broken


def test_calls_that_end_late() -> None:
    late = ["failed", 0, 2 * SECOND, "count increment", "CacheTimeout", None]
    assert check({"w0": [late]}, 0.5, 0.5, {}).broken
    assert not check({"w0": [late, ["stall", 0, 2 * SECOND]]}, 0.5, 0.5, {}).broken


def test_locks_with_two_holders() -> None:
    first, second = ["lock", 0, 10, 1, False], ["lock", 5, 12, 2, False]
    assert check({"w0": [first], "w1": [second]}, 0.5, 0.5, {}).broken
    assert check({"w0": [first], "w1": [["lock", 20, 30, 1, False]]}, 0.5, 0.5, {}).broken
    assert not check({"w0": [["lock", 0, 10, 1, True]], "w1": [second]}, 0.5, 0.5, {}).broken


@pytest.mark.parametrize(("value", "right"), [(0, False), (1, True), (2, True), (3, False)])
def test_counts(value: int, right: bool) -> None:
    history = [["count", 1, "w0.increment", 1], ["counted", 2, "w0.increment", 1], ["count", 3, "w0.increment", 2]]
    report = check({"w0": []}, 0.5, 0.5, {})
    check_counts(report, {"w0": history}, {"w0.increment": value}, {}, ())
    assert (not report.broken) is right


def test_two_computations_at_a_time() -> None:
    history = {"w0": [["compute", 0, 10, "price", 1]], "w1": [["compute", 5, 12, "price", 1]]}
    report = check({}, 0.5, 0.5, {})
    check_computations(report, history, faults=[(0, 3)])
    assert not report.broken
    check_computations(report, history, faults=[])
    assert report.broken


def test_the_end() -> None:
    report = check({}, 0.5, 0.5, {})
    check_end(report, {1: 5}, {1}, {("price", 1): 4})
    assert not report.broken
    check_end(report, {1: 5}, set(), {("price", 1): 4})
    assert report.broken
