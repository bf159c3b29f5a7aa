"""``adrive``: carries out the effects of the same plans for asyncio, over redis-py's asyncio client."""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import sys
import time
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

import redis.asyncio as aredis
import redis.exceptions as theirs
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ...coherence.tiering import any_tiers
from ...errors import CacheTimeout
from ...plans.effects import Batch, Call, Command, Hold, Look, Now, Script, Seen, Sleep, Spawn, Subscribe, Wait
from ...plans.flights import Flights
from ...plans.functions.job import computing
from ...wire.aio_sockets import noting, told
from ...wire.clock import no_deadline
from ...wire.clock import until as until_
from ...wire.signals import AsyncSignal
from ...wire.sockets import fake_server, socket_options
from ...wire.steps import key_of, repeatable, words
from ...wire.translate import translate
from .. import disabled
from ..background import report
from ..connection import RETRIES
from ..leases import hold

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from ...plans.effects import Arg, Effect, Plan, Step
    from ..connection import Connection

__all__ = [
    "aclose", "adrive", "as_task", "flights_of", "in_background", "mark_coroutine_function", "running_loop",
]  # fmt: skip

T = TypeVar("T")


async def adrive(plan: Plan[T], connection: Connection) -> T:
    """Run a plan to its end on this connection and give its result; ``drive`` for asyncio.

    Cancelling the task throws CancelledError into the plan at its ``yield``, so that it can clean up.
    """
    step: Callable[[Any], Effect] = plan.send
    arg: Any = None
    while True:
        try:
            effect = step(arg)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        try:
            arg, step = await _do(effect, connection), plan.send
        except BaseException as error:
            arg, step = error, plan.throw


async def _do(effect: Effect, connection: Connection) -> Any:
    if isinstance(effect, (Command, Script)):
        return (await _many(connection, (effect,), False, False))[0]
    if isinstance(effect, Batch):
        return await _many(connection, *effect)
    if isinstance(effect, Look):
        return await _look(connection, *effect)
    if isinstance(effect, Call):
        result = effect.fn()
        return await result if inspect.isawaitable(result) else result
    if isinstance(effect, Now):
        return time.monotonic()
    if isinstance(effect, Wait):
        return await _wait(effect.signal, effect.seconds)
    if isinstance(effect, Hold):
        return hold(connection, *effect)
    if isinstance(effect, Subscribe):
        signal = AsyncSignal()
        await asyncio.get_running_loop().run_in_executor(None, connection.wakeups.listen, effect.channel, signal)
        return signal
    if isinstance(effect, Spawn):
        return AsyncHandle(asyncio.ensure_future(_spawned(effect, connection)))
    if isinstance(effect, Sleep):
        return await asyncio.sleep(effect.seconds)
    raise TypeError(f"a plan yielded {type(effect).__name__}, which is no effect")


async def _wait(signal: Any, seconds: float | None) -> bool:
    left = until_(float("inf")) - time.monotonic()
    bounded = seconds if left == float("inf") else max(0.0, left if seconds is None else min(left, seconds))
    if await signal.wait(bounded):
        return True
    if left != float("inf") and (seconds is None or left <= seconds):
        raise CacheTimeout("the deadline around this call has passed while it waited for a value")
    return False


async def _spawned(effect: Spawn, connection: Connection) -> Any:
    no_deadline()
    if effect.apart:
        computing.set(frozenset())  # this task's own: what its parent computes is no recursion here
    return await adrive(effect.plan, connection)


# One table of flights per connection and event loop.
_flights: weakref.WeakKeyDictionary[Any, dict[Any, Flights]] = weakref.WeakKeyDictionary()


def flights_of(connection: Connection) -> Flights:
    """The flights of the running event loop's tasks on this connection."""
    mine = _flights.setdefault(asyncio.get_running_loop(), {})
    flights = mine.get(connection)
    if flights is None:
        flights = mine[connection] = Flights(AsyncSignal, connection.flights.waits)
    return flights


def running_loop() -> Any:
    """The event loop of the caller; RuntimeError outside of one."""
    return asyncio.get_running_loop()


def as_task(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """The coroutine as a task of the running loop."""
    return asyncio.ensure_future(coroutine)


def mark_coroutine_function(face: Any) -> None:
    """Let ``iscoroutinefunction`` say yes to a callable object, as frameworks want to know."""
    if hasattr(inspect, "markcoroutinefunction"):
        inspect.markcoroutinefunction(face)
    else:
        face._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]


def in_background(make: Callable[[], Coroutine[Any, Any, Any]], *, once: Any = None) -> None:
    """Run as a task that is held until it ends, apart from the caller; its exception goes to the log.

    Nothing is done if the same ``once`` is running in this loop already.
    """
    doing = _once.setdefault(asyncio.get_running_loop(), set())
    if once in doing:
        return
    if once is not None:
        doing.add(once)

    async def run() -> None:
        no_deadline()
        computing.set(frozenset())
        await make()

    task = asyncio.ensure_future(run())
    _running.add(task)
    task.add_done_callback(_running.discard)
    task.add_done_callback(lambda _: doing.discard(once))
    task.add_done_callback(_report_if_lost)


def _report_if_lost(task: Any) -> None:
    if not task.cancelled():
        report(task)


# asyncio keeps only weak references to tasks: one that runs in the background must be held by somebody.
_running: set[Any] = set()
_once: weakref.WeakKeyDictionary[Any, set[Any]] = weakref.WeakKeyDictionary()


