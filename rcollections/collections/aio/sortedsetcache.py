"""``AsyncSortedSetCache``: elements with scores, lowest first, in a sorted set on the server.

Made from ``collections/sortedsetcache.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from operator import index
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ...handles.faces import register
from ...missing import MISSING
from ...plans.collections import ranks, scoreranges
from ...plans.collections import sortedalgebra as algebra
from ...plans.collections import sortedsets as plans
from ...plans.collections.lookups import known
from ..elements import about
from .sortedalgebra import AsyncSortedAlgebra, pairs_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from typing import Self

    from typing_extensions import TypeVar as TypeVarWithDefault

    from ...handles.aio.pipeline import AsyncPipeline
    from ...plans.op import Operation
    from ...plans.target import Read, Write
    from ..pipes import SortedSetPipe

    T = TypeVarWithDefault("T", default=Any)
else:
    T = TypeVar("T")

__all__ = ["AsyncSortedSetCache"]

D = TypeVar("D")


class AsyncSortedSetCache(AsyncSortedAlgebra[T], Generic[T]):
    """Elements that each have a score, sorted by score and then by the bytes of the element.

    An element is what a set takes and the codec carries, a score a float (an int that a float holds
    exactly will do). Iteration gives ``(element, score)`` pairs, lowest first; ``z[0]`` and slices go
    by rank, ``range`` and ``count`` by score. Operations are atomic and one round trip each unless
    they say otherwise; changes and look-ups are O(log n).

    >>> import asyncio
    >>> from rcollections import AsyncSortedSetCache
    >>> class Best(AsyncSortedSetCache[str]):
    ...     prefix = "best"
    ...     ttl = 600
    >>> async def main() -> None:
    ...     game = await Best.create("chess", data={"ann": 3, "bob": 1})
    ...     print(await game.incr("bob", 5), [each async for each in game], await game[0])
    >>> asyncio.run(main())
    6.0 [('ann', 3.0), ('bob', 6.0)] ('ann', 3.0)
    """

    if TYPE_CHECKING:

        def pipeline(self) -> AsyncPipeline[SortedSetPipe[T]]: ...

    def _elements(self) -> tuple[Write, Read]:
        return self._raw_elements()

    def _replacement(self, data: Any) -> Operation[None]:
        t = self._bound()
        return algebra.replace_by(t, data._bound().key) if self._meets(data) else algebra.replace(t, pairs_of(data))

    async def _copy_onto(self, new: Self) -> None:
        # Not by COPY, after which the two keys of an in-memory server (fakeredis) share one content.
        await new._replace(self)

    async def _merge(self, data: Any) -> None:
        await self.update(data)

    # -- one element -----------------------------------------------------------------------------

    async def add(
        self, elem: T, score: float = 1, *, nx: bool = False, xx: bool = False, gt: bool = False, lt: bool = False
    ) -> bool:
        """Store an element with its score; True if the element is new.

        ``nx``: only if it is new; ``xx``: only if it is there; ``gt``, ``lt``: if it is there, only
        to a greater or lesser score. ValueError for conditions that exclude each other. The ttl is
        armed only if something was stored: a new element, or another score.
        """
        if (nx and (xx or gt or lt)) or (gt and lt):
            raise ValueError("add() takes nx alone, and only one of gt and lt")
        flags = " ".join(word for word, on in (("nx", nx), ("xx", xx), ("gt", gt), ("lt", lt)) if on)
        return await self._run(plans.add(self._bound(), elem, score, flags))

    async def addnx(self, elem: T, score: float = 1) -> bool:
        """Store an element only if it is new; tells whether it was."""
        return await self.add(elem, score, nx=True)

    async def incr(self, elem: T, by: float = 1) -> float:
        """Add to the score of an element, a missing one starts at 0; gives the sum."""
        return await self._run(plans.incr(self._bound(), elem, by))

    async def score(self, elem: Any) -> float:
        """The score of an element, or KeyError."""
        return await self._run(self._score(await self._operand(elem), _absent(elem)))

    @overload
    async def get(self, elem: Any) -> float | None: ...
    @overload
    async def get(self, elem: Any, default: D) -> float | D: ...
    async def get(self, elem: Any, default: Any = None) -> Any:
        """The score of an element, or the default."""
        return await self._run(self._score(await self._operand(elem), lambda: default))

    def _score(self, elem: object, absent: Callable[[], D]) -> Operation[float | D]:
        return about(self._bound(), elem, "score", lambda t, each: plans.score(t, each, absent))

    async def rank(self, elem: Any, *, reverse: bool = False) -> int:
        """How many elements come before this one, with ``reverse`` after it; KeyError if it is missing."""
        return await self._run(
            about(
                self._bound(),
                await self._operand(elem),
                "rank",
                lambda t, each: plans.rank(t, each, reverse, _absent(elem)),
            )
        )

    async def remove(self, elem: Any) -> None:
        """Remove an element, or KeyError. A set means its frozenset here, as in ``set``."""

        def check(removed: int) -> None:
            if not removed:
                raise KeyError(elem)

        await self._run(
            about(self._bound(), await self._operand(elem), "remove", lambda t, each: plans.take_out(t, each, check))
        )

    delete = remove

    async def discard(self, elem: Any) -> bool:
        """Remove an element if it is there; tells whether it was."""
        return await self._run(about(self._bound(), await self._operand(elem), "discard", plans.discard))

    async def pop(self, last: bool = False) -> tuple[T, float]:
        """Take out the element with the lowest score, with ``last`` the highest, as ``(element, score)``.

        KeyError if there is none.
        """

        def absent() -> Any:
            raise KeyError("pop from an empty sorted set")

        return await self._run(plans.pop(self._bound(), last, absent))

    async def rpop(self) -> tuple[T, float]:
        """Take out the element with the highest score, as ``(element, score)``; KeyError if there is none."""
        return await self.pop(last=True)

    async def contains(self, elem: Any) -> bool:
        """Whether there is such an element: ``in`` under a name. O(1)."""
        return await self._run(about(self._bound(), await self._operand(elem), "contains", plans.contains))

    async def length(self) -> int:
        """How many elements there are: ``len()`` under a name. O(1)."""
        return await self._run(plans.length(self._bound()))

    # -- by rank ---------------------------------------------------------------------------------

    @overload
    async def __getitem__(self, rank: int) -> tuple[T, float]: ...
    @overload
    async def __getitem__(self, rank: slice) -> list[tuple[T, float]]: ...
    async def __getitem__(self, rank: Any) -> Any:
        """``z[0]`` is the lowest pair, ``z[-1]`` the highest, ``z[0:10]`` a list: ranks, never elements.

        As on a list sorted by score and element, IndexError included; a slice is one reply, however long.
        """
        if isinstance(rank, slice):
            return await self._run(ranks.window(self._bound(), rank))

        def absent() -> Any:
            raise IndexError("sorted set index out of range")

        try:
            place = index(rank)
        except TypeError:
            raise TypeError(
                f"sorted set indices are ranks, integers or slices, not {type(rank).__name__}: score() takes an element"
            ) from None
        return await self._run(ranks.at(self._bound(), place, absent))

    async def chunk(self, limit: int, offset: int = 0, last: bool = False) -> list[tuple[T, float]]:
        """Up to ``limit`` pairs from rank ``offset`` on, lowest first; with ``last`` from the highest down."""
        if limit < 0 or offset < 0:
            raise ValueError("chunk() takes a limit and an offset of 0 or more")
        limit, offset = index(limit), index(offset)
        if last:
            return await self[-1 - offset : -1 - offset - limit : -1]
        return await self[offset : offset + limit]

    async def rchunk(self, limit: int, offset: int = 0) -> list[tuple[T, float]]:
        """Up to ``limit`` pairs from the highest down, after leaving out ``offset``."""
        return await self.chunk(limit, offset, last=True)

    async def remove_range_by_rank(self, start: int, stop: int) -> int:
        """Remove the elements of ``z[start:stop]``; gives how many were removed. O(log n + removed)."""
        return await self._run(ranks.remove_ranks(self._bound(), start, stop))

    # -- by score --------------------------------------------------------------------------------

    async def range(
        self,
        min: float = -inf,  # noqa: A002 - the names of the product
        max: float = inf,  # noqa: A002
        *,
        limit: int | None = None,
        offset: int = 0,
        reverse: bool = False,
    ) -> list[tuple[T, float]]:
        """The pairs with scores from ``min`` to ``max``, both included, lowest first unless ``reverse``.

        At most ``limit`` of them, after leaving out ``offset``. O(log n + offset + found).
        """
        if offset < 0 or (limit is not None and limit < 0):
            raise ValueError("range() takes a limit and an offset of 0 or more")
        return await self._run(scoreranges.between(self._bound(), min, max, reverse, offset, limit))

    async def count(self, min: float = -inf, max: float = inf) -> int:  # noqa: A002
        """How many elements have scores from ``min`` to ``max``, both included. O(log n)."""
        return await self._run(scoreranges.count(self._bound(), min, max))

    async def remove_range_by_score(self, min: float, max: float) -> int:  # noqa: A002
        """Remove the elements with scores from ``min`` to ``max``, both included; gives how many were removed."""
        return await self._run(scoreranges.remove_scores(self._bound(), min, max))

    # -- whole reads -----------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[tuple[T, float]]:
        """All pairs, lowest first. Up to 10,000 are one snapshot.

        Larger sets are read page by page in constant memory, by score and element. Whatever others
        change meanwhile, an element that stays where it is comes exactly once.
        """
        return self._iterate(plans.items(self._bound(), reverse=False))

    def items(self, *, reverse: bool = False) -> AsyncIterator[tuple[T, float]]:
        """All pairs, lowest first, with ``reverse`` highest first: iterating and ``reversed()`` under a name."""
        return self._iterate(plans.items(self._bound(), reverse=reverse))

    def elements(self) -> AsyncIterator[T]:
        """The elements alone, lowest score first."""
        return self._iterate(plans.elements(self._bound()))

    async def to_dict(self) -> dict[T, float]:
        """The content as a plain dict, lowest score first; one round trip up to 10,000, then one a page."""
        return await self._run(algebra.content(self._bound(), "to_dict"))

    copy = to_dict

    async def equals(self, other: object) -> bool:
        """Whether these are the elements and scores of a mapping or sorted set: ``==`` under a name."""
        other = await self._operand(other, plain=True)
        return isinstance(other, Mapping) and await self._run(algebra.equal(self._bound(), other))

    # -- many elements ---------------------------------------------------------------------------

    async def add_many(self, data: Mapping[T, float] | Iterable[tuple[T, float]]) -> int:
        """Store several elements, a mapping or ``(element, score)`` pairs; gives how many are new.

        Atomic and one round trip up to 5,000. More are sent in steps of 2,500: not atomic, stored
        elements stay if a later step fails.
        """
        return await self._run(plans.add_many(self._bound(), pairs_of(await self._operand(data, plain=True))))

    async def update(self, data: Mapping[T, float] | Iterable[tuple[T, float]]) -> None:
        """Store several elements, as ``add_many`` does, without counting the new ones."""
        await self.add_many(data)

    async def get_many(self, elems: Iterable[T], default: Any = MISSING) -> dict[T, Any]:
        """The scores of several elements: of elements that are there, or of all if a ``default`` is given."""
        return await self._run(plans.get_many(self._bound(), elems, default))

    scores = get_many

    async def delete_many(self, elems: Iterable[Any]) -> int:
        """Remove several elements; gives how many were there."""
        t = self._bound()
        return await self._run(plans.remove(t, "remove", known(t, elems), int))


register(AsyncSortedSetCache)


def _absent(elem: Any) -> Callable[[], Any]:
    def absent() -> Any:
        raise KeyError(elem)

    return absent
