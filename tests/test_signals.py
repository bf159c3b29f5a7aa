"""Signals: whoever waits is woken, whatever happens to those who hand the wake-up on, or to tasks beside them."""

from __future__ import annotations

import asyncio
import ctypes
import random
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from rcollections.testing import wait_until
from rcollections.wire.aio_signals import AsyncSignal
from rcollections.wire.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Callable


class Waiters:
    """Threads that wait for one signal."""

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.threads: list[threading.Thread] = []
        self.heard: list[bool] = []

    def add(self, wait: Callable[[], bool]) -> threading.Thread:
        thread = threading.Thread(target=lambda: self.heard.append(wait()), daemon=True)
        self.threads.append(thread)
        thread.start()
        return thread

    def join(self) -> list[bool]:
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive(), "somebody waits for ever"
        return self.heard


def test_all_that_wait_are_woken() -> None:
    """A hundred threads, one set."""
    signal = Signal()
    waiters = Waiters(signal)
    for _ in range(100):
        waiters.add(signal.wait)
    wait_until(lambda: len(signal._waiting) == 100)
    assert not signal.is_set()
    signal.set()
    assert waiters.join() == [True] * 100
    assert signal.is_set()
    assert not signal._waiting


def test_it_stays_set() -> None:
    """Waiting for what has happened takes no time."""
    signal = Signal()
    signal.set()
    signal.set()
    assert signal.wait()
    assert signal.wait(0)


@pytest.mark.parametrize("seconds", [0.02, 0, -1])
def test_the_time_is_up(seconds: float) -> None:
    """False, and nothing of this wait is left."""
    signal = Signal()
    assert not signal.wait(seconds)
    assert not signal._waiting


def test_those_who_give_up_break_no_chain() -> None:
    """Times that end just when it is set, again and again: the others are all woken."""
    rng = random.Random(1)
    for _ in range(30):
        signal = Signal()
        waiters = Waiters(signal)
        for number in range(24):
            seconds = rng.uniform(0.001, 0.012) if number % 3 else None
            waiters.add(partial(signal.wait, seconds))
        time.sleep(0.005)
        setters = [threading.Thread(target=signal.set) for _ in range(2)]
        for each in setters:
            each.start()
        assert len(waiters.join()) == 24
        for each in setters:
            each.join(10)
        assert not signal._waiting


def test_an_interrupted_waiter_hands_on() -> None:
    """An exception that is raised into a thread while it waits reaches it when it is woken, and the rest too."""
    signal = Signal()
    waiters = Waiters(signal)

    def interrupted() -> bool:
        try:
            return signal.wait()
        except KeyboardInterrupt:
            return False

    victim = waiters.add(interrupted)
    wait_until(lambda: len(signal._waiting) == 1)
    for _ in range(20):
        waiters.add(signal.wait)
    wait_until(lambda: len(signal._waiting) == 21)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(victim.ident or 0), ctypes.py_object(KeyboardInterrupt))
    signal.set()
    assert sorted(waiters.join()) == [False] + [True] * 20


# -- for tasks ---------------------------------------------------------------------------------------


async def steps(number: int) -> None:
    """Let the loop go round that many times."""
    for _ in range(number):
        await asyncio.sleep(0)


def test_tasks_are_woken_in_the_order_in_which_they_came() -> None:
    """By another thread as well; those that were cancelled or whose time is up are not missed."""

    async def main(set_it: Callable[[AsyncSignal], None]) -> list[int]:
        signal, woken = AsyncSignal(), list[int]()

        async def wait(number: int, seconds: float | None) -> None:
            if await signal.wait(seconds):
                woken.append(number)

        tasks = [asyncio.ensure_future(wait(number, 0.01 if number == 2 else None)) for number in range(5)]
        await steps(1)
        tasks[1].cancel()
        await tasks[2]
        set_it(signal)
        await asyncio.wait(tasks)
        assert await signal.wait(0)
        assert not signal._waiting
        return woken

    def by_a_thread(signal: AsyncSignal) -> None:
        thread = threading.Thread(target=signal.set)
        thread.start()
        thread.join()

    for set_it in (AsyncSignal.set, by_a_thread):
        assert asyncio.run(main(set_it)) == [0, 3, 4]


@pytest.mark.parametrize("late", range(5))
def test_a_cancellation_that_meets_the_wake_up_is_not_lost(late: int) -> None:
    """Whoever was not done when it was cancelled is cancelled."""

    async def main() -> None:
        signal = AsyncSignal()
        task = asyncio.ensure_future(signal.wait(10))
        await steps(2)
        signal.set()
        await steps(late)
        if task.cancel():
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            assert task.result()

    asyncio.run(main())


def test_a_loop_that_is_closed_needs_no_wake_up() -> None:
    """Setting it is no error."""

    async def make() -> AsyncSignal:
        return AsyncSignal()

    signal = asyncio.run(make())
    signal.set()
    assert signal.is_set()
