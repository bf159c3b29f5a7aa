"""The worst day in short: ``make torture`` is the long form."""

from __future__ import annotations

import shutil
import sys

import pytest

from rcollections.testing import available_kinds
from tests.torture.grounds import CLUSTERS, KINDS
from tests.torture.run import torture


@pytest.mark.parametrize("kind", available_kinds()[:1])
def test_the_worst_day(kind: str) -> None:
    report = torture(seed=11, seconds=6, workers=2, kind=kind)
    assert not report.broken, report.text()
    assert report.checked["answers"] > 1000
    assert report.checked["counts"] > 100
    assert report.checked["locks"] > 10
    assert report.checked["last answers"] > 10


# Each with its replacement of a primary that loses what was acknowledged, and with what loses nothing.
SEVERAL = {
    "cluster": ("stall_and_kill", "graceful_failover", "reshard_half_way", "move_slots"),
    "cluster_redis": ("freeze_primary", "reshard_half_way", "stall_replication"),
    "sentinel": ("replace_alive", "cut_sentinels", "kill_replica"),
}


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has many addresses of its own")
@pytest.mark.parametrize("kind", SEVERAL)
def test_the_worst_day_of_several_servers(kind: str) -> None:
    if kind not in KINDS or CLUSTERS.get(kind, "valkey") not in available_kinds():
        pytest.skip("this machine has no such servers")
    report = torture(seed=5, seconds=4, workers=2, kind=kind, only=SEVERAL[kind], after=3)
    assert not report.broken, report.text()
    assert report.checked["answers"] > 500
    assert report.checked["counts"] > 50
    assert report.checked["locks"] > 10
    assert report.checked["last answers"] > 5


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has many addresses of its own")
@pytest.mark.parametrize(
    ("kind", "planted", "fault", "word"),
    [
        ("sentinel", "forgetful", "stall_and_kill", "had been told"),
        ("cluster", "repeating", "lose_replies", "were acknowledged"),
    ],
)
def test_a_planted_fault_is_found(kind: str, planted: str, fault: str, word: str) -> None:
    if "valkey" not in available_kinds():
        pytest.skip("this machine has no such servers")
    report = torture(seed=1, seconds=2, workers=2, kind=kind, only=(fault,), after=2, planted=planted)
    if report.kept is not None:
        shutil.rmtree(report.kept)
    assert any(word in each for each in report.broken), report.text()
