"""Every behaviour test runs on each kind of server of this run: see ``kinds.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import rcollections
from rcollections.testing import Cluster, SentinelTrio, Server, isolated
from rcollections.testing import fresh as fresh  # users import it the same way
from tests.clusters import NOT_ON_CLUSTERS
from tests.kinds import CLUSTERS, SENTINELS, SERVERS, SEVERAL, STORES, check
from tests.kits import TOGETHER, Kits
from tests.longer import mark

if TYPE_CHECKING:
    from collections.abc import Iterator

KITS = Kits()


def pytest_configure() -> None:
    check()


@pytest.hookimpl(tryfirst=True)  # ahead of ``-m``
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long. On clusters leave out what cannot hold there, by name."""
    mark(items)
    for item in items:
        kind = getattr(item, "callspec", None)
        if kind is None or kind.params.get("store") not in CLUSTERS:
            continue
        reason = NOT_ON_CLUSTERS.get(
            f"{item.path.name.replace('test_awaited_', 'test_')}::{getattr(item, 'originalname', item.name)}"
        )
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


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
def clusters() -> Iterator[dict[str, Cluster]]:
    """The clusters of this test process by kind, three primaries alone, each started when it is first asked for."""
    running: dict[str, Cluster] = {}
    yield running
    for each in running.values():
        each.stop()


def _cluster(running: dict[str, Cluster], kind: str) -> Cluster:
    if kind not in running:
        running[kind] = Cluster(kind, replicas=0, node_timeout=5.0)
    return running[kind]


@pytest.fixture(scope="session")
def watched() -> Iterator[dict[str, SentinelTrio]]:
    """Primaries behind sentinels by kind, each started when it is first asked for. It stays one, however slow it is."""
    running: dict[str, SentinelTrio] = {}
    yield running
    for trio in running.values():
        trio.stop()


def _watched(running: dict[str, SentinelTrio], kind: str) -> SentinelTrio:
    if kind not in running:
        running[kind] = SentinelTrio(kind, down_after=60)
    return running[kind]


@pytest.fixture(params=STORES)
def store(
    request: pytest.FixtureRequest,
    servers: dict[str, Server],
    clusters: dict[str, Cluster],
    watched: dict[str, SentinelTrio],
) -> Iterator[Any]:
    """An empty store of each kind as the default connection; gives the connection."""
    if request.param in SEVERAL:
        running: Cluster | SentinelTrio
        kind = SEVERAL[request.param]
        running = _watched(watched, kind) if request.param in SENTINELS else _cluster(clusters, kind)
        running.flush()
        with isolated(running.dsn + PATIENT) as connection:
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


def pytest_collection_finish(session: pytest.Session) -> None:
    if not session.config.option.collectonly:
        KITS.begin(session.items)


def pytest_unconfigure() -> None:
    KITS.stop()


@pytest.fixture(params=TOGETHER)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """A real cluster of each kind, whole and empty; it is no connection yet: ``isolated(cluster.dsn)``."""
    return KITS.get("cluster", request.param)


@pytest.fixture(params=TOGETHER)
def sentinels(request: pytest.FixtureRequest) -> SentinelTrio:
    """Three real sentinels with a primary and its replica of each kind, all well and empty, like ``cluster``."""
    return KITS.get("sentinels", request.param)


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
