"""A primary behind sentinels: how it is found, what is said where it is not, and that all parts work there."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    AsyncDictCache,
    AsyncKeyCache,
    CacheConnectionError,
    CacheError,
    ConfigError,
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    cached,
    invalidate_tags,
    l1_info,
)
from rcollections.testing import SentinelTrio, Server, isolated, wait_until
from rcollections.wire.dsn.dsn import parse
from tests.kinds import SERVERS, one_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several servers at once are for Linux here")

PATIENT = "timeout=5&connect_timeout=5"


@pytest.fixture(scope="module", params=SERVERS)
def trio(request: pytest.FixtureRequest) -> Iterator[SentinelTrio]:
    with SentinelTrio(request.param, down_after=60) as running:
        yield running


@pytest.fixture
def there(trio: SentinelTrio) -> Iterator[Any]:
    """The default connection, to an empty primary."""
    trio.flush()
    with isolated(f"{trio.dsn}?{PATIENT}") as connection:
        yield connection


class Held(KeyCache[int]):
    prefix = "held"
    l1 = True


def hit() -> bool:
    before = l1_info().hits
    return Held(1).get() is not None and l1_info().hits > before


# -- all parts ------------------------------------------------------------------------------------------


def test_all_types_tags_and_pipelines(there: Any) -> None:
    KeyCache("a").set([1])
    DictCache("d", data={"x": 1})
    SetCache("s", data={1, 2})
    CounterCache("c").increment("x", 3)
    SortedSetCache("z", data={"m": 1.5})
    assert KeyCache("a").get() == [1]
    assert DictCache("d").to_dict() == {"x": 1}
    assert SetCache("s") == {1, 2}
    assert CounterCache("c")["x"] == 3
    assert SortedSetCache("z").to_dict() == {"m": 1.5}
    with DictCache("d").pipeline() as many:
        one = many.get("x")
        many.set("y", 2)
    assert one.value == 1
    assert DictCache("d").get("y") == 2

    calls: list[int] = []

    @cached(ttl=60, tags=["t"])
    def f(n: int) -> int:
        calls.append(n)
        return n

    assert (f(1), f(1)) == (1, 1)
    invalidate_tags("t")
    assert f(1) == 1
    assert calls == [1, 1]
    with KeyCache("job").lock() as held:
        assert held.token == 1


def test_in_event_loops(there: Any) -> None:
    calls: list[int] = []

    @cached(ttl=60, tags=["t"])
    async def f(n: int) -> int:
        calls.append(n)
        return n

    async def run() -> None:
        await AsyncKeyCache("a").set(1)
        assert await AsyncKeyCache("a").get() == 1
        await AsyncDictCache("d").set("x", 1)
        assert await AsyncDictCache("d").to_dict() == {"x": 1}
        assert await asyncio.gather(*(f(n % 3) for n in range(30))) == [n % 3 for n in range(30)]

    asyncio.run(run())
    asyncio.run(run())
    assert sorted(calls) == [0, 1, 2]


def test_values_are_held_and_changes_heard(there: Any, trio: SentinelTrio) -> None:
    Held(1).set(1)
    wait_until(hit, what="a held value")
    trio.primary.client().set("held.1", 2)
    wait_until(lambda: Held(1).get() == 2, what="the change")


def test_the_sentinels_are_asked_each_third_of_the_staleness_and_not_for_ever(
    trio: SentinelTrio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without use nobody asks, and the links go: the next call asks before it connects."""
    from rcollections.wire.sentinels import watch

    monkeypatch.setattr(watch, "IDLE", 0.5)
    with isolated(f"{trio.dsn}?{PATIENT}&staleness=0.3") as there:
        KeyCache("a").set(1)
        asking = there.topology.watch
        before = asking._done
        wait_until(lambda: asking._done >= before + 2, 0.45, "questions")
        wait_until(lambda: not asking.runs, what="the end of asking")
        assert there.links.pool is None
        before = asking._done
        KeyCache("a").set(2)
        assert asking._done > before
        assert asking.runs


def test_others_are_learned_from_one(trio: SentinelTrio) -> None:
    """One sentinel in the DSN is enough while it is there; it is known under two names, and counts once."""
    one = trio.sentinels[0]
    with isolated(f"redis+sentinel://localhost:{one.port}/mymaster?{PATIENT}") as there:
        KeyCache("a").set(1)
        watch = there.topology.watch
        wait_until(lambda: watch.verdict.answered == 3, what="the others")
        assert (watch.verdict.agree, watch.verdict.known, watch.verdict.proven) == (3, 3, True)
        assert len({each.id for each in watch._voices.all.values() if each.link is not None}) == 3


