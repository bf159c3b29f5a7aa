"""Adding to a number that the server keeps, under a key or in a field: the words to send, and how the sum reads."""

from __future__ import annotations

from math import isfinite
from operator import index
from typing import TYPE_CHECKING, Any

from ...errors import EncodeError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..target import Target

__all__ = ["AT_MOST", "amount", "at_most", "negative", "number", "summed"]

AT_MOST = 2**62  # beyond any number of elements, and within what the server reads as a number


def amount(by: object, key: str) -> int | float:
    """The number to add, as an int of 64 bits or a finite float; a wrong one is refused before anything is sent."""
    if isinstance(by, float):
        if not isfinite(by):
            raise ValueError(f"{key!r} cannot be incremented by nan or infinity")
        return float(by)
    try:
        step = None if isinstance(by, bool) else index(by)  # type: ignore[arg-type]
    except TypeError:
        step = None
    if step is None:
        raise WrongTypeError(f"{key!r} can be incremented by int or float, not by {type(by).__name__}")
    if not -(2**63) <= step < 2**63:
        raise EncodeError(f"{key!r}: counts are 64-bit integers, and the step is larger")
    return step


def number(by: object, key: str) -> tuple[str, str]:
    """The kind and text of the number to add."""
    step = amount(by, key)
    return ("int" if type(step) is int else "float"), repr(step)


def negative(by: Any) -> Any:
    """The number to add where ``by`` is to be subtracted; what is no number is left to ``amount`` to refuse."""
    if isinstance(by, float):
        return -by
    try:
        return by if isinstance(by, bool) else -index(by)
    except TypeError:
        return by


def at_most(count: int) -> int:
    """How many elements are asked for, within what the server reads; TypeError for what is no integer."""
    return min(index(count), AT_MOST)


def summed(t: Target, what: str) -> Callable[[list[object]], object]:
    """Reads the reply of an increment."""

    def decode(reply: list[Any]) -> Any:
        if reply[0] == b"ok":
            return t.load(reply[1])
        if reply[0] == b"text":
            raise WrongTypeError(f"{what} of {t.key!r} is not a number that can be incremented")
        raise EncodeError(f"{what} of {t.key!r} would leave the range (64-bit int, finite float); nothing was changed")

    return decode
