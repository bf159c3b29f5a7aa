"""How a trip can fail, in words of our own, so that only the files that open connections know redis-py's."""

from __future__ import annotations

from typing import Literal

__all__ = ["Broken", "ErrorReply", "NotConnected", "Why"]

Why = Literal["lost", "login", "loading", "answer"]


class ErrorReply(Exception):
    """What the server answered instead of a reply; the text begins with the server's word for it."""


class Broken(Exception):
    """The connection ended, or what came on it is no reply: what was sent may have been carried out."""


class NotConnected(Exception):
    """No connection could be had, so nothing was sent: whatever was to be sent may be tried again.

    ``why`` is "lost" (refused, unreachable, closed), "loading" (the server reads its data), "login" (it refused the
    login) or "answer" (it answered the handshake with another error). ``error`` is what the socket or redis-py raised.
    """

    def __init__(self, why: Why, error: BaseException) -> None:
        super().__init__(str(error))
        self.why = why
        self.error = error

    @property
    def passes(self) -> bool:
        """Whether another try can help."""
        return self.why in ("lost", "loading")
