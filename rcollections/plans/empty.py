"""The reply of every command and script of this library on a server that has nothing: data, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CacheError
from .effects import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from .effects import Arg, Script, Step

__all__ = ["empty_reply"]


def empty_reply(step: Step) -> Any:
    """What the step would have answered on an empty server."""
    if isinstance(step, Command):
        name = str(step.args[0]).upper()
        answer = _COMMANDS.get(name, CacheError(f"raw({name!r}) has no meaning with CACHES_DISABLE=1"))
        return answer(step.args) if callable(answer) else _fresh(answer)
    script = _SCRIPTS[step.name]
    return script(step) if callable(script) else _fresh(script)


def _fresh(answer: Any) -> Any:
    return list(answer) if isinstance(answer, list) else answer


def _nones(args: tuple[Arg, ...], skip: int) -> list[None]:
    return [None] * (len(args) - skip)


_COMMANDS: dict[str, Any] = {
    "EXISTS": 0, "GET": None, "GETDEL": None, "HDEL": 0, "HEXISTS": 0, "HGET": None, "HLEN": 0, "PING": b"PONG",
    "PTTL": -2, "SCARD": 0, "SDIFF": [], "SET": b"OK", "SINTER": [], "SISMEMBER": 0, "SMEMBERS": [], "SPOP": None,
    "SRANDMEMBER": [], "SREM": 0, "SUNION": [], "UNLINK": 0, "ZCARD": 0, "ZCOUNT": 0, "ZPOPMAX": [], "ZPOPMIN": [],
    "ZRANGE": [], "ZRANK": None, "ZREM": 0, "ZREMRANGEBYRANK": 0, "ZREMRANGEBYSCORE": 0,
    "ZREVRANK": None, "ZSCORE": None, "ZDIFF": [], "ZINTER": [], "ZUNION": [],
    "HMGET": lambda args: _nones(args, 2),
    "HSET": lambda args: len(set(args[2::2])),
    "MGET": lambda args: _nones(args, 1),
    "SMISMEMBER": lambda args: [0] * (len(args) - 2),
    "ZMSCORE": lambda args: _nones(args, 2),
    "HSCAN": [b"0", []], "SCAN": [b"0", []], "SSCAN": [b"0", []], "ZSCAN": [b"0", []],
}  # fmt: skip


def _sum(step: Script) -> list[Any]:
    by = step.args[-1]
    return [b"ok", by.encode() if isinstance(by, str) else by]


def _distinct(first: int, stride: int) -> Callable[[Script], list[Any]]:
    return lambda step: [b"ok", len(set(step.args[first::stride]))]


_SCRIPTS: dict[str, Any] = {
    "hash_soonest": [b"ok", -1],
    "entry_arm": [b"missing"],
    "entry_copy": [b"missing"],
    "entry_incr": lambda step: [b"ok", str(step.args[6]).encode()],
    "entry_set": lambda step: [b"changed" if step.args[6] == "same" else b"ok"],
    "entry_set_many": [b"ok"],
    "entry_take": [b"missing"],
    "entry_begin": lambda step: [b"lease", b"".join(step.args[3:])],
    "entry_delete": [b"ok", 0],
    "entry_expire": [b"gone"],
    "entry_fetch": lambda step: [b"lease", b"", b"".join(step.args[5:]), -2, 0],
    "entry_put": [b"ok"],
    "entry_store": [b"ok"],
    "lease_free": [b"ok"],
    "lease_renew": [b"ok"],
    "tag_bump": [b"ok"],
    "counter_add": [b"ok"],
    "counter_combine": [b"ok"],
    "counter_incr": _sum,
    "counter_pop": [b"missing"],
    "counter_popitem": [b"missing"],
    "guard_open": lambda step: [
        b"lease" if step.args[0] == "field" else b"loaded" if step.args[0] == "load" else b"open",
        b"",
    ],
    "hash_cas": lambda step: [b"ok" if step.args[3] == "absent" else b"changed"],
    "hash_get_ttl": [b"missing"],
    "hash_incr": _sum,
    "hash_merge": [b"ok"],
    "hash_pop": [b"missing"],
    "hash_popitem": [b"missing"],
    "hash_read": [b"all", []],
    "hash_replace": [b"ok"],
    "hash_set": _distinct(2, 2),
    "hash_set_ttl": _distinct(3, 2),
    "hash_setdefault": [b"set"],
    "key_add": [b"ok"],
    "key_cas": lambda step: [b"ok" if step.args[2] == "absent" else b"changed"],
    "key_commit": [b"ok"],
    "key_copy": [b"missing"],
    "key_delete_many": [b"ok", 0],
    "key_expire": [b"missing"],
    "key_get_ttl": [b"missing"],
    "key_get_ttls": lambda step: [b"ok", *([b"", -2] * len(step.keys))],
    "key_incr": _sum,
    "key_renew": [b"missing"],
    "key_run": lambda step: [b"ok", empty_reply(Command((step.args[0], step.keys[0], *step.args[1:])))],
    "keys_read": lambda step: [b"ok", empty_reply(Command((step.args[0], *step.keys)))],
    "key_set": [b"ok"],
    "key_set_many": [b"ok"],
    "set_add": _distinct(2, 1),
    "set_combine": lambda step: [b"ok", 0, int(step.args[3]) if step.args[2] in ("union", "xor", "move") else 0],
    "set_compare": lambda step: [b"ok", 0, len(step.args), 0],
    "set_read": [b"all", []],
    "set_replace": [b"ok"],
    "set_xor": [b"ok", [], []],
    "zset_add": lambda step: [b"ok", 0 if "xx" in step.args[2] else len(set(step.args[4::2]))],
    "zset_combine": [b"ok"],
    "zset_incr": lambda step: [b"ok", step.args[2].encode()],
    "zset_merge": [b"ok"],
    "zset_page": [b"ok", []],
    "zset_read": [b"all", []],
    "zset_replace": [b"ok"],
}
