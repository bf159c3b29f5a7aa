"""The one choice of who hears: the compiled loop of ``_ear.pyx``, or the thread of the ear, in Python.

The loop needs the compiled tiers, whose counters it moves, and a plain socket: over TLS the thread hears. It also
hears where nothing was compiled, on a system without POSIX's sockets, and under gevent.
"""

from __future__ import annotations

import _socket
import socket
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..l1 import COMPILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._ear import Hub, Loop

__all__ = ["confirmation", "hub", "loop_class"]


def loop_class(sock: object) -> type[Loop] | None:
    """The loop that can hear on this socket, or None."""
    if not COMPILED or type(sock) is not socket.socket or not isinstance(sock, _socket.socket):
        return None  # gevent's sockets are of a class of its own: waiting in C would hold up all greenlets
    try:
        found: type[Loop] = import_module("rcollections.coherence._ear").Loop
    except ImportError:
        return None
    return found


def hub() -> Hub | None:
    """A thread for loops, which begins with the first one; None where there are no loops."""
    if not COMPILED:
        return None
    try:
        found: Hub = import_module("rcollections.coherence._ear").Hub()
    except (ImportError, OSError):
        return None
    return found


def confirmation(sock: Any, channels: Sequence[bytes], seconds: float) -> bytes:
    """The answer to one SUBSCRIBE of these channels: b"" for what confirms it, else the text of an error.

    Not one byte is read behind it: that is for the loop.
    """
    one = b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:%d\r\n"
    expected = b"".join(one % (len(each), each, n) for n, each in enumerate(channels, 1))
    sock.settimeout(seconds)
    answer = b""
    while len(answer) < len(expected) and not (answer.startswith(b"-") and answer.endswith(b"\r\n")):
        got = sock.recv(len(expected) - len(answer) if not answer.startswith(b"-") else 1)
        if not got:
            raise ConnectionError("Connection closed by server.")
        answer += got
        expected = expected.ljust(len(answer) + 1) if answer.startswith(b"-") else expected
    if answer == expected:
        return b""
    if not answer.startswith(b"-"):
        raise ConnectionError("SUBSCRIBE was answered by something else")
    return answer[1:].split(b"\r\n", 1)[0]
