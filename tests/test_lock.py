"""Locks: one owner at a time over threads, tasks and processes, through kills, stops and outages."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import platform
import re
import signal
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheError, CacheTimeout, KeyCache, LockLost, connection, deadline
from rcollections.testing import Process, Proxy, Server, isolated, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from rcollections.servers.locking import Lock

LONG = 30.0  # seconds of a lock that no test waits for


class Job(KeyCache[int]):
    prefix = "job"


def key(number: int = 1) -> str:
    return f"rc:k:{{job.{number}}}"


def free(number: int = 1) -> bool:
    return not connection().raw("EXISTS", key(number))


def test_a_block(store: Any) -> None:
    """A key of its own beside the value, whose token says whose it is; the value is not touched."""
    Job(1).set(5)
    with Job(1).lock() as held:
        assert (held.token, held.lost) == (1, False)
        host = re.escape(platform.node().replace(":", "_"))
        assert re.fullmatch(rf"{host}:{os.getpid()}:[0-9a-f]{{16}}", store.raw("GET", key()).decode())
        assert 8_000 < store.raw("PTTL", key()) <= 10_000
        assert Job(1).data == 5
        with Job(2).lock() as other:
            assert other.token == 1
    assert free()
    assert (held.token, held.lost) == (1, False)
    with held:  # the same object once more
        assert held.token == 2
    assert store.raw("GET", "rc:f:{job.1}") == b"2"
    week = 7 * 86_400_000
    assert week - 60_000 < store.raw("PTTL", "rc:f:{job.1}") <= week


def test_what_others_get_who_do_not_wait(store: Any) -> None:
    """At once, or after a time; and the deadline around the call counts."""
    with Job(1).lock():
        with pytest.raises(CacheTimeout, match=r"lock of 'job\.1': another caller has it"), Job(1).lock(wait=0):
            raise AssertionError
        began = time.monotonic()
        with pytest.raises(CacheTimeout, match=r"for the 0\.2 s"), Job(1).lock(wait=timedelta(seconds=0.2)):
            raise AssertionError
        assert 0.2 <= time.monotonic() - began < 5
        with deadline(0.2), pytest.raises(CacheTimeout, match="deadline"), Job(1).lock():
            raise AssertionError
    with Job(1).lock(wait=0) as held:
        assert held.token == 2


def test_it_is_not_re_entrant(store: Any) -> None:
    """One object serves one block at a time."""
    with Job(1).lock() as held:
        with pytest.raises(CacheError, match="not re-entrant"), held:
            raise AssertionError
        assert not free()
    assert free()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"lease": 0}, ValueError, "lease= of lock"),
        ({"lease": -1}, ValueError, "more than 0"),
        ({"lease": "1"}, TypeError, "not str"),
        ({"wait": -1}, ValueError, "0 or more"),
        ({"wait": True}, TypeError, "not bool"),
    ],
)
def test_wrong_options(store: Any, options: dict[str, Any], error: type[Exception], text: str) -> None:
    """Refused where the lock is made."""
    with pytest.raises(error, match=text):
        Job(1).lock(**options)


def test_a_lock_never_pretends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server there is none, and both kinds of blocks say so."""
    monkeypatch.setenv("CACHES_DISABLE", "1")
    with isolated():
        with pytest.raises(CacheError, match="never pretends"), Job(1).lock():
            raise AssertionError

        async def main() -> None:
            async with Job(1).lock():
                raise AssertionError

        with pytest.raises(CacheError, match="never pretends"):
            asyncio.run(main())


def test_an_error_of_the_block_arrives(store: Any) -> None:
    """And the lock is free."""
    with pytest.raises(LookupError), Job(1).lock():
        raise LookupError
    assert free()


# -- exclusion ---------------------------------------------------------------------------------------


