"""``AsyncSetCache``: the set you know, in a set on the server.

Made from ``collections/setcache.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ...handles.faces import register
from ...plans.collections import setalgebra as algebra
from ...plans.collections import sets as plans
from ...plans.collections.lookups import known
from ...plans.op import answered
from ...plans.tallies import some
from ...plans.target import SIMPLE, as_is
from ..elements import about
from .setalgebra import AsyncSetAlgebra

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from typing import Self

    from typing_extensions import TypeVar as TypeVarWithDefault

    from ...handles.aio.pipeline import AsyncPipeline
    from ...plans.op import Operation
    from ...plans.target import Read, Write
    from ..pipes import SetPipe

    T = TypeVarWithDefault("T", default=Any)
else:
    T = TypeVar("T")

__all__ = ["AsyncSetCache"]

S = TypeVar("S")


class AsyncSetCache(AsyncSetAlgebra[T]):
    """A ``set`` on the server: elements are whatever a set takes and the codec carries.

    Operations are atomic and one round trip each unless they say otherwise. Methods
    named like operators give plain sets. Between sets of one connection they run on the server, and
    those that end in ``update`` change the set there in one atomic step. Equal elements come back in one form
    (``True`` and ``1.0`` as ``1``).

    >>> import asyncio
    >>> from rcollections import AsyncSetCache
    >>> class Online(AsyncSetCache[str]):
    ...     prefix = "online"
    ...     ttl = 60
    >>> async def main() -> None:
    ...     web = await Online.create("web", data={"ann", "bob"})
    ...     app = await Online.create("app", data=["bob", "eve"])
    ...     print(await web.add("ann"), await web.intersection(app))
    >>> asyncio.run(main())
    False {'bob'}
    """

    if TYPE_CHECKING:

        def pipeline(self) -> AsyncPipeline[SetPipe[T]]: ...

    _asks = 3, b"SISMEMBER"

    def _elements(self) -> tuple[Write, Read]:
        return self._raw_elements()

    def _replacement(self, data: Any) -> Operation[None]:
        t = self._bound()
        if isinstance(data, AsyncSetCache) and self._meets(data):
            return algebra.replace_by(t, data._bound().key)
        return plans.replace(t, plans.encoded(t, data))

    async def _copy_onto(self, new: Self) -> None:
        # Not by COPY, after which the two keys of an in-memory server (fakeredis) share one content.
        await new._replace(self)

    async def _merge(self, data: Any) -> None:
        await self.update(data)

    # -- one element -----------------------------------------------------------------------------

    async def add(self, elem: T) -> bool:
        """Add an element; True if it is new. An element that is there already does not arm the ttl."""
        return await self._run(plans.add(self._bound(), elem))

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
        return await self._run(about(self._bound(), await self._operand(elem), "remove", plans.discard))

    async def pop(self) -> T:
        """Take any element out; KeyError if there is none."""

        def absent() -> Any:
            raise KeyError("pop from an empty set")

        return await self._run(plans.pop(self._bound(), absent))

    async def contains(self, elem: Any) -> bool:
        """Whether there is such an element: ``in`` under a name. O(1).

        A set means its frozenset, as in ``set``; an AsyncSetCache is read first, in a round trip of its own.
        """
        t = self._bound()
        if type(elem) not in SIMPLE:
            return await self._run(about(t, await self._operand(elem), "contains", plans.contains))
        reply = await self._ask_about(t, elem)
        if type(reply) is int:
            return reply == 1
        return await self._run(answered(plans.contains(t, elem), reply))

    async def length(self) -> int:
        """How many elements there are: ``len()`` under a name. O(1)."""
        return await self._run(plans.length(self._bound()))

    # -- whole reads -----------------------------------------------------------------------------

    def __aiter__(self) -> AsyncIterator[T]:
        """All elements, in no order. Up to 10,000 are one snapshot.

        Larger sets are read page by page in constant memory. An element that is there all the time
        comes at least once, and may come twice while others change the set.
        """
        return self._iterate(plans.members(self._bound()))

    async def to_set(self) -> set[T]:
        """The content as a plain set; one round trip up to 10,000 elements, then one a page."""
        return await self._run(algebra.whole_set(self._bound(), "to_set", as_is, some))

    copy = to_set

    async def random_sample(self, k: int = 1) -> list[T]:
        """Up to ``k`` different elements at random; they stay in the set. O(k)."""
        if k < 0:
            raise ValueError("random_sample() takes how many elements, 0 or more")
        return await self._run(plans.sample(self._bound(), k))

    # -- many elements ---------------------------------------------------------------------------

    async def add_many(self, elems: Iterable[T]) -> int:
        """Add several elements; gives how many were new. Atomic; one round trip up to 5,000."""
        t = self._bound()
        return await self._run(plans.grow(t, "add", plans.encoded(t, elems), int))

    async def delete_many(self, elems: Iterable[Any]) -> int:
        """Remove several elements; gives how many were there. Atomic; one round trip up to 5,000."""
        t = self._bound()
        return await self._run(plans.shrink(t, "remove", known(t, elems), int))

    async def contains_many(self, elems: Iterable[T]) -> dict[T, bool]:
        """For each of several elements, whether it is there. One round trip, one moment."""
        return await self._run(plans.ask_each(self._bound(), elems))


register(AsyncSetCache)
