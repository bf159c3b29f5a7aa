"""Time limits: a call that is stopped anywhere leaves nothing locked, lent, held or waiting."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheError, CacheTimeout, DictCache, KeyCache, cached, deadline, multi_cached
from rcollections.plans.circles import Waits
from rcollections.plans.collections import loads
from rcollections.plans.marks import read_mark
from rcollections.plans.waiting import Computation, computing, marked, waiting_for
from rcollections.servers import background
from rcollections.testing import wait_until
from rcollections.wire.clock import instant
from rcollections.wire.pool import Pool
from tests.interrupting import interrupted
from tests.kinds import one_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

numbers = count()
LONG = 60.0  # seconds of a lease that no test waits for


pytestmark = pytest.mark.filterwarnings(
    # A connection that is being made is closed with its socket.
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)  # fmt: skip


@pytest.fixture(autouse=True)
def _handler(request: pytest.FixtureRequest) -> Iterator[None]:
    """The program has a signal handler, as a worker with time limits has; or none but that of Ctrl-C, as a notebook."""
    ctrl_c = getattr(request, "param", "") == "ctrl-c"
    number = signal.SIGINT if ctrl_c else signal.SIGALRM
    before = signal.signal(number, signal.default_int_handler if ctrl_c else lambda *_: None)
    yield
    signal.signal(number, before)
    gc.collect()  # here, where it is expected: sockets that were just being connected are closed with their objects


def pools(store: Any) -> list[Any]:
    """The pools of threads, of each server."""
    return [each.pool for each in store.all_links() if each.pool is not None]


def settled(store: Any) -> None:
    """Nothing is left of any call: no link lent, no flight. (Other threads may be about to give back theirs.)"""

    began = time.monotonic()
    collected = False

    def all_back() -> bool:
        nonlocal collected
        if all(pool.links == pool.idle for pool in pools(store)):
            return True
        if not collected and time.monotonic() - began > 1:
            # A link that was lost with its caller gives its seat back when it is freed, and it may be in a cycle.
            collected = True
            gc.collect()
        return False

    wait_until(all_back)
    wait_until(lambda: not store.flights.table)
    assert not store.flights.waits._for


def soon(call: Callable[[], object]) -> Any:
    """The answer on another thread, which would wait for ever for what the stopped call left behind."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert found, "hangs"
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def sweep(
    store: Any, call: Callable[[], object], after: Callable[[], object], before: Any = None, step: int = 1
) -> None:
    """Stop the call everywhere; each time it works again, at once, here and on another thread."""
    call()
    places = 0
    for place in interrupted(call, before or (lambda: None), step):
        places += 1
        try:
            settled(store)
            began = time.monotonic()
            soon(after)
            settled(store)
            assert time.monotonic() - began < 5
        except BaseException as error:
            error.add_note(f"stopped at {place}")
            raise
    assert places > 5


@pytest.fixture
def users(store: Any) -> DictCache[str, int]:
    found: DictCache[str, int] = DictCache("users", l1=False)
    found.update({"a": 1, "b": 2})
    return found


def test_a_read(store: Any, users: Any) -> None:
    sweep(store, lambda: users["a"], lambda: users["b"])


def test_a_first_link(store: Any, users: Any) -> None:
    """No link is there: the call that opens one is stopped while it does so."""

    def close() -> None:
        for pool in pools(store):
            pool.close()

    sweep(store, lambda: users["a"], lambda: users["b"], before=close, step=3)


def test_a_write(store: Any, users: Any) -> None:
    sweep(store, lambda: users.update(a=3), lambda: users["a"])


def test_a_pipeline(store: Any, users: Any) -> None:
    def piped() -> None:
        with users.pipeline() as p:
            p["c"] = 1
            p.get("a")

    sweep(store, piped, lambda: users["a"])


def test_a_hit(store: Any) -> None:
    @cached(ttl=60, lease=0.6, l1=False)
    def double(n: int) -> int:
        return 2 * n

    sweep(store, lambda: double(1), lambda: double(1))


def test_a_hit_with_tags_and_a_key(store: Any) -> None:
    @cached(ttl=60, lease=0.6, l1=False, key=lambda n: ["double", n], tags=lambda n: ("all", f"n:{n}"))
    def double(n: int) -> dict[str, int]:
        return {"n": 2 * n}

    sweep(store, lambda: double(1), lambda: double(1))


def test_a_read_that_shows_no_value_of_use(store: Any) -> None:
    """The lone caller goes on in the plan, with what it has read."""

    @cached(ttl=60, lease=0.6, l1=False, tags=("all",))
    def double(n: int) -> int:
        return 2 * n

    def outdated() -> None:
        store.raw("SET", "rc:t:all", "anything")

    sweep(store, lambda: double(1), lambda: double(1), before=outdated, step=2)


def test_a_miss(store: Any) -> None:
    @cached(ttl=60, lease=0.6, l1=False)
    def double(n: int) -> int:
        return 2 * n

    n = 0

    def call() -> int:
        nonlocal n
        n = next(numbers)
        return double(n)

    sweep(store, call, lambda: double(n), step=9)


def test_many(store: Any) -> None:
    class Doubles(KeyCache[int]):
        prefix = "doubles"

    @multi_cached("ids", Doubles, ttl=60, lease=0.6)
    def doubles(ids: list[int]) -> dict[int, int]:
        return {n: 2 * n for n in ids}

    ids: list[int] = []

    def call() -> object:
        ids[:] = [next(numbers), next(numbers)]
        return doubles(ids)

    sweep(store, call, lambda: doubles(ids), step=11)


