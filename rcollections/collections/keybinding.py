"""What the one value of a ``KeyCache`` is bound to beside its key: lease, guard, tags, bytes of its commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..handles.base import BaseCache
from ..plans.effects import Command
from ..plans.entries import wrapped
from ..plans.naming import channel, guard, lease, tag
from ..plans.tags import tag_ms
from ..plans.target import Place, Put, milliseconds
from ..wire.packing import around_value

if TYPE_CHECKING:
    from datetime import timedelta

    from ..plans.target import Target
    from ..servers.connection import Connection

__all__ = ["KeyBinding"]

PUT = b"%b$%d\r\n%b\r\n$2\r\nPX\r\n$%d\r\n%d\r\n%b"  # a value with its ms, between what ``Put`` holds


class KeyBinding(BaseCache):
    """The part of a ``KeyCache`` that knows the keys beside its own. Not a type of its own."""

    _guards = False  # the value itself carries the stamps of its tags
    _asks = 2, b"GET"

    def _bind(self, connection: Connection) -> Target:
        t = super()._bind(connection)
        if self.tags or self._since:
            names = tuple(tag(connection.namespace, name) for name in sorted(set(self.tags)))
            ms = tag_ms(milliseconds(self.ttl))
            t.place = self._beside(t, names, ms)
        elif self.computed:
            t.lease = lease(connection.namespace, t.key)
        return t

    def _place(self) -> Place:
        """The keys and facts beside the value, for scripts that look at the metadata of entries, tags or not."""
        t = self._bound()
        return t.place or self._beside(t, (), 0)

    def _beside(self, t: Target, tags: tuple[str, ...], tag_ms: int) -> Place:
        space = t.connection.namespace
        return Place(lease(space, t.key), guard(space, t.key), channel(space, t.key), tags, tag_ms, self._since)

    def _ask_to_put(self, t: Target, value: object, ttl: float | timedelta | None) -> Any:
        """The quick try of a plain write with a ttl."""
        if t.place is not None or (ttl is None and t.mode == "first"):
            return self._unsent()
        put = t.put
        if put is None:
            put = t.put = Put(*around_value(t.key, t.lease), (Command(("SET", t.key)),))
        data, ms = wrapped(t.dumps(value)), t.ms(ttl)
        if not ms:
            return self._unsent()
        return self._ask(t, PUT % (put.before, len(data), data, len(str(ms)), ms, put.after), put)
