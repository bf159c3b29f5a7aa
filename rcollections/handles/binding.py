"""How a handle finds its key, its connection, and how its values and elements are written and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..plans.naming import namespaced
from ..plans.target import Target
from ..servers import registry
from ..values import decode_field, decode_raw, encode_field, encode_raw
from .handle import Handle

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plans.target import Read, ReadAt, Signing, Write, WriteAt
    from ..servers.connection import Connection

__all__ = ["Binding"]


class Binding(Handle):
    """The part of a collection that makes a ``Target`` of the options of its class. Not a type of its own."""

    ttl_from: str
    jitter: float
    serialize: bool
    serializer: Any
    signed: bool
    _target: tuple[int, Target] | None = None

    def _bound(self) -> Target:
        """Key, connection and codec, resolved once and again after every ``configure()``."""
        known = self.__dict__.get("_target")
        if known is not None and known[0] == registry.generation:
            return known[1]  # type: ignore[no-any-return]
        connection = registry.connection(self.connection_name)
        target = self._bind(connection)
        self.__dict__["_target"] = (registry.generation, target)
        return target

    def _bind(self, connection: Connection) -> Target:
        dumps, load, signing = self._content(connection)
        encode, decode = self._elements()
        key = namespaced(connection.namespace, self._own_key)
        if self._guards and (self.tags or self._loads_itself or self._since):
            key = self._guarded_key(connection, key)
        return Target(
            key,
            type(self).__name__,
            connection,
            dumps=dumps,
            load=load,
            encode=encode,
            read=decode,
            ttl=self.ttl,
            mode=self.ttl_from,
            jitter=self.jitter,
            signing=signing,
        )

    def _content(self, connection: Connection) -> tuple[WriteAt, ReadAt, Signing | None]:
        """How values are written and read, and whether some may be signed."""
        if self.signed:
            self._check_signed(connection)
        codec = connection.codec(self.serializer if self.serialize else "raw", self.signed)
        return codec.dumps, self._normalized(codec.loads), codec

    def _check_signed(self, connection: Connection) -> None:
        name = type(self).__name__
        if not self.serialize:
            raise ConfigError(f"{name}: serialize=False is plain text, which signed=True cannot be")
        if not connection.codec.has_key:
            raise ConfigError(
                f"{name}.signed needs a signing key: set CACHES_SIGNING_KEY, or configure(signing_key=...)"
            )

    def _elements(self) -> tuple[Write, Read]:
        """How fields or members are written and read; fields are canonical whatever ``serialize`` says."""
        return encode_field, decode_field

    def _raw_elements(self) -> tuple[Write, Read]:
        """How members are written and read, for types where ``serialize=False`` means the members."""
        if self.serializer is not None:
            raise ConfigError(
                f"{type(self).__name__}.serializer: members are always written in their canonical form, so that "
                "equal ones are one; use serialize=False for plain text"
            )
        if self.serialize:
            return encode_field, self._normalized(decode_field)
        return encode_raw, self._normalized(decode_raw)

    def _normalized(self, load: Callable[..., Any]) -> Callable[..., Any]:
        hook = getattr(self._home(), "normalize", None)
        if hook is None:
            return load
        return lambda *read: hook(load(*read))
