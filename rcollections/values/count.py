"""``Count``: the result of ``counter[field]``. An int that knows its counter and field, so that ``+=`` is atomic.

``c[k] += 1`` is three steps in Python: read ``c[k]``, add, store. The sum remembers field and difference.
When the user stores this sum in the same field, the counter sends only the difference. ``PendingSum`` is
the same for pipelines, where the count has not arrived yet.
"""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import EncodeError

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Count", "Origin", "PendingSum", "missing_count", "whole"]


def missing_count(self: object, field: object) -> int:  # noqa: ARG001 - a method of the counters
    """What a missing field reads as: 0, which is not stored."""
    return 0


class Origin(NamedTuple):
    """One field of one counter of one connection."""

    connection: object
    key: str
    field: bytes


class Count(int):
    """An int. Only ``+=`` and ``-=`` give another Count; all other arithmetic, pickle and copies give an int."""

    _origin: Origin | None
    _step: int | None

    def __new__(cls, value: int = 0, origin: Origin | None = None, step: int | None = None) -> Self:
        new = super().__new__(cls, value)
        new._origin, new._step = origin, step
        return new

    def __iadd__(self, by: int) -> int:
        step = _step(by)
        if step is None:
            return NotImplemented
        return Count(int(self) + step, self._origin, (self._step or 0) + step)

    def __isub__(self, by: int) -> int:
        step = _step(by)
        if step is None:
            return NotImplemented
        return Count(int(self) - step, self._origin, (self._step or 0) - step)

    def take(self, origin: Origin) -> int | None:
        """The step that ``+=`` added to the field at ``origin``; None if this Count is no sum of that field.

        The step is given once: stored a second time, the same object is a plain number, already counted.
        """
        if self._step is None or self._origin != origin:
            return None
        step, self._step = self._step, None
        return step

    def __reduce_ex__(self, _protocol: object) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)

    def __copy__(self) -> int:
        return int(self)

    def __deepcopy__(self, _memo: object) -> int:
        return int(self)


class PendingSum:
    """``p[field] += 1`` in a pipeline: the sum of a pending count and a step, until the user stores it."""

    __slots__ = ("_origin", "_step", "pending")

    def __init__(self, pending: object, origin: Origin, step: int) -> None:
        self.pending = pending
        self._origin = origin
        self._step = _int(step)

    def take(self, origin: Origin) -> int:
        """The step that was added; TypeError for a field other than the field that was read."""
        if self._origin != origin:
            raise TypeError("a pending count can only be stored in the field that it was read from")
        return self._step

    def __iadd__(self, by: int) -> PendingSum:
        return PendingSum(self.pending, self._origin, self._step + _int(by))

    def __isub__(self, by: int) -> PendingSum:
        return PendingSum(self.pending, self._origin, self._step - _int(by))


def whole(count: object) -> int:
    """An int, or an object that counts as one (numpy's), as an int; EncodeError for all others, bool too."""
    found = None if isinstance(count, bool) else _step(count)
    if found is None:
        raise EncodeError(f"counts are int, not {type(count).__name__}")
    return found


def _int(step: object) -> int:
    return int(step) if isinstance(step, int) else whole(step)


def _step(by: Any) -> int | None:
    try:
        return index(by)
    except TypeError:
        return None
