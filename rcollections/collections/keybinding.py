"""What the one value of a ``KeyCache`` is bound to beside its key: lease, guard, tags, bytes of its commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..handles.base import BaseCache
from ..plans.effects import Command
from ..plans.entries import MARKED, wrapped
from ..plans.naming import channel, guard, lease, tag
from ..plans.tags import tag_ms
from ..plans.target import Place, Put, milliseconds
from ..wire.packing import around_value

if TYPE_CHECKING:
    from datetime import timedelta

    from ..plans.target import Target
    from ..servers.connection import Connection

__all__ = ["KeyBinding"]

PUT = b"%b$%d\r\n%b\r\n%b"  # a value, between what ``Put`` holds
LIFE = b"$2\r\nPX\r\n$%d\r\n%d\r\n%b"  # its ms, and what follows


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
        put = t.put or self._make_put(t)
        data = t.dumps(value)
        if data[:1] == MARKED:
            data = wrapped(data)
        after = put.usual if ttl is None else b""
        if not after:
            ms = t.ms(ttl)
            if not ms:
                return self._unsent()
            after = LIFE % (len(str(ms)), ms, put.after)
        return self._ask(t, PUT % (put.before, len(data), data, after), put)

    def _make_put(self, t: Target) -> Put:
        before, after, replies = around_value(t.key, t.lease)
        usual = LIFE % (len(str(t.ttl)), t.ttl, after) if t.ttl and not t.jitter else b""
        t.put = Put(before, usual, after, replies, (Command(("SET", t.key)),))
        return t.put
