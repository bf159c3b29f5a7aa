"""Read, change, store: again and again until nobody was faster; and the arithmetic of signed values, which needs it."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from math import isfinite
from operator import index
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import ChangedError, EncodeError, WrongTypeError
from ...missing import MISSING
from ..draws import spread
from ..effects import Call, Sleep
from ..op import Trips, as_plan
from .numbers import amount

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..effects import Plan
    from ..op import Op
    from ..target import Target
    from .reader import Token

__all__ = ["ATTEMPTS", "changed", "fresh", "increased", "mutated"]

V = TypeVar("V")

ATTEMPTS = 100
FIRST_PAUSE, LAST_PAUSE = 0.001, 0.05  # seconds, at most: callers that met do not meet again at once


def mutated(
    read: Op[tuple[V, Token]],
    write: Callable[[V, Token], Op[bool]],
    fn: Callable[[V], V],
    attempts: int,
    where: str,
    name: str = "mutate",
) -> Trips[V]:
    """Read, call ``fn``, compare and set; gives what was stored. ChangedError if others were faster every time."""
    tries = index(attempts)
    if tries < 1:
        raise ValueError(f"attempts is how often it is tried, 1 or more, not {tries}")
    return Trips(name, _mutated(read, write, fn, tries, where), decides=True)


def _mutated(
    read: Op[tuple[V, Token]], write: Callable[[V, Token], Op[bool]], fn: Callable[[V], V], tries: int, where: str
) -> Plan[V]:
    pause = FIRST_PAUSE
    for left in range(tries - 1, -1, -1):
        value, token = yield from as_plan(read)
        new: V = yield Call(partial(fn, value))
        if (yield from as_plan(write(new, token))):
            return new
        if left:
            yield Sleep(spread.uniform(0, pause))
            pause = min(2 * pause, LAST_PAUSE)
    raise changed(where, "mutate()" if tries == 1 else f"each of the {tries} attempts of mutate()")


def changed(where: str, during: str) -> ChangedError:
    """The error for a value that somebody else has changed between its read and its write."""
    return ChangedError(
        f"{where} was changed by somebody else during {during}, so nothing was written: "
        "do it again from what is there now"
    )


def fresh(default: object, missed: Callable[[], Any]) -> Callable[[], Any]:
    """Gives the default of a missing value, each time a copy, since ``fn`` may change it; without one ``missed()``."""
    return missed if default is MISSING else lambda: deepcopy(default)


def increased(
    t: Target, read: Op[tuple[Any, Token]], write: Callable[[Any, Token], Op[bool]], by: float, what: str
) -> Trips[Any]:
    """``increment`` where the server cannot add, because each value is signed. ``read`` gives 0 for a missing one."""
    step = amount(by, t.key)

    def add(value: Any) -> Any:
        if type(value) not in (int, float):
            raise WrongTypeError(f"{what} of {t.key!r} is not a number that can be incremented")
        total: int | float = value + step
        if not (isfinite(total) if type(total) is float else -(2**63) <= total < 2**63):
            raise EncodeError(
                f"{what} of {t.key!r} would leave the range (64-bit int, finite float); nothing was changed"
            )
        return total

    return mutated(read, write, add, ATTEMPTS, f"{what} of {t.key!r}", "increment")
