"""Background work: bounded, no exception lost, over forks, and ended with the process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from rcollections import CacheMissError, cached, deadline
from rcollections.servers import background
from rcollections.testing import Server, wait_until

ROOT = Path(__file__).parents[1]


def run(code: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, warnings being errors."""
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(code))
    return subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CACHES_DSN": "memory://", **environment},
        capture_output=True, text=True, timeout=30, cwd=tmp_path,
    )  # fmt: skip


def test_bg(store: Any, caplog: Any) -> None:
    """A hit at once; a full miss is waited for; ``refresh`` gives None and stores later."""
    calls: list[int] = []

    @cached
    def f(x: int) -> int:
        calls.append(x)
        if x < 0:
            raise LookupError("negative")
        return len(calls)

    assert (f.bg()(1), f.bg()(1)) == (1, 1)
    with pytest.raises(CacheMissError):
        f.bg().lazy(2)
    wait_until(lambda: f.cache_info().stores == 2)
    assert f.bg().lazy(2) == 2
    assert f.bg().refresh(2) is None
    wait_until(lambda: f.cache_info().stores == 3)
    with pytest.raises(LookupError):
        f.bg()(-1)
    with pytest.raises(CacheMissError):
        f.bg().lazy(-2)
    f.bg().refresh(-3)
    wait_until(lambda: caplog.text.count("LookupError: negative") >= 2)


def test_future(store: Any) -> None:
    """A ``concurrent.futures.Future`` of the call, of ``peek``, ``lazy`` and ``refresh``."""
    count = 0

    @cached
    def f(x: int) -> int:
        nonlocal count
        count += 1
        if x < 0:
            raise LookupError("negative")
        return count

    with pytest.raises(CacheMissError):
        f.future().peek(1).result(5)
    answer = f.future()(1)
    assert isinstance(answer, Future)
    assert answer.result(5) == f.future().peek(1).result(5) == f.future().lazy(1).result(5) == 1
    assert f.future().refresh(1).result(5) == 2
    with pytest.raises(CacheMissError):
        f.future().lazy(2).result(5)
    wait_until(lambda: count == 3)
    assert isinstance(f.future()(-1).exception(5), LookupError)


def test_methods_in_the_background(store: Any) -> None:
    """Bound methods too."""

    class Thing:
        @cached
        def m(self, x: int) -> int:
            return x + 1

    assert Thing().m.future()(1).result(5) == Thing().m.bg()(1) == 2


def test_one_key_is_computed_once_in_the_background(store: Any) -> None:
    """However often it is asked for: nobody waits for room, and other keys are not kept waiting."""
    go = threading.Event()

    @cached
    def f(x: int) -> int:
        if x == 1:
            assert go.wait(10)
        return x

    def waiting() -> int:
        return background._current().threads._work_queue.qsize()

    for _ in range(2 * background.QUEUE):
        with pytest.raises(CacheMissError):
            f.bg().lazy(1)
    assert waiting() == 0
    assert f.future()(2).result(5) == 2
    go.set()
    wait_until(lambda: f.cache_info().stores == 2)
    assert f.cache_info().computes == 2
    f.invalidate(1)
    with pytest.raises(CacheMissError):
        f.bg().lazy(1)
    wait_until(lambda: f.cache_info().stores == 3)


def test_a_stale_value_is_given_at_once_when_there_is_no_room(store: Any, monkeypatch: Any) -> None:
    """Its refresh is left out, and begins when there is room."""
    monkeypatch.setattr(background, "QUEUE", 1)
    monkeypatch.setattr(background, "_pool", None)
    versions = iter(range(10))

    @cached(ttl=60, stale_if_error=60)
    def f() -> int:
        return next(versions)

    go = threading.Event()
    assert f() == 0
    f.expire()
    task = background.submit(lambda: go.wait(10))
    assert f.bg()() == 0
    assert f.bg().lazy() == 0
    go.set()
    assert task.result(10)
    wait_until(lambda: f.bg()() == 1)
    background._pool.threads.shutdown()


def test_arguments_that_do_not_fit_are_told_at_once(store: Any) -> None:
    """Not in the log, where nobody looks for them."""

    @cached
    def f(x: int) -> int:
        return x

    @cached
    async def af(x: int) -> int:
        return x

    for call in (f.bg().refresh, f.bg().lazy, f.bg()):
        with pytest.raises(TypeError, match="x"):
            call()
    with pytest.raises(TypeError, match="x"):
        asyncio.run(af.bg().refresh())


def test_the_exception_of_a_future_that_nobody_asks_is_logged(store: Any, caplog: Any) -> None:
    """And only then."""

    @cached
    def f(x: int) -> int:
        raise LookupError(f"number {x}")

    assert isinstance(f.future()(1).exception(5), LookupError)
    with pytest.raises(LookupError):
        f.future()(2).result(5)
    with pytest.raises(LookupError):
        asyncio.run(asyncio.wait_for(_asked(f.future()(3)), 5))
    f.future()(4)
    wait_until(lambda: "number 4" in caplog.text)
    assert not any(f"number {x}" in caplog.text for x in (1, 2, 3))


async def _asked(future: Future[Any]) -> Any:
    return await asyncio.wrap_future(future)


def test_a_future_can_be_cancelled_before_it_runs(monkeypatch: Any) -> None:
    """As those of the standard library; its room is free again."""
    monkeypatch.setattr(background, "WORKERS", 1)
    monkeypatch.setattr(background, "QUEUE", 2)
    monkeypatch.setattr(background, "_pool", None)
    go, ran = threading.Event(), list[int]()
    first = background.submit(lambda: go.wait(10))
    second = background.submit(lambda: ran.append(1))
    assert second.cancel()
    third = background.submit(lambda: 3)
    go.set()
    assert (first.result(10), third.result(10)) == (True, 3)
    assert not ran
    background._pool.threads.shutdown()


