"""The history checker of ``make torture`` finds what it is there for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.torture.check import SECOND, check, check_counts, check_end
from tests.torture.computations import check_computations
from tests.torture.errors import check_errors
from tests.torture.faults import Fault
from tests.torture.functions import names_of
from tests.torture.grounds import count_key
from tests.torture.losses import AGAIN, Loss, Losses, slot_of

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
    check_computations(report, history, faults=[Fault(0, 3)])
    assert not report.broken
    check_computations(report, history, faults=[])
    assert report.broken


def test_the_end() -> None:
    report = check({}, 0.5, 0.5, {})
    check_end(report, {1: 5}, {("price", 1)}, {("price", 1): 4})
    assert not report.broken
    check_end(report, {1: 5}, set(), {("price", 1): 4})
    assert report.broken


# -- what a failover may lose ----------------------------------------------------------------------

NAMES = names_of("fresh", 1)
SLOTS = frozenset(map(slot_of, NAMES))
ELSEWHERE = frozenset({max(SLOTS) - 1, max(SLOTS) + 1} - SLOTS)
LIVES = [["end", 99 * SECOND, 0]]


def loss(began: float, ended: float, slots: frozenset[int] | None = SLOTS, **more: Any) -> Loss:
    return Loss(round(began * SECOND), round(ended * SECOND), slots, **more)


@pytest.mark.parametrize(
    ("lost", "again", "end", "at", "right"),
    [
        (loss(9.5, 10.5), False, LIVES, 30, True),  # may be lost for good
        (loss(9.5, 10.5), True, LIVES, 10.4, True),
        (loss(9.5, 10.5), True, LIVES, 10.6 + AGAIN / SECOND, False),  # sent again by then
        (loss(9.5, 10.5), True, [], 30, True),  # by nobody: its process was killed
        (loss(9.5, 10.5, ELSEWHERE), False, LIVES, 30, False),  # of a primary that survived
        (loss(9.5, 10.5, workers=frozenset({"w7"})), False, LIVES, 30, False),  # of other callers
        (loss(11, 12, two=False), False, LIVES, 11.5, False),  # acknowledged before
        (loss(11, 12), False, LIVES, 11.5, False),  # the old primary had it
        (loss(9.9, 12), False, LIVES, 11.5, True),
    ],
)
def test_invalidations_that_a_failover_may_lose(
    lost: Loss, again: bool, end: list[list[Any]], at: float, right: bool
) -> None:
    losses = Losses([lost], round(0.5 * SECOND), again=again)
    report = check({"w0": [*TOLD, *end], "w1": [read(at, 4, "fresh")]}, 0.5, 0.5, {}, losses)
    assert (not report.broken) is right, report.broken


def test_reads_of_an_old_primary_that_lives() -> None:
    """They are judged by what was told before it was replaced; what is held of it lasts for ``staleness``."""
    losses = Losses([loss(9.5, 12)], round(0.5 * SECOND), again=True)
    for name, until in ("fresh", 12.0), ("price", 12.5):
        assert (
            losses.looked_back("w1", round((until - 0.1) * SECOND), 13 * SECOND, names_of(name, 1), name == "price")
            == 9.5 * SECOND
        )
        late = round((until + 0.1) * SECOND)
        assert losses.looked_back("w1", late, late, names_of(name, 1), name == "price") == late


@pytest.mark.parametrize(
    ("lost", "right"),
    [((), False), ((loss(0, 3, frozenset({slot_of(count_key("visits", "w0"))})),), True), ((loss(6, 8, None),), False)],
)
def test_counts_that_a_failover_may_lose(lost: tuple[Loss, ...], right: bool) -> None:
    sent, done = ["count", SECOND, "w0.increment", 1], ["counted", 2 * SECOND, "w0.increment", 1]
    report = check({"w0": []}, 0.5, 0.5, {})
    check_counts(report, {"w0": [sent, done]}, {"w0.increment": 0}, {}, (), Losses(lost))
    assert (not report.broken) is right


def test_counts_that_are_there_twice() -> None:
    """However much a failover may have lost, nothing is carried out twice."""
    history = [["count", SECOND, "w0.increment", 1], ["counted", 2 * SECOND, "w0.increment", 1]]
    report = check({"w0": []}, 0.5, 0.5, {})
    check_counts(report, {"w0": history}, {"w0.increment": 2}, {}, (), Losses([loss(0, 3, None)]))
    assert report.broken


def test_locks_that_a_failover_may_lose() -> None:
    first, second = ["lock", 10, 20, 1, False], ["lock", 15, 22, 1, False]
    histories = {"w0": [first], "w1": [second]}
    assert check(histories, 0.5, 0.5, {}).broken
    assert not check(histories, 0.5, 0.5, {}, Losses([Loss(5, 12)])).broken
    assert check(histories, 0.5, 0.5, {}, Losses([Loss(0, 5)])).broken


@pytest.mark.parametrize(
    ("faults", "right"),
    [
        (None, True),
        ([], False),
        ([Fault(0, 9 * SECOND)], True),
        ([Fault(0, 2 * SECOND)], False),
        ([Fault(0, 9 * SECOND, raises=False)], False),
    ],
)
def test_errors_without_a_fault(faults: list[Fault] | None, right: bool) -> None:
    failed = ["failed", 10 * SECOND, 1000, "count increment", "CacheTimeout", None]
    report = check({}, 0.5, 0.5, {})
    check_errors(report, {"w0": [failed]}, faults, timeout=0.5)
    assert (not report.broken) is right


def test_errors_that_are_not_ours() -> None:
    report = check({}, 0.5, 0.5, {})
    check_errors(report, {"w0": [["broke", 1, "KeyError"]]}, None, timeout=0.5)
    assert report.broken
