"""``flush()``: background work is done before a process ends in a way that Python does not see."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from rcollections import CacheError, cached, connection, flush, invalidate_tags
from rcollections.testing import Process, Server, isolated, wait_until
from tests.kinds import SERVERS


def test_it_waits_for_all_that_runs_and_waits(fresh: Any) -> None:
    """Also for what that work asks for meanwhile."""
    go_on = threading.Event()

    @cached(ttl=60)
    def f(n: int) -> int:
        assert go_on.wait(10)
        if n < 3:
            f.bg().refresh(n + 1)
        return n

    assert flush(), "nothing to wait for"
    for n in (0, 10, 20, 30):
        f.bg().refresh(n)
    future = f.future()(40)
    assert not flush(0)
    assert not flush(0.05)
    go_on.set()
    assert flush(10)
    assert future.done()
    assert [f.peek(n) for n in (0, 1, 2, 3, 10, 20, 30, 40)] == [0, 1, 2, 3, 10, 20, 30, 40]


def test_work_that_failed_is_done(fresh: Any, caplog: Any) -> None:
    @cached(ttl=60)
    def failing() -> int:
        raise ValueError("as planned")

    failing.bg().refresh()
    assert flush(10)
    wait_until(lambda: "as planned" in caplog.text, what="the log")


def test_inside_of_background_work_it_would_wait_for_itself(fresh: Any) -> None:
    @cached(ttl=60)
    def f() -> int:
        flush()
        return 1

    with pytest.raises(CacheError, match="wait for itself"):
        f.future()().result(10)


def test_the_tasks_of_an_event_loop(fresh: Any) -> None:
    """From another thread, and from its own loop on a thread; in the loop itself it says what is not done."""
    done: list[int] = []

    @cached(ttl=60)
    async def f(n: int) -> int:
        await asyncio.sleep(0.05)
        done.append(n)
        return n

    async def scenario() -> None:
        await f.bg().refresh(1)
        assert not flush(), "this loop cannot go on meanwhile"
        assert await asyncio.to_thread(flush, 10)
        assert done == [1]
        assert flush()
        await f.bg().refresh(2)
        assert not await asyncio.to_thread(flush, 0.01)

    asyncio.run(scenario())
    assert flush(5), "the tasks of a loop that has ended are over"


@pytest.mark.parametrize("kind", SERVERS)
def test_a_process_that_ends_by_exit_alone(kind: str) -> None:
    """As the work horses of RQ do: without flush() the work would be lost."""
    program = (
        "import os, time, threading, warnings\n"
        "warnings.simplefilter('ignore')  # Python 3.12 warns of forks beside threads\n"
        "from rcollections import cached, flush\n"
        "@cached(ttl=60, key='{n}')\n"
        "def slow(n): time.sleep(0.2); return n\n"
        "def work():\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        slow.bg().refresh(1)\n"
        "        os._exit(0 if flush(10) else 1)\n"
        "    return os.waitpid(child, 0)[1], slow.peek(1)\n"
    )
    with Server(kind) as server, Process(program, server.dsn) as other:
        assert other("slow(7)") == 7
        assert other("slow.bg().refresh(8)") is None
        assert other("work()") == [0, 1]


def test_it_takes_no_time_when_nothing_is_to_do(fresh: Any) -> None:
    began = time.monotonic()
    for _ in range(100):
        assert flush()
    assert time.monotonic() - began < 1


def test_invalidations_that_are_kept_are_sent() -> None:
    """The server was away when they failed: flush() says so, and sends them when it is back."""
    with Server(SERVERS[0]) as server, isolated(f"{server.dsn}?timeout=0.5"):

        @cached(ttl=60, tags=("prices",), l1=False)
        def price(n: int) -> int:
            return n

        assert price(1) == 1
        server.freeze()
        with pytest.raises(CacheError):
            invalidate_tags("prices")
        began = time.monotonic()
        assert not flush(0.3)
        assert time.monotonic() - began < 5
        server.thaw()
        assert flush(10)
        assert not len(connection().journal)
