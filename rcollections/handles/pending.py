"""What a call inside of a pipeline gives: a result that is not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import CacheError
from ..observe import events
from ..observe.names import name_of
from ..plans.effects import Command
from ..plans.multi import Outcome
from ..plans.op import Op, Ready
from ..plans.target import as_is

if TYPE_CHECKING:
    from .handle import Handle

__all__ = ["Done", "Pending"]

T = TypeVar("T")


class Pending(Generic[T]):
    """A result that is not there yet: ``value`` gives it after the pipeline's block, or raises its error."""

    __slots__ = ("_op", "_outcome")

    def __init__(self, op: Op[Any]) -> None:
        self._op = op
        self._outcome: Outcome | None = None

    @property
    def value(self) -> T:
        """The result of the call, as it would have been outside; CacheError before the pipeline was sent."""
        if self._outcome is None:
            raise CacheError("this result is pending: it is there when the pipeline's block has ended")
        if isinstance(self._outcome.value, Exception):
            raise self._outcome.value
        return self._outcome.value  # type: ignore[no-any-return]

    def settle(self, outcome: Outcome) -> None:
        """Take the outcome of this operation."""
        self._outcome = outcome

    def report(self, op: Op[Any], handle: Handle) -> None:
        """Tell observers of this operation; the time is the pipeline's."""
        outcome = self._outcome
        if outcome is None:
            return

        def run(event: events.Event) -> None:
            events.count(event, outcome.tally)
            if isinstance(outcome.value, Exception):
                event.error = outcome.value
            if outcome.more:
                events.watched(name, outcome.more, key, lambda _: None)

        name, key = name_of(type(handle)), str(handle._bound().key)
        events.watched(name, op.name, key, run)

    @property
    def outcome(self) -> Any:
        """The result, or the exception that stands for it."""
        return None if self._outcome is None else self._outcome.value

    def __repr__(self) -> str:
        return f"<{'pending' if self._outcome is None else 'sent'} {self._op.name}>"

    def __bool__(self) -> bool:
        raise TypeError(f"the result of {self._op.name} is pending: use its .value after the block")

    def becomes(self, op: Op[Any]) -> None:
        """Let this result stand for another operation, which takes the place of the kept one."""
        self._op = op

    def __iadd__(self, by: Any) -> Any:  # type: ignore[misc]
        return self._refuse() if self._op.plus is None else self._op.plus(self, by)

    def __isub__(self, by: Any) -> Any:  # type: ignore[misc]
        return self._refuse() if self._op.plus is None else self._op.plus(self, -by)

    def _refuse(self, *_: Any) -> Any:
        raise TypeError(f"the result of {self._op.name} is pending: compute with its .value after the block")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __or__ = __and__ = _refuse
    __len__ = __iter__ = __getitem__ = __contains__ = __int__ = __float__ = __index__ = __lt__ = __gt__ = _refuse


class Done(Pending[Any]):
    """A result that needed no server: it is there already, be it an error."""

    __slots__ = ()

    def __init__(self, op: Ready[Any]) -> None:
        super().__init__(Op("nothing", Command(()), as_is))
        self.settle(Outcome(op.value if op.error is None else op.error))
