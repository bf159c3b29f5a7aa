"""Which commands ``raw()`` refuses: they would change, or keep busy, a connection that all callers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..plans.effects import Arg

__all__ = ["check"]

_CLIENT = "a client of your own, such as redis.Redis.from_url(...)"
_MULTI = "pipeline(), which sends its calls in one MULTI"
_LISTEN = f"{_CLIENT}; its pubsub() listens"
_DSN = "configure() with another DSN, under a name of its own"
_NOT_BLOCKING = f"the form that answers at once, or {_CLIENT} to wait with"

# The command (with its subcommand, where only some of these are refused), and what to use instead.
_REFUSED: Final[dict[str, str]] = {
    **dict.fromkeys(("MULTI", "EXEC", "DISCARD"), _MULTI),
    **dict.fromkeys(("WATCH", "UNWATCH"), "gets() and cas(), edit(), or a script by EVAL"),
    **dict.fromkeys(("SELECT", "AUTH", "HELLO", "RESET"), _DSN),
    "QUIT": "connection().close()",
    **dict.fromkeys(("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"), _LISTEN),
    **dict.fromkeys(("UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"), _LISTEN),
    **dict.fromkeys(("MONITOR", "SYNC", "PSYNC", "REPLCONF", "SCRIPT DEBUG"), _CLIENT),
    **dict.fromkeys(("READONLY", "READWRITE", "ASKING"), _CLIENT),
    **dict.fromkeys(("CLIENT REPLY", "CLIENT TRACKING", "CLIENT CACHING"), _CLIENT),
    **dict.fromkeys(("CLIENT NO-EVICT", "CLIENT NO-TOUCH", "CLIENT SETINFO", "CLIENT CAPA"), _CLIENT),
    **dict.fromkeys(("CLIENT IMPORT-SOURCE",), _CLIENT),
    "CLIENT SETNAME": "the option client_name= of the DSN",
    **dict.fromkeys(("BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BLMPOP"), _NOT_BLOCKING),
    **dict.fromkeys(("BZPOPMIN", "BZPOPMAX", "BZMPOP"), _NOT_BLOCKING),
    **dict.fromkeys(("WAIT", "WAITAOF"), f"{_CLIENT}: it waits for the writes of its own connection"),
}
_WITH_SUBCOMMANDS = frozenset(name.split()[0] for name in _REFUSED if " " in name)
_BEFORE_BLOCK = {"XREAD": 1, "XREADGROUP": 4}  # where the options begin: GROUP takes two words


def check(words: tuple[Arg, ...]) -> None:
    """ValueError for a command that changes the state of its connection, or that may wait on the server."""
    name = _word(words[0])
    if name in _WITH_SUBCOMMANDS and len(words) > 1:
        name = f"{name} {_word(words[1])}"
    instead = _REFUSED.get(name)
    if instead is None and name in _BEFORE_BLOCK and _blocks(words[_BEFORE_BLOCK[name] :]):
        name, instead = f"{name} BLOCK", _NOT_BLOCKING
    if instead is not None:
        raise ValueError(
            f"raw() does not send {name}: it would change or hold up a connection that all callers share; use {instead}"
        )


def _blocks(options: tuple[Arg, ...]) -> bool:
    for option in options:
        word = _word(option)
        if word == "STREAMS":  # keys and ids follow
            return False
        if word == "BLOCK":
            return True
    return False


def _word(word: Arg) -> str:
    return (word.decode("latin-1") if isinstance(word, bytes) else str(word)).upper()
