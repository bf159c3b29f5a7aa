"""A source that fails while stale values are there: it is asked now and then, over all processes; the log tells."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import ConfigError, cached
from rcollections.functions import trouble
from rcollections.functions.trouble import SourceTrouble
from rcollections.plans.entries import VALUE, Entry, pack
from rcollections.testing import wait_until

if TYPE_CHECKING:
    from rcollections.testing import Server

ROOT = Path(__file__).parents[1]


class Source:
    """Fails when it is told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails = False

    def __call__(self) -> int:
        self.calls += 1
        if self.fails:
            raise OSError("the source is down")
        return self.calls


def stale(store: Any, f: Any, ms: int = 40_000) -> None:
    """The value is past its ttl, and stays for that many ms."""
    assert store.raw("PEXPIRE", f.key(), ms) == 1


def lines(caplog: Any) -> list[str]:
    return [record.getMessage() for record in caplog.records if "refreshing" in record.getMessage()]


@pytest.mark.parametrize("how", ["stale_if_error", "stale_while_revalidate", "both"])
def test_many_calls_ask_a_failing_source_a_few_times(store: Any, how: str, caplog: Any) -> None:
    """Two seconds of calls from four threads: every call gets the stale value, the log has one line."""
    source = Source()
    options = {name: 60 for name in ("stale_if_error", "stale_while_revalidate") if how in (name, "both")}
    f = cached(ttl=60, key="f", **options)(lambda: source())
    assert f() == 1
    stale(store, f)
    source.fails = True
    end, answers = time.monotonic() + 2, set()

    def hammer() -> None:
        while time.monotonic() < end:
            answers.add(f())

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {1}
    assert 2 <= source.calls <= 4
    assert len(lines(caplog)) == 1
    source.fails = False
    assert f.refresh() == source.calls
    wait_until(lambda: f() == source.calls)
    assert len(lines(caplog)) == 2
    # A caller may hear of the failure by its mark on the server before the one that computed has told of it.
    assert any(f"fails ({how})" in lines(caplog)[0] for how in ("OSError", "as another caller found"))
    assert "works again" in lines(caplog)[1]


def test_other_processes_leave_the_source_alone_too(server: Server) -> None:
    """Four of them, each calling for a second and a half: not one more asks it."""
    code = """
import sys, time
from rcollections import cached, configure, connection
configure(sys.argv[1])
@cached(ttl=60, stale_if_error=60, key="f")
def f():
    connection().raw("INCR", "asked")
    raise OSError
end = time.time() + 1.5
while time.time() < end:
    assert f() == 5
"""
    with server.client() as bare:
        bare.set("f", pack(Entry(b"5", VALUE, 60_000)), px=40_000)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", code, f"{server.dsn}?timeout=20"]
        processes = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(4)]
        told = [process.communicate(timeout=60)[1] for process in processes]
        assert [process.returncode for process in processes] == [0] * 4, told
        assert 1 <= int(bare.get("asked") or 0) <= 4, "on a busy machine they do not begin together"


def test_it_doubles_up_to_30_seconds(store: Any) -> None:
    """A refresh asks in any case, and its failure counts; a success begins anew."""
    source = Source()
    f = cached(ttl=60, stale_if_error=60, key="f")(lambda: source())
    f()
    stale(store, f)
    source.fails = True
    assert f() == 1
    for seconds in (1, 2, 4, 8, 16, 30, 30):
        assert seconds * 2 - 1 < store.raw("PTTL", "rc:l:{f}") / 1000 <= seconds * 2
        with pytest.raises(OSError, match="down"):
            f.refresh()
    assert f() == 1
    source.fails = False
    f.refresh()
    assert store.raw("EXISTS", "rc:l:{f}") == 0


def test_refreshing_ahead_waits_as_well(store: Any, caplog: Any) -> None:
    """The value is fresh still, and each call would begin another computation."""
    source = Source()
    f = cached(ttl=100, async_ttl=40, key="f")(lambda: source())
    f()
    stale(store, f, 30_000)
    source.fails = True
    assert f() == 1
    wait_until(lambda: source.calls == 2 and lines(caplog))
    assert [f() for _ in range(50)] == [1] * 50
    assert source.calls == 2
    source.fails = False
    wait_until(lambda: f() == 3, seconds=10)


def test_without_a_stale_value_everybody_asks(store: Any) -> None:
    """There is nothing else to give; and cooldown=0 spares nobody."""
    source = Source()
    source.fails = True
    f = cached(ttl=60, key="f")(lambda: source())
    for _ in range(3):
        with pytest.raises(OSError, match="down"):
            f()
    assert source.calls == 3
    source.fails = False
    g = cached(ttl=60, stale_if_error=60, cooldown=0, key="g")(lambda: source())
    g()
    stale(store, g)
    source.fails = True
    assert [g(), g(), g()] == [4, 4, 4]
    assert source.calls == 7


def test_an_invalidation_ends_it(store: Any) -> None:
    """What was told to the cache counts: nobody gets the value of before, and the source is asked."""
    source = Source()
    f = cached(ttl=60, stale_if_error=60, key="f")(lambda: source())
    f()
    stale(store, f)
    source.fails = True
    assert f() == 1
    source.fails = False
    f.invalidate()
    assert f() == 3


def test_wrong_cooldowns() -> None:
    for wrong in (-1, "1", True, float("nan")):
        with pytest.raises(ConfigError, match="cooldown"):
            cached(cooldown=wrong)(lambda: 1)


def test_the_log_has_a_line_a_minute(caplog: Any, monkeypatch: Any) -> None:
    """With counts; and one at the end, when every key works again."""
    now = [1000.0]
    monkeypatch.setattr(trouble.time, "monotonic", lambda: now[0])
    told = SourceTrouble("f")
    with caplog.at_level(logging.WARNING):
        for second in range(150):
            now[0] += 1
            told.failed(f"k{second % 2}", OSError("down"))
            told.served("k0")
        told.worked("k0")
        assert told.open
        told.worked("k1")
        told.worked("k1")
    assert not told.open
    assert ["works again" in line for line in lines(caplog)] == [False, False, False, True]
    assert "61 failures" in lines(caplog)[1]
    assert "150 failures, 150 answers" in lines(caplog)[3]
    told.failed("k", OSError())
    now[0] += 1000
    told.failed("k", OSError())
    assert len(lines(caplog)) == 6, "nobody had called for long: this is another story"
