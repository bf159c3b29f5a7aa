"""Reads of a collection that L1 holds, for classes that say ``l1 = True``."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..l1 import Near
from ..plans.naming import guard_prefix, namespaced, tag
from ..servers import registry
from .handle import Handle

if TYPE_CHECKING:
    from ..plans.target import Target
    from ..servers.connection import Connection

__all__ = ["Nearby"]

_numbers = count()
_READ_BY = frozenset(("serialize", "serializer", "share", "normalize"))  # these decide how a value is read


class Nearby(Handle):
    """The part of a collection that looks into L1 first. Not a type of its own."""

    _near: Near | None = None  # the place of the last read in L1, for the quickest look
    _near_name: str = ""  # stands for the class in L1; "" where this handle reads in a way of its own
    _class_number: int = 0

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls._class_number = next(_numbers)

    @classmethod
    def l1_prefixes(cls, connection: Connection) -> list[str] | None:
        """The beginnings of this class's keys, if L1 holds its reads on this connection; None: it does not."""
        if connection.disabled or not cls.prefix:  # without a prefix, a read tells the key
            return None
        with suppress(ConfigError):
            if registry.connection(cls.connection_name) is connection:
                return cls._prefixes(connection.namespace, cls.prefix, cls.tags, cls._guards)
        return None

    @staticmethod
    def _prefixes(namespace: str, prefix: str, tags: tuple[str, ...], guards: bool) -> list[str]:
        everything = f"{namespace}." if namespace else ""
        own = namespaced(namespace, prefix, prefix) if prefix else everything
        found = [own, guard_prefix(own)] if guards else [own]
        return [*found, tag(namespace, "")] if tags else found

    def _nearby(self, t: Target) -> Near | None:
        """The place of this handle's reads in L1; None: L1 holds none."""
        near = self._near
        if near is None or not near.usable or near.tier is not t.connection.tiering.tier:
            if t.connection.disabled:
                return None
            tiering = t.connection.tiering
            tiering.want(self._prefixes(t.connection.namespace, self.prefix, self.tags, t.guarded), now=True)
            near = Near(tiering.tier, str(t.key))
            if not near.usable:  # no_l1()
                return None
            self.__dict__["_near"] = near
            # All handles of the class share a decoded value, unless one overrides how a value is read.
            shared = not _READ_BY & self.__dict__.keys() and t.place is None and not t.guarded
            self.__dict__["_near_name"] = f"part {self._class_number}" if shared else ""
        return near
