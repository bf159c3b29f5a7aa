"""What a counter does with another counter, a ``Counter`` or a mapping: comparing, operators, in place.

Made from ``collections/counteralgebra.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ...plans.collections import counters as plans
from .hashcache import AsyncHashCache, plain

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = ["AsyncCounterAlgebra"]

K = TypeVar("K")

_WAYS = ("add", "sub", "or", "and")


class AsyncCounterAlgebra(AsyncHashCache[K, int]):
    """The part of a counter that takes an operand. Operators give a plain ``Counter``. Not a type of its own."""

    @abstractmethod
    async def to_counter(self) -> Counter[K]:
        """The content as a plain Counter."""

    @abstractmethod
    async def to_dict(self) -> dict[K, int]:
        """The content as a plain dict."""

    async def equals(self, other: object) -> bool:
        """Whether these are the counts: ``==`` under a name. Counts of 0 and missing fields are equal, as in Counter.

        A mapping that is no Counter must have the same fields. Reads the counter as ``to_counter`` does.
        """
        other = await self._operand(other, plain=True)
        if isinstance(other, (Counter, AsyncCounterAlgebra)):
            return await self.to_counter() == _counter(other)
        return isinstance(other, Mapping) and bool(await self.to_dict() == plain(other))

    # -- in place, on the server: afterwards only counts above 0 are left, as in Counter ----------

    async def combine(self, other: Any, how: str = "add") -> None:
        """``c += other`` under a name; with ``how`` "sub", "or" and "and" the other in-place operators.

        ``other`` is a counter or a mapping. Afterwards only counts above 0 are left. One atomic step as long as both
        have at most 5,000 fields; larger ones go page by page.
        """
        if how not in _WAYS:
            raise ValueError(f"combine() takes how= as one of {', '.join(_WAYS)}, not {how!r}")
        t, other = self._bound(), await self._operand(other)
        if self._meets(other):
            await self._run(plans.combine_by(t, other._bound(), how))
        else:
            await self._run(plans.combine(t, plans.words(t, plain(other), {}), how))

    def _meets(self, other: object) -> TypeGuard[AsyncCounterAlgebra[Any]]:
        """Whether the server can combine the two counters."""
        return isinstance(other, AsyncCounterAlgebra) and other._bound().connection is self._bound().connection


def _counter(other: Any) -> Counter[Any]:
    found: Counter[Any] = other
    return found
