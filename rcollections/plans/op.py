"""An operation as data: the step to send, how the reply reads, what a miss means. Frozen, and without any I/O.

Faces carry operations out at once, pipelines keep them until they are sent, observers see their names. Most
operations are an ``Op``, of one round trip. An operation that always takes several trips is a ``Trips``, one that
needs no server a ``Ready``. Where only a reply tells that the server has to be asked again, the reply reads as
``More``: a plan that goes on from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from ..missing import MISSING
from .effects import Batch, Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from .effects import Command, Plan, Step
    from .tallies import Counting

__all__ = ["UNSENT", "More", "Op", "Operation", "Ready", "Trips", "answered", "as_plan", "called", "several"]

T = TypeVar("T")
R = TypeVar("R")

UNSENT: Final = object()  # stands for the reply of a step that was not sent yet


class Op(NamedTuple, Generic[T]):
    """One operation of one round trip."""

    name: str
    step: Step
    decode: Callable[[Any], Any]  # the reply as the value, as MISSING, or as More; ``finish`` comes after it
    reads: bool | Counting = False  # how observers are told of hits and misses: see ``tally``
    absent: Callable[[], Any] | None = None  # gives the value of a miss or More, or raises
    operands: bool = False  # other collections take part, which may be guarded even if this one is not
    beside: Command | None = None  # carried out with the step, in one MULTI; its reply is dropped
    part: object = None  # the one field that is read, where L1 may hold its value decoded
    # For pipelines: what ``+= n`` of the pending result means, where that is an operation of its own
    # (counters), and the pending read that such an operation makes superfluous.
    plus: Callable[[Any, int], object] | None = None
    instead: object = None
    seen: object = UNSENT  # the reply, or what is known of it, where the face has sent the step already
    finish: Callable[[Any], T] | None = None  # makes the result of a value that was found

    def finished(self, value: Any) -> T:
        """The result that a value means which was found."""
        result: T = value if self.finish is None else self.finish(value)
        return result

    def then(self, fn: Callable[[T], R]) -> Op[R]:
        """This operation with ``fn`` applied to a value that was found; not to the value of a miss."""
        first, rest = self.finish, self[:-1]
        return Op(*rest, fn if first is None else lambda value: fn(first(value)))

    def named(self, name: str) -> Op[T]:
        """This operation under another name for observers."""
        return Op(name, *self[1:])


class More(NamedTuple, Generic[T]):
    """The reply was not all: ``plan`` asks for the rest, and gives the value in the place of ``decode`` or ``absent``.

    With a ``name`` observers see the plan as an operation inside of the first one. A pipeline carries the plan out
    behind its MULTI, or raises ``alone`` if that is set.
    """

    plan: Plan[T]
    name: str = ""
    alone: Exception | None = None

    def then(self, fn: Callable[[T], R]) -> More[R]:
        """This ``More`` with ``fn`` applied to the value of its plan, unless the value is MISSING."""
        return More(_unless_missing(self.plan, fn), self.name, self.alone)


class Trips(NamedTuple, Generic[T]):
    """An operation of several round trips. A pipeline refuses it, unless ``inside`` gives a form of one trip."""

    name: str
    plan: Plan[Any]
    inside: Callable[[], Op[T]] | None = None
    reads: bool | Counting = False  # of what the plan gives, before ``finish``
    finish: Callable[[Any], T] | None = None
    decides: bool = False  # the caller acts on what it gives, so no empty server may stand in for one that fails


class Ready(Generic[T]):
    """An operation that needs no server: its value is there already, or the error that stands in its place."""

    __slots__ = ("_value", "error")

    def __init__(self, value: T, error: Exception | None = None) -> None:
        self._value = value
        self.error = error

    @property
    def value(self) -> T:
        """The value; raises the error."""
        if self.error is not None:
            raise self.error
        return self._value


Operation: TypeAlias = "Op[T] | Trips[T] | Ready[T]"


def answered(op: Operation[T], seen: object) -> Operation[T]:
    """The operation whose step was sent already: ``seen`` is the reply, or what is known of it; UNSENT: it was not."""
    return op._replace(seen=seen) if isinstance(op, Op) and seen is not UNSENT else op


def as_plan(op: Operation[T]) -> Plan[Any]:
    """An operation as a part of a plan."""
    if isinstance(op, Ready):
        return op.value
    if isinstance(op, Trips):
        value = yield from op.plan
        return value if op.finish is None else op.finish(value)
    reply = (yield op.step) if op.beside is None else (yield Batch((op.step, op.beside), atomic=True))[0]
    value = op.decode(reply)
    if isinstance(value, More):
        value = yield from value.plan
    if value is not MISSING:
        return op.finished(value)
    if op.absent is not None:
        value = op.absent()
        if isinstance(value, More):
            value = yield from value.plan
    return value


def _unless_missing(plan: Plan[Any], fn: Callable[[Any], R]) -> Plan[Any]:
    value = yield from plan
    return value if value is MISSING else fn(value)


def called(fn: Callable[[], T]) -> Plan[T]:
    """Call a function of the user; gives its result."""
    value: T = yield Call(fn)
    return value


def several(name: str) -> TypeError:
    """The error of a pipeline for an operation that cannot be one of its steps."""
    return TypeError(f"{name} needs more than one round trip, or an answer at once: it cannot be part of a pipeline")
