"""``with d.pipeline() as p:`` collects operations and sends them in one MULTI."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import CacheError
from ..observe import events
from ..observe.names import name_of
from ..plans.admission import admission
from ..plans.emptied import emptied, is_failure
from ..plans.multi import Outcome, together
from ..plans.op import UNSENT, Op, Ready, Trips, several
from ..servers.drivers.sync import drive
from .handle import Handle
from .pending import Done, Pending

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from ..plans.effects import Plan
    from ..plans.op import Operation

__all__ = ["Collected", "Pending", "Pipeline"]

C = TypeVar("C", covariant=True)
T = TypeVar("T")

WATCHED = "rcollections.Pipeline"  # the name by which observers know what is sent


class Collected(Generic[C]):
    """The operations that the block of a pipeline keeps; what sends them is ``Pipeline``, or ``AsyncPipeline``."""

    def __init__(self, handle: Any) -> None:
        self._handle: Any = handle
        self._connection: Any = None
        self._open = False
        self.kept: list[tuple[Pending[Any], Op[Any], Any]] = []
        self._made: list[Pending[Any]] = []  # all results in order, those that need no server among them

    def begin(self) -> Any:
        """Keep operations from now on; gives the handle whose operations are kept."""
        if self._open or self._made:
            raise CacheError("a pipeline serves one block: call pipeline() again")
        self._open = True
        self._connection = self._handle._bound().connection
        return self.bind(self._handle)

    def bind(self, handle: Any) -> Any:
        """A handle like this one whose operations this pipeline keeps."""
        if not hasattr(handle, "_bound"):
            raise TypeError(f"a pipeline takes collections of this library, not {type(handle).__name__}")
        if handle._bound().connection is not self._connection:
            raise CacheError("a pipeline serves one connection: the other collection lives on another one")
        new: Any = object.__new__(_pipelined(type(handle)))
        new.__dict__.update(handle.__dict__)
        new.__dict__.pop("_near", None)  # L1 cannot answer a read that is pending
        new.__dict__["_pipeline"] = self
        return new

    def keep(self, op: Op[Any] | Ready[Any], handle: Any) -> Pending[Any]:
        """Queue one operation; in the place of ``op.instead``, if that is the last one in the queue."""
        if not self._open:
            raise CacheError("this pipeline was sent already: call pipeline() again")
        if isinstance(op, Ready):
            self._made.append(Done(op))
            return self._made[-1]
        if op.instead is not None and self.kept and self.kept[-1][0] is op.instead:
            self.kept.pop()
            pending: Pending[Any] = op.instead
            pending.becomes(op)
        else:
            pending = Pending(op)
            self._made.append(pending)
        self.kept.append((pending, op, handle))
        return pending

    def end(self, kind: type[BaseException] | None) -> bool:
        """Keep no more; whether something is to be sent."""
        self._open = False
        return kind is None and bool(self.kept)

    @property
    def key(self) -> str:
        """The key that observers are told for the whole."""
        return str(self.kept[0][2]._bound().key)

    def emptied(self, ops: list[Op[Any]], error: CacheError) -> Plan[tuple[list[Outcome], Exception | None]]:
        """The plan that answers as an empty server does; raises ``error`` again where a class wants that."""
        if not is_failure(error) or any(handle.on_error == "raise" for _, _, handle in self.kept):
            raise error
        told = partial(self._connection.answered_empty, name_of(type(self.kept[0][2])))
        return emptied(together(ops), error, told)

    def settle(self, outcomes: list[Outcome], failed: Exception | None) -> None:
        """Give each pending result its outcome."""
        for (pending, _, _), outcome in zip(self.kept, outcomes, strict=True):
            pending.settle(outcome)
        if failed is not None:
            raise failed

    def report(self) -> None:
        """Tell observers of each operation."""
        for pending, op, handle in self.kept:
            pending.report(op, handle)

    @property
    def results(self) -> list[Any]:
        """All results in order; where one failed, its exception stands in its place."""
        if self._open:
            raise CacheError("the results are there when the pipeline's block has ended")
        return [pending.outcome for pending in self._made]


class Pipeline(Collected[C]):
    """The block of ``pipeline()``: its ``with`` gives the handle whose calls are kept."""

    def __enter__(self) -> C:
        return self.begin()  # type: ignore[no-any-return]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.end(kind):
            return
        if not events.observers:
            self._send()
        else:
            with events.watching(WATCHED, "send", self.key):
                self._send()
            self.report()

    def _send(self) -> None:
        ops = [op for _, op, _ in self.kept]
        connection = self._connection
        try:
            if connection.breaker.is_open:
                drive(admission(connection.breaker), connection)
            outcomes, failed = drive(together(ops), connection)
        except CacheError as error:
            outcomes, failed = drive(self.emptied(ops, error), connection)
        self.settle(outcomes, failed)


class Pipelined(Handle):
    """Mixed into a collection's class for handles inside a pipeline: operations are kept, not run."""

    _pipeline: Pipeline[Any] | None = None

    def __init_subclass__(cls, **_: object) -> None:
        """Ends here: the class that is made of a user's class for a pipeline is none that the user's hook hears of."""

    def _run(self, op: Operation[Any]) -> Any:
        here = self._here()
        if isinstance(op, Trips):
            op.plan.close()
            if op.inside is None:
                raise several(op.name)
            op = op.inside()
        return here.keep(op, self)

    def _ask(self, *_: Any, **__: Any) -> Any:
        return UNSENT

    def _iterate(self, op: Op[Iterable[Any]]) -> Iterator[Any]:
        return iter(self._run(op))

    def _here(self) -> Pipeline[Any]:
        if self._pipeline is None:
            raise TypeError("class methods serve other keys, so they cannot be part of a pipeline")
        return self._pipeline

    def _outside(self) -> Any:
        plain: Any = object.__new__(type(self).__bases__[1])
        plain.__dict__.update({name: value for name, value in self.__dict__.items() if name != "_pipeline"})
        return plain

    def pipeline(self) -> Any:
        raise TypeError("this is a pipeline already: its block ends before another one begins")

    def __call__(self, other: Any) -> Any:
        """The handle of another collection, inside the same pipeline."""
        return self._here().bind(other)

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


def _pipelined(cls: type[Any]) -> type[Any]:
    """The class of handles of ``cls`` inside a pipeline; kept on ``cls``, so that the two go together."""
    known: type[Any] | None = cls.__dict__.get("_in_pipeline")
    if known is None:
        facts = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__hash__": None}
        # By type itself: it is no subclass that a metaclass of the user should hear of.
        known = type.__new__(type(cls), cls.__name__, (Pipelined, cls), facts)
        type.__setattr__(cls, "_in_pipeline", known)
    return known
