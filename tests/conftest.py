"""Every behaviour test runs on each kind of server of this run: see ``kinds.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import rcollections
from rcollections.testing import SentinelTrio, Server, available_kinds, isolated
from rcollections.testing import fresh as fresh  # users import it the same way
from tests.kinds import SERVERS, STORES, check

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_configure() -> None:
    check()


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Server]]:
    """The servers of this test process by kind, each started when it is first asked for."""
    running: dict[str, Server] = {}
    yield running
    for server in running.values():
        server.stop()


def _server(running: dict[str, Server], kind: str) -> Server:
    if kind not in running:
        running[kind] = Server(kind)
    return running[kind]


# Where a machine stands still for a second, no test fails that is about something else.
PATIENT = "?timeout=5&connect_timeout=5"


@pytest.fixture(scope="session")
def sentinels() -> Iterator[list[SentinelTrio]]:
    """A primary behind sentinels, started when it is first asked for. It stays the primary, however slow it is."""
    running: list[SentinelTrio] = []
    yield running
    for trio in running:
        trio.stop()


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, servers: dict[str, Server], sentinels: list[SentinelTrio]) -> Iterator[Any]:
    """An empty store of each kind as the default connection; gives the connection."""
    if request.param == "sentinel":
        if not sentinels:
            sentinels.append(SentinelTrio(available_kinds()[0], down_after=60))
        sentinels[0].flush()
        with isolated(sentinels[0].dsn + PATIENT) as connection:
            yield connection
        return
    if request.param == "memory":
        with isolated() as connection:
            yield connection
        return
    server = _server(servers, request.param)
    with server.client() as bare:
        bare.flushall()
    with isolated(server.dsn + PATIENT) as connection:
        yield connection


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Iterator[Server]:
    """A real, empty server of each kind, the default connection as well."""
    running = _server(servers, request.param)
    with running.client() as bare:
        bare.flushall()
    with isolated(running.dsn + PATIENT):
        yield running


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace: dict[str, Any]) -> None:
    doctest_namespace["rcollections"] = rcollections


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many orders of steps ``tests/interleavings`` went through."""
    told = [value for report in terminalreporter.stats.get("passed", ()) for name, value in report.user_properties
            if name == "explored"]  # fmt: skip
    if told:
        states, _, runs, orders = (sum(column) for column in zip(*told, strict=True))
        terminalreporter.write_line(
            f"interleavings: {runs:,} orders explored ({states:,} states), standing for {orders:,}"
        )


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes may hold something drawn at random; the workers of a parallel run must agree on names."""
    return f"{argname}{len(val)}bytes" if isinstance(val, bytes) else None
