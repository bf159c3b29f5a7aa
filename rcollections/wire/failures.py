"""How a trip can fail, in words of our own, so that only the files that open links know the errors of redis-py."""

from __future__ import annotations

from typing import Literal

__all__ = ["FAILURES", "Broken", "ErrorReply", "Late", "NoPrimary", "NotConnected", "Unsent", "Why", "is_silence"]

Why = Literal["lost", "login", "given", "no login", "loading", "answer"]


class ErrorReply(Exception):
    """An error that the server answered instead of a reply; the text begins with the server's word for the error."""


class Broken(Exception):
    """The connection ended, or bytes came that are no reply: the server may have carried out the steps."""


class Unsent(Broken):
    """The connection ended before a byte of the steps was sent: any step may be tried again."""


class Late(TimeoutError):
    """The instant came before the whole reply. ``size`` bytes of the reply had come.

    ``silent``: the server had its whole time, and no byte moved in it. Not so for a reply that is arriving, for a
    deadline that is nearer than the timeout, or where the wait for a free connection took the time.
    """

    def __init__(self, silent: bool, size: int = 0, text: str = "timed out") -> None:
        super().__init__(text)
        self.silent = silent
        self.size = size


def is_silence(seconds: float, timeout: float) -> bool:
    """Whether that long without a byte is the server's silence, and not only one call that had little time."""
    return seconds >= 0.9 * timeout


class NotConnected(Exception):
    """No link could be opened, so nothing was sent: any step may be tried again.

    ``why`` is "lost" (refused, unreachable, closed), "loading" (the server reads its data), "login" (the server
    refused the login), "given" (the login that ``credentials=`` gave), "no login" (``credentials=`` failed) or
    "answer" (it answered the handshake with another error). ``error`` is the error of the socket, of redis-py or of
    that function, and ``text`` what was said of it.
    """

    def __init__(self, why: Why, error: BaseException, text: str = "") -> None:
        super().__init__(text or str(error))
        self.why = why
        self.error = error
        self.place = ""  # the server in words, where the DSN does not name it

    @property
    def passes(self) -> bool:
        """Whether another try can help."""
        return self.why in ("lost", "loading")

    def again(self) -> NotConnected:
        """The same, for another caller."""
        other = NotConnected(self.why, self.error, str(self))
        other.place = self.place
        return other


class NoPrimary(NotConnected):
    """Nobody can say where the primary is; ``text`` says why, in plain words. ``passes``: another try can help."""

    def __init__(self, text: str, *, passes: bool) -> None:
        super().__init__("lost" if passes else "answer", ConnectionError(text), text)

    def again(self) -> NoPrimary:
        """The same, for another caller."""
        return NoPrimary(str(self), passes=self.passes)


# What becomes of a connection. All else that is raised in a trip is of the caller: a signal handler's, a cancellation.
FAILURES = (Broken, NotConnected, OSError)
