"""``SortedSetCache``: elements with scores, lowest first, in a sorted set on the server."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from operator import index
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ..handles.faces import other_face, register
from ..missing import MISSING
from ..plans.collections import ranks, scoreranges
from ..plans.collections import sortedalgebra as algebra
from ..plans.collections import sortedsets as plans
from ..plans.collections.lookups import known
from .elements import about
from .sortedalgebra import SortedAlgebra, pairs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self

    from typing_extensions import TypeVar as TypeVarWithDefault

    from ..handles.pipeline import Pipeline
    from ..plans.op import Operation
    from ..plans.target import Read, Write
    from .aio.sortedsetcache import AsyncSortedSetCache
    from .pipes import SortedSetPipe

    T = TypeVarWithDefault("T", default=Any)
else:
    T = TypeVar("T")

__all__ = ["SortedSetCache"]

D = TypeVar("D")


class SortedSetCache(SortedAlgebra[T], Generic[T]):
    """Elements that each have a score, sorted by score and then by the bytes of the element.

    An element is what a set takes and the codec carries, a score a float (an int that a float holds
    exactly will do). Iteration gives ``(element, score)`` pairs, lowest first; ``z[0]`` and slices go
    by rank, ``range`` and ``count`` by score. Operations are atomic and one round trip each unless
    they say otherwise; changes and look-ups are O(log n).

    >>> from rcollections import SortedSetCache
    >>> class Best(SortedSetCache[str]):
    ...     prefix = "best"
    ...     ttl = 600
    >>> game = Best("chess", data={"ann": 3, "bob": 1})
    >>> game.incr("bob", 5)
    6.0
    >>> list(game), game.rank("ann"), game.rpop()
    ([('ann', 3.0), ('bob', 6.0)], 0, ('bob', 6.0))
    """

    if TYPE_CHECKING:

        def pipeline(self) -> Pipeline[SortedSetPipe[T]]: ...

    @property
    def aio(self) -> AsyncSortedSetCache[T]:
        """This handle in asyncio: the same key and options, every method awaited. ``handle.sync`` is the way back."""
        from .aio.sortedsetcache import AsyncSortedSetCache  # with the first one: it brings asyncio

        return other_face(self, SortedSetCache, AsyncSortedSetCache)

    def _elements(self) -> tuple[Write, Read]:
        return self._raw_elements()

    def _replacement(self, data: Any) -> Operation[None]:
        t = self._bound()
        return algebra.replace_by(t, data._bound().key) if self._meets(data) else algebra.replace(t, pairs_of(data))

    def _copy_onto(self, new: Self) -> None:
        # Not by COPY, after which the two keys of an in-memory server (fakeredis) share one content.
        new._replace(self)

    def _merge(self, data: Any) -> None:
        self.update(data)

    # -- one element -----------------------------------------------------------------------------

    def add(
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
        return self._run(plans.add(self._bound(), elem, score, flags))

    def addnx(self, elem: T, score: float = 1) -> bool:
        """Store an element only if it is new; tells whether it was."""
        return self.add(elem, score, nx=True)

    def incr(self, elem: T, by: float = 1) -> float:
        """Add to the score of an element, a missing one starts at 0; gives the sum."""
        return self._run(plans.incr(self._bound(), elem, by))

    def score(self, elem: Any) -> float:
        """The score of an element, or KeyError."""
        return self._run(self._score(elem, _absent(elem)))

    @overload
    def get(self, elem: Any) -> float | None: ...
    @overload
    def get(self, elem: Any, default: D) -> float | D: ...
    def get(self, elem: Any, default: Any = None) -> Any:
        """The score of an element, or the default."""
        return self._run(self._score(elem, lambda: default))

    def _score(self, elem: object, absent: Callable[[], D]) -> Operation[float | D]:
        return about(self._bound(), elem, "score", lambda t, each: plans.score(t, each, absent))

    def rank(self, elem: Any, *, reverse: bool = False) -> int:
        """How many elements come before this one, with ``reverse`` after it; KeyError if it is missing."""
        return self._run(
            about(self._bound(), elem, "rank", lambda t, each: plans.rank(t, each, reverse, _absent(elem)))
        )

    def remove(self, elem: Any) -> None:
        """Remove an element, or KeyError. A set means its frozenset here, as in ``set``."""

        def check(removed: int) -> None:
            if not removed:
                raise KeyError(elem)

        self._run(about(self._bound(), elem, "remove", lambda t, each: plans.take_out(t, each, check)))

    delete = remove

    def discard(self, elem: Any) -> bool:
        """Remove an element if it is there; tells whether it was."""
        return self._run(about(self._bound(), elem, "discard", plans.discard))

    def pop(self, last: bool = False) -> tuple[T, float]:
        """Take out the element with the lowest score, with ``last`` the highest, as ``(element, score)``.

        KeyError if there is none.
        """

        def absent() -> Any:
            raise KeyError("pop from an empty sorted set")

        return self._run(plans.pop(self._bound(), last, absent))

    def rpop(self) -> tuple[T, float]:
        """Take out the element with the highest score, as ``(element, score)``; KeyError if there is none."""
        return self.pop(last=True)

    def __contains__(self, elem: object) -> bool:
        return self.contains(elem)

    def contains(self, elem: Any) -> bool:
        """Whether there is such an element: ``in`` under a name. O(1)."""
        return self._run(about(self._bound(), elem, "contains", plans.contains))

    def __len__(self) -> int:
        return self.length()

    def length(self) -> int:
        """How many elements there are: ``len()`` under a name. O(1)."""
        return self._run(plans.length(self._bound()))

    def __bool__(self) -> bool:
        return self.exists()

    # -- by rank ---------------------------------------------------------------------------------

    @overload
    def __getitem__(self, rank: int) -> tuple[T, float]: ...
    @overload
    def __getitem__(self, rank: slice) -> list[tuple[T, float]]: ...
    def __getitem__(self, rank: Any) -> Any:
        """``z[0]`` is the lowest pair, ``z[-1]`` the highest, ``z[0:10]`` a list: ranks, never elements.

        As on a list sorted by score and element, IndexError included; a slice is one reply, however long.
        """
        if isinstance(rank, slice):
            return self._run(ranks.window(self._bound(), rank))

        def absent() -> Any:
            raise IndexError("sorted set index out of range")

        try:
            place = index(rank)
        except TypeError:
            raise TypeError(
                f"sorted set indices are ranks, integers or slices, not {type(rank).__name__}: score() takes an element"
            ) from None
        return self._run(ranks.at(self._bound(), place, absent))

    def chunk(self, limit: int, offset: int = 0, last: bool = False) -> list[tuple[T, float]]:
        """Up to ``limit`` pairs from rank ``offset`` on, lowest first; with ``last`` from the highest down."""
        if limit < 0 or offset < 0:
            raise ValueError("chunk() takes a limit and an offset of 0 or more")
        limit, offset = index(limit), index(offset)
        if last:
            return self[-1 - offset : -1 - offset - limit : -1]
        return self[offset : offset + limit]

    def rchunk(self, limit: int, offset: int = 0) -> list[tuple[T, float]]:
        """Up to ``limit`` pairs from the highest down, after leaving out ``offset``."""
        return self.chunk(limit, offset, last=True)

    def remove_range_by_rank(self, start: int, stop: int) -> int:
        """Remove the elements of ``z[start:stop]``; gives how many were removed. O(log n + removed)."""
        return self._run(ranks.remove_ranks(self._bound(), start, stop))

    # -- by score --------------------------------------------------------------------------------

    def range(
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
        return self._run(scoreranges.between(self._bound(), min, max, reverse, offset, limit))

    def count(self, min: float = -inf, max: float = inf) -> int:  # noqa: A002
        """How many elements have scores from ``min`` to ``max``, both included. O(log n)."""
        return self._run(scoreranges.count(self._bound(), min, max))

    def remove_range_by_score(self, min: float, max: float) -> int:  # noqa: A002
        """Remove the elements with scores from ``min`` to ``max``, both included; gives how many were removed."""
        return self._run(scoreranges.remove_scores(self._bound(), min, max))

    # -- whole reads -----------------------------------------------------------------------------

    def __iter__(self) -> Iterator[tuple[T, float]]:
        """All pairs, lowest first. Up to 10,000 are one snapshot.

        Larger sets are read page by page in constant memory, by score and element. Whatever others
        change meanwhile, an element that stays where it is comes exactly once.
        """
        return self._iterate(plans.items(self._bound(), reverse=False))

    def __reversed__(self) -> Iterator[tuple[T, float]]:
        return self._iterate(plans.items(self._bound(), reverse=True))

    def items(self, *, reverse: bool = False) -> Iterator[tuple[T, float]]:
        """All pairs, lowest first, with ``reverse`` highest first: iterating and ``reversed()`` under a name."""
        return self._iterate(plans.items(self._bound(), reverse=reverse))

    def elements(self) -> Iterator[T]:
        """The elements alone, lowest score first."""
        return self._iterate(plans.elements(self._bound()))

    def to_dict(self) -> dict[T, float]:
        """The content as a plain dict, lowest score first; one round trip up to 10,000, then one a page."""
        return self._run(algebra.content(self._bound(), "to_dict"))

    copy = to_dict

    def __eq__(self, other: object) -> bool:
        return self.equals(other) if isinstance(other, (SortedSetCache, Mapping)) else NotImplemented

    def equals(self, other: object) -> bool:
        """Whether these are the elements and scores of a mapping or sorted set: ``==`` under a name."""
        other = self._operand(other, plain=True)
        if isinstance(other, SortedSetCache):
            other = other.to_dict()
        return isinstance(other, Mapping) and self._run(algebra.equal(self._bound(), other))

    # -- many elements ---------------------------------------------------------------------------

    def add_many(self, data: Mapping[T, float] | Iterable[tuple[T, float]]) -> int:
        """Store several elements, a mapping or ``(element, score)`` pairs; gives how many are new.

        Atomic and one round trip up to 5,000. More are sent in steps of 2,500: not atomic, stored
        elements stay if a later step fails.
        """
        return self._run(plans.add_many(self._bound(), pairs_of(self._operand(data, plain=True))))

    def update(self, data: Mapping[T, float] | Iterable[tuple[T, float]]) -> None:
        """Store several elements, as ``add_many`` does, without counting the new ones."""
        self.add_many(data)

    def get_many(self, elems: Iterable[T], default: Any = MISSING) -> dict[T, Any]:
        """The scores of several elements: of elements that are there, or of all if a ``default`` is given.

        >>> from rcollections import SortedSetCache
        >>> SortedSetCache("prices", data={"tea": 2.5}).get_many(["tea", "milk"], 0.0)
        {'tea': 2.5, 'milk': 0.0}
        """
        return self._run(plans.get_many(self._bound(), elems, default))

    scores = get_many

    def delete_many(self, elems: Iterable[Any]) -> int:
        """Remove several elements; gives how many were there."""
        t = self._bound()
        return self._run(plans.remove(t, "remove", known(t, elems), int))


register(SortedSetCache)


def _absent(elem: Any) -> Callable[[], Any]:
    def absent() -> Any:
        raise KeyError(elem)

    return absent
