"""Turns an error of a trip into the one vocabulary of ``errors``; the original error stays as the cause."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from ..errors import CacheConnectionError, CacheError, CacheTimeout, EncodeError, WrongTypeError
from .failures import ErrorReply, Late, NoPrimary, NotConnected
from .reasons import NOT_REDIS, reason, slow

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["is_loading", "is_no_primary", "is_read_only", "is_unknown_script", "refusal", "translate"]

# The server's text may quote the arguments of the client (it quotes an unknown command). So only the first word
# of the text may reach a message: values must never be in logs.
_HARMLESS = re.compile(r"^(?:[A-Z]{3,12}\b)")

_CUT_OFF = re.compile(r"(?:.*-)?(?:NOREPLICAS|MASTERDOWN) ")
_CLUSTER = re.compile(r"\b(?:MOVED|ASK|CROSSSLOT|CLUSTERDOWN|TRYAGAIN)\b")
_OF_CLUSTER = {
    "MOVED": "is a node of a cluster, and another node has the key: name the cluster, redis+cluster:// and its hosts",
    "ASK": "is a node of a cluster, and another node has the key: name the cluster, redis+cluster:// and its hosts",
    "CROSSSLOT": "has the keys of this call in different slots: give them one {hash tag}",
    "CLUSTERDOWN": "is a cluster that is down, or parts of it are (CLUSTER INFO says why): nothing was done",
    "TRYAGAIN": "is a cluster that moves the keys of this call just now, for too long: nothing was done, try again",
}
_PASSING = ("CLUSTERDOWN", "TRYAGAIN")  # nothing ran, and the cluster heals or ends its moves by itself


class Named(Protocol):
    """What has a name for messages."""

    shown: str


def translate(error: BaseException, where: str, key: str) -> CacheError:
    """Our error for an error of a trip. ``where`` names the connection, ``key`` the key of the step."""
    if isinstance(error, CacheError):
        return error
    on = f" (key {key!r})" if key else ""
    cause: BaseException = error
    text = str(error)
    new: CacheError
    if isinstance(error, TimeoutError):
        new = _late(error, where, on)
    elif isinstance(error, NotConnected):
        cause = error.error
        new = _not_connected(error, where, on, key)
    elif isinstance(error, ErrorReply):
        new = _of_reply(text, where, on, key)
    else:
        new = CacheConnectionError(f"no connection to {where}{on}: {reason(text, where)}")
    # The server quotes an unknown command with its arguments, and arguments may be values.
    quoted = ", with args beginning with"
    new.__cause__ = ErrorReply(text.split(quoted)[0]) if quoted in text else cause
    return new


def _late(error: TimeoutError, where: str, on: str) -> CacheError:
    why = slow(str(error), where)
    if isinstance(error, Late) and error.size:
        why = f"{error.size:,} bytes of it had come, raise timeout or keep less under one key"
    elif isinstance(error, Late) and not error.silent:
        why = "little time was left for it, by a deadline or after the wait for a free connection"
    new = CacheTimeout(f"no whole answer from {where} in time{on}: {why}")
    if isinstance(error, Late) and not error.silent:
        new._about = "call"
    return new


def _not_connected(error: NotConnected, where: str, on: str, key: str) -> CacheError:
    if isinstance(error, NoPrimary):
        return CacheConnectionError(f"no connection to {where}{on}: {error}")
    if error.why == "login":
        return _login(where)
    if error.why == "given":
        return CacheConnectionError(
            f"{where} refused the login{on} that credentials= gave: it has to give the present one at each connect"
        )
    if error.why == "no login":
        kind = type(error.error).__name__
        return CacheConnectionError(f"no login for {where}{on}: credentials= failed, see the cause ({kind})")
    if error.why == "loading":
        return _loading(where)
    if error.why == "answer":
        return _of_reply(str(error), where, on, key)
    place = f"{error.place}: " if error.place else ""
    return CacheConnectionError(f"no connection to {where}{on}: {place}{reason(str(error), where)}")


def _login(where: str) -> CacheError:
    return CacheConnectionError(
        f"{where} refused the login: put the right user:password@ into the DSN of this connection"
    )


def _loading(where: str) -> CacheError:
    return CacheConnectionError(f"{where} is still loading its data: try again in a moment")


def _of_reply(text: str, where: str, on: str, key: str) -> CacheError:
    if text.startswith(("NOAUTH", "WRONGPASS")):
        return _login(where)
    if text.startswith("LOADING"):
        return _loading(where)
    if "WRONGTYPE" in text:
        return WrongTypeError(
            f"the key {key!r} holds another kind of structure: give this class a prefix of its own, or clear the key"
        )
    return _of_response(text, where, on, key)


def _of_response(text: str, where: str, on: str, key: str) -> CacheError:
    if NOT_REDIS.search(text) or "max number of clients" in text:
        return CacheConnectionError(f"no connection to {where}{on}: {reason(text, where)}")
    cluster = _CLUSTER.search(text)
    if cluster is not None:
        return _of_cluster(cluster[0], where, on)
    if "DB index is out of range" in text or "invalid DB index" in text:
        return CacheError(
            f"{where} has no database of this number{on}: take a lower one in the DSN, or raise databases on the server"
        )
    # For an error inside a script the word of the error is not the first word of the text.
    if "OOM " in text or "maxmemory" in text:
        return CacheError(
            f"{where} is out of memory{on}, nothing was written: raise maxmemory or set an eviction policy"
        )
    if "READONLY" in text or "read only replica" in text:
        return CacheError(f"{where} is a read-only replica{on}: point the DSN at the primary; nothing was written")
    if "NOREPLICAS" in text:
        return CacheError(
            f"{where} has too few good replicas{on}, so it takes no writes (min-replicas-to-write); nothing was written"
        )
    if text.startswith("NOTREPLICATED"):
        lost = CacheError(f"{where} acknowledged the write{on}, not replicated: {text.partition(' ')[2]}")
        lost._about = "call"
        return lost
    if text.startswith("MASTERDOWN"):
        return CacheConnectionError(f"{where} is a replica that has lost its primary{on}: try again in a moment")
    if "MISCONF" in text:
        return CacheError(f"{where} stopped accepting writes because it cannot save to disk{on}; nothing was written")
    if "BUSY" in text:
        busy = CacheTimeout(f"{where} is busy with somebody's script{on}: try again when it has ended")
        busy._about = "call"  # it answers
        return busy
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


def _of_cluster(word: str, where: str, on: str) -> CacheError:
    text = f"{where}{on} {_OF_CLUSTER[word]}"
    if word not in _PASSING:
        return CacheError(text)
    error = CacheConnectionError(text)
    error._about = "call"  # other slots may well be served
    return error


def is_loading(reply: object) -> bool:
    """Whether the server said that it has not read its data yet: then nothing was executed."""
    return type(reply) is ErrorReply and str(reply).startswith("LOADING")


def is_read_only(reply: object) -> bool:
    """Whether the server is a replica and refused a write: of the write nothing was executed."""
    if type(reply) is not ErrorReply:
        return False
    text = str(reply)
    return text.startswith("READONLY") or "-READONLY " in text  # Redis 6.2 puts its own words before those of a script


def is_no_primary(reply: object, follows: bool) -> bool:
    """Whether the server refused as one does that is the primary no more; of the step nothing was executed.

    ``follows``: there is somebody to ask for another primary. Then so refuses one without its replicas, too.
    """
    if is_read_only(reply):
        return True
    return follows and type(reply) is ErrorReply and _CUT_OFF.match(str(reply)) is not None


def refusal(replies: Sequence[object], follows: bool, *, tell: bool) -> str:
    """ "loading" or "replica" where the server refused a step for that; "replica" only with ``tell``."""
    word = ""
    for reply in replies:
        if type(reply) is ErrorReply:
            if is_loading(reply):
                return "loading"
            if tell and is_no_primary(reply, follows):
                word = "replica"
    return word


def is_unknown_script(reply: object) -> bool:
    """Whether the server said that it does not know the script: then no line of the script was executed."""
    return type(reply) is ErrorReply and str(reply).startswith("NOSCRIPT")
