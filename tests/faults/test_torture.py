"""The worst day in short: ``make torture`` is the long form."""

from __future__ import annotations

import pytest

from rcollections.testing import available_kinds
from tests.torture.run import torture


@pytest.mark.parametrize("kind", available_kinds()[:1])
def test_the_worst_day(kind: str) -> None:
    report = torture(seed=11, seconds=6, workers=2, kind=kind)
    assert not report.broken, report.text()
    assert report.checked["answers"] > 1000
    assert report.checked["counts"] > 100
    assert report.checked["locks"] > 10
    assert report.checked["last answers"] > 10
