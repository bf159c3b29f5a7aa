"""``adrive``: carries out the effects of a plan in an event loop."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import CacheTimeout
from ...plans.effects import (
    Batch,
    Call,
    Carried,
    CarriedExit,
    Command,
    Hold,
    InTurn,
    Now,
    ReadToHold,
    Script,
    Sleep,
    Spawn,
    Subscribe,
    Wait,
    carried,
)
from ...plans.waiting import apart
from ...wire.aio_signals import AsyncSignal
from ...wire.clock import no_deadline, until
from ..aio_background import AsyncHandle
from ..leases import hold
from .aio_trips import amany, aone, aread_to_hold, aturns

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...plans.effects import Effect, Plan
    from ..connection import Connection

__all__ = ["adrive"]

T = TypeVar("T")


async def adrive(plan: Plan[T], connection: Connection) -> T:
    """Run a plan to its end on this connection and give its result; ``drive`` for asyncio.

    Cancelling the task throws CancelledError into the plan at its ``yield``, so that it can clean up.
    """
    step: Callable[[Any], Effect] = plan.send
    arg: object = None
    while True:
        try:
            while True:
                effect = step(arg)
                try:
                    arg, step = await _do(effect, connection), plan.send
                except BaseException as error:
                    arg, step = error, plan.throw
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        except (Carried, CarriedExit) as on_its_way:
            ended = on_its_way.error
            break
        except BaseException as error:
            generator: Any = plan
            if generator.gi_frame is None:  # the plan has ended with it
                arg = None  # its traceback may hold this frame, and what others wait for
                raise
            arg, step = error, plan.throw  # of a signal handler, between two effects: the plan cleans up
    try:
        raise ended  # outside of the except block: nobody shall see what carried it
    finally:
        del ended  # its traceback holds this frame


async def _do(effect: Any, connection: Connection) -> Any:
    kind: Any = type(effect)
    if kind is Command or kind is Script:
        return await aone(connection, effect)
    if kind is Batch:
        return await amany(connection, *effect)
    if kind is InTurn:
        return await aturns(connection, *effect)
    if kind is ReadToHold:
        return await aread_to_hold(connection, *effect)
    if kind is Call:
        try:
            result = effect.fn()
        except (StopIteration, GeneratorExit) as error:
            raise carried(error) from None
        return await result if inspect.isawaitable(result) else result
    if kind is Now:
        return time.monotonic()
    if kind is Wait:
        return await _wait(effect.signal, effect.seconds)
    if kind is Hold:
        return hold(connection, *effect)
    if kind is Subscribe:
        signal = AsyncSignal()
        await asyncio.get_running_loop().run_in_executor(None, connection.wakeups.listen, effect.channel, signal)
        return signal
    if kind is Spawn:
        return AsyncHandle(asyncio.ensure_future(_spawned(effect, connection)))
    if kind is Sleep:
        return await asyncio.sleep(effect.seconds)
    raise TypeError(f"a plan yielded {kind.__name__}, which is no effect")


async def _wait(signal: Any, seconds: float | None) -> bool:
    left = until(float("inf")) - time.monotonic()
    bounded = seconds if left == float("inf") else max(0.0, left if seconds is None else min(left, seconds))
    if await signal.wait(bounded):
        return True
    if left != float("inf") and (seconds is None or left <= seconds):
        raise CacheTimeout("the deadline around this call has passed while it waited for a value")
    return False


async def _spawned(effect: Spawn, connection: Connection) -> Any:
    no_deadline()
    if effect.apart:
        apart()  # this task has its own: a key that its parent computes is no recursion here
    return await adrive(effect.plan, connection)
