"""The table of commands: where the keys of a command stand, what it does, and what an empty server answers.

Nothing else in this package lists commands. The headers of ``lua/`` say the same for scripts (see ``headers``).
A command that is not in the table came by ``raw()``: it is never sent again, and it may have written any key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .effects import Arg

__all__ = ["COMMANDS", "EACH", "JOIN", "NONE", "PAGES", "SUM", "Facts", "answer"]

# Where the keys stand among the words of a command.
NONE: Final = slice(0, 0)
FIRST: Final = slice(1, 2)
SECOND: Final = slice(2, 3)  # behind the name of a subcommand
BOTH: Final = slice(1, 3)
ALL: Final = slice(1, None)
COUNTED: Final = slice(2, None)  # the first word says how many keys follow

NO_ANSWER: Final = object()  # only a server can answer this
SUM: Final = "sum"  # of numbers
EACH: Final = "each"  # one item a key
JOIN: Final = "join"  # lists behind one another
PAGES: Final = "pages"  # one node after another, by its cursor
HELD: Final = "held"  # the answer changes with the keys only: nothing random, no time, no cursor
FIELDS: Final = "fields"  # as HELD; the words behind the key are fields, which may expire by themselves


class Facts:
    """The facts about one command. No caller changes them."""

    __slots__ = ("apart", "counted", "decides", "empty", "fields", "held", "repeat", "several", "where", "writes")

    def __init__(
        self,
        where: slice,
        empty: object,
        *,
        writes: bool,
        repeat: bool,
        held: str = "",
        decides: bool = False,
        apart: str = "",
    ) -> None:
        self.where = where
        self.counted = where is COUNTED
        self.several = where is ALL or where is COUNTED  # whether it may have any number of keys
        self.writes = writes  # whether it may change its keys
        self.repeat = repeat  # whether it may be sent again while nothing says whether the server carried it out
        self.held = bool(held)  # whether L1 may hold its reply
        self.fields = held == FIELDS
        self.decides = decides  # whether callers write it for its answer: then no made-up one may stand in for it
        self.apart = apart  # how one reply is made of several, where a cluster gets the command in parts
        self.empty = empty  # the reply of an empty server, or a function that makes that reply of the words

    def keys(self, words: tuple[Arg, ...]) -> tuple[Any, ...]:
        """The keys among the words of this command."""
        if not self.counted:
            return words[self.where]
        try:
            return words[2 : 2 + int(words[1])]
        except (IndexError, ValueError):  # a command of raw(); the server refuses it
            return ()


def answer(words: tuple[Arg, ...]) -> Any:
    """The reply of an empty server to this command; a CacheError (not raised) if only a real server could tell."""
    facts = COMMANDS.get(words[0])
    empty = NO_ANSWER if facts is None else facts.empty
    if empty is NO_ANSWER:
        return CacheError(f"raw({words[0]!r}) has no meaning with CACHES_DISABLE=1")
    return empty(words) if callable(empty) else empty


def _reads(where: slice, empty: object, held: str = "", apart: str = "") -> Facts:
    return Facts(where, empty, writes=False, repeat=True, held=held, apart=apart)


def _writes(where: slice, empty: object, apart: str = "") -> Facts:
    return Facts(where, empty, writes=True, repeat=False, apart=apart)


def _takes(where: slice, empty: object) -> Facts:
    """A write whose answer its caller acts on: what was taken out, what a sum is now."""
    return Facts(where, empty, writes=True, repeat=False, decides=True)


def _asks(where: slice = NONE, apart: str = "") -> Facts:
    """A command about the server, not its data: it changes no key, and is not sent again either."""
    return Facts(where, NO_ANSWER, writes=False, repeat=False, apart=apart)


# -- replies of an empty server that are not one constant --------------------------------------------


def _none(_words: tuple[Arg, ...]) -> list[Any]:
    return []


def _page(_words: tuple[Arg, ...]) -> list[Any]:
    return [b"0", []]


def _each(value: object, first: int) -> Callable[[tuple[Arg, ...]], list[Any]]:
    """A list of this value, once for each word from ``first`` on."""
    return lambda words: [value] * (len(words) - first)


def _distinct(first: int, step: int = 1) -> Callable[[tuple[Arg, ...]], int]:
    """How many different words there are from ``first`` on."""
    return lambda words: len(set(words[first::step]))


def _some(words: tuple[Arg, ...]) -> list[Any] | None:
    """One element, or with a count a list of them."""
    return None if len(words) == 2 else []


COMMANDS: Final[dict[Arg, Facts]] = {
    # Commands that read data. Columns: where the keys stand, the reply of an empty server, whether L1 may hold a reply.
    "DUMP": _reads(FIRST, None),
    "EXISTS": _reads(ALL, 0, HELD, SUM),
    "GET": _reads(FIRST, None, HELD),
    "GETBIT": _reads(FIRST, 0),
    "GETRANGE": _reads(FIRST, b""),
    "HEXISTS": _reads(FIRST, 0, FIELDS),
    "HGET": _reads(FIRST, None, FIELDS),
    "HGETALL": _reads(FIRST, _none),
    "HKEYS": _reads(FIRST, _none),
    "HLEN": _reads(FIRST, 0, HELD),
    "HMGET": _reads(FIRST, _each(None, 2), FIELDS),
    "HPTTL": _reads(FIRST, _each(-2, 4)),
    "HSCAN": _reads(FIRST, _page),
    "HSTRLEN": _reads(FIRST, 0),
    "HVALS": _reads(FIRST, _none),
    "LCS": _reads(BOTH, NO_ANSWER),
    "LLEN": _reads(FIRST, 0),
    "LRANGE": _reads(FIRST, _none),
    "MGET": _reads(ALL, _each(None, 1), HELD, EACH),
    "PING": _reads(NONE, b"PONG"),
    "PTTL": _reads(FIRST, -2),
    "SCAN": _reads(NONE, _page, "", PAGES),
    "SCARD": _reads(FIRST, 0, HELD),
    "SDIFF": _reads(ALL, _none),
    "SINTER": _reads(ALL, _none),
    "SISMEMBER": _reads(FIRST, 0, HELD),
    "SMEMBERS": _reads(FIRST, _none),
    "SMISMEMBER": _reads(FIRST, _each(0, 2), HELD),
    "SRANDMEMBER": _reads(FIRST, _some),
    "SSCAN": _reads(FIRST, _page),
    "STRLEN": _reads(FIRST, 0),
    "SUNION": _reads(ALL, _none),
    "TTL": _reads(FIRST, -2),
    "TYPE": _reads(FIRST, b"none"),
    "XLEN": _reads(FIRST, 0),
    "XRANGE": _reads(FIRST, _none),
    "ZCARD": _reads(FIRST, 0, HELD),
    "ZCOUNT": _reads(FIRST, 0, HELD),
    "ZDIFF": _reads(COUNTED, _none),
    "ZINTER": _reads(COUNTED, _none),
    "ZMSCORE": _reads(FIRST, _each(None, 2), HELD),
    "ZRANGE": _reads(FIRST, _none, HELD),
    "ZRANGEBYSCORE": _reads(FIRST, _none),
    "ZRANK": _reads(FIRST, None, HELD),
    "ZREVRANK": _reads(FIRST, None, HELD),
    "ZSCAN": _reads(FIRST, _page),
    "ZSCORE": _reads(FIRST, None, HELD),
    "ZUNION": _reads(COUNTED, _none),
    # Commands that change data.
    "DEL": _writes(ALL, 0, SUM),
    "EXPIRE": _writes(FIRST, 0),
    "GETDEL": _takes(FIRST, None),
    "HDEL": _writes(FIRST, 0),
    "HSET": _writes(FIRST, _distinct(2, 2)),
    "INCR": _takes(FIRST, 1),
    "INCRBY": _takes(FIRST, lambda words: int(words[2])),
    "PERSIST": _writes(FIRST, 0),
    "PEXPIRE": _writes(FIRST, 0),
    "RESTORE": _writes(FIRST, NO_ANSWER),
    "SADD": _writes(FIRST, _distinct(2)),
    "SET": _writes(FIRST, b"OK"),
    "SPOP": _takes(FIRST, _some),
    "SREM": _writes(FIRST, 0),
    "UNLINK": _writes(ALL, 0, SUM),
    "ZADD": _writes(FIRST, NO_ANSWER),
    "ZPOPMAX": _takes(FIRST, _none),
    "ZPOPMIN": _takes(FIRST, _none),
    "ZREM": _writes(FIRST, 0),
    "ZREMRANGEBYRANK": _writes(FIRST, 0),
    "ZREMRANGEBYSCORE": _writes(FIRST, 0),
    # Commands that ask or tell the server something that concerns the content of no key.
    "ACL": _asks(),
    "BGREWRITEAOF": _asks(),
    "BGSAVE": _asks(),
    "CLIENT": _asks(),
    "CLUSTER": _asks(),
    "COMMAND": _asks(),
    "CONFIG": _asks(),
    "DBSIZE": _asks(NONE, SUM),
    "ECHO": _asks(),
    "INFO": _asks(),
    "KEYS": _asks(NONE, JOIN),
    "LASTSAVE": _asks(),
    "LATENCY": _asks(),
    "LOLWUT": _asks(),
    "MEMORY": _asks(SECOND),
    "OBJECT": _asks(SECOND),
    "PUBLISH": _asks(),
    "PUBSUB": _asks(),
    "RANDOMKEY": _asks(),
    "ROLE": _asks(),
    "SAVE": _asks(),
    "SCRIPT": _asks(),
    "SLOWLOG": _asks(),
    "TIME": _asks(),
}
