"""A bounded free list of links for one event loop: a caller that finds no free link waits its turn."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..forks import at_fork
from .clock import until as until_
from .links.aio import AsyncLink
from .pool import busy

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import CacheTimeout

__all__ = ["AsyncPool"]

CONNECTING = 8  # links that are opened at once; connecting blocks, so threads do it

LAST_LOOK = 0.05  # seconds that a caller whose time is up waits for a loop that was late
LONGEST = 10  # how many times its time a caller waits at most while links keep coming back

_threads: ThreadPoolExecutor | None = None


def _forget_threads() -> None:
    global _threads
    _threads = None  # the threads are in the parent


at_fork(_forget_threads)


def _executor() -> ThreadPoolExecutor:
    """Threads of our own: they wait while a server is away, and the loop's own executor is for its users."""
    global _threads
    if _threads is None:
        _threads = ThreadPoolExecutor(CONNECTING, thread_name_prefix="rcollections-connect")
    return _threads


class AsyncPool:
    """At most ``limit`` links of one event loop. ``connect`` opens a link, and blocks; the pool calls it in a thread.

    The pool serves waiting callers in their order. A caller that is not served by its instant gets CacheTimeout.
    Without a deadline around the call it waits on while links keep coming back: then the queue is long, and the server
    answers.
    """

    def __init__(self, connect: Callable[[float], Any], limit: int, where: str) -> None:
        self._connect = connect
        self._limit = limit
        self._where = where
        self._loop = asyncio.get_running_loop()
        self._free: list[AsyncLink] = []
        self._links: set[AsyncLink] = set()
        self._opening = 0
        self._queue: deque[asyncio.Future[AsyncLink | None]] = deque()
        self._ahead: deque[asyncio.Future[AsyncLink | None]] = deque()  # callers that go before the queue
        self._served = 0  # links that came back to callers that waited
        self.closed = False

    async def acquire(self, until: float, first: bool = False) -> AsyncLink:
        """A link that is open and idle. The caller gives it back by its ``release`` or ``discard``.

        ``first``: before the callers that wait, behind those that came with ``first``.
        """
        while True:
            while self._free:
                link = self._free.pop()
                if link.idle:
                    return link
                self._drop(link)
            if len(self._links) + self._opening < self._limit:
                return await self._open(until)
            began = time.monotonic()
            given = await self._turn(until, first)
            if given is not None:
                return given
            if math.isinf(until_(math.inf)):  # leave to open a link: that has its own time
                until = max(until, time.monotonic() + until - began)

    async def _open(self, until: float) -> AsyncLink:
        self._opening += 1
        opening = _executor().submit(self._connect, until)
        try:
            link = AsyncLink(await asyncio.wrap_future(opening), self._loop)
        except BaseException:
            if not opening.cancel():  # the caller went away, and the thread is opening its link: close that link
                opening.add_done_callback(_close_late)
            self._opening -= 1
            self._wake()
            raise
        self._opening -= 1
        self._links.add(link)
        link.home, link.waited = self, True
        return link

    async def _turn(self, until: float, first: bool) -> AsyncLink | None:
        """Wait for a link to come back; None: there is room to open another link."""
        turn: asyncio.Future[AsyncLink | None] = self._loop.create_future()
        (self._ahead if first else self._queue).append(turn)
        patience = _Patience(self, turn, until)
        try:
            given = await turn
            if given is not None:
                given.waited = True
            return given
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                given = turn.result()
                self._wake() if given is None else self.release(given)
            raise
        finally:
            patience.timer.cancel()

    def later(self, seconds: float, fn: Callable[[], None]) -> asyncio.TimerHandle:
        """Call this function in the loop after that time."""
        return self._loop.call_later(max(0.0, seconds), fn)

    @property
    def served(self) -> int:
        """How many callers that waited have got a link."""
        return self._served

    def busy(self) -> CacheTimeout:
        """The error of a caller for whom no link came back in time."""
        return busy(self._limit, self._where)

    def _wake(self, link: AsyncLink | None = None) -> bool:
        """Serve the caller that waits longest: by this link, or (None) by leave to open one."""
        while self._ahead or self._queue:
            turn = (self._ahead or self._queue).popleft()
            if not turn.done():
                self._served += 1
                turn.set_result(link)
                return True
        return False

    def release(self, link: AsyncLink) -> None:
        """Give back a link with no reply outstanding."""
        if self.closed or not link.idle:
            self.discard(link)
        elif not self._wake(link):
            self._free.append(link)

    def discard(self, link: AsyncLink) -> None:
        """Give back a link whose replies cannot be trusted any more: it is closed."""
        self._drop(link)
        self._wake()

    def _drop(self, link: AsyncLink) -> None:
        self._links.discard(link)
        link.close()

    def close(self) -> None:
        """Close idle links now, and used links when they come back. In the loop, or after its end."""
        self.closed = True
        self.drop_idle()

    def drop_idle(self) -> None:
        """Close idle links now; the links that are in use stay. In the loop, or after its end."""
        while self._free:
            self._drop(self._free.pop())

    def drop_idle_soon(self) -> None:
        """``drop_idle``, from any thread."""
        with suppress(RuntimeError):  # the loop was closed, and its links with it
            self._loop.call_soon_threadsafe(self.drop_idle)

    def end(self) -> None:
        """The loop is over: close all links, also used ones."""
        self.closed = True
        for link in self._links:
            link.close()

    def close_soon(self) -> None:
        """``close``, from any thread."""
        if self._loop.is_running():
            self.closed = True
            try:
                self._loop.call_soon_threadsafe(self.close)
            except RuntimeError:  # the loop was closed just now, and its links with it
                return
        else:
            self.close()


class _Patience:
    """How long one caller waits for its turn."""

    def __init__(self, pool: AsyncPool, turn: asyncio.Future[AsyncLink | None], until: float) -> None:
        self._pool = pool
        self._turn = turn
        self._time = until - time.monotonic()
        self._longest = until + (0.0 if until_(math.inf) < math.inf else LONGEST * self._time)
        self._seen = pool.served
        self._looked = False
        self.timer = pool.later(self._time, self._over)

    def _over(self) -> None:
        if self._turn.done():
            return
        pool, bounded = self._pool, time.monotonic() >= self._longest
        if not bounded and not self._looked:  # the loop may have been late: links that came back are to be seen first
            self._looked = True
            self.timer = pool.later(LAST_LOOK, self._over)
        elif not bounded and pool.served != self._seen:
            self._seen, self._looked = pool.served, False
            self.timer = pool.later(self._time, self._over)
        else:
            self._turn.set_exception(pool.busy())


def _close_late(opening: Any) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
