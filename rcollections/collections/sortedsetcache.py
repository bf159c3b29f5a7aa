"""``SortedSetCache``: elements with scores, lowest first, in a sorted set on the server."""

from __future__ import annotations

from collections.abc import ItemsView, Mapping
from collections.abc import Set as AbstractSet
from math import inf
from operator import index
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ..handles.base import BaseCache
from ..handles.pipeline import Pipelined
from ..missing import MISSING
from ..plans.collections import sortedsets as plans
from ..plans.collections.scores import AGGREGATES, in_order, met, score_of, united, without
from ..plans.collections.sets import member as member_of
from ..plans.target import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

    from typing_extensions import TypeVar as TypeVarWithDefault

    T = TypeVarWithDefault("T", default=Any)
else:
    T = TypeVar("T")

__all__ = ["SortedSetCache"]

D = TypeVar("D")
R = TypeVar("R")

_RANKS = 2**62  # beyond any rank, and within what the server reads as a number


class SortedSetCache(BaseCache, Generic[T]):
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

    def _elements(self) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
        return self._raw_elements()

    def _replace(self, data: Any) -> None:
        t = self._bound()
        if self._with(data):
            self._run(plans.replace_by(t, data._bound().key))
            return
        content = plans.encoded(t, _items(data))
        if plans.is_small(content):
            self._run(plans.replace(t, content))
        else:
            self._drive("replace", plans.replace_big(t, content))

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
        t = self._bound()
        return self._run(plans.add(t, "add", flags, plans.encoded(t, ((elem, score),)), bool))

    def addnx(self, elem: T, score: float = 1) -> bool:
        """Store an element only if it is new; tells whether it was."""
        return self.add(elem, score, nx=True)

    def incr(self, elem: T, by: float = 1) -> float:
        """Add to the score of an element, a missing one starts at 0; gives the sum."""
        return self._run(plans.incr(self._bound(), elem, by))

    def score(self, elem: Any) -> float:
        """The score of an element, or KeyError."""
        return self._run(plans.score(self._bound(), _frozen(elem), _absent(elem)))  # type: ignore[no-any-return]

    @overload
    def get(self, elem: Any) -> float | None: ...
    @overload
    def get(self, elem: Any, default: D) -> float | D: ...
    def get(self, elem: Any, default: Any = None) -> Any:
        """The score of an element, or the default."""
        return self._run(plans.score(self._bound(), _frozen(elem), lambda: default))

    def rank(self, elem: Any, *, reverse: bool = False) -> int:
        """How many elements come before this one, with ``reverse`` after it; KeyError if it is missing."""
        return self._run(plans.rank(self._bound(), _frozen(elem), reverse, _absent(elem)))  # type: ignore[no-any-return]

    def remove(self, elem: Any) -> None:
        """Remove an element, or KeyError. A set means its frozenset here, as in ``set``."""

        def decode(removed: int) -> None:
            if not removed:
                raise KeyError(elem)

        t = self._bound()
        self._run(plans.remove(t, "remove", (t.encode(_frozen(elem)),), decode))

    delete = remove

    def discard(self, elem: Any) -> bool:
        """Remove an element if it is there; tells whether it was."""
        t = self._bound()
        return self._run(plans.remove(t, "discard", (t.encode(_frozen(elem)),), bool))

    def pop(self, last: bool = False) -> tuple[T, float]:
        """Take out the element with the lowest score, with ``last`` the highest, as ``(element, score)``.

        KeyError if there is none.
        """

        def absent() -> Any:
            raise KeyError("pop from an empty sorted set")

        return self._run(plans.pop(self._bound(), last, absent))  # type: ignore[no-any-return]

    def rpop(self) -> tuple[T, float]:
        """Take out the element with the highest score, as ``(element, score)``; KeyError if there is none."""
        return self.pop(last=True)

    def __contains__(self, elem: object) -> bool:
        return self.contains(elem)

    def contains(self, elem: Any) -> bool:
        """Whether there is such an element: ``in`` under a name. O(1)."""
        return self._run(plans.contains(self._bound(), _frozen(elem)))

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
            first, last, step = _window(rank)
            if first is None:
                return []
            return self._run(plans.window(self._bound(), first, last, step))

        def absent() -> Any:
            raise IndexError("sorted set index out of range")

        try:
            place = index(rank)
        except TypeError:
            raise TypeError(
                f"sorted set indices are ranks, integers or slices, not {type(rank).__name__}: score() takes an element"
            ) from None
        return self._run(plans.at(self._bound(), _bounded(place), absent))

    def chunk(self, limit: int, offset: int = 0, last: bool = False) -> list[tuple[T, float]]:
        """Up to ``limit`` pairs from rank ``offset`` on, lowest first; with ``last`` from the highest down."""
        if limit < 0 or offset < 0:
            raise ValueError("chunk() takes a limit and an offset of 0 or more")
        if last:
            return self[-1 - offset : -1 - offset - limit : -1]
        return self[offset : offset + limit]

    def rchunk(self, limit: int, offset: int = 0) -> list[tuple[T, float]]:
        """Up to ``limit`` pairs from the highest down, after leaving out ``offset``."""
        return self.chunk(limit, offset, last=True)

    def remove_range_by_rank(self, start: int, stop: int) -> int:
        """Remove what ``z[start:stop]`` would give; gives how many were removed. O(log n + removed)."""
        first, last, _ = _window(slice(start, stop))
        return 0 if first is None else self._run(plans.remove_ranks(self._bound(), first, last))

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
        low, high = _bound(min), _bound(max)
        if limit == 0:
            return []
        step = plans.between(self._bound(), low, high, reverse, offset, -1 if limit is None else limit)
        return self._run(step)

    def count(self, min: float = -inf, max: float = inf) -> int:  # noqa: A002
        """How many elements have scores from ``min`` to ``max``, both included. O(log n)."""
        return self._run(plans.count(self._bound(), _bound(min), _bound(max)))

    def remove_range_by_score(self, min: float, max: float) -> int:  # noqa: A002
        """Remove the elements with scores from ``min`` to ``max``, both included; gives how many they were."""
        return self._run(plans.remove_scores(self._bound(), _bound(min), _bound(max)))

    # -- whole reads -----------------------------------------------------------------------------

    def __iter__(self) -> Iterator[tuple[T, float]]:
        """All pairs, lowest first. Up to 10,000 are one snapshot.

        Larger ones are read page by page in constant memory, by score and element: whatever others
        change meanwhile, an element that stays where it is comes exactly once.
        """
        return self._walk(reverse=False)

    def __reversed__(self) -> Iterator[tuple[T, float]]:
        return self._walk(reverse=True)

    def elements(self) -> Iterator[T]:
        """The elements alone, lowest score first."""
        return (elem for elem, _ in self._walk(reverse=False))

    def _walk(self, reverse: bool) -> Iterator[tuple[T, float]]:
        t = self._bound()
        found = self._run(plans.read(t))
        if found is not MISSING:
            for member, score in reversed(found) if reverse else found:
                yield t.read(member), float(score)
            return
        seen = None
        while True:
            some = self._run(plans.page(t, reverse, seen))
            for member, score in some:
                yield t.read(member), float(score)
            if len(some) < PAGE:
                return
            seen = some[-1]

    def to_dict(self) -> dict[T, float]:
        """The content as a plain dict, lowest score first; one round trip up to 10,000, then one a page."""
        return self._whole("to_dict", self._decoded)

    copy = to_dict

    def _decoded(self, content: Mapping[bytes, float]) -> dict[Any, float]:
        read = self._bound().read
        return {read(member): score for member, score in content.items()}

    def _whole(self, name: str, finish: Callable[[dict[bytes, float]], R]) -> R:
        t = self._bound()
        if isinstance(self, Pipelined):
            # A pipeline cannot ask for a second page: one reply, whatever the size.
            return self._run(plans.algebra(t, name, "ZUNION", (), "sum", finish))  # type: ignore[no-any-return]
        return finish(self._drive(name, plans.whole(t)))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SortedSetCache):
            return dict(self) == dict(other)
        if not isinstance(other, Mapping):
            return NotImplemented
        t = self._bound()
        theirs = {member_of(t, elem): score for elem, score in _items(other)}
        return self._whole("==", lambda mine: mine == theirs and len(mine) == len(other))

    __hash__ = None

    # -- many elements ---------------------------------------------------------------------------

    def add_many(self, data: Mapping[T, float] | Iterable[tuple[T, float]]) -> int:
        """Store several elements, a mapping or ``(element, score)`` pairs; gives how many are new.

        Atomic and one round trip up to 5,000. More are sent in steps of 2,500: not atomic, what is
        stored stays if a later step fails.
        """
        t = self._bound()
        content = plans.encoded(t, _items(data))
        if not content:
            return 0
        if plans.is_small(content):
            return self._run(plans.add(t, "add", "", content, int))
        return self._drive("add", plans.add_big(t, content))

    def update(self, data: Mapping[T, float] | Iterable[tuple[T, float]]) -> None:
        """Store several elements, as ``add_many`` does, without counting the new ones."""
        self.add_many(data)

    def get_many(self, elems: Iterable[T], default: Any = MISSING) -> dict[T, Any]:
        """The scores of several elements: of those that are there, or of all if a ``default`` is given.

        >>> from rcollections import SortedSetCache
        >>> SortedSetCache("prices", data={"tea": 2.5}).get_many(["tea", "milk"], 0.0)
        {'tea': 2.5, 'milk': 0.0}
        """
        t = self._bound()
        wanted = list(dict.fromkeys(elems))
        if not wanted:
            return {}

        def finish(found: list[float | None]) -> dict[T, Any]:
            pairs = zip(wanted, found, strict=True)
            return {
                elem: default if score is None else score
                for elem, score in pairs
                if score is not None or default is not MISSING
            }

        return self._run(plans.scores(t, "get_many", [t.encode(elem) for elem in wanted], finish))

    scores = get_many

    def delete_many(self, elems: Iterable[Any]) -> int:
        """Remove several elements; gives how many were there."""
        t = self._bound()
        members = [t.encode(elem) for elem in elems]
        return self._run(plans.remove(t, "remove", members, int)) if members else 0

    # -- algebra ---------------------------------------------------------------------------------
    # Operands are SortedSetCaches, mappings or pairs, and sets, whose elements have the score 1.

    def union(self, *others: Any, aggregate: str = "sum") -> dict[Any, float]:
        """The elements of this one and of all others; ``aggregate`` (sum, min, max) where several have one."""
        keys, plain = self._operands(others, aggregate)
        return self._algebra("union", "ZUNION", keys, aggregate, lambda mine: united((mine, *plain), aggregate))

    def intersection(self, *others: Any, aggregate: str = "sum") -> dict[T, float]:
        """The elements that all have, with the sum, minimum or maximum of their scores."""
        keys, plain = self._operands(others, aggregate)
        if keys or not plain:
            return self._algebra("intersection", "ZINTER", keys, aggregate, lambda mine: met((mine, *plain), aggregate))
        # Plain elements travel, the whole sorted set does not.
        theirs = met(plain, aggregate)
        members = list(theirs)
        if not members:
            return {}

        def finish(found: list[float | None]) -> dict[Any, float]:
            mine = {member: score for member, score in zip(members, found, strict=True) if score is not None}
            return self._decoded(in_order(met((mine, theirs), aggregate)))

        return self._run(plans.scores(self._bound(), "intersection", members, finish))

    def difference(self, *others: Any) -> dict[T, float]:
        """The elements that no other has, with their scores."""
        keys, plain = self._operands(others, "sum")
        return self._algebra("difference", "ZDIFF", keys, "sum", lambda mine: without(mine, plain))

    def _algebra(
        self,
        name: str,
        command: str,
        keys: Sequence[str],
        aggregate: str,
        combine: Callable[[dict[bytes, float]], dict[bytes, float]],
    ) -> dict[Any, float]:
        def finish(mine: dict[bytes, float]) -> dict[Any, float]:
            return self._decoded(in_order(combine(mine)))

        if not keys:
            return self._whole(name, finish)
        return self._run(plans.algebra(self._bound(), name, command, keys, aggregate, finish))

    def union_update(self, *others: Any, aggregate: str = "sum") -> None:
        """Bring in the elements of all others, by sum, minimum or maximum of the scores. Atomic."""
        keys, plain = self._operands(others, aggregate)
        content = united(plain, aggregate)
        if not keys and content and plans.is_small(content):
            self._run(plans.merge(self._bound(), aggregate, content))
        elif keys or content:
            self._combine("union_update", "union", aggregate, keys, content or None)

    def intersection_update(self, *others: Any, aggregate: str = "sum") -> None:
        """Keep the elements that all others have, with the sum, minimum or maximum of the scores. Atomic."""
        keys, plain = self._operands(others, aggregate)
        if keys or plain:
            content = met(plain, aggregate) if plain else None
            self._combine("intersection_update", "inter", aggregate, keys, content)

    def difference_update(self, *others: Any) -> None:
        """Remove the elements that any other has. Atomic."""
        keys, plain = self._operands(others, "sum")
        content = united(plain, "max")
        if not keys and content and plans.is_small(content):
            self._run(plans.remove(self._bound(), "difference_update", list(content), _none))
        elif keys or content:
            self._combine("difference_update", "diff", "sum", keys, content or None)

    def _combine(
        self, name: str, op: str, aggregate: str, keys: Sequence[str], content: dict[bytes, float] | None
    ) -> None:
        t = self._bound()
        if content is None or plans.is_small(content):
            self._run(plans.combine(t, name, op, aggregate, keys, content))
        else:
            self._drive(name, plans.combine_big(t, op, aggregate, keys, content))

    def _with(self, other: Any) -> bool:
        """Whether the two can meet on the server: one connection, members written alike."""
        if not isinstance(other, SortedSetCache) and not (
            isinstance(other, BaseCache) and isinstance(other, AbstractSet)
        ):
            return False
        return self.serialize == other.serialize and self._bound().connection is other._bound().connection

    def _operands(self, others: Iterable[Any], aggregate: str) -> tuple[list[str], list[dict[bytes, float]]]:
        """The operands that are on our server, as keys, and the rest, as members and scores."""
        if aggregate not in AGGREGATES:
            raise ValueError(f"aggregate is one of {', '.join(AGGREGATES)}, not {aggregate!r}")
        t = self._bound()
        keys = [other._bound().key for other in others if self._with(other)]
        return keys, [plans.encoded(t, _items(other)) for other in others if not self._with(other)]


