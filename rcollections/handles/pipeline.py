"""``with d.pipeline() as p:`` collects operations and sends them in one MULTI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import CacheError
from ..missing import MISSING
from ..observe import events
from ..plans.effects import Batch, Command
from ..plans.expanded import Expanded, expand, folded
from ..plans.target import Op
from ..servers.drivers.sync import drive

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

__all__ = ["Pending", "Pipeline"]

C = TypeVar("C")


class Pending:
    """A result that is not there yet: ``value`` gives it after the pipeline's block, or raises its error."""

    __slots__ = ("_hit", "_op", "_outcome", "_sent")

    def __init__(self, op: Op[Any]) -> None:
        self._op = op
        self._sent = False
        self._hit = False
        self._outcome: Any = None

    @property
    def value(self) -> Any:
        """The result of the call, as it would have been outside; CacheError before it was sent."""
        if not self._sent:
            raise CacheError("this result is pending: it is there when the pipeline's block has ended")
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def settle(self, reply: Any) -> None:
        """Take the raw reply (or error) that came for this operation."""
        self._sent = True
        try:
            value = reply if isinstance(reply, Exception) else self._op.decode(reply)
            self._hit = not (value is MISSING or value is False or isinstance(value, Exception))
            self._outcome = self._op.finish(value)
        except Exception as error:  # kept: it belongs to this result alone
            self._outcome = error

    def report(self, op: Op[Any], handle: Any) -> None:
        """Tell observers of this operation; the time is the pipeline's."""

        def run(event: events.Event) -> None:
            if op.reads:
                event.hit = self._hit
            if isinstance(self._outcome, Exception):
                event.error = self._outcome

        events.watched(type(handle).__name__, op.name, handle._bound().key, run)

    @property
    def outcome(self) -> Any:
        """The result, or the exception that stands for it."""
        return self._outcome

    def __repr__(self) -> str:
        return f"<{'sent' if self._sent else 'pending'} {self._op.name}>"

    def __bool__(self) -> bool:
        raise TypeError(f"the result of {self._op.name} is pending: use its .value after the block")

    def becomes(self, op: Op[Any]) -> None:
        """Let this stand for another operation, which takes the place of the one that was kept."""
        self._op = op

    def __iadd__(self, by: Any) -> Any:  # type: ignore[misc]
        return self._refuse() if self._op.plus is None else self._op.plus(self, by)

    def __isub__(self, by: Any) -> Any:  # type: ignore[misc]
        return self._refuse() if self._op.plus is None else self._op.plus(self, -by)

    def _refuse(self, *_: Any) -> Any:
        raise TypeError(f"the result of {self._op.name} is pending: compute with its .value after the block")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __or__ = __and__ = _refuse
    __len__ = __iter__ = __getitem__ = __contains__ = __int__ = __float__ = __index__ = __lt__ = __gt__ = _refuse


class Done(Pending):
    """A result that needed no server: it is there already."""

    __slots__ = ()

    def __init__(self, value: Any) -> None:
        super().__init__(Op("nothing", Command(()), lambda _: value))
        self.settle(None)