class AsyncHandle:
    """What ``Spawn`` gives: ``done`` is set at the end, ``result()`` gives it or raises."""

    def __init__(self, task: Any) -> None:
        self.done = AsyncSignal()
        self._task = task
        _running.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: Any) -> None:
        _running.discard(task)
        self.done.set()

    def result(self) -> Any:
        return self._task.result()

    def abandon(self) -> None:
        """Nobody will ask for the result: an exception goes to the log instead."""
        self._task.add_done_callback(report)


async def _many(connection: Connection, steps: Sequence[Step], atomic: bool, keep_errors: bool) -> list[Any]:
    if not steps:
        return []
    if connection.disabled:
        return [disabled.reply(step) for step in steps]
    replies = [
        translate(reply, connection.dsn.shown, key_of(step)) if isinstance(reply, Exception) else reply
        for step, reply in zip(steps, await _attempt(connection, steps, atomic), strict=True)
    ]
    if not keep_errors:
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
    return replies


async def _look(connection: Connection, key: str, steps: Sequence[Step], keep_errors: bool = False) -> Seen:
    """Reads whose replies may be held in the process, behind the ttl of the key; and who answered."""
    used = noting()
    ms, *replies = await _many(connection, (Command(("PTTL", key)), *steps), False, keep_errors)
    return Seen(replies, None if isinstance(ms, Exception) else ms, used.server)


async def _attempt(connection: Connection, steps: Sequence[Step], atomic: bool) -> list[Any]:
    if not any_tiers():
        return await _tries(connection, steps, atomic)
    try:
        return await _tries(connection, steps, atomic)
    finally:  # cancelled, or with the reply lost: it may have been carried out
        connection.wrote(steps)


async def _tries(connection: Connection, steps: Sequence[Step], atomic: bool) -> list[Any]:
    until = until_(connection.dsn.timeout)
    safe = not atomic and all(repeatable(step) for step in steps)
    for tries in range(RETRIES + 1):
        try:
            client = await _client(connection)
            replies = await _trip(
                client, [words(step, atomic or connection.is_new(step)) for step in steps], atomic, until
            )
            connection.sent(steps)
            missing = [n for n, reply in enumerate(replies) if isinstance(reply, theirs.NoScriptError)]
            if missing:
                again = await _trip(client, [words(steps[n], True) for n in missing], False, until)
                for n, reply in zip(missing, again, strict=True):
                    replies[n] = reply
            return replies
        except (theirs.TimeoutError, TimeoutError, asyncio.TimeoutError) as error:
            raise translate(error, connection.dsn.shown, key_of(steps[0])) from error
        except (theirs.ConnectionError, OSError) as error:
            pause = min(0.1, 0.01 * 2**tries) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads callers
            if not safe or tries == RETRIES or time.monotonic() + pause >= until:
                raise translate(error, connection.dsn.shown, key_of(steps[0])) from error
            await asyncio.sleep(pause)
    raise AssertionError("unreachable")


async def _trip(client: Any, commands: list[tuple[Arg, ...]], atomic: bool, until: float) -> list[Any]:
    left = until - time.monotonic()
    if left <= 0:
        raise CacheTimeout("the deadline around this call has passed: nothing was sent")
    pipe = client.pipeline(transaction=atomic)
    for command in commands:
        pipe.execute_command(*command)
    # redis-py reads by command name; these replies are read by our own decoders.
    pipe.response_callbacks = {}
    async with timeout(left):  # not wait_for(), which before Python 3.12 loses a cancellation that meets the reply
        return list(await pipe.execute(raise_on_error=False))


# One client per connection and event loop: an asyncio client belongs to the loop that it was made in. Its
# closer is a generator that the loop itself closes when it ends (``shutdown_asyncgens``, by ``asyncio.run``).
_clients: weakref.WeakKeyDictionary[Any, dict[tuple[Any, int], tuple[Any, Any]]] = weakref.WeakKeyDictionary()


async def _client(connection: Connection) -> Any:
    mine = _clients.setdefault(asyncio.get_running_loop(), {})
    slot = (connection, os.getpid())
    known = mine.get(slot)
    if known is None:
        client = _make(connection)
        closer = _closing(client, mine, slot)
        known = mine[slot] = client, closer
        await anext(closer)
    return known[0]


async def _closing(client: Any, mine: dict[Any, Any], slot: Any) -> AsyncIterator[None]:
    try:
        yield
    finally:
        del mine[slot]  # it knows the loop: kept here, neither would ever be collected
        await client.aclose(close_connection_pool=True)


async def aclose(connection: Connection) -> None:
    """Close what the running event loop opened for this connection."""
    known = _clients.get(asyncio.get_running_loop(), {}).get((connection, os.getpid()))
    if known is not None:
        await known[1].aclose()


def _make(connection: Connection) -> Any:
    dsn = connection.dsn
    if dsn.kind == "memory":
        import fakeredis

        return fakeredis.FakeAsyncRedis(server=fake_server(dsn), db=dsn.db, protocol=dsn.protocol, socket_timeout=None)
    options: dict[str, Any] = {
        **socket_options(dsn),
        "socket_timeout": None,  # the whole trip has one; redis-py would use wait_for() for it, too
        "retry": Retry(NoBackoff(), 0),
        "max_connections": dsn.max_connections,
        "timeout": dsn.timeout,
    }
    path = connection.socket_path()
    if path:
        options.update(connection_class=told(aredis.UnixDomainSocketConnection), path=path)
    else:
        options.update(host=dsn.host, port=dsn.port)
        options.update(connection_class=told(aredis.SSLConnection if dsn.tls else aredis.Connection))
    return aredis.Redis(connection_pool=aredis.BlockingConnectionPool(**options))
