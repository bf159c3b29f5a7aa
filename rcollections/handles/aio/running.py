"""Carrying out the operations of an Async handle: ``handles/running.py`` for an event loop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import CacheError
from ...l1 import ABSENT
from ...missing import MISSING
from ...observe import events
from ...observe.names import name_of
from ...plans.admission import admission
from ...plans.collections.afar import may_be_afar
from ...plans.collections.nearby import Unheld, find
from ...plans.emptied import emptied, is_failure
from ...plans.op import UNSENT, More, Op, Ready, Trips, as_plan
from ...plans.tallies import tally
from ...plans.through import through
from ...servers.drivers.aio import adrive
from ...servers.drivers.aio_afar import aone_afar
from ...servers.drivers.aio_pieces import aiterate
from ...servers.drivers.aio_quick import aask
from ...servers.drivers.aio_trips import amany, aone, awrote
from ...servers.loops import flights_of
from ..filling import Fillable, Threads
from ..held import Nearby

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from ...plans.effects import Plan
    from ...plans.flights import Flights
    from ...plans.op import Operation
    from ...plans.target import Put, Target
    from ...servers.connection import Connection

__all__ = ["TASKS", "AsyncRunning"]

T = TypeVar("T")


class Tasks(Threads):
    """What a filling does in its own way in an event loop."""

    def flights(self, connection: Connection) -> Flights:
        return flights_of(connection)

    def hook(self, fn: Callable[..., Any], name: str) -> Callable[..., Any]:  # noqa: ARG002
        return fn  # a def or an async def

    def answered(self, answer: Any, then: Callable[[Any], Any]) -> Any:
        return _later(answer, then) if hasattr(answer, "__await__") else then(answer)


TASKS = Tasks()


class AsyncRunning(Fillable, Nearby):
    """The part of an Async collection that carries operations out. Not a type of its own."""

    _world = TASKS

    async def _run(self, op: Operation[T]) -> T:
        """Carry out one operation now."""
        if isinstance(op, Ready):
            return op.value
        t = self._bound()
        if not events.observers:
            return await self._carried(t, op, None)
        with events.watching(name_of(type(self)), op.name, t.key) as event:
            return await self._carried(t, op, event)

    async def _carried(self, t: Target, op: Op[T] | Trips[T], event: events.Event | None) -> T:
        value: Any
        if isinstance(op, Trips):
            strict = self.on_error == "raise" or op.decides
            value = await (self._rest(t, More(op.plan)) if strict else self._emptied(t, op.plan))
            if event is not None:
                events.count(event, tally(op.reads, value))
            result: T = value if op.finish is None else op.finish(value)
            return result
        try:
            found = await (self._first(t, op) if self.l1 else self._reply(t, op))
            value = await self._rest(t, found) if isinstance(found, More) else found
            if event is not None:
                events.count(event, tally(op.reads, value))
            return op.finished(value) if value is not MISSING else await self._missed(t, op)
        except CacheError as error:
            if self.on_error == "raise" or not is_failure(error):
                raise
            return await self._emptied(t, as_plan(op), error)

    def _ask(self, t: Target, data: bytes | None, put: Put | None = None) -> Awaitable[Any]:
        """The quick try, to be awaited: see ``Running._ask``."""
        connection = t.connection
        if data is None or events.observers or connection.breaker.failure is not None or self.l1:
            return _unsent()
        if put is None:
            if connection.replicas is not None and self._afar(connection):
                return _unsent()
            return aask(connection, data, 1, t.key) or _unsent()
        return awrote(connection, put.steps, data, put.replies, t.key)

    def _unsent(self) -> Awaitable[Any]:
        return _unsent()

    async def _reply(self, t: Target, op: Op[Any]) -> Any:
        """What the reply of the server says: the value, MISSING, or More."""
        if op.seen is UNSENT and t.connection.breaker.is_open:
            await adrive(admission(t.connection.breaker), t.connection)
        if t.guarded or op.operands:
            return op.decode(await adrive(through(_asked(op.step)), t.connection))
        replicas = t.connection.replicas
        if replicas is not None and op.seen is UNSENT and self._afar(t.connection) and may_be_afar(op):
            return op.decode(await aone_afar(replicas, op.step))
        if op.beside is not None:
            return op.decode((await amany(t.connection, (op.step, op.beside), True, False, op.seen))[0])
        return op.decode(await aone(t.connection, op.step, op.seen))

    async def _first(self, t: Target, op: Op[T]) -> Any:
        """What L1 holds, or what the first reply says: the value, MISSING, or More."""
        near = self._nearby(t)
        if near is None:
            return await self._reply(t, op)
        shelf = t.connection.tiering
        found = find(near, shelf, t, op, self._near_name)
        if found is ABSENT:
            return await self._reply(t, op)
        if type(found) is Unheld:
            return await adrive(found.read(near.tier, shelf, self.share), t.connection)
        return found

    async def _missed(self, t: Target, op: Op[T]) -> T:
        found: Any = MISSING if op.absent is None else op.absent()
        value: T = await self._rest(t, found) if isinstance(found, More) else found
        return value

    async def _rest(self, t: Target, more: More[T]) -> T:
        """Carry out the plan that goes on from a reply, or from a miss; gives its value."""
        if more.name and events.observers:
            return await events.awatched(name_of(type(self)), more.name, t.key, self._rest(t, More(more.plan)))
        if t.connection.breaker.is_open:
            await adrive(admission(t.connection.breaker), t.connection)
        return await adrive(through(more.plan), t.connection)

    async def _emptied(self, t: Target, plan: Plan[T], failure: CacheError | None = None) -> T:
        """Carry out a plan for a class with ``on_error="empty"``; ``failure`` was met already."""
        if failure is None and t.connection.breaker.is_open:
            try:
                await adrive(admission(t.connection.breaker), t.connection)
            except CacheError as error:
                failure = error
        told = partial(t.connection.answered_empty, name_of(type(self)))
        return await adrive(through(emptied(plan, failure, told)), t.connection)

    def _iterate(self, op: Op[Iterable[T]]) -> AsyncIterator[T]:
        """The items of an operation, page by page as the caller needs them; observers see the first reply and pages."""
        t, name = self._bound(), name_of(type(self))

        async def first(event: events.Event | None = None) -> Any:
            try:
                found = await (self._first(t, op) if self.l1 else self._reply(t, op))
            except CacheError as error:
                if self.on_error == "raise" or not is_failure(error):
                    raise
                return await self._emptied(t, as_plan(op), error)
            if event is not None:
                events.count(event, tally(op.reads, found))
            return found if isinstance(found, More) else op.finished(found)

        async def opened() -> Any:
            if not events.observers:
                return await first()
            with events.watching(name, op.name, t.key) as event:
                return await first(event)

        async def page(run: Awaitable[Any]) -> Any:
            return await (events.awatched(name, "page", t.key, run) if events.observers else run)

        return aiterate(opened, t.connection, page)


async def _unsent() -> Any:
    return UNSENT


async def _later(answer: Awaitable[Any], then: Callable[[Any], Any]) -> Any:
    return then(await answer)


def _asked(step: Any) -> Plan[Any]:
    return (yield step)
