"""Background work of event loops: tasks that this file holds until they end, and whose exceptions are not lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..plans.waiting import apart
from ..wire.aio_signals import AsyncSignal
from ..wire.clock import no_deadline
from .background import report

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["AsyncHandle", "in_background", "unfinished"]

# asyncio keeps only weak references to tasks: these references keep background tasks alive.
_running: set[asyncio.Task[Any]] = set()
_once: WeakKeyDictionary[object, set[object]] = WeakKeyDictionary()


def in_background(make: Callable[[], Coroutine[object, object, object]], *, once: object = None) -> None:
    """Run as a task that is held until its end, apart from the caller; its exception goes to the log.

    Does nothing if a task with the same ``once`` runs in this loop already.
    """
    doing = _once.setdefault(asyncio.get_running_loop(), set())
    if once in doing:
        return
    if once is not None:
        doing.add(once)

    async def run() -> None:
        no_deadline()
        apart()
        await make()

    task: asyncio.Task[Any] = asyncio.ensure_future(run())
    _running.add(task)
    task.add_done_callback(_running.discard)
    task.add_done_callback(lambda _: doing.discard(once))
    task.add_done_callback(_report_if_lost)


def unfinished() -> list[asyncio.Task[Any]]:
    """The tasks of all event loops that are not done."""
    return [task for task in list(_running) if not task.done()]


def _report_if_lost(task: Any) -> None:
    if not task.cancelled():
        report(task)


class AsyncHandle:
    """The reply to ``Spawn``: ``done`` is set at the end, ``result()`` gives the result of the plan or raises."""

    def __init__(self, task: Any) -> None:
        self.done = AsyncSignal()
        self._task = task
        _running.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Any]) -> None:
        _running.discard(task)
        self.done.set()

    def result(self) -> object:
        """The result of the task; raises its exception."""
        return self._task.result()

    def abandon(self) -> None:
        """The plan will not ask for the result: an exception goes to the log instead."""
        self._task.add_done_callback(report)
