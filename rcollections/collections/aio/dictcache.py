"""``AsyncDictCache``: the dict you know, in a hash on the server.

Made from ``collections/dictcache.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ...errors import CacheError
from ...handles.aio.edit import AsyncEdit
from ...handles.faces import register
from ...l1 import ABSENT
from ...missing import MISSING
from ...plans.collections import fields as plans
from ...plans.collections import hashes, moving, mutating
from ...plans.op import More, Trips, answered
from .hashcache import AsyncHashCache, mapping, plain, writes_alike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta
    from typing import Self, TypeGuard

    from typing_extensions import TypeVar as TypeVarWithDefault

    from ...handles.aio.pipeline import AsyncPipeline
    from ...plans.collections.reader import Token
    from ...plans.effects import Plan
    from ...plans.op import Operation
    from ..pipes import DictPipe

    K = TypeVarWithDefault("K", default=Any)
    V = TypeVarWithDefault("V", default=Any)
else:
    K = TypeVar("K")
    V = TypeVar("V")

__all__ = ["AsyncDictCache"]

D = TypeVar("D")


class AsyncDictCache(AsyncHashCache[K, V]):
    """A ``dict`` on the server: fields are whatever a dict takes as keys, values what the codec carries.

    Operations are atomic and one round trip each unless they say otherwise. A hash on a server differs
    from a dict: it has no order, ``popitem`` takes any item, and results are copies. To change a value
    in place there is ``async with d.edit(field) as v:``.

    >>> import asyncio
    >>> from rcollections import AsyncDictCache
    >>> class Profile(AsyncDictCache[str, int]):
    ...     prefix = "profile"
    ...     ttl = 600
    >>> async def main() -> None:
    ...     ann = await Profile.create(42, data={"visits": 1})
    ...     await ann.set("age", 30)
    ...     print(await ann["age"], [each async for each in ann.items()])
    >>> asyncio.run(main())
    30 [('visits', 1), ('age', 30)]
    """

    _signs = True
    _asks = 3, b"HGET"

    if TYPE_CHECKING:

        def pipeline(self) -> AsyncPipeline[DictPipe[K, V]]: ...

    def _replacement(self, data: object) -> Operation[None]:
        return hashes.replace(self._bound(), mapping(data).items())

    async def _merge(self, data: object) -> None:
        await self.update(data)

    async def _copy_onto(self, new: Self) -> None:
        await self._run(moving.copy_hash(self._bound(), new._bound()))

    # -- one field -------------------------------------------------------------------------------

    async def __getitem__(self, field: K) -> V:
        if self._near is not None:
            found: V = self._near.part(self._near_name, field)
            if found is not ABSENT:
                return found if found is not MISSING else await self._run(Trips("load", self._made(field)))
        t = self._bound()
        reply = await self._ask_about(t, field)
        if type(reply) is bytes:
            try:
                return t.load(reply, t.encode(field))  # type: ignore[no-any-return]
            except CacheError:  # the usual way tells of it
                pass
        read: Operation[V] = plans.get(t, field, lambda: More(self._made(field), "load"), part=field)
        return await self._run(answered(read, reply))

    def _made(self, field: K) -> Plan[V]:
        """The plan that makes a missing field, or KeyError."""
        handle = self._outside()
        home = handle._home()
        hook = getattr(type(home), "__missing__", None)
        if hook is None:
            raise KeyError(field)
        return handle._field_loader(
            field, partial(handle._world.hook(hook, f"{type(self).__name__}.__missing__()"), home, field)
        )

    @overload
    async def get(self, field: K) -> V | None: ...
    @overload
    async def get(self, field: K, default: D) -> V | D: ...
    async def get(self, field: Any, default: Any = None) -> Any:
        """The value of a field, or the default. One round trip."""
        if self._near is not None:
            found = self._near.part(self._near_name, field)
            if found is not ABSENT:
                return default if found is MISSING else found
        t = self._bound()
        reply = await self._ask_about(t, field)
        if reply is None:
            return default
        if type(reply) is bytes:
            try:
                return t.load(reply, t.encode(field))
            except CacheError:  # the usual way tells of it
                pass
        return await self._run(answered(plans.get(t, field, lambda: default, part=field), reply))

    async def set(self, field: K, value: V, *, ttl: float | timedelta | None = None) -> bool:
        """Store a field; with ``ttl`` (seconds) the field expires by itself. True if it is new.

        The ttl of a field needs Valkey 9 or Redis 7.4 and later; other servers: CacheError, nothing is stored.
        Storing the field again without ``ttl`` lets it live as long as the dict.
        """
        return await self._run(plans.set_field(self._bound(), field, value, ttl))

    async def delete(self, field: K) -> None:
        """Remove a field, or KeyError: ``del d[field]`` under a name."""
        await self._run(plans.remove(self._bound(), field))

    async def setdefault(self, field: K, default: Any = None) -> Any:
        """The value of a field, which is stored first if it is missing; atomic."""
        return await self._run(plans.setdefault(self._bound(), field, default))

    @overload
    async def pop(self, field: K) -> V: ...
    @overload
    async def pop(self, field: K, default: D) -> V | D: ...
    async def pop(self, field: Any, default: Any = MISSING) -> Any:
        """Take a field out and give its value; a missing one gives the default, or KeyError. Atomic."""
        return await self._run(plans.pop(self._bound(), field, default))

    async def popitem(self) -> tuple[K, V]:
        """Take any item out (a dict takes the last one); KeyError if there is none. Atomic."""
        return await self._run(plans.popitem(self._bound()))

    async def increment(self, field: K, by: float = 1) -> Any:
        """Add to the number in a field, atomically; a missing one starts at 0. Gives the sum.

        Reading and storing can lose numbers that others add meanwhile; this method cannot.
        """
        t = self._bound()
        if self.signed:  # the server cannot add to a signed number
            read, write = plans.gets(t, field, lambda: 0), partial(plans.cas, t, field)
            return await self._run(mutating.increased(t, read, write, by, "the field"))
        return await self._run(plans.increment(t, field, by))

    async def get_ttl(self, field: K, default: Any = MISSING) -> tuple[Any, float]:
        """The value of a field and the seconds that it stays (``inf``: for ever).

        A missing field raises KeyError, or gives ``(default, -1.0)`` if a default is given.
        """

        def absent() -> Any:
            if default is MISSING:
                raise KeyError(field)
            return default, -1.0

        return await self._run(plans.get_ttl(self._bound(), field, absent))

    async def gets(self, field: K, default: Any = None) -> tuple[Any, Token]:
        """The value of a field (or the default) and a token for ``cas``."""
        return await self._run(plans.gets(self._bound(), field, lambda: default))

    async def cas(self, field: K, value: V, token: Token) -> bool:
        """Store a field if it was not changed since ``gets`` gave the token; False if it was."""
        return await self._run(plans.cas(self._bound(), field, value, token))

    def edit(self, field: K, default: Any = MISSING) -> AsyncEdit[V]:
        """``async with d.edit(field) as v:`` gives a copy of the value to change, and writes it back, or raises.

        ChangedError if another caller changed the field meanwhile (nothing is written then); KeyError if the
        field is missing and there is no ``default``. Two round trips.
        """

        def absent() -> Any:
            if default is MISSING:
                raise KeyError(field)
            return default

        t, where = self._bound(), f"field {field!r} of {self.key!r}"
        write = partial(plans.cas, t, field)
        return AsyncEdit(
            self, plans.gets(t, field, absent), write, lambda value: t.dumps(value, t.encode(field)), where
        )

    async def mutate(
        self, field: K, fn: Callable[[Any], V], default: Any = MISSING, attempts: int = mutating.ATTEMPTS
    ) -> V:
        """Store ``fn(value)`` in a field, and do it again until nobody was faster; gives the new value.

        ``fn`` gets the value that is there (a copy, which it may change and give back), and is called once for
        each attempt: it should do nothing else. A missing field gives ``default``, or KeyError without one.
        ChangedError after ``attempts``, with short random pauses between them; nothing is written then. Two round
        trips an attempt. To change a value in a block there is ``edit``, for numbers ``increment`` is one trip.
        """

        def missed() -> Any:
            raise KeyError(field)

        t, where = self._bound(), f"field {field!r} of {self.key!r}"
        read = plans.gets(t, field, mutating.fresh(default, missed))
        stored: V = await self._run(mutating.mutated(read, partial(plans.cas, t, field), fn, attempts, where))
        return stored

    # -- many fields -----------------------------------------------------------------------------

    async def get_many(self, fields: Iterable[K], default: Any = MISSING) -> dict[K, Any]:
        """Several fields in one round trip: the fields that are there, or all if a ``default`` is given."""

        def build(found: dict[K, Any]) -> dict[K, Any]:
            given = {field: default if value is MISSING else value for field, value in found.items()}
            return {field: value for field, value in given.items() if value is not MISSING}

        return await self._run(plans.get_many(self._bound(), fields, build))

    async def getmany(self, *fields: K) -> list[Any]:
        """Several fields in one round trip, as a list in their order, None for missing ones."""

        def build(found: dict[Any, Any]) -> list[Any]:
            return [None if found[field] is MISSING else found[field] for field in fields]

        return await self._run(plans.get_many(self._bound(), fields, build))

    async def set_many(self, values: Any, *, ttl: float | timedelta | None = None) -> None:
        """Store several fields; like ``update``, or each with a ttl of its own. Atomic up to 5,000."""
        if ttl is None:
            await self.update(values)
        else:
            await self._run(hashes.update(self._bound(), mapping(await self._operand(values, plain=True)).items(), ttl))

    async def update(self, other: Any = (), /, **fields: Any) -> None:
        """Store all items of a mapping or of pairs, as dict does. One round trip, atomic up to 5,000 fields.

        More are sent in steps of 10,000: not atomic, stored fields stay if a later step fails.
        The server reads another AsyncDictCache of the same connection and serializer itself.
        """
        t = self._bound()
        other = await self._operand(other, plain=bool(fields))
        if self._meets(other) and not fields:
            await self._run(hashes.merge(t, other._bound()))
        else:
            items = other if type(other) is dict and not fields else {**mapping(other), **fields}
            await self._run(hashes.update(t, items.items()))

    @classmethod
    async def fromkeys(cls, fields: Iterable[K], value: Any = None, *parts: Any) -> Self:
        """A dict with these fields, all with one value, stored under the key of ``parts`` (replaced)."""
        return await cls.create(*parts, data=dict.fromkeys(fields, value))

    # -- plain dicts -----------------------------------------------------------------------------

    async def to_dict(self) -> dict[K, V]:
        """The content as a plain dict; one round trip up to 10,000 fields, then one a page."""
        return await self._run(hashes.content(self._bound()))

    copy = to_dict

    async def equals(self, other: object) -> bool:
        """Whether the content is that of a mapping: ``==`` under a name. Reads the dict as ``to_dict`` does."""
        other = await self._operand(other, plain=True)
        return isinstance(other, Mapping) and bool(await self.to_dict() == plain(other))

    def _meets(self, other: object) -> TypeGuard[AsyncDictCache[Any, Any]]:
        """Whether the server can store the fields of the other dict in this one as they are."""
        return isinstance(other, AsyncDictCache) and writes_alike(self, other)


register(AsyncDictCache)
