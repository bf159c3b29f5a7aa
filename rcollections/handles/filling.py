"""What ``since``, ``fill`` and ``load`` need: with them a collection never has older data than its source."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..plans.collections import fields, loads
from ..plans.collections.loads import Load, Since
from ..plans.guards import Guarded
from ..plans.naming import channel, guard, lease, tag
from ..plans.tags import tag_ms
from ..plans.target import milliseconds
from .handle import Handle

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from ..plans.effects import Plan
    from ..plans.flights import Flights
    from ..plans.op import Operation
    from ..servers.connection import Connection

__all__ = ["Fillable", "Since", "Threads"]


class Loading(Protocol):
    """A collection whose class knows how to fill it."""

    def load(self) -> object:
        """The content, from the source."""


class Threads:
    """What a filling does in its own way on threads, and otherwise in an event loop."""

    def flights(self, connection: Connection) -> Flights:
        """The flights of the callers that may wait for each other."""
        return connection.flights

    def hook(self, fn: Callable[..., Any], name: str) -> Callable[..., Any]:
        """A function of the user's class, before it is called: on a thread nobody can await it."""
        if iscoroutinefunction(fn):
            raise TypeError(
                f"{name} is an async def, which a call on a thread cannot await: use the async face, which .aio of a "
                "handle gives, or make it a def"
            )
        return fn

    def answered(self, answer: Any, then: Callable[[Any], Any]) -> Any:
        """``then`` of what a function of the user gave."""
        return then(answer)


class Fillable(Handle):
    """The part of a collection that knows about its source. Not a type of its own."""

    _guards = True
    _since: bytes = b""
    _loads_itself = False
    _open_mode = "open"
    _world = Threads()

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

        load = self._world.hook(cast("Loading", self._home()).load, name)

        def make(seen: bytes) -> Any:
            def stored(content: object) -> tuple[object, Operation[None]]:
                return content, self._marked(seen)._replacement(() if content is None else content)

            return self._world.answered(load(), stored)

        namespace = t.connection.namespace
        beside = lease(namespace, key), channel(namespace, key)
        flights = self._world.flights(t.connection)
        return loads.fill(Load(name, key, *beside, flights, make, sharing=t.connection.codec.shared()))

    def _field_loader(self, field: object, compute: Callable[[], Any]) -> Plan[Any]:
        """Make one field by ``__missing__``, under a lease of its own; the value that is stored first counts."""
        t = self._bound()
        key = self._guarded_key(t.connection, str(t.key))
        from hashlib import blake2b  # only for dicts that make missing fields

        own = f"{lease(t.connection.namespace, key)}:{blake2b(t.encode(field), digest_size=8).hexdigest()}"
        name = f"{type(self).__name__}.__missing__()"

        def make(seen: bytes) -> Any:
            def stored(value: object) -> tuple[object, Operation[Any]]:
                return value, fields.setdefault(self._marked(seen)._bound(), field, value)

            return self._world.answered(compute(), stored)

        def load() -> Plan[Any]:
            flights, told = self._world.flights(t.connection), channel(t.connection.namespace, own)
            about: dict[str, Any] = {"field": t.encode(field), "sharing": t.connection.codec.shared()}
            return loads.fill(Load(name, key, own, told, flights, make, **about))

        return fields.made(t, field, load)
