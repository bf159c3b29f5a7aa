"""``Count``: what ``counter[field]`` gives. An int that knows where it came from, so that ``+=`` is atomic.

``c[k] += 1`` is three steps in Python: read ``c[k]``, add, store. The sum remembers field and
difference; when it is stored where it came from, the difference is what is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Count", "Place"]


class Place(NamedTuple):
    """One field of one counter of one connection."""

    connection: Any
    key: str
    field: bytes


class Count(int):
    """An int. Only ``+=`` and ``-=`` give another Count; all other arithmetic, pickle and copies an int."""

    _place: Place | None
    _step: int | None

    def __new__(cls, value: int = 0, place: Place | None = None, step: int | None = None) -> Self:
        new = super().__new__(cls, value)
        new._place, new._step = place, step
        return new

    def __iadd__(self, by: int) -> int:
        if not isinstance(by, int):
            return NotImplemented
        return Count(int(self) + by, self._place, (self._step or 0) + by)

    def __isub__(self, by: int) -> int:
        if not isinstance(by, int):
            return NotImplemented
        return Count(int(self) - by, self._place, (self._step or 0) - by)

    def take(self, place: Place) -> int | None:
        """What ``+=`` added to the field at ``place``; None if this is no such sum. It is given once.

        Stored a second time the same object is a number like any other: the step was counted already.
        """
        if self._step is None or self._place != place:
            return None
        step, self._step = self._step, None
        return step

    def __reduce_ex__(self, _protocol: Any) -> Any:
        return int, (int(self),)

    def __copy__(self) -> int:
        return int(self)

    def __deepcopy__(self, _memo: Any) -> int:
        return int(self)
