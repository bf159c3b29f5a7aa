"""What is known about single steps: their words on the wire, their key, whether they may be sent twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plans.effects import Command, Script
from ..plans.guards import GUARDED, READING
from .scripts import source

if TYPE_CHECKING:
    from typing import Any

    from ..plans.effects import Arg, Step

__all__ = ["key_of", "repeatable", "words", "written"]

READS = frozenset(
    [
        "EXISTS",
        "GET",
        "GETRANGE",
        "HEXISTS",
        "HGET",
        "HGETALL",
        "HKEYS",
        "HLEN",
        "HMGET",
        "HSCAN",
        "HSTRLEN",
        "HVALS",
        "MGET",
        "PING",
        "PTTL",
        "SCAN",
        "SCARD",
        "SDIFF",
        "SINTER",
        "SISMEMBER",
        "SMEMBERS",
        "SMISMEMBER",
        "SRANDMEMBER",
        "SSCAN",
        "STRLEN",
        "SUNION",
        "TTL",
        "TYPE",
        "ZCARD",
        "ZCOUNT",
        "ZDIFF",
        "ZINTER",
        "ZMSCORE",
        "ZRANGE",
        "ZRANK",
        "ZREVRANK",
        "ZSCORE",
        "ZSCAN",
        "ZUNION",
    ]
)

KEYED = (READS - {"PING", "SCAN"}) | set(
    "DEL EXPIRE GETDEL HDEL HSET INCR INCRBY PERSIST PEXPIRE SADD SET SPOP SREM UNLINK ZADD "
    "ZPOPMAX ZPOPMIN ZREM".split()
)


# Commands that ``raw()`` may send and that change no key.
HARMLESS = frozenset(
    "ACL AUTH BGSAVE BGREWRITEAOF CLIENT CLUSTER COMMAND CONFIG DBSIZE ECHO GETBIT HELLO INFO KEYS LASTSAVE LATENCY "
    "LCS LOLWUT LRANGE LLEN MEMORY OBJECT PUBLISH PUBSUB RANDOMKEY ROLE SAVE SCRIPT SELECT SLOWLOG SUBSCRIBE TIME WAIT "
    "XLEN XRANGE ZRANGEBYSCORE".split()
)
_KEEPING = frozenset(("entry_fetch", "hash_soonest", "lease_free", "lease_renew"))


def written(step: Step, tags: str) -> tuple[Any, ...] | None:
    """The keys that a step may change; None if that cannot be told. ``tags`` is what the keys of tags begin with.

    Of tags and leases only the invalidation counts: making a tag that is missing changes nothing that counts.
    """
    if isinstance(step, Script):
        name = step.name.removeprefix(GUARDED)
        if name in READING or name in _KEEPING:
            return ()
        if name == "tag_bump":
            return step.keys
        return tuple(key for key in step.keys if not key.startswith((tags, "rc:l:")))
    name = str(step.args[0])
    if name in READS or name in HARMLESS:
        return ()
    if name in ("DEL", "UNLINK"):
        return step.args[1:]
    return step.args[1:2] if name in KEYED else None


def words(step: Step, full_text: bool) -> tuple[Arg, ...]:
    if isinstance(step, Command):
        return step.args
    script = source(step.name)
    script.check(len(step.keys), len(step.args))
    # In MULTI a missing script would fail alone, between steps that took effect: send its text.
    head: tuple[Arg, ...] = ("EVAL", script.text) if full_text else ("EVALSHA", script.sha)
    return (*head, len(step.keys), *step.keys, *step.args)


def repeatable(step: Step) -> bool:
    if isinstance(step, Script):
        return source(step.name).retry_safe
    return str(step.args[0]) in READS


def key_of(step: Step) -> str:
    """The key of a step for messages; of commands that ``raw()`` was given, only where it surely is one."""
    if isinstance(step, Script):
        return step.keys[0] if step.keys else ""
    if len(step.args) < 2 or step.args[0] not in KEYED:
        return ""
    key = step.args[1]
    return key if isinstance(key, str) else ""
