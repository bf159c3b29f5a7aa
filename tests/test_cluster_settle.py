"""``settle=True`` on a cluster: the primaries that have the change ask who hears them; what is unsure is waited out."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import ainvalidate_tags, cached, connection, invalidate_tags
from rcollections.servers.topology import held
from rcollections.testing import Cluster, Process, isolated, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

STALENESS = 2.0
OPTIONS = f"?timeout=5&connect_timeout=5&staleness={STALENESS}"

OTHER = """
from rcollections import cached, connection, l1_info
@cached(ttl=600, tags=("prices", "rates"), l1=True, name="settled.price", key="price")
def price():
    return int(connection().raw("GET", "source") or 0)
def held():
    before = l1_info().hits
    price()
    return l1_info().hits > before
"""


@cached(ttl=600, tags=("prices", "rates"), l1=True, name="settled.price", key="price")
def price() -> int:
    return int(connection().raw("GET", "source") or 0)


@pytest.fixture
def here(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setattr(held, "STEADY", 0.2)
    with isolated(cluster.dsn + OPTIONS):
        yield cluster


def other(cluster: Cluster) -> Process:
    return Process(OTHER, cluster.dsn + OPTIONS, quiet=False)


def holds(process: Process) -> None:
    wait_until(lambda: process("held()"), 20, what="it holds the value")


def steady() -> None:
    con: Any = connection()
    con.raw("GET", "source")
    wait_until(lambda: con.learner.steady > held.STEADY, 5, "a map that stays")


def test_no_process_gives_an_old_answer_after_it_returned(here: Cluster) -> None:
    """Tags and entry are on different nodes; it takes as long as the answers do, not the staleness."""
    with other(here) as one, other(here) as two:
        for each in (one, two):
            holds(each)
        steady()
        slowest = 0.0
        for n in range(1, 30):
            connection().raw("SET", "source", n)
            began = time.monotonic()
            if n % 3:
                invalidate_tags("prices" if n % 2 else "rates", settle=True)
            else:
                price.invalidate(settle=True)
            slowest = max(slowest, time.monotonic() - began)
            assert [one("price()"), two("price()")] == [n, n]
        assert slowest < STALENESS / 2

        async def tasks() -> None:
            await ainvalidate_tags("prices", "rates", settle=True)

        connection().raw("SET", "source", 99)
        asyncio.run(tasks())
        assert [one("price()"), two("price()")] == [99, 99]


def test_a_process_that_is_stopped_is_waited_out(here: Cluster) -> None:
    """After its staleness it serves nothing."""
    with other(here) as one:
        holds(one)
        steady()
        connection().raw("SET", "source", 1)
        one.freeze()
        try:
            began = time.monotonic()
            invalidate_tags("prices", settle=True)
            assert time.monotonic() - began > STALENESS * 0.8
        finally:
            one.thaw()
        assert one("price()") == 1


@pytest.mark.long
def test_where_the_map_is_new_all_are_waited_out(here: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others may have another one, and be asked at the wrong node."""
    monkeypatch.setattr(held, "STEADY", 60.0)
    with other(here) as one:
        holds(one)
        connection().raw("SET", "source", 1)
        began = time.monotonic()
        invalidate_tags("prices", settle=True)
        assert time.monotonic() - began > STALENESS * 0.8
        assert one("price()") == 1


def test_a_primary_that_is_away_is_asked_only_where_it_has_a_part(here: Cluster) -> None:
    """What is on the others settles at once."""
    first, second, _ = here.primaries
    tag = next(f"t{n}" for n in range(1000) if here.owner(f"rc:t:t{n}") is second)
    invalidate_tags(tag)
    steady()
    first.freeze()
    try:
        began = time.monotonic()
        invalidate_tags(tag, settle=True)
        assert time.monotonic() - began < 0.5
    finally:
        first.thaw()
