"""Operations that every type has: they treat the key as a whole, whatever is stored there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...missing import MISSING
from ..effects import Command, Script
from ..guards import Guarded
from ..naming import beside, namespaced
from ..op import Op
from ..tallies import some
from ..target import expect_ok, milliseconds, seconds_left

if TYPE_CHECKING:
    from datetime import timedelta

    from ..effects import Arg, Plan
    from ..target import Place, Target

__all__ = [
    "clean", "clear", "clear_value", "commit", "copy", "exists", "expire", "expires_in", "renew", "touch",
]  # fmt: skip


def exists(t: Target) -> Op[bool]:
    return Op("exists", Command(("EXISTS", t.key)), bool, some)


def lives_longer(t: Target, ttl: float) -> Op[bool]:
    """Whether the key is there and stays for more than ``ttl`` seconds."""
    limit = ttl * 1000
    return Op("exists", Command(("PTTL", t.key)), lambda left: left == -1 or left > limit, some)


def expires_in(t: Target) -> Op[float | None]:
    """The seconds that the key stays; None if there is no key."""

    def decode(left: int) -> object:
        return MISSING if left == -2 else seconds_left(left)

    return Op("expires_in", Command(("PTTL", t.key)), decode, True, lambda: None)


def clear(t: Target, guard: str, lease: str) -> Op[bool]:
    """Remove a collection, its guard, and the lease of its computation; gives whether there was content that counts."""
    tags = t.key.tags if isinstance(t.key, Guarded) else ()
    return Op("clear", Script("key_clear", (str(t.key), guard, lease, *tags), ()), lambda reply: bool(reply[1]))


def clear_value(t: Target, place: Place, value: object) -> Op[bool]:
    """``clear`` for one value; unless ``value`` is MISSING, only if it is that value, byte by byte."""
    wanted: tuple[str, bytes] = ("any", b"") if value is MISSING else ("same", t.dumps(value))
    step = Script("entry_clear", (t.key, place.guard, place.lease, *place.tags), wanted)
    return Op("clear", step, lambda reply: bool(reply[0] == b"ok"))


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


def commit(t: Target, built: str) -> Plan[None]:
    """Rename the staging key ``built`` into place."""
    reply = yield Script("key_commit", (built, t.key), (t.ms(),))
    expect_ok(reply)


def clean(namespace: str, prefix: str) -> Plan[int]:
    """Unlink every key of the namespace that is ``prefix`` or begins with ``prefix.``; gives how many were removed."""
    return (yield from _clean(namespace, prefix, "."))


def clean_function(namespace: str, prefix: str) -> Plan[int]:
    """Unlink the keys of all calls of a function: in its automatic keys the arguments stand in parentheses."""
    return (yield from _clean(namespace, prefix, "("))


def _clean(namespace: str, prefix: str, ends: str) -> Plan[int]:
    """In batches. Leases and guards go first, so that no computation that runs can store an older value afterwards."""
    key = namespaced(namespace, prefix)
    start, end = (key, "") if "{" in key else ("{" + key, "}")
    near = [beside(namespace, kind) + start for kind in "gl"]
    pattern = _glob(near[0]).replace("rc:g:", "rc:[gl]:", 1)
    exact = [each + end for each in near]
    below = [f"{each}{mark}" for each in near for mark in ends] + [f"{each}:" for each in exact]
    yield from _removed(f"{pattern}*", exact, below)
    return (yield from _removed(f"{_glob(key)}*", [key], [f"{key}{mark}" for mark in ends]))


def _glob(text: str) -> str:
    return re.sub(r"([\[\]*?^\\-])", r"\\\1", text)


def _removed(pattern: str, exact: list[str], beginnings: list[str]) -> Plan[int]:
    same, below = {each.encode() for each in exact}, tuple(each.encode() for each in beginnings)
    removed, cursor = 0, 0
    while True:
        cursor, found = yield Command(("SCAN", cursor, "MATCH", pattern, "COUNT", 1000))
        ours: tuple[Arg, ...] = tuple(key for key in found if key in same or key.startswith(below))
        if ours:
            removed += yield Command(("UNLINK", *ours))
        if int(cursor) == 0:
            return removed