def _items(data: Any) -> Iterable[Any]:
    """A mapping, a set or pairs as pairs; the items of a mapping are pairs, and a set by type only."""
    if isinstance(data, Mapping):
        return data.items()
    if isinstance(data, AbstractSet) and not isinstance(data, ItemsView):
        return ((elem, 1.0) for elem in data)
    pairs: Iterable[Any] = data
    return pairs


def _window(ranks: slice) -> tuple[int | None, int, int]:
    """A slice as the first and last rank to read, counted from either end, and the step through them.

    The first is None where the slice is empty whatever the length.
    """
    step = 1 if ranks.step is None else index(ranks.step)
    start, stop = (None if end is None else _bounded(index(end)) for end in (ranks.start, ranks.stop))
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if step > 0:
        first, last = start or 0, -1 if stop is None else stop - 1
        return (None if stop == 0 else first), last, step
    first, last = 0 if stop is None else stop + 1, -1 if start is None else start
    return (None if stop == -1 else first), last, step


def _bounded(rank: int) -> int:
    return max(-_RANKS, min(rank, _RANKS))


def _bound(value: Any) -> float:
    return score_of(value)


def _frozen(elem: Any) -> Any:
    return frozenset(elem) if isinstance(elem, set) else elem


def _absent(elem: Any) -> Callable[[], Any]:
    def absent() -> Any:
        raise KeyError(elem)

    return absent


def _none(_: int) -> None:
    return None
