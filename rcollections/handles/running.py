"""Carrying out the operations of a handle: on its connection, through L1, and telling observers.

No other part of a face sends anything. Beside the plans, an asyncio face needs only its own form of these methods.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..errors import CacheError
from ..l1 import ABSENT
from ..missing import MISSING
from ..observe import events
from ..observe.names import name_of
from ..plans.admission import admission
from ..plans.collections.afar import may_be_afar
from ..plans.collections.nearby import Unheld, find
from ..plans.emptied import emptied, is_failure
from ..plans.op import UNSENT, More, Op, Trips, as_plan
from ..plans.tallies import tally
from ..plans.through import one, through
from ..servers.drivers.pieces import iterate
from ..servers.drivers.sync import drive
from .held import Nearby

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..plans.effects import Plan
    from ..plans.op import Operation, Ready
    from ..plans.target import Put, Target

__all__ = ["Running"]

T = TypeVar("T")


class Running(Nearby):
    """The part of a collection that carries operations out. Not a type of its own."""

    def _run(self, op: Operation[T]) -> T:
        """Carry out one operation now. Handles in a pipeline override this method, and keep the operation."""
        t = self._bound()
        value: T
        if not isinstance(op, Op):
            return self._carried(t, op)
        try:
            if events.observers:
                value = events.watched(name_of(type(self)), op.name, t.key, partial(self._seen, t, op))
            else:
                found = self._first(t, op) if self.l1 else op.decode(self._reply(t, op))
                if isinstance(found, More):
                    found = self._rest(t, found)
                value = op.finished(found) if found is not MISSING else self._missed(t, op)
        except CacheError as error:
            if self.on_error == "raise" or not is_failure(error):
                raise
            value = self._emptied(t, as_plan(op), error)
        return value

    def _ask(self, t: Target, data: bytes | None, put: Put | None = None) -> Any:
        """The quick try of a read that is packed already, or of what ``put`` writes: see ``Connection.ask``.

        UNSENT where a look into L1, an observer or the breaker come first. What this gives makes the operation
        ``answered``, whose usual way goes on from there.
        """
        connection = t.connection
        if data is None or events.observers or connection.breaker.failure is not None or self.l1:
            return UNSENT
        if put is None:
            if connection.replicas is not None and self._afar(connection):
                return UNSENT
            return connection.ask(data, 1, True, t.key)
        seen: Any = None
        try:
            seen = connection.ask(data, put.replies, False, t.key)
        finally:
            if seen is not UNSENT:
                connection.wrote(put.steps)
        return seen

    def _emptied(self, t: Target, plan: Plan[T], failure: CacheError | None = None) -> T:
        """Carry out a plan for a class with ``on_error="empty"``; ``failure`` was met already."""
        if failure is None and t.connection.breaker.is_open:
            try:
                drive(admission(t.connection.breaker), t.connection)
            except CacheError as error:
                failure = error
        told = partial(t.connection.answered_empty, name_of(type(self)))
        value: T = drive(through(emptied(plan, failure, told)), t.connection)
        return value

    def _reply(self, t: Target, op: Op[Any]) -> Any:
        if op.seen is UNSENT and t.connection.breaker.is_open:
            drive(admission(t.connection.breaker), t.connection)
        if t.guarded or op.operands:
            return drive(one(op.step), t.connection)
        replicas = t.connection.replicas
        if replicas is not None and op.seen is UNSENT and self._afar(t.connection) and may_be_afar(op):
            return replicas.one(op.step)
        if op.beside is not None:
            return t.connection.many((op.step, op.beside), True, False, op.seen)[0]
        return t.connection.one(op.step, op.seen)

    def _rest(self, t: Target, more: More[T]) -> T:
        """Carry out the plan that goes on from a reply, or from a miss; gives its value."""
        if more.name and events.observers:
            return events.watched(name_of(type(self)), more.name, t.key, lambda _: self._rest(t, More(more.plan)))
        if t.connection.breaker.is_open:
            drive(admission(t.connection.breaker), t.connection)
        value: T = drive(through(more.plan), t.connection)
        return value

    def _missed(self, t: Target, op: Op[T]) -> T:
        found: Any = MISSING if op.absent is None else op.absent()
        value: T = self._rest(t, found) if isinstance(found, More) else found
        return value

    def _carried(self, t: Target, op: Operation[T]) -> T:
        """Carry out an operation that takes several round trips, or none."""
        value: T
        if not isinstance(op, Trips):
            value = cast("Ready[T]", op).value
        elif events.observers:
            value = events.watched(name_of(type(self)), op.name, t.key, partial(self._several, t, op))
        else:
            value = self._several(t, op, None)
        return value

    def _several(self, t: Target, op: Trips[T], event: events.Event | None) -> T:
        strict = self.on_error == "raise" or op.decides
        found: Any = self._rest(t, More(op.plan)) if strict else self._emptied(t, op.plan)
        if event is not None:
            events.count(event, tally(op.reads, found))
        value: T = found if op.finish is None else op.finish(found)
        return value

    def _seen(self, t: Target, op: Op[T], event: events.Event) -> T:
        """Carry out one operation, and tell observers of it."""
        found = self._first(t, op)
        value: Any = self._rest(t, found) if isinstance(found, More) else found
        events.count(event, tally(op.reads, value))
        return op.finished(value) if value is not MISSING else self._missed(t, op)

    def _first(self, t: Target, op: Op[T]) -> Any:
        """What the first reply says, or what L1 holds: the value, MISSING, or More."""
        near = self._nearby(t) if self.l1 else None
        if near is None:
            return op.decode(self._reply(t, op))
        shelf = t.connection.tiering
        found = find(near, shelf, t, op, self._near_name)
        if found is ABSENT:
            return op.decode(self._reply(t, op))
        return drive(found.read(near.tier, shelf, self.share), t.connection) if type(found) is Unheld else found

    def _iterate(self, op: Op[Iterable[T]]) -> Iterator[T]:
        """The items of an operation, page by page as the caller needs them; observers see the first reply and pages."""
        t, name = self._bound(), name_of(type(self))

        def first(event: events.Event | None = None) -> Any:
            try:
                found = self._first(t, op)
            except CacheError as error:
                if self.on_error == "raise" or not is_failure(error):
                    raise
                return self._emptied(t, as_plan(op), error)
            if event is not None:
                events.count(event, tally(op.reads, found))
            return found if isinstance(found, More) else op.finished(found)

        def opened() -> Any:
            return events.watched(name, op.name, t.key, first) if events.observers else first()

        def page(run: Callable[[], object]) -> object:
            return events.watched(name, "page", t.key, lambda _: run()) if events.observers else run()

        return iterate(opened, t.connection, page)
