"""``Handle``: what the parts of a collection may ask of the handle that they are part of."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from ..plans.op import UNSENT
from ..wire.packing import PART, head

if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Self

    from ..plans.guards import Guarded
    from ..plans.op import Operation
    from ..plans.target import Put, Target
    from ..servers.connection import Connection

__all__ = ["Handle"]


class Handle:
    """A key of the server, and the options of its class. Not a type of its own."""

    prefix: str
    ttl: float | timedelta
    connection_name: str
    tags: tuple[str, ...]
    l1: bool | None
    share: bool
    computed: bool
    on_error: str
    read_from: str | None

    _asks: tuple[int, bytes] | None = None  # the command of this type that is sent most: how many words, and its name
    _own_key: str
    _guards: bool
    _since: bytes
    _loads_itself: bool

    @abstractmethod
    def _bound(self) -> Target:
        """Key, connection and codec."""

    @abstractmethod
    def _guarded_key(self, connection: Connection, key: str) -> Guarded:
        """The key with what a command that has to look at its guard needs."""

    @abstractmethod
    def _like(self, own_key: str) -> Self:
        """Another handle of this class and these options."""

    def _home(self) -> Any:
        """The handle that functions of the user's class get: of the class in which the user wrote them."""
        return self

    def _ask(self, t: Target, data: bytes | None, put: Put | None = None) -> Any:  # noqa: ARG002
        """The quick try of a step that is packed already; UNSENT: the operation goes its usual way."""
        return self._unsent()

    def _unsent(self) -> Any:
        """What a quick try gives that was none. In asyncio it is awaited like all others."""
        return UNSENT

    def _afar(self, connection: Connection) -> bool:
        """Whether plain reads of this handle go to a replica (M5). ``connection`` has replicas."""
        return (self.read_from or connection.dsn.read_from) == "replica"

    def _head(self, t: Target) -> bytes | None:
        """The bytes with which ``_asks`` begins for this key; None where more has to be asked for."""
        if self._asks is None or t.guarded or t.place is not None:
            return None
        t.head = head(*self._asks, t.key)
        return t.head

    def _ask_about(self, t: Target, elem: object) -> Any:
        """The quick try of the command that asks for one field or member; UNSENT for what has no canonical form."""
        before = t.head or self._head(t)
        if before is None:
            return self._unsent()
        try:
            word = t.encode(elem)
        except (TypeError, ValueError):
            return self._unsent()
        return self._ask(t, PART % (before, len(word), word))

    @abstractmethod
    def _replacement(self, data: object) -> Operation[None]:
        """The operation that makes ``data`` the whole content."""
