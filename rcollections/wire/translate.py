"""Turns what redis-py raises into the one vocabulary of ``errors``; the original stays as the cause."""

from __future__ import annotations

import asyncio
import re

import redis.exceptions as theirs

from ..errors import CacheConnectionError, CacheError, CacheTimeout, EncodeError, WrongTypeError

__all__ = ["is_loading", "translate"]

# Where the server's text carries what the client sent (an unknown command is quoted back, with its
# arguments), nothing of it may reach a message: values must never be in logs.
_HARMLESS = re.compile(r"^(?:[A-Z]{3,12}\b)")


def translate(error: BaseException, where: str, key: str) -> CacheError:
    """Our error for an error of redis-py. ``where`` names the connection, ``key`` the key of the step."""
    text = str(error)
    on = f" (key {key!r})" if key else ""
    new: CacheError
    if isinstance(error, CacheError):
        return error
    if isinstance(error, (theirs.TimeoutError, TimeoutError, asyncio.TimeoutError)):  # one class since Python 3.11
        new = CacheTimeout(f"no whole answer from {where} in time{on}: is the server slow, frozen or far away?")
    elif isinstance(error, theirs.AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS")):
        new = CacheConnectionError(
            f"{where} refused the login: put the right user:password@ into the DSN of this connection"
        )
    elif is_loading(error):
        new = CacheConnectionError(f"{where} is still loading its data: try again in a moment")
    elif isinstance(error, (theirs.ConnectionError, OSError)):
        new = CacheConnectionError(f"no connection to {where}{on}: {_reason(error)}")
    elif "WRONGTYPE" in text:
        new = WrongTypeError(
            f"the key {key!r} holds another kind of structure: give this class a prefix of its own, or clear the key"
        )
    else:
        new = _of_response(text, where, on, key)
    # An unknown command is quoted back with its arguments, and those may be values.
    quoted = ", with args beginning with"
    new.__cause__ = theirs.ResponseError(text.split(quoted)[0]) if quoted in text else error
    return new


def _of_response(text: str, where: str, on: str, key: str) -> CacheError:
    # redis-py cuts the first word off where it has a class for it; inside a script the word stays.
    if "OOM " in text or "maxmemory" in text:
        return CacheError(
            f"{where} is out of memory{on}, nothing was written: raise maxmemory or set an eviction policy"
        )
    if "READONLY" in text or "read only replica" in text:
        return CacheError(f"{where} is a read-only replica{on}: point the DSN at the primary; nothing was written")
    if "MISCONF" in text:
        return CacheError(f"{where} stopped accepting writes because it cannot save to disk{on}; nothing was written")
    if "BUSY" in text:
        return CacheTimeout(f"{where} is busy with somebody's script{on}: try again when it has ended")
    if "NOPERM" in text or "has no permissions" in text or "No permissions" in text:
        return CacheError(f"the user of {where} may not do this{on}: extend its ACL")
    if "not an integer" in text or "not a valid float" in text or "is not a float" in text:
        return WrongTypeError(f"what the key {key!r} holds is not a number that can be incremented")
    if "overflow" in text or "NaN or Infinity" in text:
        return EncodeError(f"the result{on} would not fit: counts are 64-bit integers; nothing was changed")
    if "unknown command" in text.lower() or "unknown subcommand" in text.lower():
        return CacheError(f"{where} does not know this command{on}: is the server older than Redis 6.2?")
    word = _HARMLESS.match(text)
    return CacheError(f"{where} answered with an error ({word[0] if word else 'ERR'}){on}; see the cause")


def is_loading(error: BaseException) -> bool:
    """Whether the server said that it has not read its data yet: then nothing was executed."""
    return isinstance(error, theirs.BusyLoadingError) or str(error).startswith("LOADING")


def _reason(error: BaseException) -> str:
    text = str(error)
    for sign, reason in (
        ("Connection refused", "connection refused, is the server running?"),
        ("No such file", "its socket does not exist, is the server running?"),
        ("Name or service not known", "the host name is not known"),
        ("name resolution", "the host name cannot be resolved"),
        ("certificate", "its certificate is not accepted"),
        ("max number of clients", "it has no room for more clients"),
        ("closed by server", "it closed the connection"),
    ):
        if sign in text:
            return reason
    return "the connection was lost"
