"""``since``, ``fill`` and ``load``: what a collection can do to never hold older data than its source."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ..plans.collections import loads
from ..plans.collections.loads import Load, Since
from ..plans.guards import Guarded, Refused
from ..plans.naming import channel, guard, lease, tag
from ..plans.tags import tag_ms
from ..plans.target import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plans.effects import Plan

__all__ = ["Fillable", "Since"]


class Fillable:
    """The part of a collection that knows about its source. Not a type of its own."""

    _guards = True
    _since: bytes = b""
    _loads_itself = False
    _open_mode = "open"

    def since(self) -> Since:
        """A token of this moment, to be taken before a slow read of the source: see ``fill``. One round trip."""
        me: Any = self
        t = me._bound()
        key = self._guarded_key(t.connection, str(t.key))
        return Since(str(key), me._drive("since", loads.mark(key, lease(key), self._open_mode)))

    def fill(self, data: Any, *, since: Since, merge: bool = False) -> bool:
        """Make ``data`` the content, unless it is out of date; with ``merge`` add it to what is there.

        ``since`` is what ``since()`` gave before the source was read. If one of the class's tags was
        invalidated since then, or this key cleared, expired or replaced as a whole, nothing is stored
        and False is the answer. Classes without tags notice the latter too.

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

    def _fenced(self, since: Any) -> Any:
        """Another handle of this key, whose writes are refused if ``since`` is out of date."""
        me: Any = self
        if not isinstance(since, Since):
            raise TypeError("since= takes what since() of this collection gave")
        if since.key != str(me._bound().key):
            raise ValueError(f"since= belongs to {since.key!r}, and this is {str(me._bound().key)!r}")
        if hasattr(self, "_pipeline"):
            raise TypeError("since= needs its answer at once: it cannot be part of a pipeline")
        return self._marked(since.mark)

    def _marked(self, seen: bytes) -> Any:
        me: Any = self
        handle = me._like(me._own_key)
        handle.__dict__["_since"] = seen
        return handle

    def _guarded_key(self, connection: Any, key: str) -> Guarded:
        me: Any = self
        ms = milliseconds(me.ttl)
        names = tuple(tag(connection.namespace, name) for name in sorted(set(me.tags)))
        filler = self._loader if self._loads_itself else None
        return Guarded.make(key, guard(key), names, tag_ms(ms), ms, filler, self._since)

    # -- load(self) ------------------------------------------------------------------------------

    def _loader(self) -> Plan[None]:
        """Fill this collection by its ``load``, under one lease over all threads and processes."""
        me: Any = self
        t = me._bound()
        name = f"{type(self).__name__}.load()"

        def run(seen: bytes) -> tuple[bool, Any]:
            content = me.load()
            try:
                self._marked(seen)._replace(() if content is None else content)
            except Refused:
                return False, None
            return True, None

        load = Load(name, t.key, lease(t.key), channel(t.key), t.connection.flights, run)
        return loads.fill(load)

    def _field_loader(self, field: bytes, compute: Callable[[], Any], keep: Callable[[Any, Any], Any]) -> Plan[Any]:
        """Make one field by ``__missing__``, under a lease of its own."""
        me: Any = self
        t = me._bound()
        key = self._guarded_key(t.connection, str(t.key))
        own = f"{lease(key)}:{blake2b(field, digest_size=8).hexdigest()}"

        def run(seen: bytes) -> tuple[bool, Any]:
            value = compute()
            try:
                return True, keep(self._marked(seen), value)
            except Refused:  # it was right when it was asked for: this caller gets it, nobody else
                return False, value

        name = f"{type(self).__name__}.__missing__()"
        return loads.fill(Load(name, key, own, channel(own), t.connection.flights, run, field=field))