class Pipeline(Generic[C]):
    """The block of ``pipeline()``: its ``with`` gives the handle whose calls are kept."""

    def __init__(self, handle: C) -> None:
        self._handle: Any = handle
        self._connection: Any = None
        self._open = False
        self.kept: list[tuple[Pending, Op[Any], Any]] = []

    def __enter__(self) -> C:
        if self._open or self.kept:
            raise CacheError("a pipeline serves one block: call pipeline() again")
        self._open = True
        self._connection = self._handle._bound().connection
        return self.bind(self._handle)

    def bind(self, handle: C) -> C:
        """A handle like this one whose operations are kept here."""
        if not hasattr(handle, "_bound"):
            raise TypeError(f"a pipeline takes collections of this library, not {type(handle).__name__}")
        if handle._bound().connection is not self._connection:
            raise CacheError("a pipeline serves one connection: the other collection lives on another one")
        new: Any = object.__new__(_pipelined(type(handle)))
        new.__dict__.update(handle.__dict__)
        new.__dict__.pop("_near", None)  # what is read here is pending until it is sent
        new.__dict__["_pipeline"] = self
        return new  # type: ignore[no-any-return]

    def keep(self, op: Op[Any], handle: Any) -> Pending:
        """Queue one operation; in the place of ``op.instead``, if that was the last that was queued."""
        if not self._open:
            raise CacheError("this pipeline was sent already: call pipeline() again")
        if op.instead is not None and self.kept and self.kept[-1][0] is op.instead:
            self.kept.pop()
            pending: Pending = op.instead
            pending.becomes(op)
        else:
            pending = Pending(op)
        self.kept.append((pending, op, handle))
        return pending

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        if kind is not None or not self.kept:
            return
        if not events.observers:
            self._send()
        else:
            handle = self.kept[0][2]
            events.watched("Pipeline", "send", handle._bound().key, lambda _: self._send())
            for pending, op, handle in self.kept:
                pending.report(op, handle)

    def _send(self) -> None:
        replies = drive(self._plan(), self._connection)
        first: Exception | None = None
        for (pending, _, _), reply in zip(self.kept, replies, strict=True):
            pending.settle(reply)
            if isinstance(reply, Exception) and first is None:
                first = reply
        if first is not None:
            raise first

    def _plan(self) -> Generator[Any, Any, list[Any]]:
        forms = [_form(op) for _, op, _ in self.kept]
        sent: list[Any] = []
        for form, (_, op, _) in zip(forms, self.kept, strict=True):
            sent += (op.step,) if form is None else form.steps
        replies = yield Batch(sent, atomic=True, keep_errors=True)
        return folded(forms, replies)

    @property
    def results(self) -> list[Any]:
        """All results in order; where one failed, its exception stands in its place."""
        if self._open:
            raise CacheError("the results are there when the pipeline's block has ended")
        return [pending.outcome for pending, _, _ in self.kept]


def _form(op: Op[Any]) -> Expanded | None:
    """What is sent for an operation, if that is not its step alone."""
    if op.ahead is not None:
        return Expanded((op.ahead, op.step), lambda replies: replies[1])
    return expand(op.step, waits=False)


class Pipelined:
    """Mixed into a collection's class for handles inside a pipeline: operations are kept, not run."""

    _pipeline: Pipeline[Any] | None = None

    def _run(self, op: Op[Any]) -> Any:
        return self._here().keep(op, self)

    def _here(self) -> Pipeline[Any]:
        if self._pipeline is None:
            raise TypeError("class methods serve other keys, so they cannot be part of a pipeline")
        return self._pipeline

    def _now(self, value: Any) -> Any:
        return Done(value)

    def _outside(self) -> Any:
        plain: Any = object.__new__(type(self).__bases__[1])
        plain.__dict__.update({name: value for name, value in self.__dict__.items() if name != "_pipeline"})
        return plain

    def _pages(self) -> Any:
        raise CacheError("there are more elements than one reply takes: read them outside of the pipeline")

    def pipeline(self) -> Any:
        raise TypeError("this is a pipeline already: its block ends before another one begins")

    def _drive(self, name: str, plan: Any) -> Any:
        plan.close()
        raise TypeError(f"{name} needs more than one round trip, or an answer at once: it cannot be part of a pipeline")

    def __call__(self, other: C) -> C:
        """The handle of another collection, inside the same pipeline."""
        return self._here().bind(other)  # type: ignore[no-any-return]

    @property
    def results(self) -> list[Any]:
        """All results of the pipeline in order, after its block."""
        return self._here().results

    def __len__(self) -> int:
        return self._at_once("len()", "length()")

    def __contains__(self, item: object) -> bool:
        return bool(self._at_once("in", "contains()"))

    def __bool__(self) -> bool:
        return bool(self._at_once("bool()", "exists()"))

    def __eq__(self, other: object) -> bool:
        return bool(self._at_once("==", "to_dict() or to_set()"))

    __hash__ = None  # type: ignore[assignment]

    def _at_once(self, what: str, instead: str) -> int:
        raise TypeError(f"{what} must answer at once, which a pipeline cannot: use {instead} and its pending result")


_classes: dict[type[Any], type[Any]] = {}


def _pipelined(cls: type[Any]) -> type[Any]:
    known = _classes.get(cls)
    if known is None:
        # Not a subclass that users see: the checks of __init_subclass__ have run for the class itself.
        known = type(cls.__name__, (Pipelined, cls), {"__module__": cls.__module__, "__hash__": None})
        _classes[cls] = known
    return known
