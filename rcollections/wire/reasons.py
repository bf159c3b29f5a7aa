"""Why there is no connection, and what to do: from the text of an error of a socket, of TLS, or of redis-py."""

from __future__ import annotations

import re

__all__ = ["NOT_REDIS", "TIMED_OUT", "reason", "slow"]

# What hiredis and redis-py say of bytes that are no reply; a single byte is quoted, which is no value.
NOT_REDIS = re.compile(
    r'Protocol error, got ["\'](?P<byte>.{1,6})["\'] as reply type byte|Invalid Response|Protocol Error'
)
_PLAIN = "the DSN has to begin with redis://"
TIMED_OUT = "timed out while connecting"


def reason(text: str, where: str) -> str:
    """Half a sentence behind "no connection to …:". ``where`` is the DSN without passwords, which tells of TLS."""
    tls = where.startswith("rediss")
    other = NOT_REDIS.search(text)
    if other is not None:
        return _not_redis(other["byte"])
    for sign, told in (
        ("Connection refused", "connection refused, is the server running?"),
        ("No such file", "its socket does not exist, is the server running?"),
        ("Name or service not known", "the host name is not known"),
        ("name resolution", "the host name cannot be resolved"),
        ("Too many open files", "this process has too many open files: raise its limit (ulimit -n), or close some"),
        ("max number of clients", "it has no room for more clients: raise its maxclients, or lower max_connections"),
    ):
        if sign in text:
            return told
    if tls and ("WRONG_VERSION_NUMBER" in text or "UNKNOWN_PROTOCOL" in text):
        return f"its port does not speak TLS: {_PLAIN}"
    if "certificate" in text:
        return "its certificate is not accepted"
    if not any(sign in text for sign in ("closed by server", "reset by peer", "Broken pipe", "EOF")):
        return "the connection was lost"
    often = "the connection was lost; if this happens at every call,"
    if tls or where.startswith("unix"):
        return f"{often} it may have no room for more clients (maxclients)"
    return (
        f"{often} its port may speak TLS (then the DSN begins with rediss://), "
        "or it has no room for more clients (maxclients)"
    )


def slow(text: str, where: str) -> str:
    """What to ask where no answer came in time."""
    asked = "is the server slow, frozen or far away?"
    if text == TIMED_OUT and where.startswith("rediss"):
        return f"{asked} Or does its port not speak TLS? Then {_PLAIN}"
    return asked


def _not_redis(byte: str | None) -> str:
    if byte in ("\x15", "\\x15", "\x16", "\\x16"):
        return "its port speaks TLS: the DSN has to begin with rediss://"
    begins = "" if byte is None else f" (its answer begins with {byte!r})"
    return f"what answers there is no Redis server{begins}: check host and port in the DSN"
