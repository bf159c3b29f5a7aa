"""The links of one event loop to one server: usually one, which all tasks share; more where a large reply travels."""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..forks import at_fork
from .failures import Late, NotConnected, is_silence
from .links.aio import AsyncLink
from .links.lane import Lane
from .reasons import TIMED_OUT

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AsyncPool"]

CONNECTING = 8  # links that are opened at once; connecting blocks, so threads do it
ALIVE = 0.1  # seconds: a link on which a byte came since is trusted

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


def _open_elsewhere(connect: Callable[[float], Any]) -> Future[Any]:
    """The link that a thread opens."""
    try:
        return _executor().submit(connect, math.inf)
    except RuntimeError:  # the main thread has ended, and executors with it; this loop runs in another thread
        opened: Future[Any] = Future()
        Thread(target=_open, args=(opened, connect), name="rcollections-connect", daemon=True).start()
        return opened


def _open(opened: Future[Any], connect: Callable[[float], Any]) -> None:
    try:
        opened.set_result(connect(math.inf))
    except BaseException as error:  # whoever waits is told
        opened.set_exception(error)


class AsyncPool:
    """At most ``limit`` links that take new callers. ``connect`` opens a link, and blocks; a thread calls it.

    All tasks share the first link. Another one is opened while a large reply travels on it, while its callers wait
    for room to send, or while the server has owed a reply for long: so nobody waits behind what may take long. A link
    that is given up stays open until its last reply has come, and does not count meanwhile.
    """

    def __init__(self, connect: Callable[[float], Any], limit: int, timeout: float, buffer: bytearray) -> None:
        self._connect = connect
        self._limit = limit
        self._timeout = timeout
        self._buffer = buffer
        self.loop = asyncio.get_running_loop()
        self.links: list[AsyncLink] = []  # those that take new callers
        self.first: AsyncLink | None = None  # of them
        self._leaving: set[AsyncLink] = set()
        self._opening: Future[Any] | None = None
        self._waiting: list[asyncio.Future[AsyncLink]] = []  # for the link that is being opened
        self.closed = False

    async def acquire(self, until: float) -> Lane:
        """The use of a link, by that instant."""
        for link in tuple(self.links):
            if link.ready and link.looks_open():
                return Lane(link)
        if len(self.links) >= self._limit:
            return Lane(self._least_loaded())
        return Lane(await self._opened(until), waited=True)

    def _least_loaded(self) -> AsyncLink:
        return min(self.links, key=lambda link: link.load)

    async def _opened(self, until: float) -> AsyncLink:
        """The next link that is opened; one that is open already if no other can be opened."""
        if self._opening is None:
            self._opening = _open_elsewhere(self._connect)
            self._opening.add_done_callback(self._came)
        turn: asyncio.Future[AsyncLink] = self.loop.create_future()
        self._waiting.append(turn)
        began = monotonic()
        timer = self.loop.call_later(max(0.0, until - began), self._late, turn, began)
        try:
            return await turn
        except Exception:
            if not self.links:
                raise
            return self._least_loaded()
        finally:
            timer.cancel()

    def _late(self, turn: asyncio.Future[AsyncLink], began: float) -> None:
        if not turn.done():
            turn.set_exception(Late(is_silence(monotonic() - began, self._timeout), 0, TIMED_OUT))

    def _came(self, opened: Future[Any]) -> None:
        """In the thread that has opened a link, or has failed."""
        try:
            self.loop.call_soon_threadsafe(self._take, opened)
        except RuntimeError:  # the loop was closed
            _close(opened)

    def _take(self, opened: Future[Any]) -> None:
        self._opening = None
        waiting, self._waiting = self._waiting, []
        error = opened.exception()
        if error is not None:
            for turn in waiting:
                if not turn.done():
                    turn.set_exception(_own(error))
            return
        link = AsyncLink(opened.result(), self.loop, self._timeout, self._buffer, self._gone)
        self.links.append(link)
        self.first = self.links[0]
        for turn in waiting:
            if not turn.done():
                turn.set_result(link)
        if self.closed:
            self.loop.call_soon(link.retire)  # after those that have waited for it have asked

    def _gone(self, link: AsyncLink) -> None:
        """This link takes no new callers any more."""
        if link in self.links:
            self.links.remove(link)
        self.first = self.links[0] if self.links else None
        self._leaving = {each for each in self._leaving if each.failure is None}
        if link.failure is None:
            self._leaving.add(link)

    def close(self) -> None:
        """Close each link as soon as nobody waits for a reply on it. In the loop, or after its end."""
        self.closed = True
        for link in tuple(self.links):
            link.retire()

    def drop_idle(self) -> None:
        """Give up the links on which no byte came just now: they may lead nowhere. In the loop, or after its end."""
        now = monotonic()
        for link in tuple(self.links):
            if now - max(link.moved, link.opened) > ALIVE:
                link.retire()

    def drop_idle_soon(self) -> None:
        """``drop_idle``, from any thread."""
        with suppress(RuntimeError):  # the loop was closed, and its links with it
            self.loop.call_soon_threadsafe(self.drop_idle)

    def end(self) -> None:
        """The loop is over: close all links, also used ones."""
        self.closed = True
        for link in (*self.links, *self._leaving):
            link.close()
        if self._opening is not None:
            self._opening.add_done_callback(_close)

    def close_soon(self) -> None:
        """``close``, from any thread."""
        if self.loop.is_running():
            self.closed = True
            try:
                self.loop.call_soon_threadsafe(self.close)
            except RuntimeError:  # the loop was closed just now, and its links with it
                return
        else:
            self.close()


def _close(opened: Future[Any]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        opened.result().close()


def _own(error: BaseException) -> BaseException:
    """The same error, for one of several callers: each gets a traceback of its own."""
    if isinstance(error, NotConnected):
        return error.again()
    return Late(error.silent, error.size, str(error)) if isinstance(error, Late) else error
