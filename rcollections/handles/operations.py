"""The operations that fit any content: what each of the five types can do with its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..missing import MISSING
from ..plans.collections import keys as plans
from ..plans.collections import loads
from ..plans.guards import Refused
from ..plans.naming import guard, lease
from ..plans.op import Trips
from ..plans.parts import join
from ..servers import registry
from ..servers.drivers.sync import drive
from .base import BaseCache
from .filling import Since
from .pipeline import Pipeline
from .running import Running

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta
    from typing import Self

__all__ = ["Operations"]


class Operations(BaseCache, Running):
    """The part of a collection that works on its key as a whole. Not a type of its own."""

    @classmethod
    def create(cls, *parts: object, data: object = MISSING, **overrides: object) -> Self:
        """The same as calling the class, under the name that the Async classes have too (awaited there)."""
        if data is MISSING:  # a class with an __init__ of its own need not know data
            return cls(*parts, **overrides)
        return cls(*parts, data=data, **overrides)

    def exists(self, ttl: float | None = None) -> bool:
        """Whether the key is on the server; with ``ttl``, whether it stays for more than that many seconds.

        One round trip. ``has`` is another name of it.
        """
        t = self._bound()
        return self._run(plans.exists(t) if ttl is None else plans.lives_longer(t, ttl))

    has = exists

    def clear(self) -> bool:
        """Remove this key with all its content; True if there was some. One round trip.

        Content that was invalidated by a tag counts as none. A computation that runs now will not be stored.
        """
        t = self._bound()
        space = t.connection.namespace
        return self._run(plans.clear(t, guard(space, t.key), lease(space, t.key)))

    def expires_in(self) -> float | None:
        """The seconds that the key stays: ``inf`` for ever, None if there is no key. One round trip.

        >>> from rcollections import SetCache
        >>> SetCache("online", ttl=60, data={"ann"}).expires_in() <= 60
        True
        """
        return self._run(plans.expires_in(self._bound()))

    def expire(self, seconds: float | timedelta) -> bool:
        """Let the key live that long from now; 0 for ever. False if there is no key. One round trip."""
        return self._run(plans.expire(self._bound(), seconds))

    def touch(self) -> bool:
        """Let the class's ttl begin anew. False if there is no key. One round trip."""
        return self._run(plans.touch(self._bound()))

    def renew(self, ttl: float | timedelta | None = None) -> bool:
        """Lengthen the life of the key to ``ttl`` seconds (default: the class's), never shorten it.

        True if it was lengthened, False if it lives longer already or is missing. One round trip.
        """
        return self._run(plans.renew(self._bound(), ttl))

    def since(self) -> Since:
        """A token of this moment, to be taken before a slow read of the source: see ``fill``. One round trip."""
        t = self._bound()
        key = self._guarded_key(t.connection, str(t.key))
        return Since(
            str(key), self._run(Trips("since", loads.mark(key, lease(t.connection.namespace, key), self._open_mode)))
        )

    def fill(self, data: object, *, since: Since, merge: bool = False) -> bool:
        """Make ``data`` the content, unless it is out of date; with ``merge`` add it to the content.

        ``since`` is what ``since()`` gave before the source was read. Nothing is stored, and the answer is
        False, if one of the class's tags was invalidated since then, and also, with or without tags, if this
        key was cleared or filled. A class with tags or ``load`` notices too that the key expired or was replaced
        as a whole. No class notices single writes: ``docs/tags.md`` has the table.

        >>> from rcollections import SetCache, invalidate_tags
        >>> class Members(SetCache[str]):
        ...     tags = ("members",)
        >>> m = Members("club")
        >>> before = m.since()
        >>> invalidate_tags("members")
        >>> m.fill({"read", "before"}, since=before)
        False
        """
        handle = self._fenced(since)
        try:
            handle._merge(data) if merge else handle._replace(data)
        except Refused:
            return False
        return True

    @property
    def sync(self) -> Self:
        """The face for threads: this handle. ``handle.aio`` is the other one."""
        return self

    def _store_at_once(self, data: object) -> None:
        self._replace(data)

    def _replace(self, data: object) -> None:
        """Make ``data`` the whole content."""
        self._run(self._replacement(self._operand(data)))

    def _operand(self, other: Any, plain: bool = False) -> Any:  # noqa: ARG002
        """What an operation takes as it is. In asyncio another collection may have to be read first."""
        return other

    def _each(self, others: Iterable[Any]) -> list[Any]:
        """Several operands."""
        return list(others)

    def _merge(self, data: object) -> None:  # noqa: ARG002 - the types override it that have elements
        raise TypeError(f"{type(self).__name__} holds one value: there is nothing to merge")

    def copy_to(self, *parts: object) -> Self:
        """Copy the content to another key of this class, on the server; gives the handle of the copy.

        The copy replaces the content of the other key, an empty source leaves nothing there; the class's ttl
        begins anew.
        Atomic, one round trip, O(n) on the server.

        >>> from rcollections import SetCache
        >>> old = SetCache("week", 46, data={"ann", "bob"})
        >>> new = old.copy_to("week", 47)
        >>> sorted(new), new.key
        (['ann', 'bob'], 'week.47')
        """
        new = self._like(join(type(self).__name__, self.prefix, parts))
        if new._own_key != self._own_key:
            self._copy_onto(new)
        return new

    def _copy_onto(self, new: Self) -> None:
        self._run(plans.copy(self._bound(), new._bound().key))

    @classmethod
    def clean(cls) -> int:
        """Remove every key under the class's prefix, in batches; gives how many were removed.

        ValueError for a class without prefix, which would mean all keys of the database. Not atomic; it
        scans all keys of the database, O(keys), in steps that do not block the server.
        """
        if not cls.prefix:
            raise ValueError(f"{cls.__name__}.clean() needs a prefix: without one it would remove everybody's keys")
        connection = registry.connection(cls.connection_name)
        return drive(plans.clean(connection.namespace, cls.prefix), connection)

    def pipeline(self) -> Pipeline[Any]:
        """Collect calls and send them together on exit of the block: one round trip, in MULTI.

        ``with d.pipeline() as p:`` gives a handle like ``d`` whose calls are kept; ``p(other)`` is
        the same for another collection of the same connection. Reads give a pending result, whose
        ``value`` is there after the block; ``p.results`` lists all. An exception inside sends nothing.

        >>> from rcollections import DictCache, SetCache
        >>> cart, owners = DictCache("cart", 7), SetCache("owners")
        >>> with cart.pipeline() as p:
        ...     p["apples"] = 3
        ...     _ = p(owners).add("ann")
        ...     apples = p["apples"]
        >>> p.results[1:], apples.value
        ([True, 3], 3)
        """
        return Pipeline(self)