def test_threads_have_it_one_by_one_in_the_order_in_which_they_came(store: Any) -> None:
    """Each is woken by the one before it."""
    order: list[int] = []
    inside: list[int] = []
    lines = store.flights.lines

    def run(number: int) -> None:
        with Job(1).lock(wait=30) as held:
            inside.append(number)
            assert len(inside) == 1
            order.append(held.token)
            inside.remove(number)

    with Job(1).lock():
        threads = []
        for number in range(8):
            threads.append(threading.Thread(target=run, args=(number,)))
            threads[-1].start()
            wait_until(lambda number=number: len(lines._lines.get(key(), ())) == number + 1, what="it is in the line")  # type: ignore[misc]
        began = time.monotonic()
    for thread in threads:
        thread.join(30)
    assert order == list(range(2, 10))
    assert time.monotonic() - began < 5
    assert not lines._lines


def test_tasks_and_threads_exclude_each_other(store: Any) -> None:
    """One line for both."""
    inside = 0
    most = 0
    count = 0

    def enter() -> None:
        nonlocal inside, most, count
        inside += 1
        most = max(most, inside)
        count += 1

    def leave() -> None:
        nonlocal inside
        inside -= 1

    def thread() -> None:
        for _ in range(5):
            with Job(1).lock(wait=30):
                enter()
                time.sleep(0.002)
                leave()

    async def task() -> None:
        for _ in range(5):
            async with Job(1).lock(wait=30):
                enter()
                await asyncio.sleep(0.002)
                leave()

    async def main() -> None:
        await asyncio.gather(*(task() for _ in range(5)))

    threads = [threading.Thread(target=thread) for _ in range(4)]
    for each in threads:
        each.start()
    asyncio.run(main())
    for each in threads:
        each.join(30)
    assert (count, most) == (45, 1)


def test_a_cancelled_task_is_out_of_the_line(store: Any) -> None:
    """The next one gets its turn; a task that is cancelled inside gives the lock back."""

    async def hold(ready: asyncio.Event) -> None:
        async with Job(1).lock():
            ready.set()
            await asyncio.sleep(60)

    async def main() -> None:
        ready, second = asyncio.Event(), asyncio.Event()
        first = asyncio.ensure_future(hold(ready))
        await ready.wait()
        waiting = asyncio.ensure_future(hold(asyncio.Event()))
        last = asyncio.ensure_future(hold(second))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.wait_for(second.wait(), 10)
        last.cancel()
        await asyncio.gather(first, waiting, last, return_exceptions=True)
        assert free()

    asyncio.run(main())


def test_a_task_that_is_destroyed_gives_it_back(store: Any) -> None:
    """With its loop, or alone: nothing can be awaited any more."""

    async def hold() -> None:
        async with Job(1).lock(lease=LONG):
            await asyncio.get_running_loop().create_future()

    loop = asyncio.new_event_loop()
    try:
        task = loop.create_task(hold())
        while free():
            loop.run_until_complete(asyncio.sleep(0.01))
        task._log_destroy_pending = False
    finally:
        loop.close()
    del task, loop
    gc.collect()
    wait_until(free, what="the lock is given back")


OTHER = """
import threading, time
from rcollections import KeyCache, LockLost

class Job(KeyCache):
    prefix = "job"

class Fence(KeyCache):
    prefix = "fence"

told = []
go = threading.Event()

def work(lease):
    try:
        with Job(1).lock(lease=lease) as held:
            told.append(held.token)
            go.wait()
            told.append(held.lost)
    except LockLost:
        told.append("lost")

def begin(lease):
    threading.Thread(target=work, args=(lease,), daemon=True).start()

def add(times):
    for _ in range(times):
        with Job(1).lock(wait=30):
            Fence(1).set(Fence(1).get(0) + 1)   # reads and writes apart
"""


