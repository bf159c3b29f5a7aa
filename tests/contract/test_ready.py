"""A hit of an ``async def``: a real coroutine that has its result, compiled or not."""

from __future__ import annotations

import asyncio
import collections.abc
import gc
import inspect
import itertools
import warnings
from typing import Any

import pytest

from tests.contract.hits import World
from tests.contract.tiers import KINDS


@pytest.fixture(params=KINDS)
def ready(request: pytest.FixtureRequest) -> Any:
    """What a held ``async def`` gives for a call whose value this is."""
    world = World(str(request.param))
    function, numbers = world.function(asynchronous=True), itertools.count()

    def make(value: Any) -> Any:
        number = next(numbers)
        assert world.hold(function, value, number)
        return function(number)

    return make


def test_it_is_awaited_in_every_way(ready: Any) -> None:
    """await, tasks, gather, wait_for, shield, as_completed, a loop of its own, and in debug mode."""

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        return [
            await ready(1),
            await asyncio.create_task(ready(2)),
            *await asyncio.gather(ready(3), ready(4), asyncio.sleep(0, 5)),
            await asyncio.wait_for(ready(6), 1),
            await asyncio.shield(ready(7)),
            *[await each for each in asyncio.as_completed([ready(8)])],
            await loop.create_task(ready(9)),
            await asyncio.ensure_future(ready(10)),
        ]

    for debug in (False, True):
        assert asyncio.run(main(), debug=debug) == list(range(1, 11))
    assert asyncio.run(ready("alone")) == "alone"


def test_awaiting_it_lets_nobody_else_run(ready: Any) -> None:
    """There is nothing to wait for."""
    seen: list[str] = []

    async def other() -> None:
        seen.append("other")

    async def main() -> None:
        task = asyncio.ensure_future(other())
        for _ in range(100):
            await ready(1)
        assert not seen
        await task

    asyncio.run(main())
    assert seen == ["other"]


def test_it_is_a_coroutine_for_those_who_ask(ready: Any) -> None:
    one = ready(1)
    assert isinstance(one, collections.abc.Coroutine)
    assert asyncio.iscoroutine(one)
    assert inspect.iscoroutine(one)
    assert inspect.isawaitable(one)
    assert asyncio.isfuture(one) is False
    one.close()


def test_by_hand(ready: Any) -> None:
    """send, throw, close, and a result that is an exception or a tuple itself."""
    for value in (1, None, (1, 2), ValueError("a value"), StopIteration(3), [ready]):
        with pytest.raises(StopIteration) as stop:
            ready(value).send(None)
        assert stop.value.value is value
        assert asyncio.run(_awaiting(ready(value))) is value
    for error in (KeyError("a"), asyncio.CancelledError(), KeyboardInterrupt()):
        with pytest.raises(type(error)) as raised:
            ready(1).throw(error)
        assert raised.value is error
    with pytest.raises(KeyError):
        ready(1).throw(KeyError)
    assert ready(1).close() is None


async def _awaiting(awaitable: Any) -> Any:
    return await awaitable


def test_a_forgotten_await_is_told(ready: Any) -> None:
    """As of any coroutine: Python warns when it goes without having been awaited."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        ready(1)
        gc.collect()
    assert ["never awaited" in str(each.message) for each in told] == [True]


def test_a_task_of_it_may_be_cancelled(ready: Any) -> None:
    async def main() -> None:
        task = asyncio.create_task(ready(1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        done = asyncio.create_task(ready(1))
        await asyncio.sleep(0)
        assert done.cancel() is False
        assert await done == 1

    asyncio.run(main())
