"""Background work: bounded, no exception lost, over forks, and ended with the process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rcollections import CacheMissError, cached, deadline
from rcollections.plans.waiting import computing
from rcollections.servers import background
from rcollections.testing import Server, wait_until
from rcollections.wire import clock

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


def test_the_whole_face_in_the_background(store: Any, caplog: Any) -> None:
    """What changes gives None and happens later; what looks answers as without ``bg()``; errors are in the log."""

    @cached(ttl=60, stale_if_error=60)
    def f(x: int) -> int:
        return x

    bg = f.bg()
    with pytest.raises(CacheMissError):
        bg.peek(1)
    with pytest.raises(CacheMissError):
        bg.get_ttl(1)
    assert f.cache_info().computes == 0
    assert bg.put(1, _cache_put=10) is None
    wait_until(lambda: f.get_ttl(1)[0] == 10 if _there(f, 1) else False)
    assert bg.store(11)(x=1) is None
    wait_until(lambda: bg.peek(1) == 11)
    assert bg.get_ttl(1)[1] == pytest.approx(60, abs=5)
    assert bg.expire(1) is None
    wait_until(lambda: bg.get_ttl(1)[1] <= 0)
    assert bg.invalidate(1) is None
    wait_until(lambda: not _there(f, 1))
    f(1), f(2)
    assert bg.clear() is None
    wait_until(lambda: not _there(f, 2))
    for change in (bg.invalidate, bg.expire, bg.store(1), partial(bg.put, _cache_put=1)):
        with pytest.raises(TypeError, match="x"):
            change()
    bg.put(1, _cache_put=object())  # type: ignore[arg-type]
    wait_until(lambda: "EncodeError" in caplog.text)


def _there(f: Any, x: int) -> bool:
    try:
        f.get_ttl(x)
    except CacheMissError:
        return False
    return True


def test_the_whole_face_as_futures(store: Any) -> None:
    """A future of what each method gives."""

    @cached(ttl=60, stale_if_error=60)
    def f(x: int) -> int:
        return x

    future = f.future()
    assert future.put(1, _cache_put=10).result(5) is None
    assert future.peek(1).result(5) == 10
    assert future.store(11)(1).result(5) is None
    assert future.get_ttl(1).result(5)[0] == 11
    assert future.expire(1).result(5) is None
    assert f.get_ttl(1)[1] <= 0
    assert future.invalidate(1).result(5) is None
    assert isinstance(future.get_ttl(1).exception(5), CacheMissError)
    assert (future(1).result(5), future(2).result(5)) == (1, 2)
    assert future.clear().result(5) == 2
    assert isinstance(future.invalidate().exception(5), TypeError)  # type: ignore[call-arg]


def test_the_whole_face_in_an_event_loop(store: Any) -> None:
    """The same for ``async def``, by tasks."""

    @cached(ttl=60, stale_if_error=60)
    async def f(x: int) -> int:
        return x

    async def until(check: Any) -> None:
        end = time.monotonic() + 10
        while not await check():
            assert time.monotonic() < end
            await asyncio.sleep(0.005)

    async def left() -> float | None:
        try:
            return (await f.get_ttl(1))[1]
        except CacheMissError:
            return None

    async def main() -> None:
        bg, future = f.bg(), f.future()
        with pytest.raises(CacheMissError):
            await bg.peek(1)
        assert await bg.store(10)(1) is None
        await until(lambda: _is(left, lambda seconds: seconds is not None))
        assert await bg.peek(1) == await future.peek(1) == 10
        assert (await bg.get_ttl(1))[0] == (await future.get_ttl(1))[0] == 10
        await bg.expire(1)
        await until(lambda: _is(left, lambda seconds: seconds <= 0))
        await bg.put(1, _cache_put=11)
        await until(lambda: _is(left, lambda seconds: seconds > 0))
        await bg.invalidate(1)
        await until(lambda: _is(left, lambda seconds: seconds is None))
        await future.put(1, _cache_put=12)
        await future.store(13)(2)
        await future.expire(2)
        assert await future(1) == 12
        await future.invalidate(1)
        assert await left() is None
        assert await future.clear() == 1
        await f(1)
        await bg.clear()
        await until(lambda: _is(left, lambda seconds: seconds is None))
        with pytest.raises(TypeError, match="x"):
            await bg.invalidate()

    asyncio.run(main())


async def _is(read: Any, check: Any) -> bool:
    return bool(check(await read()))


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
        return len(background._current().workers.tasks)

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
    monkeypatch.setattr(background, "WORKERS", 1)
    monkeypatch.setattr(background, "_pool", None)
    versions = iter(range(10))

    @cached(ttl=60, stale_if_error=60)
    def f() -> int:
        return next(versions)

    go = threading.Event()
    assert f() == 0
    f.expire()
    tasks = [background.submit(lambda: go.wait(60)) for _ in range(2)]
    wait_until(lambda: len(background._pool.workers.tasks) == 1, what="the other one runs")
    assert f.bg()() == 0
    assert f.bg().lazy() == 0
    go.set()
    assert all(task.result(10) for task in tasks)
    wait_until(lambda: f.bg()() == 1)
    background._pool.workers.close()


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
    background._pool.workers.close()


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


def pool_of(monkeypatch: Any, workers: int) -> Any:
    """A pool of its own with so many threads."""
    monkeypatch.setattr(background, "WORKERS", workers)
    monkeypatch.setattr(background, "_pool", None)
    return background._current().workers


def test_futures_never_make_their_caller_wait(store: Any, monkeypatch: Any) -> None:
    """However many there are; refreshes are left out while many tasks wait."""
    monkeypatch.setattr(background, "QUEUE", 4)
    workers = pool_of(monkeypatch, 2)
    go, running, most = threading.Event(), [0], [0]
    lock = threading.Lock()

    @cached(ttl=60)
    def f(x: int) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        assert go.wait(20)
        with lock:
            running[0] -= 1
        return x

    futures = [f.future()(n) for n in range(200)]
    assert not any(future.done() for future in futures)
    assert background.try_submit(lambda: 1) is None
    go.set()
    assert [future.result(20) for future in futures] == list(range(200))
    assert most[0] <= 4, "two run, and one more for each second without a beginning"
    assert background.try_submit(lambda: 1).result(5) == 1  # type: ignore[union-attr]
    workers.close()


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("how", ["result", "timeout", "exception", "wait", "asyncio", "pool"])
def test_futures_that_wait_for_futures_come_to_an_end(store: Any, monkeypatch: Any, workers: int, how: str) -> None:
    """Whatever the number of threads, however they wait, three deep."""
    monkeypatch.setattr("rcollections.servers.workers.STALL", 0.02)
    pool = pool_of(monkeypatch, workers)

    def ask(future: Any) -> int:
        if how == "timeout":
            return future.result(20)  # type: ignore[no-any-return]
        if how == "exception":
            assert future.exception(20) is None
        if how == "wait":
            assert wait([future], 20).done
        if how == "asyncio":
            return asyncio.run(_asked(future))  # type: ignore[no-any-return]
        if how == "pool":
            with ThreadPoolExecutor(1) as other:
                return other.submit(future.result).result(20)
        return future.result()  # type: ignore[no-any-return]

    @cached(ttl=60)
    def inner(i: int) -> int:
        return i

    @cached(ttl=60)
    def middle(i: int) -> int:
        return sum(ask(future) for future in [inner.future()(i), inner.future()(i + 1)])

    @cached(ttl=60)
    def outer(i: int) -> int:
        return ask(middle.future()(i)) + 1

    futures = [outer.future()(i) for i in range(12)]
    assert [future.result(20) for future in futures] == [2 * i + 2 for i in range(12)]
    pool.close()


def test_computations_with_a_soft_timeout_come_to_an_end(store: Any, monkeypatch: Any) -> None:
    """They compute in the background and wait for it, in the background, and with one thread."""
    pool = pool_of(monkeypatch, 1)

    @cached(ttl=60, stale_if_error=60, soft_timeout=5)
    def f(x: int) -> int:
        return x

    for _ in range(2):
        futures = [f.future()(n) for n in range(10)] + [f.future()(3) for _ in range(10)]
        assert [future.result(20) for future in futures] == [*range(10), *[3] * 10]
        for n in range(10):
            f.expire(n)
    pool.close()


def test_one_key_asked_for_by_many_futures_needs_few_threads(store: Any, monkeypatch: Any) -> None:
    """They wait for one computation, and take the threads that there are."""
    pool = pool_of(monkeypatch, 3)
    before = threading.active_count()
    seen: list[int] = []

    @cached(ttl=60)
    def f() -> int:
        time.sleep(0.2)
        seen.append(threading.active_count() - before)
        return 1

    assert [future.result(20) for future in [f.future()() for _ in range(200)]] == [1] * 200
    assert len(seen) == 1
    assert seen[0] < 10
    pool.close()


def test_work_that_is_done_by_who_waits_for_it_is_apart_from_it(store: Any, monkeypatch: Any) -> None:
    """Its deadline and what it computes are as they were when it was asked for; those of who waits stay."""
    pool = pool_of(monkeypatch, 1)
    seen: dict[str, Any] = {}

    def facts() -> tuple[bool, int, str]:
        return clock.passed(), len(computing()), threading.current_thread().name

    @cached(ttl=60)
    def inner() -> int:
        seen["inner"] = facts()
        return 1

    @cached(ttl=60)
    def outer() -> int:
        future = inner.future()()
        with deadline(0):
            seen["before"] = facts()
            assert future.result() == 1
            seen["after"] = facts()
        return 2

    assert outer.future()().result(20) == 2
    assert seen["before"] == seen["after"] == (True, 1, seen["inner"][2])
    assert seen["inner"][:2] == (False, 2), "a part of the computation that asked for it"
    pool.close()


def test_a_wait_with_a_timeout_ends_in_time(store: Any, monkeypatch: Any) -> None:
    """Also where all threads are busy with what waits."""
    pool = pool_of(monkeypatch, 1)
    go = threading.Event()

    def outer() -> str:
        slow = background.submit(lambda: go.wait(20))
        with pytest.raises(TimeoutError):
            slow.result(0.05)
        go.set()
        return str(slow.result())

    assert background.submit(outer).result(20) == "True"
    pool.close()


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


def test_futures_of_futures_while_the_process_ends(tmp_path: Path) -> None:
    """No thread can be started then: who waits does the work itself, with a timeout too."""
    done = run(
        """
        import os, time
        from rcollections import cached

        @cached(ttl=60)
        def inner(i): return i

        @cached(ttl=60)
        def outer(i):
            time.sleep(0.02)
            total = inner.future()(i).result(timeout=5) + inner.future()(i + 1).result()
            os.write(1, b"%d\\n" % total)
            return total

        for i in range(20): outer.future()(i)
        """,
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(map(int, done.stdout.split())) == [2 * i + 1 for i in range(20)]


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
