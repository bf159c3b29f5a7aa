"""An ASGI application under load while its server is killed and started, in short: ``make asgi`` is the long form."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.kinds import one_server

pytestmark = pytest.mark.skipif(
    not (find_spec("fastapi") and find_spec("uvicorn")), reason="fastapi and uvicorn are not installed"
)


def test_no_request_fails_or_is_stale() -> None:
    """And none takes longer than the timeout, roughly: the machine may be busy with other tests."""
    from tests.faults.asgi import TIMEOUT, asgi

    report = asgi(seconds=6, seed=3, kind=one_server(), clients=16)
    assert not report.failed, report.failed[:5]
    assert not report.stale, report.stale[:5]
    assert report.outages >= 2
    assert set(report.statuses) == {200}
    assert report.longest < 2 * TIMEOUT, report.text()
    assert max(report.recoveries) < 2.0, report.text()