def test_a_login_of_the_servers_and_one_of_the_sentinels() -> None:
    with SentinelTrio(
        one_server(), password="s p@ss", sentinel_user="watcher", sentinel_password="other/", down_after=60
    ) as own:  # fmt: skip
        with isolated(own.dsn):
            KeyCache("a").set(1)
            assert KeyCache("a").get() == 1
            asyncio.run(_set())
        right = parse(own.dsn)
        with isolated(re.sub("sentinel_password=[^&]+", "sentinel_password=wrong", own.dsn)):
            with pytest.raises(CacheConnectionError, match="a sentinel refused the login") as told:
                KeyCache("a").get()
            assert "wrong" not in str(told.value)
            assert "sentinel_password=" in str(told.value)
        wrong = re.sub(":[^/@]+@", ":wrong@", own.dsn)
        refused = "refused the login: put the right user:password@"
        with isolated(wrong), pytest.raises(CacheConnectionError, match=refused):
            KeyCache("a").get()
        assert "other/" not in right.shown
        assert "s p@ss" not in right.shown


async def _set() -> None:
    await AsyncKeyCache("a").set(2)


# -- what is said where there is no primary -------------------------------------------------------------


def test_an_unknown_master(trio: SentinelTrio) -> None:
    with isolated(trio.dsn.replace("mymaster", "other")):
        began = time.monotonic()
        with pytest.raises(CacheConnectionError, match="the sentinels know no master 'other'"):
            KeyCache("a").get()
        assert time.monotonic() - began < 1
        with pytest.raises(CacheConnectionError, match="know no master"):
            asyncio.run(_set())


def test_no_sentinel_answers() -> None:
    with isolated("redis+sentinel://127.0.0.1:1,127.0.0.1:2/mymaster"):
        with pytest.raises(CacheConnectionError, match="no sentinel answers .*connection refused"):
            KeyCache("a").get()
        with pytest.raises(CacheConnectionError, match="no sentinel answers"):
            asyncio.run(_set())


def test_a_server_in_the_place_of_a_sentinel() -> None:
    told = "it is a server and no sentinel, whose port is usually 26379"
    with Server(one_server(), tcp=True) as server, isolated(f"redis+sentinel://127.0.0.1:{server.port}/mymaster"):
        assert told in _failure()


def _failure() -> str:
    with pytest.raises(CacheConnectionError) as failed:
        KeyCache("a").get()
    return str(failed.value)


def test_a_sentinel_in_the_place_of_a_server(trio: SentinelTrio) -> None:
    with isolated(f"redis://127.0.0.1:{trio.sentinels[0].port}"), pytest.raises(CacheError):
        KeyCache("a").get()


def test_no_majority_serves_the_last_primary_and_holds_nothing(trio: SentinelTrio) -> None:
    with isolated(f"{trio.dsn}?timeout=0.5&connect_timeout=0.5&staleness=0.3") as there:
        Held(1).set(1)
        wait_until(hit, what="a held value")
        try:
            for each in trio.sentinels[:2]:
                each.freeze()
            wait_until(lambda: not there.tiering.tier.serves, what="the end of the proof")
            Held(1).set(2)
            assert Held(1).get() == 2
            there.links.renew()
            assert Held(1).get() == 2, "over a new link"
            assert not hit()
            wait_until(lambda: "1 of 3 sentinels" in there.tiering.state.why, what="the reason")
        finally:
            for each in trio.sentinels[:2]:
                each.thaw()
        wait_until(hit, what="a held value again")


def test_the_doctor(trio: SentinelTrio) -> None:
    command = [sys.executable, "-m", "rcollections", "doctor", "--dsn", trio.dsn]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout
    told = " ".join(done.stdout.split())
    assert f"sentinels 3 of 3 say that mymaster is 127.0.0.1:{trio.primary.port} (config-epoch " in told
    assert "quorum 2" in told


# -- DSNs -----------------------------------------------------------------------------------------------


def test_dsns() -> None:
    dsn = parse("rediss+sentinel://u:p%40@h1,h2:5,[::1]/my/3?sentinel_user=a&sentinel_password=b")
    assert dsn.hosts == (("h1", 26379), ("h2", 5), ("::1", 26379))
    assert (dsn.kind, dsn.master, dsn.db, dsn.user, dsn.password, dsn.tls) == ("sentinel", "my", 3, "u", "p@", True)
    assert dsn.shown == ("rediss+sentinel://u:***@h1:26379,h2:5,[::1]:26379/my/3?sentinel_user=a&sentinel_password=***")
    assert parse("redis+sentinel://h/m?db=3").db == 3
    assert parse("redis+sentinel://h,h/m").hosts == (("h", 26379),)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("redis+sentinel://h", "name of the master"),
        ("redis+sentinel://h/", "name of the master"),
        ("redis+sentinel://h,/m", "missing between commas"),
        ("redis+sentinel://h/m/x", "whole number"),
        ("redis+sentinel://h/m/1?db=1", "twice"),
        ("redis+sentinel://h:0/m", "1 to 65535"),
        ("redis://h,i", "redis\\+sentinel://h1:26379,h2:26379/mymaster"),
    ],
)
def test_dsns_that_are_refused(written: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(written)
