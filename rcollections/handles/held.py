"""Reads of a collection that L1 holds, for classes that say ``l1 = True``."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..l1 import Near
from ..plans.naming import heard, namespaced, tags
from ..servers import registry
from .handle import Handle

if TYPE_CHECKING:
    from ..plans.target import Target
    from ..servers.connection import Connection

__all__ = ["Nearby"]

_numbers = count()
_READ_BY = frozenset(("serialize", "serializer", "signed", "share", "normalize"))  # these decide how a value is read


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
                return cls._heard(connection.namespace, cls.prefix, cls.tags, cls._guards)
        return None

    @staticmethod
    def _heard(namespace: str, own: str, carried: tuple[str, ...], guards: bool) -> list[str]:
        found = heard(namespace, own, guards=guards)
        return [*found, tags(namespace)] if carried else found

    def _nearby(self, t: Target) -> Near | None:
        """The place of this handle's reads in L1; None: L1 holds none."""
        near = self._near
        if near is None or not near.usable or near.tier is not t.connection.tiering.tier:
            if t.connection.disabled:
                return None
            tiering = t.connection.tiering
            # Without a prefix the key tells: two characters, so that many keys ask for few prefixes.
            own = self.prefix or t.key.removeprefix(namespaced(t.connection.namespace, ""))[:2]
            tiering.want(self._heard(t.connection.namespace, own, self.tags, t.guarded), now=True)
            near = Near(tiering.tier, str(t.key))
            if not near.usable:  # no_l1()
                return None
            self.__dict__["_near"] = near
            # All handles of the class share a decoded value, unless one overrides how a value is read.
            shared = not _READ_BY & self.__dict__.keys() and t.place is None and not t.guarded
            self.__dict__["_near_name"] = f"part {self._class_number}" if shared else ""
        return near