def test_processes_exclude_each_other(server: Server) -> None:
    """What they count in two steps loses nothing."""

    class Fence(KeyCache[int]):
        prefix = "fence"

    with Process(OTHER, server.dsn) as one, Process(OTHER, server.dsn) as two:
        threads = [threading.Thread(target=each, args=("add(40)",)) for each in (one, two)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(60)
    assert Fence(1).data == 80
    assert free()


# -- owners that die, stop, or cannot reach the server -----------------------------------------------


def inside(lock: Lock, block: Callable[[Lock], None]) -> None:
    with lock as held:
        block(held)


def end(other: Process) -> None:
    os.kill(other.pid, signal.SIGKILL)
    other._process.communicate()


def test_an_owner_that_is_killed(server: Server) -> None:
    """The others get it when its lease has run out, with the next number."""
    other = Process(OTHER, server.dsn, quiet=False)
    try:
        other("begin(1)")
        wait_until(lambda: not free(), what="the other process has it")
        time.sleep(1.5)  # it is renewed
        assert not free()
    finally:
        end(other)
    began = time.monotonic()
    with Job(1).lock() as held:
        assert held.token == 2
    assert time.monotonic() - began < 5


def test_an_owner_that_is_stopped_for_longer_than_its_lease(server: Server) -> None:
    """Two are inside then: the number tells who is older, and the older one hears of it."""
    other = Process(OTHER, server.dsn, quiet=False)
    try:
        other("begin(0.5)")
        wait_until(lambda: other("told") == [1], what="the other process has it")
        other.freeze()
        with Job(1).lock(lease=LONG) as held:
            assert held.token == 2
            other.thaw()
            other("go.set()")
            wait_until(lambda: other("told") == [1, True, "lost"], what="it hears that it was lost")
            assert not held.lost
            assert not free()
    finally:
        end(other)


def test_a_lock_that_was_taken_away(store: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The end of the block raises; an error of the block is more important, and the log has the rest."""

    def taken(held: Lock) -> None:
        store.raw("SET", key(), "somebody else")
        wait_until(lambda: held.lost, what="the next renewal finds out")

    lock = Job(1).lock(lease=0.3)
    with pytest.raises(LockLost, match=r"lock of 'job\.1' \(token 1\) was lost"):
        inside(lock, taken)
    assert lock.lost
    assert store.raw("GET", key()) == b"somebody else"
    store.raw("DEL", key())

    def fail(_: Lock) -> None:
        store.raw("DEL", key())
        raise LookupError

    with pytest.raises(LookupError), caplog.at_level(logging.WARNING):
        inside(Job(1).lock(), fail)
    assert "was lost before its block ended" in caplog.text


def test_outages(server: Server) -> None:
    """Short ones are lived through; of a long one the owner knows, without asking anybody."""
    with Proxy(server) as proxy, isolated(proxy.dsn + "?timeout=0.3&l1=off"):
        with Job(1).lock(lease=2) as held:
            proxy.freeze()
            time.sleep(0.5)
            proxy.heal()
            time.sleep(2.5)
            assert not held.lost

        def frozen(held: Lock) -> None:
            proxy.freeze()
            wait_until(lambda: held.lost, what="its time is over")

        with pytest.raises(LockLost):
            inside(Job(1).lock(lease=0.5), frozen)
        proxy.heal()
        wait_until(connection().breaker.allows, what="the breaker is closed")
        with Job(1).lock(lease=LONG, wait=20):
            proxy.refuse()
        proxy.heal()
        with server.client() as bare:  # it was not lost, and the background gives it back
            wait_until(lambda: not bare.exists(key()), what="it is free")


def _sync(lock: Lock) -> None:
    with lock:
        pass


def _async(lock: Lock) -> None:
    async def main() -> None:
        async with lock:
            pass

    asyncio.run(main())


@pytest.mark.parametrize("enter", [_sync, _async])
def test_a_lost_reply_leaves_no_lock(server: Server, enter: Callable[[Lock], None]) -> None:
    """The server gave it to somebody who does not know: he gives it back."""
    with Proxy(server) as proxy, isolated(proxy.dsn + "?timeout=0.5&l1=off"):
        enter(Job(2).lock())
        proxy.cut_after_request(1, "EVALSHA")
        with pytest.raises(CacheError):
            enter(Job(1).lock(lease=LONG))
        assert proxy.cuts == 1
        wait_until(connection().breaker.allows, what="the breaker is closed")
        began = time.monotonic()
        with Job(1).lock(lease=LONG) as held:
            assert held.token == 2
        assert time.monotonic() - began < LONG / 3
