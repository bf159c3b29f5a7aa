"""``AsyncKeyCache``: one value under one key.

Made from ``collections/keycache.py`` by ``python -m tests.faces``: change that file.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from ...errors import CacheError, CacheMissError, ConfigError, KeyExistsError
from ...handles.aio.edit import AsyncEdit
from ...handles.faces import register
from ...missing import MISSING
from ...plans.collections import keys, moving, mutating
from ...plans.collections import strings as plans
from ...plans.collections.reader import ENTRY, Reader, Token
from ...plans.guards import Refused
from ...plans.naming import lease
from ...plans.op import answered
from ..keyvalue import raw_default
from .keyblocks import AsyncValueBlocks

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import timedelta

    from typing_extensions import TypeVar as TypeVarWithDefault

    from ...functions.aio import AsyncCachedFunction
    from ...functions.sync import CachedFunction
    from ...functions.wrap import Decorator
    from ...handles.aio.pipeline import AsyncPipeline
    from ...handles.filling import Since
    from ...missing import Missing
    from ...plans.op import Operation
    from ..pipes import KeyPipe

    V = TypeVarWithDefault("V", default=Any)
else:
    V = TypeVar("V")

__all__ = ["AsyncKeyCache"]

D = TypeVar("D")
P = ParamSpec("P")
R = TypeVar("R")


class AsyncKeyCache(AsyncValueBlocks[V]):
    """One value under one key: any value that the codec carries, ``None``, False and "" included.

    A missing key reads as ``default`` (a class attribute or override: a value, or a function that
    makes one), which is None unless set. Every read is one round trip. It takes
    a second one where a function stored the value with stale windows, since only the ttl tells whether such a
    value is fresh. A stale value counts as missing, for reads and for writes.

    >>> import asyncio
    >>> from rcollections import AsyncKeyCache
    >>> class Price(AsyncKeyCache[int]):
    ...     prefix = "price"
    ...     ttl = 60
    >>> async def main() -> None:
    ...     price = await Price.create("apple", data=3)
    ...     print(await price.increment(2), await price.get())
    >>> asyncio.run(main())
    5 5
    """

    if TYPE_CHECKING:

        def pipeline(self) -> AsyncPipeline[KeyPipe[V]]: ...

    _open_mode = "value"
    _holds_results = True  # a class for cached functions
    _signs = True

    @classmethod
    def _check_class(cls) -> None:
        super()._check_class()
        if "load" in cls.__dict__:
            raise ConfigError(
                f"{cls.__name__}.load: collections are filled by load(), one value is computed by a function: "
                f"decorate that with @cached({cls.__name__}, key=...)"
            )

    @overload
    @classmethod
    def cached(cls, fn: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncCachedFunction[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    @classmethod
    def cached(cls, fn: Callable[P, R], /) -> CachedFunction[P, R]: ...
    @overload
    @classmethod
    def cached(cls, fn: None = None, /, **options: Any) -> Decorator: ...
    @classmethod
    def cached(cls, fn: Any = None, /, **options: Any) -> Any:
        """``@MyCache.cached`` or ``@MyCache.cached(ttl=60, …)``: the same as ``@cached(MyCache, …)``."""
        from ...functions.wrap import decorator  # with the first function that is decorated

        decorate: Any = decorator(cls, None, options)
        return decorate if fn is None else decorate(fn)

    def _replacement(self, data: object) -> Operation[Any]:
        return plans.set(self._bound(), data)

    async def _copy_onto(self, new: AsyncKeyCache[V]) -> None:
        to = new._bound().key
        t = self._bound()
        await self._run(moving.copy_value(t, to, lease(t.connection.namespace, to)))

    def _reader(self) -> Reader:
        return Reader(self._bound(), self._unreadable)

    def _default(self) -> Any:
        default = raw_default(self)
        return default() if callable(default) else default

    # -- one value -------------------------------------------------------------------------------

    @property
    async def data(self) -> V | None:
        """The value; assigning replaces it, ``del`` removes it. A missing key reads as ``default``."""
        return await AsyncKeyCache.get(self)

    @overload
    async def get(self) -> V | None: ...
    @overload
    async def get(self, default: D) -> V | D: ...
    async def get(self, default: Any = MISSING) -> Any:
        """The value; a missing key gives ``default``, or without one the class's default. One round trip."""
        t = self._bound()
        reply = await self._ask(t, t.head or self._head(t))
        if reply is None:
            return self._default() if default is MISSING else default
        if type(reply) is bytes and reply[:1] != ENTRY:
            try:
                return t.load(reply)
            except CacheError:  # the usual way tells of it
                pass
        absent = self._default if default is MISSING else lambda: default
        return await self._run(answered(plans.get(t, Reader(t, self._unreadable), absent), reply))

    async def equals(self, other: object) -> bool:
        """Whether ``other`` is the value: ``==`` under a name. A missing key has the default. One round trip."""
        return bool(await self.get() == await self._operand(other, plain=True))

    async def peek(self, *, strict: bool = False) -> V:
        """The value, or CacheMissError. With ``strict`` bytes that cannot be read are a DecodeError."""
        t = self._bound()
        return await self._run(plans.get(t, Reader(t, None if strict else self._unreadable), self._miss))

    def _miss(self) -> Any:
        raise CacheMissError(f"there is nothing under {self.key!r}")

    async def set(
        self, value: V, *, nx: bool = False, ttl: float | timedelta | None = None, since: Since | None = None
    ) -> bool:
        """Store a value; with ``nx`` only if there is none. ``ttl`` in seconds, 0 for ever.

        True if it was stored. One round trip, value and ttl in one step. ``since`` is what ``since()`` gave
        before the source was read. With it the value is stored only if since then no tag of the class was
        invalidated, and the key was not cleared.
        """
        if since is not None:
            try:
                return bool(await self._fenced(since).set(value, nx=nx, ttl=ttl))
            except Refused:
                return False
        t = self._bound()
        if nx:
            return await self._run(plans.add(t, value, ttl, self._reader()))
        reply = await self._ask_to_put(t, value, ttl)
        if type(reply) is bytes or type(reply) is list:
            return True
        return await self._run(answered(plans.set(t, value, ttl=ttl), reply))

    async def add(self, value: V, *, ttl: float | timedelta | None = None) -> bool:
        """Store a value only if there is none, else KeyExistsError. One round trip."""

        def new(stored: bool) -> bool:
            if not stored:
                raise KeyExistsError(f"there is a value under {self.key!r} already: use set() to replace it")
            return stored

        return await self._run(plans.add(self._bound(), value, ttl, self._reader()).named("add").then(new))

    @overload
    async def getdel(self) -> V | None: ...
    @overload
    async def getdel(self, default: D) -> V | D: ...
    async def getdel(self, default: Any = MISSING) -> Any:
        """Take the value out: give and remove it in one step. A missing key gives the default."""
        absent = self._default if default is MISSING else lambda: default
        return await self._run(plans.getdel(self._bound(), self._place(), self._reader(), absent))

    @overload
    async def get_ttl(self) -> tuple[V, float]: ...
    @overload
    async def get_ttl(self, default: D) -> tuple[V | D, float]: ...
    async def get_ttl(self, default: Any = MISSING) -> tuple[Any, float]:
        """The value and the seconds that it stays (``inf``: for ever).

        A missing key raises CacheMissError, or gives ``(default, -1.0)`` if a default is given.
        """
        absent = self._miss if default is MISSING else lambda: (default, -1.0)
        return await self._run(plans.get_ttl(self._bound(), self._reader(), absent))

    async def gets(self) -> tuple[V | None, Token]:
        """The value and a token for ``cas``. A missing key gives the default, and a token as well."""
        return await self._run(plans.gets(self._bound(), self._reader(), self._default))

    async def cas(self, value: V, token: Token) -> bool:
        """Store a value if the key was not changed since ``gets`` gave the token (compare and set).

        False, and nothing is stored, if the key holds other bytes now. With the token of a missing key, the
        key has to be missing still. One round trip.
        """
        return await self._run(plans.cas(self._bound(), value, token))

    def edit(self, default: Any = MISSING) -> AsyncEdit[V]:
        """``async with c.edit() as v:`` gives a copy to change in place, and writes it back, or raises.

        ChangedError if another caller changed the value meanwhile (nothing is written then), CacheMissError
        if there is none and no ``default``. Two round trips.
        """
        t = self._bound()
        read = plans.gets(t, self._reader(), self._miss if default is MISSING else lambda: default)
        return AsyncEdit(self, read, partial(plans.cas, t), t.dumps, repr(self.key))

    async def mutate(self, fn: Callable[[Any], V], default: Any = MISSING, attempts: int = mutating.ATTEMPTS) -> V:
        """Store ``fn(value)``, and do it again until nobody was faster; gives the new value.

        ``fn`` gets the value that is there (a copy, which it may change and give back), and is called once for
        each attempt: it should do nothing else. A missing key gives ``default``, or CacheMissError without one.
        ChangedError after ``attempts``, with short random pauses between them; nothing is written then. Two round
        trips an attempt. To change a value in a block there is ``edit``, for numbers ``increment`` is one trip.
        """
        t = self._bound()
        read = plans.gets(t, self._reader(), mutating.fresh(default, self._miss))
        stored: V = await self._run(mutating.mutated(read, partial(plans.cas, t), fn, attempts, repr(self.key)))
        return stored

    # -- numbers ---------------------------------------------------------------------------------

    async def increment(self, by: float = 1, *, must_exist: bool = False, keep_ttl: bool = False) -> Any:
        """Add to the number under the key, atomically; a missing key starts at 0. Gives the sum.

        With ``must_exist`` a missing key is a CacheMissError, and nothing is stored. With ``keep_ttl`` the ttl of a
        value that is there goes on; a new value gets the class's ttl all the same.

        Ints are one INCRBY and stay within 64 bits; a float anywhere makes the sum a float.
        WrongTypeError (a TypeError) if the value is no number. One round trip. An increment is never repeated
        after a failure, so a lost reply raises instead of counting twice.
        """
        t = self._bound()
        missed = self._miss if must_exist else None
        if self.signed:  # the server cannot add to a signed number
            read = plans.gets(t, self._reader(), missed or (lambda: 0))
            return await self._run(
                mutating.increased(t, read, partial(plans.cas, t, keep_ttl=keep_ttl), by, "the value")
            )
        return await self._run(plans.increment(t, by, keep_ttl, missed))

    async def clear(self, *, if_value: V | Missing = MISSING) -> bool:
        """Remove the value; True if there was one. With ``if_value`` only if it is that value, in one step.

        The stored bytes must be those that storing ``if_value`` would write, as with ``cas``: 1 is not 1.0, and
        of two equal dicts one may be written in another order. A value that is stale, or whose tags were invalidated,
        counts as none. A computation that runs now will not be stored; with ``if_value`` only if something was removed.
        One round trip.
        """
        return await self._run(keys.clear_value(self._bound(), self._place(), if_value))


register(AsyncKeyCache)
