"""``Hearing``: what a connection that listens does with its link: commands one way, and what comes the other way."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .marks import INCOMPLETE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Hearing"]


class Hearing:
    """The part of a link that nobody asks. Not a link of its own."""

    __slots__ = ()

    sock: Any
    pack: Callable[[tuple[Any, ...]], bytes]
    put: Callable[[bytes, float, float], None]
    _poll: Any
    _reader: Any
    _receive: Callable[[], int]

    def send(self, words: Sequence[Any], seconds: float) -> None:
        """Send one command whose reply comes by ``hear``: for connections that listen. From any thread."""
        self.put(self.pack(tuple(words)), seconds, seconds)

    def hear(self, seconds: float) -> list[object]:
        """All replies that have come, after waiting at most ``seconds`` for the first; [] if none came."""
        heard = self._complete()
        if heard:
            return heard
        pending = getattr(self.sock, "pending", None)  # TLS may hold more than the socket shows
        if not (pending is not None and pending()) and not self._poll.poll(seconds * 1000):
            return []
        self.sock.settimeout(seconds)
        with suppress(TimeoutError):  # only a piece of a TLS record has come
            self._receive()
        return self._complete()

    def _complete(self) -> list[object]:
        found = []
        while (reply := self._reader.gets()) is not INCOMPLETE:
            found.append(reply)
        return found

    def wake(self) -> None:
        """End the connection from another thread: a thread that waits in ``hear`` gets an error."""
        self.sock.shutdown(socket.SHUT_RDWR)