def test_a_field_that_fills_itself(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "LEASE_MS", 600)

    class Squares(DictCache[int, int]):
        l1 = False

        def __missing__(self, n: int) -> int:
            return n * n

    squares, n = Squares("squares"), 0

    def call() -> int:
        nonlocal n
        n = next(numbers)
        return squares[n]

    sweep(store, call, lambda: squares[n], step=2)


@pytest.mark.parametrize("_handler", ["limit", "ctrl-c"], indirect=True)
def test_waking(store: Any) -> None:
    """Waiting for a channel: the connection that hears is opened, used and lost."""
    from rcollections.wire.signals import Signal

    def listen() -> None:
        store.wakeups.listen(f"channel {next(numbers)}", Signal())

    def after() -> None:
        store.wakeups.listen(f"channel {next(numbers)}", Signal())

    sweep(store, listen, after, step=2)


class Line:
    """A link to nowhere."""

    def __init__(self) -> None:
        self.home: Any = None
        self.lent: object = False
        self.seat: Any = None
        self.idle = True

    def close(self) -> None:
        pass


def test_a_pool_with_one_link() -> None:
    """Borrowed and given back, stopped everywhere: the next caller gets it, without waiting."""
    pool = Pool(lambda _: Line(), 1, "nowhere")

    def borrow() -> None:
        link: Any = None
        try:
            link = pool.acquire(time.monotonic() + 5)
        finally:
            if link is not None:
                pool.release(link)

    for place in interrupted(borrow, lambda: None):
        assert pool.links == pool.idle, f"lost at {place}"
        borrow()
        assert pool.links == pool.idle == 1


def test_a_place_in_the_queue_for_a_link() -> None:
    """Left behind by a caller that was stopped anywhere: the next one waits for a moment at most."""
    pool = Pool(lambda _: Line(), 1, "nowhere")
    link: Any = pool.acquire(time.monotonic() + 5)

    def wait() -> None:
        with suppress(CacheTimeout):
            pool.acquire(time.monotonic() + 0.001)

    for place in interrupted(wait, lambda: None):
        pool.release(link)
        link = pool.acquire(time.monotonic() + 5)
        assert not pool._waiting, f"left at {place}"
        assert pool.links == 1


def test_a_future(store: Any) -> None:
    """Stopped anywhere, it takes no thread and no place from others."""

    @cached(ttl=100, l1=False)
    def twice(n: int) -> int:
        return 2 * n

    def idle() -> bool:
        pool: Any = background._pool
        return pool is None or not (pool.workers._runners or pool.workers._waiting or pool.unfinished or pool.once)

    wait_until(idle)
    for place in interrupted(lambda: twice.future()(next(numbers)).result(10), lambda: None):
        assert twice.future()(next(numbers)).result(10) % 2 == 0
        wait_until(idle, what=f"idle after {place}")
    for place in interrupted(lambda: twice.bg().refresh(next(numbers)), lambda: None):
        wait_until(idle, what=f"idle after {place}")
    settled(store)


class Sum(Computation):
    """Some computation."""

    waits = Waits()
    known_as = "sum"

    def recursion(self) -> CacheError:
        return CacheError("it waits for itself")

    circle = recursion


def test_the_mark_of_a_computation() -> None:
    """It ends with the computation, however that ends: the next one is not taken for a recursion."""
    for place in interrupted(lambda: marked(lambda: None, [Sum()])(), lambda: None):
        assert not computing(), f"stopped at {place}"


def test_a_wait_of_a_computation() -> None:
    wanted = Sum()
    wanted.known_as = "other"

    def wait() -> None:
        with waiting_for(wanted):
            pass

    for place in interrupted(lambda: marked(wait, [Sum()])(), lambda: None):
        assert not Sum.waits._for, f"stopped at {place}"


@pytest.mark.parametrize("stale", [False, True])
def test_a_lease(store: Any, stale: bool) -> None:
    """Nobody waits until it runs out, wherever its owner was stopped; with a stale value the background has it."""

    @cached(ttl=60, stale_while_revalidate=60, key="leased:{n}", lease=LONG)
    def f(n: int) -> int:
        return n

    def before() -> None:
        if stale:
            f.store(1)(1)
            f.expire(1)
        else:
            f.invalidate(1)

    def free() -> bool:
        found = store.raw("GET", "rc:l:{leased:1}")
        return found is None or read_mark(found) is not None

    for place in interrupted(lambda: f(1), before):
        wait_until(free, 5, f"the end of its lease: stopped at {place}")


def test_many_leases(store: Any) -> None:
    @multi_cached("ids", ttl=60, key=lambda n: f"leased:{n}", lease=LONG)
    def f(ids: Any) -> dict[int, int]:
        return {n: n for n in ids}

    def free() -> bool:
        found = [store.raw("GET", f"rc:l:{{leased:{n}}}") for n in (1, 2)]
        return all(each is None or read_mark(each) is not None for each in found)

    for place in interrupted(lambda: f([1, 2]), lambda: f.invalidate([1, 2])):
        wait_until(free, 5, f"the end of its leases: stopped at {place}")


def test_a_deadline() -> None:
    """It ends with its block: no later call of this thread has its time."""

    def bounded() -> None:
        with deadline(0.0):
            pass

    for place in interrupted(bounded, lambda: None):
        assert not instant(), f"stopped at {place}"


def test_a_storm() -> None:
    """Real signals, for some seconds, in a process of its own; ``make signals`` is the long form."""
    words = [sys.executable, "-m", "tests.faults.signals", "--seconds", "4", "--kind", one_server()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "0 hangs" in done.stdout
