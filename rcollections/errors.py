"""Every error that this library raises on its own account.

One base, few children; each child is also the standard exception that a Python programmer would
catch in that place. Messages name the key and what to do, never a password and never a value.
"""

from __future__ import annotations

__all__ = [
    "CacheConnectionError",
    "CacheError",
    "CacheMissError",
    "CacheTimeout",
    "ChangedError",
    "ConfigError",
    "DecodeError",
    "EncodeError",
    "KeyExistsError",
    "LockLost",
    "WrongTypeError",
]


class CacheError(Exception):
    """Base of all errors of this library; raised itself where no child fits better."""

    # What a failure tells, for the circuit breaker: "server" (the server is away), "link" (a connection that had been
    # open before fell silent, a new one may do), or "call" (only this call failed, the server is there).
    _about = "server"


class CacheMissError(CacheError, KeyError):
    """There is nothing under this key."""

    # KeyError shows the repr of its argument, which would put our sentence into quotes.
    __str__ = Exception.__str__


class ConfigError(CacheError, ValueError):
    """A DSN, an option or a class attribute is wrong; the message says which and what is allowed."""


class CacheTimeout(CacheError, TimeoutError):
    """No whole answer within ``timeout``, ``connect_timeout`` or the ``deadline`` around the call."""


class CacheConnectionError(CacheError, ConnectionError):
    """The server cannot be reached, went away, or refused the login."""


class EncodeError(CacheError, TypeError):
    """A value, field or member that cannot be stored exactly; nothing was sent."""


class DecodeError(CacheError, ValueError):
    """Bytes on the server that this codec did not write, or that were changed since."""


class WrongTypeError(CacheError, TypeError):
    """The key holds another kind of structure than the call needs."""


class ChangedError(CacheError):
    """Somebody else changed the value between the read and the write of ``edit`` or ``mutate``; nothing was written."""


class KeyExistsError(CacheError, ValueError):
    """``add`` found that the key exists already; nothing was changed."""


class LockLost(CacheError):
    """The lock of a block ran out before the block had ended: another caller may have had it meanwhile."""
