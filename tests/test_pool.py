"""The pool of threads: which links it keeps, and that it leaves none open."""

from __future__ import annotations

import time
from typing import Any

from rcollections.wire.pool import Pool


class Thing:
    """Stands for a link: the pool only asks whether it is idle, and closes it."""

    def __init__(self) -> None:
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
