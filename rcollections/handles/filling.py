"""``since``, ``fill`` and ``load``: with them a collection never has older data than its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from ..plans.collections import fields, loads
from ..plans.collections.loads import Load, Since
from ..plans.guards import Guarded, Refused
from ..plans.naming import channel, guard, lease, tag
from ..plans.op import Trips
from ..plans.tags import tag_ms
from ..plans.target import milliseconds
from .handle import Handle

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from ..plans.effects import Plan
    from ..plans.op import Operation
    from ..servers.connection import Connection

__all__ = ["Fillable", "Since"]


class Loading(Protocol):
    """A collection whose class knows how to fill it."""

    def load(self) -> object:
        """The content, from the source."""


class Fillable(Handle):
    """The part of a collection that knows about its source. Not a type of its own."""

    _guards = True
    _since: bytes = b""
    _loads_itself = False
    _open_mode = "open"

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

    def _replace(self, data: object) -> None:
        """Make ``data`` the whole content."""
        self._run(self._replacement(data))

    def _fenced(self, since: Since) -> Self:
        """Another handle of this key, whose writes are refused if ``since`` is out of date."""
        if not isinstance(since, Since):
            raise TypeError("since= takes what since() of this collection gave")
        if since.key != str(self._bound().key):
            raise ValueError(f"since= belongs to {since.key!r}, and this is {str(self._bound().key)!r}")
        if hasattr(self, "_pipeline"):
            raise TypeError("since= needs its answer at once: it cannot be part of a pipeline")
        return self._marked(since.mark)

    def _marked(self, seen: bytes) -> Self:
        handle = self._like(self._own_key)
        handle.__dict__["_since"] = seen
        return handle

    def _guarded_key(self, connection: Connection, key: str) -> Guarded:
        ms = milliseconds(self.ttl)
        names = tuple(tag(connection.namespace, name) for name in sorted(set(self.tags)))
        filler = self._loader if self._loads_itself else None
        return Guarded.make(key, guard(connection.namespace, key), names, tag_ms(ms), ms, filler, self._since)

    # -- load(self) ------------------------------------------------------------------------------

    def _loader(self) -> Plan[None]:
        """Fill this collection by its ``load``, under one lease over all threads and processes."""
        t = self._bound()
        key, name = self._guarded_key(t.connection, str(t.key)), f"{type(self).__name__}.load()"

        def make(seen: bytes) -> tuple[object, Operation[None]]:
            content = cast("Loading", self).load()
            return content, self._marked(seen)._replacement(() if content is None else content)

        namespace = t.connection.namespace
        beside = lease(namespace, key), channel(namespace, key)
        return loads.fill(Load(name, key, *beside, t.connection.flights, make, sharing=t.connection.codec.shared()))

    def _field_loader(self, field: object, compute: Callable[[], Any]) -> Plan[Any]:
        """Make one field by ``__missing__``, under a lease of its own; the value that is stored first counts."""
        t = self._bound()
        key = self._guarded_key(t.connection, str(t.key))
        from hashlib import blake2b  # only for dicts that make missing fields

        own = f"{lease(t.connection.namespace, key)}:{blake2b(t.encode(field), digest_size=8).hexdigest()}"
        name = f"{type(self).__name__}.__missing__()"

        def make(seen: bytes) -> tuple[object, Operation[Any]]:
            value = compute()
            return value, fields.setdefault(self._marked(seen)._bound(), field, value)

        def load() -> Plan[Any]:
            flights, told = t.connection.flights, channel(t.connection.namespace, own)
            about: dict[str, Any] = {"field": t.encode(field), "sharing": t.connection.codec.shared()}
            return loads.fill(Load(name, key, own, told, flights, make, **about))

        return fields.made(t, field, load)
