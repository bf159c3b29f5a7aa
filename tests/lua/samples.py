"""For each script some calls of it, as plans make them.

Each says what the same operation has sent before it, which counts as if it were there. Keys are named after what is
stored under them where they are not missing: h a hash, s a set, z a sorted set, k a text; ``rc:`` as everywhere.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rcollections.plans.effects import Script

__all__ = ["SAMPLES", "SEEDS", "Sample"]

GUARD, LEASE, TAG, OTHER = "rc:g:{k}", "rc:l:{k}", "rc:t:a", "rc:t:b"
LOCK, COUNTER = "rc:k:{k}", "rc:f:{k}"
TOKEN, NEW, NEXT = b"token-01", b"stamp-01", b"stamp-02"

# What is stored where a key is not missing, by the first letter of its name.
SEEDS: dict[str, tuple[Any, ...]] = {
    "h": ("HSET", "f", "1", "g", "5"),
    "s": ("SADD", "m", "n"),
    "z": ("ZADD", 1, "m", 2, "n"),
    "k": ("SET", "5"),
    "r": ("SET", TOKEN),
    "rc:f:": ("SET", "5"),  # the whole beginning goes before the letter
}


class Sample(NamedTuple):
    """One call of a script."""

    step: Script
    before: tuple[tuple[Any, ...], ...] = ()


def _calls(name: str, *calls: tuple[Any, ...]) -> list[Sample]:
    """Each call is (keys, arguments) or (keys, arguments, *what was sent before)."""
    return [Sample(Script(name, tuple(keys.split()), args), tuple(before)) for keys, args, *before in calls]


HELD_LEASE = ("SET", LEASE, TOKEN)
HELD_LOCK = ("SET", LOCK, TOKEN)
ARM = (9000, "last")

SAMPLES: tuple[Sample, ...] = (
    *_calls("counter_add", ("h", (*ARM, "add", 100, "f", "2")), ("h h2", (*ARM, "sub", 100))),
    *_calls("counter_combine", ("h", (*ARM, "or", 100, "these", "f", "2")), ("h h2", (*ARM, "and", 100, "whole"))),
    *_calls("counter_incr", ("h", (*ARM, "f", b"3")), ("h", (*ARM, "f", "0"))),
    *_calls("counter_pop", ("h", ("f",))),
    *_calls("counter_popitem", ("h", ())),
    *_calls("entry_arm", ("k", (5000, "set")), (f"k {TAG}", (0, "renew"))),
    *_calls("entry_begin", (f"k {LEASE}", (TOKEN, 500, 0)), (f"k {LEASE} {TAG} {OTHER}", (TOKEN, 500, 0, NEW, NEXT))),
    *(sample for what in (("any", ""), ("same", "5"), ("same", "6"))
      for sample in _calls("entry_clear", (f"k {GUARD} {LEASE}", what), (f"k {GUARD} {LEASE} {TAG}", what))),
    *_calls("entry_copy", (f"k k2 {LEASE}", (0,)), (f"k k2 {LEASE} {TAG}", (500,))),
    *_calls("entry_delete", (f"k {LEASE}", ("channel",))),
    *_calls("entry_expire", (f"k {LEASE}", ("channel",))),
    *_calls("entry_fetch", (f"k {LEASE}", (TOKEN, 500, 0, "miss", -1, 0)),
            (f"k {LEASE} {TAG} {OTHER}", (TOKEN, 500, 9000, "force", -1, 0, NEW, NEXT))),
    *_calls("entry_incr", (f"k {LEASE}", ("", 0, 0, "channel", "last", "int", "3", "any")),
            (f"k {LEASE} {TAG}", ("head", 9000, 0, "channel", "last", "float", "0.5", "any", NEW)),
            (f"k {LEASE}", ("", 9000, 0, "channel", "first", "int", "3", "there"))),
    *_calls("entry_put", (f"k {LEASE} {TAG}", ("head", "value", 9000, 0, "channel", NEW))),
    *(sample for what in ("any", "new", "same", "absent")
      for sample in _calls("entry_set", (f"k {LEASE} {GUARD}", ("", "v", 0, 0, "channel", "last", what, "5", "")))),
    *_calls("entry_set_many", (f"k k2 rc:l:1 rc:l:2 {TAG}", (2, 0, 0, "last", "", "v", "", "w", NEW))),
    *_calls("entry_store", (f"k {LEASE}", (TOKEN, "v", 0, "channel"), HELD_LEASE)),
    *_calls("entry_take", (f"k {LEASE}", ("channel",)), (f"k {LEASE} {TAG}", ("channel",))),
    *_calls("guard_open", (f"h {GUARD} {LEASE}", ("open", "", "", 500, 0, NEXT)),
            (f"h {GUARD} {LEASE} {TAG}", ("value", "", "", 500, 0, NEXT, NEW)),
            (f"h {GUARD} {LEASE} {TAG} {OTHER}", ("field", "f2", TOKEN, 500, 0, b"a-mark-8", NEW, NEXT)),
            # What loads itself counts as loaded, and empty: its source is not asked.
            (f"h {GUARD} {LEASE}", ("load", "", TOKEN, 500, 0, NEXT), ("SET", GUARD, b"a-mark-8E"))),
    *_calls("hash_cas", ("h", (*ARM, "f", "there", "1", "2")), ("h", (*ARM, "f2", "absent", "", "2"))),
    *_calls("hash_get_ttl", ("h", ("f",))),
    *_calls("hash_incr", ("h", (*ARM, "f", "int", "2")), ("h", (*ARM, "f", "float", "0.5"))),
    *_calls("hash_merge", ("h h2", (*ARM, 100))),
    *_calls("hash_pop", ("h", ("f",))),
    *_calls("hash_popitem", ("h", ())),
    *(sample for what in ("HKEYS", "HVALS", "HGETALL") for sample in _calls("hash_read", ("h", (100, what)))),
    *_calls("hash_replace", ("h", (0, "f", "2"))),
    *_calls("hash_set", ("h", (*ARM, "f", "2")), ("h", (*ARM, "x", "2", "y", "2", "x", "3"))),
    *_calls("hash_set_ttl", ("h", (*ARM, 500, "x", "2", "y", "2", "x", "3"))),
    *_calls("hash_setdefault", ("h", (*ARM, "x", "2"))),
    *_calls("hash_soonest", ("h", ())),
    *_calls("key_add", (f"k {LEASE}", (0, "v")), (f"k2 {LEASE}", (0, "v"))),
    *_calls("key_clear", (f"h {GUARD} {LEASE}", ()), (f"s {GUARD} {LEASE} {TAG} {OTHER}", ())),
    *_calls("key_cas", ("k", (*ARM, "there", "5", "v")), (f"k {LEASE}", (*ARM, "absent", "", "v"))),
    *_calls("key_commit", ("s s2", (0,), ("SADD", "s", "m"))),
    *_calls("key_copy", ("k k2", (500,))),
    *_calls("key_delete_many", (f"k k2 {GUARD} {LEASE}", (2,))),
    *_calls("key_expire", ("k", (500,))),
    *_calls("key_get_ttl", ("k", ())),
    *_calls("key_get_ttls", ("k k2", ()), (f"k {TAG}", ())),
    *_calls("key_incr", ("k", (*ARM, "int", "2", "any")), (f"k {LEASE}", (*ARM, "float", "0.5", "there"))),
    *_calls("key_renew", ("k", (500_000,)), ("k", (500_000,), ("PEXPIRE", "k", 100_000))),
    *_calls("key_run", ("h", ("HDEL", "f")), ("s", ("SREM", "m")), ("s", ("SPOP",)), ("z", ("ZREM", "m")),
            ("z", ("ZPOPMAX", 1)), ("z", ("ZREMRANGEBYRANK", 0, 1))),
    *_calls("key_set", ("k", (0, "v")), (f"k {LEASE}", (0, "v"))),
    *_calls("key_set_many", ("k k2", (2, 0, "last", "v", "w")), (f"k {LEASE}", (1, 0, "last", "v"))),
    *_calls("keys_read", ("s s2", ("SUNION", 0)), ("s s2", ("SINTER", 0)),
            ("z z2", ("ZUNION", 1, 2, "AGGREGATE", "sum", "WITHSCORES")), ("z z2", ("ZDIFF", 1, 2, "WITHSCORES"))),
    *_calls("lease_free", (LEASE, (TOKEN, "channel"), HELD_LEASE),
            (LEASE, (TOKEN, "channel", "a mark", 500), HELD_LEASE)),
    *_calls("lease_renew", (LEASE, (TOKEN, 500), HELD_LEASE)),
    *_calls("lock_free", (f"{LOCK} {COUNTER}", (TOKEN, "channel", 9000), HELD_LOCK)),
    *_calls("lock_take", (f"{LOCK} {COUNTER}", (TOKEN, 500, 9000))),
    *_calls("operand_page", ("s", ("SSCAN", 0, 10)), ("z", ("ZSCAN", 0, 10)), ("h", ("HSCAN", 0, 10))),
    *_calls("operand_read", ("h", (5, 1 << 20)), ("s", (1, 1 << 20)), ("k", (5, 1 << 20))),
    *_calls("operand_stage", ("s", (9000, "SADD", "SCARD", 0, 0, "x", "y")),
            ("z", (9000, "ZADD", "ZCARD", 0, 0, 3, "x")), ("h", (9000, "HSET", "HLEN", 0, 0, "x", "2"))),
    *_calls("set_add", ("s", (*ARM, "x", "y", "x"))),
    *(sample for what in ("union", "diff", "inter", "xor")
      for sample in _calls("set_combine", ("s s_staged s_aside s_staged", (*ARM, what, 3, "m", "n", "x")))),
    *_calls("set_combine", ("s s_staged s_aside s2", (*ARM, "copy", 0)),
            ("s s_staged s_aside s_staged", (*ARM, "move", 3), ("SADD", "s_staged", "m", "n", "x"))),
    *_calls("set_compare", ("s s2", ()), ("s", ("m", "x"))),
    *_calls("set_read", ("s", (100,))),
    *_calls("set_replace", ("s", (0, "x"))),
    *_calls("set_xor", ("s s2", ())),
    *_calls("settle_ask", ("h", ("rc:z:0",)), ("h", ("rc:z:0", "gone", "1000:0"))),
    *_calls("tag_stamp", (TAG, (9000, NEW)), (TAG, (0, NEW))),
    *_calls("tag_bump", (f"{TAG} {OTHER}", (9000, NEW, NEXT))),
    *_calls("zset_add", ("z", (*ARM, "", 3, "m", 4, "x", 5, "x")), ("z", (*ARM, "xx gt", 3, "m"))),
    *_calls("zset_combine", ("z z_staged z_aside z_staged", (*ARM, "union", "sum", 2, 1, "m", 2, "n")),
            ("z z_staged z_aside z2", (*ARM, "copy", "sum", 0)),
            ("z z_staged z_aside", (*ARM, "move", "sum", 2), ("ZADD", "z_staged", 1, "m", 2, "n"))),
    *_calls("zset_incr", ("z", (*ARM, "2.5", "m"))),
    *_calls("zset_merge", ("z", (*ARM, "sum", 3, "m"))),
    *_calls("zset_page", ("z", (10, "up", "", ""))),
    *_calls("zset_read", ("z", (100,))),
    *_calls("zset_replace", ("z", (0, 3, "m"))),
)  # fmt: skip
