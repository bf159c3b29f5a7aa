"""How a trip can fail, in words of our own, so that only the files that open links know the errors of redis-py."""

from __future__ import annotations

from typing import Literal

__all__ = ["Broken", "ErrorReply", "NotConnected", "Why"]

Why = Literal["lost", "login", "loading", "answer"]


class ErrorReply(Exception):
    """An error that the server answered instead of a reply; the text begins with the server's word for the error."""


class Broken(Exception):
    """The connection ended, or bytes came that are no reply: the server may have carried out the steps."""


class NotConnected(Exception):
    """No link could be opened, so nothing was sent: any step may be tried again.

    ``why`` is "lost" (refused, unreachable, closed), "loading" (the server reads its data), "login" (the server
    refused the login) or "answer" (it answered the handshake with another error). ``error`` is the error of the
    socket or of redis-py, and ``text`` what was said of it.
    """

    def __init__(self, why: Why, error: BaseException, text: str = "") -> None:
        super().__init__(text or str(error))
        self.why = why
        self.error = error

    @property
    def passes(self) -> bool:
        """Whether another try can help."""
        return self.why in ("lost", "loading")
