"""Carrying out the operations of a handle: on its connection, through this process's tier, observers told.

Nothing else in a face sends anything; what an asyncio face needs beside the plans is these few methods once more.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..l1 import ABSENT
from ..missing import MISSING, Missing
from ..observe import events
from ..plans.collections.nearby import Unheld, find
from ..plans.op import More, Op, Trips
from ..plans.through import one, through
from ..servers.drivers.pieces import iterate
from ..servers.drivers.sync import drive
from .held import Nearby

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..plans.op import Operation, Ready
    from ..plans.target import Target

__all__ = ["Running"]

T = TypeVar("T")
R = TypeVar("R")


class Running(Nearby):
    """The part of a collection that carries operations out. Not a type of its own."""

    def _run(self, op: Operation[T]) -> T:
        """Carry out one operation now. Pipelines override this: they keep it."""
        t = self._bound()
        value: T
        if not isinstance(op, Op):
            value = self._carried(t, op)
        elif events.observers:
            value = events.watched(type(self).__name__, op.name, t.key, partial(self._seen, t, op))
        else:
            found = self._first(t, op) if self.l1 else op.decode(self._reply(t, op))
            if isinstance(found, More):
                found = self._rest(t, found)
            value = found if found is not MISSING else self._missed(t, op)
        return value

    def _reply(self, t: Target, op: Op[Any]) -> Any:
        if t.guarded or op.operands:
            return drive(one(op.step), t.connection)
        if op.ahead is not None:
            return t.connection.many((op.ahead, op.step), False, False)[1]
        return t.connection.one(op.step)

    def _rest(self, t: Target, more: More[T]) -> T:
        """What a plan gives that goes on from a reply, or from a miss."""
        if more.name and events.observers:
            return events.watched(type(self).__name__, more.name, t.key, lambda _: self._rest(t, More(more.plan)))
        value: T = drive(through(more.plan), t.connection)
        return value

    def _missed(self, t: Target, op: Op[T]) -> T:
        found: Any = MISSING if op.absent is None else op.absent()
        value: T = self._rest(t, found) if isinstance(found, More) else found
        return value

    def _carried(self, t: Target, op: Operation[T]) -> T:
        """An operation that takes several round trips, or none."""
        value: T = self._rest(t, More(op.plan, op.name)) if isinstance(op, Trips) else cast("Ready[T]", op).value
        return value

    def _seen(self, t: Target, op: Op[T], event: events.Event) -> T:
        """One operation, while observers look on."""
        found = self._first(t, op)
        value: T | Missing = self._rest(t, found) if isinstance(found, More) else found
        if op.reads:
            event.hit = _is_hit(value)
        return value if value is not MISSING else self._missed(t, op)

    def _first(self, t: Target, op: Op[T]) -> Any:
        """What the first reply says, or what this process holds: the value, MISSING, or More."""
        near = self._nearby(t) if self.l1 else None
        if near is None:
            return op.decode(self._reply(t, op))
        shelf = t.connection.tiering
        found = find(near, shelf, t, op, self._near_name)
        if found is ABSENT:
            return op.decode(self._reply(t, op))
        return drive(found.read(near.tier, shelf, self.share), t.connection) if type(found) is Unheld else found

    def _iterate(self, op: Op[Iterable[T]]) -> Iterator[T]:
        """What an operation gives, each page when it is needed; observers see the first reply, and every page."""
        t, name = self._bound(), type(self).__name__

        def seen(operation: str, run: Callable[[], R]) -> R:
            return events.watched(name, operation, t.key, lambda _: run()) if events.observers else run()

        return iterate(lambda: seen(op.name, lambda: self._first(t, op)), t.connection, partial(seen, "page"))


def _is_hit(value: Any) -> bool:
    if value is MISSING or value is False:
        return False
    return not isinstance(value, Missing)
