"""Reads of a collection that are held in this process, for classes that say ``l1 = True``."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ConfigError
from ..l1 import ABSENT, Near, Packed, estimate, is_immutable
from ..plans.collections.holding import held_read, is_soft
from ..plans.guards import Unloaded
from ..plans.naming import guard_prefix, namespaced, tag
from ..servers import registry

if TYPE_CHECKING:
    from ..plans.collections.holding import Held
    from ..plans.target import Op, Target

__all__ = ["Nearby"]

T = TypeVar("T")
READS = 1  # the owner of all that is held of collections

_numbers = count()
_READ_BY = frozenset(("serialize", "serializer", "share", "normalize"))  # what decides how a value comes back


class Nearby:
    """The part of a collection that looks into this process first. Not a type of its own."""

    _near: Any = None  # the last ``Near``, for the quickest look
    _near_name: str = ""  # the class, in what is held decoded; "" where this handle reads in a way of its own
    _class_number: int = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._class_number = next(_numbers)

    @classmethod
    def l1_prefixes(cls, connection: Any) -> list[str] | None:
        """What the keys of this class begin with, if its reads are held on this connection; None: they are not."""
        me: Any = cls
        if connection.disabled or not me.prefix:  # without a prefix it is known when something is read
            return None
        with suppress(ConfigError):
            if registry.connection(me.connection_name) is connection:
                return cls._prefixes(connection.namespace, me.prefix, me.tags, me._guards)
        return None

    @staticmethod
    def _prefixes(namespace: str, prefix: str, tags: tuple[str, ...], guards: bool) -> list[str]:
        everything = f"{namespace}." if namespace else ""
        own = namespaced(namespace, prefix, prefix) if prefix else everything
        found = [own, guard_prefix(own)] if guards else [own]
        return [*found, tag(namespace, "")] if tags else found

    def _nearby(self, t: Target) -> Any:
        """Where to look, or None."""
        me: Any = self
        near = me._near
        if near is None or not near.usable or near.tier is not t.connection.tiering.tier:
            if t.connection.disabled:
                return None
            tiering = t.connection.tiering
            tiering.want(self._prefixes(t.connection.namespace, me.prefix, me.tags, t.guarded), now=True)
            near = Near(tiering.tier, str(t.key))
            if not near.usable:  # no_l1()
                return None
            me.__dict__["_near"] = near
            # Where nobody overrode what decides how a value comes back, all handles of the class share it.
            shared = not _READ_BY & me.__dict__.keys() and t.place is None and not t.guarded
            me.__dict__["_near_name"] = f"part {self._class_number}" if shared else ""
        return near

    def _near_value(self, near: Any, t: Target, op: Op[T]) -> T:
        """The value of an operation: of what is held, or read from the server and held from now on."""
        tiering = t.connection.tiering
        held = held_read(t, op, tiering.field_ttls)
        if held is None:
            return self._asked(t, op)
        words = held.words
        part = self._near_name if op.part is not None and type(op.part) in (str, int) else ""
        if part:
            words = (held.key, part, op.part)
        found = near.reply(words)
        if found is not ABSENT:
            return found if part else op.decode(found)
        token = tiering.token(held.key, held.watched)
        if token is None:
            return self._asked(t, op)
        return self._read_and_hold(near.tier, t, op, held, words, bool(part), token)

    def _read_and_hold(
        self, tier: Any, t: Target, op: Op[T], held: Held, words: tuple[Any, ...], decoded: bool, token: Any
    ) -> T:
        began = tier.instant()[0]
        seen = t.connection.look(held.key, held.steps, keep_errors=True)
        reply = held.reply(seen.replies)
        if isinstance(reply, Unloaded):
            return self._asked(t, op)
        if isinstance(reply, Exception):
            raise reply
        value = op.decode(reply)
        ms = None if seen.ms is None or seen.server != t.connection.tiering.server else held.ms(seen.ms, seen.replies)
        if ms is not None and not is_soft(reply):
            deadline = began + ms * 1_000_000 if ms else 0
            kept, size = self._to_hold(t, reply, value, decoded)
            tier.keep(token, READS, words, kept, deadline, size + estimate(words, None))
        return value

    def _to_hold(self, t: Target, reply: Any, value: Any, decoded: bool) -> tuple[Any, int]:
        if not decoded:
            return reply, estimate(None, reply)
        me: Any = self
        if me.share or is_immutable(value) or reply is None:
            return value, estimate(None, value)
        return Packed(reply, t.load), estimate(None, reply)

    def _asked(self, t: Target, op: Op[T]) -> T:
        me: Any = self
        return op.decode(me._reply(t, op))
