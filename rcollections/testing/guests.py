"""``speak_from``: all connections of this process come from one address, so that a network knows who it is."""

from __future__ import annotations

import socket
from typing import Any

__all__ = ["speak_from"]


def speak_from(address: str) -> None:
    """From now on all TCP connections over IPv4 that this process opens come from this address; for the whole process.

    ``address`` is what ``network.guest(name)`` has given in the process of the test: a partition can then put this
    process on another side than that.
    """
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def bound(end: socket.socket) -> None:
        if end.family == socket.AF_INET and end.type == socket.SOCK_STREAM and not end.getsockname()[1]:
            end.bind((address, 0))

    def connect_from(end: socket.socket, to: Any) -> None:
        bound(end)
        connect(end, to)

    def connect_ex_from(end: socket.socket, to: Any) -> int:
        bound(end)
        return connect_ex(end, to)

    own: Any = socket.socket
    own.connect, own.connect_ex = connect_from, connect_ex_from
