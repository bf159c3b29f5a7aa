"""Where servers are seen behind a switchboard, and who waits to be let through."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .flows import Kind

__all__ = ["Door", "Waiting"]

_ESTABLISHED = 1  # of Linux's TCP states


class Door(NamedTuple):
    """Where a server is seen, and where it is."""

    target: str
    bus: bool
    own: tuple[str, int]


class Waiting(NamedTuple):
    """A connection that was opened, and has no way to its server yet."""

    near: socket.socket
    source: str
    kind: Kind
    door: Door

    @property
    def hung_up(self) -> bool:
        """Whether the caller has given up; what it had sent stands before the end, so only the state shows it."""
        try:
            state = self.near.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        except OSError:
            return True
        return state != _ESTABLISHED
