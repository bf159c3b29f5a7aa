"""``drive``: carries out the effects of a plan, on the calling thread."""

from __future__ import annotations

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
from ...wire.clock import no_deadline, until
from ...wire.signals import Signal
from .blocking import took

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...plans.effects import Effect, Plan
    from ..background import Handle
    from ..connection import Connection

__all__ = ["drive"]

T = TypeVar("T")


def drive(plan: Plan[T], connection: Connection) -> T:
    """Run a plan to its end on this connection and give its result.

    An error of an effect is thrown into the plan at its ``yield``, so that the plan can clean up.
    """
    step: Callable[[Any], Effect] = plan.send
    arg: object = None
    while True:
        try:
            while True:
                effect = step(arg)
                try:
                    arg, step = _do(effect, connection), plan.send
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


def _do(effect: Any, connection: Connection) -> Any:
    kind: Any = type(effect)
    if kind is Command or kind is Script:
        return connection.one(effect)
    if kind is Batch:
        return connection.many(*effect)
    if kind is InTurn:
        return connection.turns(effect.steps)
    if kind is ReadToHold:
        return connection.read_to_hold(*effect)
    if kind is Call:
        try:
            return effect.fn()
        except (StopIteration, GeneratorExit) as error:
            raise carried(error) from None
    if kind is Now:
        return time.monotonic()
    if kind is Wait:
        return wait(effect.signal, effect.seconds)
    if kind is Hold:
        from ..leases import hold  # with the first computation: `import rcollections` shall be quick

        return hold(connection, *effect)
    if kind is Subscribe:
        signal = Signal()
        connection.wakeups.listen(effect.channel, signal)
        return signal
    if kind is Spawn:
        return spawn(effect, connection)
    if kind is Sleep:
        return time.sleep(effect.seconds)
    raise TypeError(f"a plan yielded {kind.__name__}, which is no effect")


def wait(signal: Signal, seconds: float | None) -> bool:
    """Wait on this thread, not beyond the deadline around the call."""
    began = time.monotonic()
    try:
        return _waited(signal, seconds, until(float("inf")) - began)
    finally:
        took(began)


def _waited(signal: Signal, seconds: float | None, left: float) -> bool:
    from ..background import waiting  # with the first wait: `import rcollections` shall be quick

    if left == float("inf"):
        with waiting(signal):
            return signal.wait(seconds)
    with waiting(signal):
        if signal.wait(max(0.0, left if seconds is None else min(left, seconds))):
            return True
    if seconds is None or left <= seconds:
        raise CacheTimeout("the deadline around this call has passed while it waited for a value")
    return False


def spawn(effect: Spawn, connection: Connection) -> Handle | None:
    """Run another plan on the background pool, in a copy of this context; the deadline around the call does not count.

    None: the pool has no room.
    """
    from ..background import Handle, try_submit

    def run() -> object:
        no_deadline()
        if effect.apart:
            apart()
        return drive(effect.plan, connection)

    future = try_submit(run)
    return None if future is None else Handle(future)
