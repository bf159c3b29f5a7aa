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


class CounterAlgebra(HashCache[K, int]):
    """The part of a counter that takes an operand. Operators give a plain ``Counter``. Not a type of its own."""

    @abstractmethod
    def to_counter(self) -> Counter[K]:
        """The content as a plain Counter."""

    @abstractmethod
    def to_dict(self) -> dict[K, int]:
        """The content as a plain dict."""

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Counter, CounterAlgebra)):
            return self.to_counter() == _counter(other)
        if isinstance(other, Mapping):
            return bool(self.to_dict() == plain(other))
        return NotImplemented

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
        return self._combine(other, "add")

    def __isub__(self, other: Any) -> Self:
        return self._combine(other, "sub")

    def __ior__(self, other: Any) -> Self:
        return self._combine(other, "or")

    def __iand__(self, other: Any) -> Self:
        return self._combine(other, "and")

    def _combine(self, other: Any, name: str) -> Self:
        """One atomic step as long as both counters have at most 5,000 fields; larger ones go page by page."""
        if not isinstance(other, Mapping):
            return NotImplemented  # type: ignore[no-any-return]
        t = self._bound()
        if self._meets(other):
            self._run(plans.combine_by(t, other._bound(), name))
        else:
            self._run(plans.combine(t, plans.words(t, plain(other), {}), name))
        return self

    def _meets(self, other: object) -> TypeGuard[CounterAlgebra[Any]]:
        """Whether the server can combine the two counters."""
        return isinstance(other, CounterAlgebra) and other._bound().connection is self._bound().connection


def _foreign(other: object) -> bool:
    return not isinstance(other, (Counter, CounterAlgebra))


def _counter(other: Any) -> Counter[Any]:
    return other.to_counter() if isinstance(other, CounterAlgebra) else other
