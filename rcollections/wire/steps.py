"""What is known about single steps: their words on the wire, their key, whether they may be sent twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plans.effects import Command, Script
from .scripts import source

if TYPE_CHECKING:
    from ..plans.effects import Arg, Step

__all__ = ["key_of", "repeatable", "words"]

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
