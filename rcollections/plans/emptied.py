"""``on_error="empty"``: while the server fails, reads find nothing, and writes are dropped.

A step whose caller acts on the reply (``-- decides`` in its header, or in the table of commands) raises all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import CacheConnectionError, CacheError, CacheTimeout
from .effects import Batch, Command, Script
from .steps import decides, empty_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .effects import Plan, Step

__all__ = ["emptied", "is_failure"]

T = TypeVar("T")

# Exactly these: their children are about the call (a wrong type, a value that cannot be stored), not the server.
_FAILURES = (CacheConnectionError, CacheTimeout, CacheError)


def is_failure(error: BaseException) -> bool:
    """Whether the server failed: away, silent, late, full, read-only, or not open to this user."""
    return type(error) in _FAILURES


def emptied(plan: Plan[T], failure: CacheError | None, told: Callable[[CacheError], object]) -> Plan[T]:
    """Carry out a plan; from the first failure on, send nothing any more, and answer as an empty server would.

    ``failure`` is one that was met already. ``told`` is called once with it, when it has been answered for.
    """
    reply: Any = None
    error: BaseException | None = None
    said = False
    while True:
        try:
            effect: Any = plan.send(reply) if error is None else plan.throw(error)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        reply, error = None, None
        steps = _steps(effect)
        if failure is None or steps is None:
            try:
                reply = yield effect
                continue
            except GeneratorExit:
                plan.close()
                raise
            except BaseException as raised:
                if steps is None or not is_failure(raised):
                    error = raised
                    continue
                failure = raised  # type: ignore[assignment]
        replies = [failure if decides(step) else empty_reply(step) for step in steps]
        refused = next((each for each in replies if isinstance(each, Exception)), None)
        if refused is not None:
            error = failure
            continue
        reply = replies if type(effect) is Batch else replies[0]
        if not said and failure is not None:
            said = True
            told(failure)


def _steps(effect: object) -> Sequence[Step] | None:
    """The steps of an effect; None if it asks no server."""
    if isinstance(effect, Batch):
        return effect.steps
    return (effect,) if isinstance(effect, (Command, Script)) else None
