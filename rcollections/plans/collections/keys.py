"""Operations that every type has: they treat the key as a whole, whatever is stored there."""

from __future__ import annotations

import re
from secrets import token_hex
from typing import TYPE_CHECKING

from ..effects import Command, Script
from ..op import Op
from ..tallies import some
from ..target import expect_ok, milliseconds

if TYPE_CHECKING:
    from datetime import timedelta

    from ..effects import Arg, Plan
    from ..target import Target

__all__ = ["clean", "clear", "commit", "copy", "exists", "expire", "renew", "staging", "touch"]


def exists(t: Target) -> Op[bool]:
    return Op("exists", Command(("EXISTS", t.key)), bool, some)


def lives_longer(t: Target, ttl: float) -> Op[bool]:
    """Whether the key is there and stays for more than ``ttl`` seconds."""
    limit = ttl * 1000
    return Op("exists", Command(("PTTL", t.key)), lambda left: left == -1 or left > limit, some)


def clear(t: Target, *beside: str) -> Op[bool]:
    """Remove the key, and the keys ``beside`` it: its guard, and the lease of its computation."""
    return Op("clear", Command(("UNLINK", str(t.key), *beside)), bool)


def expire(t: Target, ttl: float | timedelta) -> Op[bool]:
    ms = milliseconds(ttl)
    # A script, not PERSIST: that command answers 0 for a key without a ttl, too.
    return Op("expire", Script("key_expire", (t.key,), (ms,)), lambda reply: bool(reply[0] == b"ok"))


def touch(t: Target) -> Op[bool]:
    return Op("touch", Script("key_expire", (t.key,), (t.ms(),)), lambda reply: bool(reply[0] == b"ok"))


def renew(t: Target, ttl: float | timedelta | None) -> Op[bool]:
    step = Script("key_renew", (t.key,), (t.ms(ttl),))
    return Op("renew", step, lambda reply: bool(reply[0] == b"ok"))


def copy(t: Target, to: str) -> Op[bool]:
    step = Script("key_copy", (t.key, to), (t.ms(),))
    return Op("copy_to", step, lambda reply: bool(reply[0] == b"ok"), operands=True)


def staging(key: str) -> str:
    """A new key beside ``key``, in the same cluster slot, to build large content under."""
    tag = re.search(r"\{([^{}]+)\}", key)
    return f"rc:s:{{{tag[1] if tag else key}}}:{token_hex(8)}"


def commit(t: Target, built: str) -> Plan[None]:
    """Rename the staging key ``built`` into place."""
    reply = yield Script("key_commit", (built, t.key), (t.ms(),))
    expect_ok(reply)


def clean(prefix: str) -> Plan[int]:
    """Unlink every key that is ``prefix`` or begins with ``prefix.``, in batches; gives how many were removed.

    The leases and guards go first, so that no computation that runs can store an older value afterwards.
    """
    start, end = (prefix, "") if "{" in prefix else ("{" + prefix, "}")
    beside = [f"rc:{kind}:{start}" for kind in "gl"]
    exact = [each + end for each in beside]
    yield from _clean(
        f"rc:[gl]:{_glob(start)}*", exact, [f"{each}." for each in beside] + [f"{each}:" for each in exact]
    )
    return (yield from _clean(f"{_glob(prefix)}*", [prefix], [f"{prefix}."]))


def _glob(text: str) -> str:
    return re.sub(r"([\[\]*?^\\-])", r"\\\1", text)


def _clean(pattern: str, exact: list[str], beginnings: list[str]) -> Plan[int]:
    same, below = {each.encode() for each in exact}, tuple(each.encode() for each in beginnings)
    removed, cursor = 0, 0
    while True:
        cursor, found = yield Command(("SCAN", cursor, "MATCH", pattern, "COUNT", 1000))
        ours: tuple[Arg, ...] = tuple(key for key in found if key in same or key.startswith(below))
        if ours:
            removed += yield Command(("UNLINK", *ours))
        if int(cursor) == 0:
            return removed


clean_function = clean
