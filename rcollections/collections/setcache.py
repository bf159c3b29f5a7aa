"""``SetCache``: the set you know, in a set on the server."""

from __future__ import annotations

from collections.abc import MutableSet
from typing import TYPE_CHECKING, Any, TypeVar

from ..handles.faces import other_face, register
from ..plans.collections import setalgebra as algebra
from ..plans.collections import sets as plans
from ..plans.collections.lookups import known
from ..plans.op import answered
from ..plans.tallies import some
from ..plans.target import SIMPLE, as_is
from .elements import about
from .setalgebra import SetAlgebra

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

    from typing_extensions import TypeVar as TypeVarWithDefault

    from ..handles.pipeline import Pipeline
    from ..plans.op import Operation
    from ..plans.target import Read, Write
    from .aio.setcache import AsyncSetCache
    from .pipes import SetPipe

    T = TypeVarWithDefault("T", default=Any)
else:
    T = TypeVar("T")

__all__ = ["SetCache"]

S = TypeVar("S")


class SetCache(SetAlgebra[T], MutableSet[T]):  # type: ignore[misc]  # clear() tells more
    """A ``set`` on the server: elements are whatever a set takes and the codec carries.

    Operations are atomic and one round trip each unless they say otherwise. Operators, and the methods
    named like them, give plain sets. Between SetCaches of one connection they run on the server, and
    in-place forms change the set there in one atomic step. Equal elements come back in one form
    (``True`` and ``1.0`` as ``1``).

    >>> from rcollections import SetCache
    >>> class Online(SetCache[str]):
    ...     prefix = "online"
    ...     ttl = 60
    >>> web, app = Online("web", data={"ann", "bob"}), Online("app", data=["bob", "eve"])
    >>> web.add("ann"), web & app
    (False, {'bob'})
    >>> web |= app
    >>> sorted(web)
    ['ann', 'bob', 'eve']
    """

    if TYPE_CHECKING:

        def pipeline(self) -> Pipeline[SetPipe[T]]: ...

    _asks = 3, b"SISMEMBER"

    @property
    def aio(self) -> AsyncSetCache[T]:
        """This handle in asyncio: the same key and options, every method awaited. ``handle.sync`` is the way back."""
        from .aio.setcache import AsyncSetCache  # with the first one: it brings asyncio

        return other_face(self, SetCache, AsyncSetCache)

    def _elements(self) -> tuple[Write, Read]:
        return self._raw_elements()

    def _replacement(self, data: Any) -> Operation[None]:
        t = self._bound()
        if isinstance(data, SetCache) and self._meets(data):
            return algebra.replace_by(t, data._bound().key)
        return plans.replace(t, plans.encoded(t, data))

    def _copy_onto(self, new: Self) -> None:
        # Not by COPY, after which the two keys of an in-memory server (fakeredis) share one content.
        new._replace(self)

    def _merge(self, data: Any) -> None:
        self.update(data)

    # -- one element -----------------------------------------------------------------------------

    def add(self, elem: T) -> bool:  # type: ignore[override]
        """Add an element; True if it is new. An element that is there already does not arm the ttl."""
        return self._run(plans.add(self._bound(), elem))

    def remove(self, elem: Any) -> None:
        """Remove an element, or KeyError. A set means its frozenset here, as in ``set``."""

        def check(removed: int) -> None:
            if not removed:
                raise KeyError(elem)

        self._run(about(self._bound(), elem, "remove", lambda t, each: plans.take_out(t, each, check)))

    delete = remove

    def discard(self, elem: Any) -> bool:  # type: ignore[override]
        """Remove an element if it is there; tells whether it was."""
        return self._run(about(self._bound(), elem, "remove", plans.discard))

    def pop(self) -> T:
        """Take any element out; KeyError if there is none."""

        def absent() -> Any:
            raise KeyError("pop from an empty set")

        return self._run(plans.pop(self._bound(), absent))

    def __contains__(self, elem: object) -> bool:
        return self.contains(elem)

    def contains(self, elem: Any) -> bool:
        """Whether there is such an element: ``in`` under a name. O(1).

        A set means its frozenset, as in ``set``; a SetCache is read first, in a round trip of its own.
        """
        t = self._bound()
        if type(elem) not in SIMPLE:
            return self._run(about(t, elem, "contains", plans.contains))
        reply = self._ask_about(t, elem)
        if type(reply) is int:
            return reply == 1
        return self._run(answered(plans.contains(t, elem), reply))

    def __len__(self) -> int:
        return self.length()

    def length(self) -> int:
        """How many elements there are: ``len()`` under a name. O(1)."""
        return self._run(plans.length(self._bound()))

    def __bool__(self) -> bool:
        return self.exists()

    # -- whole reads -----------------------------------------------------------------------------

    def __iter__(self) -> Iterator[T]:
        """All elements, in no order. Up to 10,000 are one snapshot.

        Larger sets are read page by page in constant memory. An element that is there all the time
        comes at least once, and may come twice while others change the set.
        """
        return self._iterate(plans.members(self._bound()))

    def to_set(self) -> set[T]:
        """The content as a plain set; one round trip up to 10,000 elements, then one a page."""
        return self._run(algebra.whole_set(self._bound(), "to_set", as_is, some))

    copy = to_set

    def random_sample(self, k: int = 1) -> list[T]:
        """Up to ``k`` different elements at random; they stay in the set. O(k).

        >>> from rcollections import SetCache
        >>> SetCache("prizes", data={"cup"}).random_sample(3)
        ['cup']
        """
        if k < 0:
            raise ValueError("random_sample() takes how many elements, 0 or more")
        return self._run(plans.sample(self._bound(), k))

    # -- many elements ---------------------------------------------------------------------------

    def add_many(self, elems: Iterable[T]) -> int:
        """Add several elements; gives how many were new. Atomic; one round trip up to 5,000."""
        t = self._bound()
        return self._run(plans.grow(t, "add", plans.encoded(t, elems), int))

    def delete_many(self, elems: Iterable[Any]) -> int:
        """Remove several elements; gives how many were there. Atomic; one round trip up to 5,000."""
        t = self._bound()
        return self._run(plans.shrink(t, "remove", known(t, elems), int))

    def contains_many(self, elems: Iterable[T]) -> dict[T, bool]:
        """For each of several elements, whether it is there. One round trip, one moment.

        >>> from rcollections import SetCache
        >>> SetCache("seen", data={1, 2}).contains_many([2, 3])
        {2: True, 3: False}
        """
        return self._run(plans.ask_each(self._bound(), elems))

    @classmethod
    def _from_iterable(cls, elems: Iterable[S]) -> set[S]:
        return set(elems)


register(SetCache)