def test_background_work_is_no_part_of_the_call(store: Any) -> None:
    """The caller's deadline does not bound it, and what the caller computes is no recursion there."""
    done = threading.Event()

    @cached
    def g() -> int:
        time.sleep(0.1)
        done.set()
        return 1

    once = [1]

    @cached
    def f() -> int:
        if once:
            once.pop()
            f.bg().refresh()
        return 1

    with deadline(0.05):
        g.bg().refresh()
    assert done.wait(5)
    wait_until(lambda: g.cache_info().stores)
    f()
    wait_until(lambda: f.cache_info().computes == 2)


def test_it_is_bounded_and_its_own_workers_never_wait_for_room(monkeypatch: Any) -> None:
    """With no room callers wait, refreshes are left out; work that asks for more work goes on."""
    monkeypatch.setattr(background, "QUEUE", 4)
    monkeypatch.setattr(background, "WORKERS", 2)
    monkeypatch.setattr(background, "_pool", None)
    go = threading.Event()
    inside: list[Any] = []

    def nested() -> int:
        assert go.wait(10)
        mine = [background.submit(lambda: 1) for _ in range(10)]
        inside.extend(each for each in mine if each.done())
        return len(mine)

    tasks = [background.submit(nested) for _ in range(4)]
    assert background.try_submit(lambda: 1) is None
    late: list[Any] = []
    thread = threading.Thread(target=lambda: late.append(background.submit(lambda: 2).result(10)))
    thread.start()
    wait_until(lambda: background._pool.room._cond._waiters, what="a caller who waits for room")
    assert not late
    go.set()
    assert [task.result(10) for task in tasks] == [10] * 4
    thread.join(10)
    assert late == [2]
    assert inside, "without room a worker does it itself"
    background._pool.threads.shutdown()


def test_a_process_ends_in_good_order(tmp_path: Path) -> None:
    """Running refreshes are finished, exceptions are in the log, the exit code is 0, nothing hangs."""
    done = run(
        """
        import logging, os, time
        from rcollections import cached, CacheMissError
        logging.basicConfig()

        @cached
        def slow(x):
            time.sleep(0.3)
            os.write(1, b"computed %d\\n" % x)  # whole lines, from several threads
            if x == 2:
                raise LookupError("two")
            return x

        for x in (1, 2):
            try:
                slow.bg().lazy(x)
            except CacheMissError:
                pass
        slow.future()(3)
        os.write(1, b"end\\n")
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")) == ["", "computed 1", "computed 2", "computed 3", "end"]
    assert "LookupError: two" in done.stderr


@pytest.mark.parametrize("l1", [None, True])
def test_work_that_is_asked_for_at_the_very_end(tmp_path: Path, server: Server, l1: bool | None) -> None:
    """In an exit handler, when no thread can be started any more: cached functions still work."""
    done = run(
        f"""
        import atexit
        from rcollections import cached

        @cached(ttl=100, async_ttl=99.99, l1={l1})
        def f(): return 1

        atexit.register(lambda: print(f(), f(), f.bg()(), f.future()().result(5), f.peek()))
        """,
        tmp_path,
        CACHES_DSN=server.dsn,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 1 1 1 1\n", "")


def test_calls_where_no_thread_can_be_started(tmp_path: Path, server: Server) -> None:
    """With the most threads that the system allows: cached functions still work, and L1 says why it holds nothing."""
    done = run(
        """
        import threading
        from rcollections import cached, l1_info

        def refuse(thread):
            raise RuntimeError("can't start new thread")

        threading.Thread.start = refuse

        @cached(ttl=100, async_ttl=99.99, l1=True)
        def f(): return 1

        print(f(), f(), f.bg()(), f.future()().result(5), f.peek(), l1_info().state, "no thread" in l1_info().why)
        """,
        tmp_path,
        CACHES_DSN=server.dsn,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 1 1 1 1 down True\n", "")


FORKING = """
    import os, sys, threading, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    from rcollections import cached, connection

    go = threading.Event()

    @cached(lease=0.6, ttl=100, async_ttl=50)
    def f(x):
        if x == 1 and os.getpid() == parent:
            go.wait(20)
        if x == 2:
            time.sleep(1.5)
        return x

    parent = os.getpid()
    f(0)
    f.future()(0).result(5)                       # the pool, the renewer and the listener are there
    computing = threading.Thread(target=f, args=(1,))
    computing.start()
    waiter = threading.Thread(target=f, args=(1,))
    waiter.start()
    while f.cache_info().waits < 1:
        time.sleep(0.002)
    child = os.fork()
    if child == 0:
        try:
            assert f(0) == 0
            assert f.future()(5).result(5) == 5       # a pool of its own
            assert f(2) == 2                          # renewed beyond its lease
            assert f.cache_info().refused == 0
            go.set()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    # The child waits for the parent's computation, over the server, and is woken.
    child = os.fork()
    if child == 0:
        began = time.monotonic()
        ok = f(1) == 1
        os._exit(0 if ok else 1)
    time.sleep(0.1)
    go.set()
    computing.join()
    waiter.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert f.peek(2) == 2
    print("ok")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forks(tmp_path: Path, server: Server) -> None:
    """A child computes, renews, waits and listens by itself, while its parent is in the middle of things."""
    done = run(FORKING, tmp_path, CACHES_DSN=server.dsn)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
