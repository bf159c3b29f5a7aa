"""What a counter does with another counter, a ``Counter`` or a mapping: comparing, operators, in place."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..plans.collections import counters as plans
from .hashcache import HashCache, plain

if TYPE_CHECKING:
    from typing import Self, TypeGuard

__all__ = ["CounterAlgebra"]

K = TypeVar("K")

_WAYS = ("add", "sub", "or", "and")


class CounterAlgebra(HashCache[K, int]):
    """The part of a counter that takes an operand. Operators give a plain ``Counter``. Not a type of its own."""

    @abstractmethod
    def to_counter(self) -> Counter[K]:
        """The content as a plain Counter."""

    @abstractmethod
    def to_dict(self) -> dict[K, int]:
        """The content as a plain dict."""

    def __eq__(self, other: object) -> bool:
        return self.equals(other) if isinstance(other, Mapping) else NotImplemented

    def equals(self, other: object) -> bool:
        """Whether these are the counts: ``==`` under a name. Counts of 0 and missing fields are equal, as in Counter.

        A mapping that is no Counter must have the same fields. Reads the counter as ``to_counter`` does.
        """
        other = self._operand(other, plain=True)
        if isinstance(other, (Counter, CounterAlgebra)):
            return self.to_counter() == _counter(other)
        return isinstance(other, Mapping) and bool(self.to_dict() == plain(other))

    def __le__(self, other: Any) -> bool:
        return NotImplemented if _foreign(other) else self.to_counter() <= _counter(other)

    def __lt__(self, other: Any) -> bool:
        return NotImplemented if _foreign(other) else self.to_counter() < _counter(other)

    def __ge__(self, other: Any) -> bool:
        return NotImplemented if _foreign(other) else self.to_counter() >= _counter(other)

    def __gt__(self, other: Any) -> bool:
        return NotImplemented if _foreign(other) else self.to_counter() > _counter(other)

    def __pos__(self) -> Counter[K]:
        return +self.to_counter()

    def __neg__(self) -> Counter[K]:
        return -self.to_counter()

    def __add__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else self.to_counter() + _counter(other)

    def __radd__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else _counter(other) + self.to_counter()

    def __sub__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else self.to_counter() - _counter(other)

    def __rsub__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else _counter(other) - self.to_counter()

    def __or__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else Counter.__or__(self.to_counter(), _counter(other))

    def __ror__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else Counter.__or__(_counter(other), self.to_counter())

    def __and__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else self.to_counter() & _counter(other)

    def __rand__(self, other: Any) -> Counter[K]:
        return NotImplemented if _foreign(other) else _counter(other) & self.to_counter()

    # -- in place, on the server: afterwards only counts above 0 are left, as in Counter ----------

    def __iadd__(self, other: Any) -> Self:
        return self._in_place(other, "add")

    def __isub__(self, other: Any) -> Self:
        return self._in_place(other, "sub")

    def __ior__(self, other: Any) -> Self:
        return self._in_place(other, "or")

    def __iand__(self, other: Any) -> Self:
        return self._in_place(other, "and")

    def _in_place(self, other: Any, how: str) -> Self:
        if not isinstance(other, Mapping):
            return NotImplemented  # type: ignore[no-any-return]
        self.combine(other, how)
        return self

    def combine(self, other: Any, how: str = "add") -> None:
        """``c += other`` under a name; with ``how`` "sub", "or" and "and" the other in-place operators.

        ``other`` is a counter or a mapping. Afterwards only counts above 0 are left. One atomic step as long as both
        have at most 5,000 fields; larger ones go page by page.

        >>> from rcollections import CounterCache
        >>> stock = CounterCache("stock", data={"tea": 3, "milk": 1})
        >>> stock.combine({"tea": 1, "milk": 1}, "sub")
        >>> stock.to_dict()
        {'tea': 2}
        """
        if how not in _WAYS:
            raise ValueError(f"combine() takes how= as one of {', '.join(_WAYS)}, not {how!r}")
        t, other = self._bound(), self._operand(other)
        if self._meets(other):
            self._run(plans.combine_by(t, other._bound(), how))
        else:
            self._run(plans.combine(t, plans.words(t, plain(other), {}), how))

    def _meets(self, other: object) -> TypeGuard[CounterAlgebra[Any]]:
        """Whether the server can combine the two counters."""
        return isinstance(other, CounterAlgebra) and other._bound().connection is self._bound().connection


def _foreign(other: object) -> bool:
    return not isinstance(other, (Counter, CounterAlgebra))


def _counter(other: Any) -> Counter[Any]:
    return other.to_counter() if isinstance(other, CounterAlgebra) else other
