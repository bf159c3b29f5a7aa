"""Adding to a number that the server keeps, under a key or in a field: the words to send, and how the sum reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import EncodeError, WrongTypeError
from ...values.count import Count

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..target import Target

__all__ = ["number", "summed"]


def number(by: object, key: str) -> tuple[str, str]:
    """The kind and text of the number to add; a wrong one is refused before anything is sent."""
    if type(by) is int or type(by) is Count:
        if -(2**63) <= by < 2**63:
            return "int", str(by)
        raise EncodeError(f"{key!r}: counts are 64-bit integers, and the step is larger")
    if type(by) is float:
        if by != by or by in (float("inf"), float("-inf")):
            raise ValueError(f"{key!r} cannot be incremented by nan or infinity")
        return "float", repr(by)
    raise WrongTypeError(f"{key!r} can be incremented by int or float, not by {type(by).__name__}")


def summed(t: Target, what: str) -> Callable[[list[object]], object]:
    """Reads the reply of an increment."""

    def decode(reply: list[Any]) -> Any:
        if reply[0] == b"ok":
            return t.load(reply[1])
        if reply[0] == b"text":
            raise WrongTypeError(f"{what} of {t.key!r} is not a number that can be incremented")
        raise EncodeError(f"{what} of {t.key!r} would leave the range (64-bit int, finite float); nothing was changed")

    return decode
