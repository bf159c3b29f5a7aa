"""``AsyncCounterCache``: the Counter you know, in a hash on the server, which no two writers can garble.

Made from ``collections/countercache.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from ...errors import ConfigError
from ...handles.faces import register
from ...missing import MISSING
from ...plans.collections import counters as plans
from ...plans.collections import fields as single
from ...plans.collections import hashes
from ...plans.op import More, called
from ...values.count import Count, missing_count
from .counteralgebra import AsyncCounterAlgebra
from .hashcache import mapping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import TypeVar as TypeVarWithDefault

    from ...handles.aio.pipeline import AsyncPipeline
    from ...plans.op import Operation
    from ...plans.target import ReadAt, Signing, WriteAt
    from ...servers.connection import Connection
    from ..pipes import CounterPipe

    K = TypeVarWithDefault("K", default=Any)
else:
    K = TypeVar("K")

__all__ = ["AsyncCounterCache", "Count"]

D = TypeVar("D")


class AsyncCounterCache(AsyncCounterAlgebra[K]):
    """A ``collections.Counter`` on the server: a missing field counts 0, and adding is atomic.

    ``increment`` adds in one round trip, so that no caller's counting is lost; ``set`` sets.
    Counts are ints of 64 bits:
    any other value is an EncodeError (a TypeError) before anything is sent. A sum that would not fit is an
    EncodeError, too, and changes nothing. A field that holds no count is a WrongTypeError.

    Operations are atomic and one round trip unless they say otherwise. ``copy()`` gives
    a plain ``Counter``; ``combine`` runs on the server.

    >>> import asyncio
    >>> from rcollections import AsyncCounterCache
    >>> class Hits(AsyncCounterCache[str]):
    ...     prefix = "hits"
    >>> async def main() -> None:
    ...     hits = await Hits.create("today", data=["/", "/", "/about"])
    ...     await hits.increment("/about", 2)
    ...     print(await hits.most_common(1), await hits["/nobody"])
    >>> asyncio.run(main())
    [('/about', 3)] 0
    """

    if TYPE_CHECKING:

        def pipeline(self) -> AsyncPipeline[CounterPipe[K]]: ...

    @classmethod
    def _check_option(cls, name: str, value: Any) -> Any:
        if name == "serializer" and value is not None:
            raise ConfigError(f"{cls.__name__}.serializer: counts are numbers of the server, nothing serializes them")
        return super()._check_option(name, value)

    def _content(self, _connection: Connection) -> tuple[WriteAt, ReadAt, Signing | None]:
        return plans.write_count, plans.read_count, None

    def _replacement(self, data: object) -> Operation[None]:
        return hashes.replace(self._bound(), _counted(data).items())

    async def _merge(self, data: object) -> None:
        await self._run(hashes.update(self._bound(), _counted(await self._operand(data, plain=True)).items()))

    # -- one field -------------------------------------------------------------------------------

    async def __getitem__(self, field: K) -> int:
        return await self._run(plans.get(self._bound(), field, partial(self._absent, field)))

    def _absent(self, field: K) -> int | More[int]:
        handle = self._outside()
        home = handle._home()
        hook = type(home).__missing__
        if hook is missing_count:
            return 0
        return More(called(partial(handle._world.hook(hook, f"{type(self).__name__}.__missing__()"), home, field)))

    __missing__ = missing_count

    async def delete(self, field: K) -> None:
        """Remove a field; as in Counter it is fine if it is missing: ``del c[field]`` under a name."""
        await self.discard(field)

    @overload
    async def get(self, field: K) -> int | None: ...
    @overload
    async def get(self, field: K, default: D) -> int | D: ...
    async def get(self, field: Any, default: Any = None) -> Any:
        """The count of a field, or the default: None, as in Counter. One round trip."""
        return await self._run(single.get(self._bound(), field, lambda: default))

    async def set(self, field: K, count: int) -> bool:
        """Make this the count of a field, whatever it was. True if the field is new."""
        return await self._run(single.set_field(self._bound(), field, count))

    async def increment(self, field: K, n: int = 1) -> int:
        """Add ``n`` to the count of a field, atomically; gives the new count. One round trip.

        With 0 this reads: a missing field counts 0 and is not stored. An increment is never repeated after
        a failure, so a lost reply raises instead of counting twice. ``inc`` is another name of this method.
        """
        t = self._bound()
        if type(n) is int and n == 0:
            return await self._run(single.get(t, field, lambda: 0))
        return await self._run(plans.add(t, t.encode(field), n))

    inc = increment

    async def setdefault(self, field: K, default: int = 0) -> int:
        """The count of a field, which is stored first if it is missing; atomic."""
        return await self._run(single.setdefault(self._bound(), field, default))

    @overload
    async def pop(self, field: K) -> int: ...
    @overload
    async def pop(self, field: K, default: D) -> int | D: ...
    async def pop(self, field: Any, default: Any = MISSING) -> Any:
        """Take a field out and give its count; a missing one gives the default, or KeyError."""
        return await self._run(plans.pop(self._bound(), field, default))

    async def popitem(self) -> tuple[K, int]:
        """Take any field and its count out; KeyError if there is none."""
        return await self._run(plans.popitem(self._bound()))

    # -- many fields -----------------------------------------------------------------------------

    async def get_many(self, fields: Iterable[K], default: Any = 0) -> dict[K, Any]:
        """The counts of several fields in one round trip, 0 (or the ``default``) for missing ones."""

        def build(found: dict[K, Any]) -> dict[K, Any]:
            return {field: default if n is MISSING else n for field, n in found.items()}

        return await self._run(single.get_many(self._bound(), fields, build))

    async def getmany(self, *fields: K) -> list[int]:
        """The counts of several fields in one round trip, as a list in their order, 0 for missing ones."""

        def build(found: dict[Any, Any]) -> list[int]:
            return [0 if found[field] is MISSING else found[field] for field in fields]

        return await self._run(single.get_many(self._bound(), fields, build))

    async def set_many(self, counts: Mapping[K, int]) -> None:
        """Make these the counts of several fields, whatever they were. Atomic up to 5,000 fields."""
        await self._run(hashes.update(self._bound(), mapping(await self._operand(counts, plain=True)).items()))

    async def update(self, iterable: Any = None, /, **counts: int) -> None:
        """Count the elements of an iterable, or add the counts of a mapping; one round trip.

        All or nothing up to 5,000 different elements. More are sent in steps of 2,500: counts that were
        added stay if a later step fails. The server reads another AsyncCounterCache of the same connection
        itself. Adding 0 to a count that is there changes nothing, so it does not re-arm the ttl.
        """
        await self._count(iterable, counts, "add")

    async def subtract(self, iterable: Any = None, /, **counts: int) -> None:
        """Like ``update``, but subtracts; counts of 0 and below stay in the counter. One round trip."""
        await self._count(iterable, counts, "sub")

    async def _count(self, iterable: Any, more: Mapping[Any, int], sign: str) -> None:
        t, iterable = self._bound(), await self._operand(iterable, plain=bool(more))
        if not more and self._meets(iterable):
            await self._run(plans.count_by(t, iterable._bound(), sign))
        else:
            await self._run(plans.count(t, plans.words(t, _counted(iterable), more), sign))

    @classmethod
    async def fromkeys(cls, fields: Iterable[Any], value: Any = None) -> NoReturn:
        """Not defined, as in Counter: it is not obvious which counts the fields should get."""
        raise NotImplementedError(f"{cls.__name__}.fromkeys() is undefined. Use {cls.__name__}(*parts, data=iterable)")

    # -- what a Counter knows --------------------------------------------------------------------

    async def most_common(self, n: int | None = None) -> list[tuple[K, int]]:
        """The ``n`` fields with the largest counts (all without ``n``), largest first. Reads all, O(n log n)."""
        return await self._run(hashes.content(self._bound()).then(lambda found: Counter(found).most_common(n)))

    async def elements(self) -> Iterator[K]:
        """Each field as often as its count says, with a count of 0 or less not at all. Reads all fields first."""
        return await self._run(hashes.content(self._bound()).then(lambda found: Counter(found).elements()))

    async def total(self) -> int:
        """The sum of all counts. Reads all counts, O(n)."""
        return await self._run(hashes.content(self._bound()).then(_total))

    async def to_counter(self) -> Counter[K]:
        """The content as a plain Counter; one round trip up to 10,000 fields, then one a page."""
        return await self._run(hashes.content(self._bound()).then(Counter))

    copy = to_counter

    async def to_dict(self) -> dict[K, int]:
        """The content as a plain dict; one round trip up to 10,000 fields, then one a page."""
        return await self._run(hashes.content(self._bound()))


register(AsyncCounterCache)


def _counted(data: Any) -> Mapping[Any, Any]:
    """The counts that ``Counter(data)`` has."""
    if data is None:
        return {}
    return mapping(data) if isinstance(data, Mapping) else Counter(data)


def _total(counts: dict[Any, int]) -> int:
    return sum(counts.values())
