"""``Handle``: what the parts of a collection may ask of the handle that they are part of."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Self

    from ..plans.guards import Guarded
    from ..plans.op import Operation
    from ..plans.target import Target
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

    @abstractmethod
    def _replacement(self, data: object) -> Operation[None]:
        """The operation that makes ``data`` the whole content."""
