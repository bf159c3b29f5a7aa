"""The pool of threads: which links it keeps, and that it leaves none open."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from rcollections import CacheTimeout, connection
from rcollections.plans.op import UNSENT
from rcollections.testing import isolated, wait_until
from rcollections.wire.packing import pack
from rcollections.wire.pool import Pool


class Thing:
    """Stands for a link: the pool only asks whether it is idle, and closes it."""

    def __init__(self) -> None:
        self.lent = False
        self.home: Any = None
        self.idle = True
        self.closed = False

    def close(self) -> None:
        self.closed = True


def soon() -> float:
    return time.monotonic() + 1


def test_a_link_that_comes_back_while_the_pool_closes_is_closed() -> None:
    """Whichever of the two threads comes first: the list is looked at again after the link was put there."""
    pool = Pool(lambda _until: Thing(), 5, "somewhere")

    class Racing(list[Any]):
        def __iadd__(self, links: Any) -> Any:
            pool.close()  # another thread, in this very moment
            return super().__iadd__(links)

    link: Any = pool.acquire(soon())
    pool._free = Racing()
    pool.release(link)
    assert link.closed
    assert not pool._free


def test_closing_closes_idle_links_now_and_used_ones_when_they_come_back() -> None:
    """Also if two threads close at once, and both take from the list."""
    pool = Pool(lambda _until: Thing(), 5, "somewhere")
    used: Any = pool.acquire(soon())
    idle: Any = pool.acquire(soon())
    pool.release(idle)
    pool.close()
    pool.close()
    assert idle.closed
    assert not used.closed
    pool.release(used)
    assert used.closed


def test_idle_links_can_be_dropped_while_others_are_in_use() -> None:
    """After a failure nobody knows where the idle ones lead to; the next caller gets a new one."""
    pool = Pool(lambda _until: Thing(), 5, "somewhere")
    used: Any = pool.acquire(soon())
    idle: Any = pool.acquire(soon())
    pool.release(idle)
    pool.drop_idle()
    assert idle.closed
    fresh = pool.acquire(soon())
    assert fresh is not idle
    pool.release(used)
    assert pool.acquire(soon()) is used


# -- waiting in turn -----------------------------------------------------------------------------------


class Queue:
    """Callers of a pool with one link, each on a thread of its own; ``served`` tells who got it, in that order."""

    def __init__(self) -> None:
        self.pool = Pool(lambda _until: Thing(), 1, "somewhere")
        self.link: Any = self.pool.acquire(soon())
        self.served: list[str] = []
        self.go_on = {name: threading.Event() for name in "abcdefgh"}
        self.threads: list[threading.Thread] = []

    def come(self, name: str, waiting: int, first: bool = False) -> None:
        """One more caller; then so many wait."""

        def call() -> None:
            link: Any = self.pool.acquire(time.monotonic() + 10, first)
            self.served.append(name)
            assert self.go_on[name].wait(10)
            self.pool.release(link)

        self.threads.append(threading.Thread(target=call))
        self.threads[-1].start()
        wait_until(lambda: len(self.pool._waiting) == waiting, what=f"{name} in the queue")

    def end(self) -> None:
        for each in self.go_on.values():
            each.set()
        for thread in self.threads:
            thread.join(10)
        assert self.pool.links == self.pool.idle == 1
        assert not self.pool._waiting


def test_who_waits_is_served_in_turn() -> None:
    """A caller that comes when the link is back, and nobody was quick enough to take it, stands at the end."""
    queue = Queue()
    for n, name in enumerate("abc"):
        queue.come(name, n + 1)
    queue.pool.release(queue.link)
    queue.served.append("back")
    queue.come("d", 3)  # at once: the one that was waked may not even run yet
    for n, name in enumerate("abcd"):
        wait_until(lambda n=n: len(queue.served) == n + 2, what=f"{name} is served")
        queue.go_on[name].set()
    queue.end()
    assert queue.served == ["back", *"abcd"]


def test_a_caller_that_gives_back_and_asks_again_does_not_overtake() -> None:
    """On one thread nothing comes in between: the link lay there, but it is for the one who waits."""
    queue = Queue()
    queue.come("a", 1)
    queue.go_on["a"].set()
    queue.pool.release(queue.link)
    again: Any = queue.pool.acquire(soon())
    assert queue.served == ["a"]
    queue.pool.release(again)
    queue.end()


def test_whose_lease_runs_out_comes_first() -> None:
    queue = Queue()
    queue.come("a", 1)
    queue.come("b", 2, first=True)
    queue.pool.release(queue.link)
    queue.go_on["a"].set()
    queue.go_on["b"].set()
    queue.end()
    assert queue.served == ["b", "a"]


def test_who_goes_away_holds_up_nobody() -> None:
    """By its time, and by an exception that left its place in the queue."""
    queue = Queue()
    with pytest.raises(CacheTimeout, match="all 1 connections"):
        queue.pool.acquire(time.monotonic() + 0.01)
    assert not queue.pool._waiting
    dead = threading.Lock()
    dead.acquire()
    queue.pool._waiting.append(dead)
    queue.come("a", 2)
    queue.pool.release(queue.link)  # wakes the dead one
    queue.go_on["a"].set()
    queue.end()
    assert queue.served == ["a"]


def test_while_one_connects_others_are_served() -> None:
    """It has left the queue by then: its connection may take long."""
    connecting, go_on = threading.Event(), threading.Event()
    made: list[Thing] = []

    def connect(_until: float) -> Thing:
        if made:
            connecting.set()
            assert go_on.wait(10)
        made.append(Thing())
        return made[-1]

    pool = Pool(connect, 2, "somewhere")
    first: Any = pool.acquire(soon())
    slow = threading.Thread(target=lambda: pool.release(pool.acquire(soon())))
    slow.start()
    assert connecting.wait(10)
    pool.release(first)
    assert pool.acquire(soon()) is first
    go_on.set()
    slow.join(10)


def test_no_quick_try_while_somebody_waits(server: Any) -> None:
    """It would take the link that has just come back."""
    with isolated(server.dsn + "?max_connections=1"):
        here = connection()
        here.raw("PING")
        pool: Any = here.links.pool
        assert here.ask(pack(("PING",)), 1, True) == b"PONG"
        waits = threading.Lock()
        pool._waiting.append(waits)
        assert here.ask(pack(("PING",)), 1, True) is UNSENT
        pool._waiting.clear()
        assert here.ask(pack(("PING",)), 1, True) == b"PONG"
