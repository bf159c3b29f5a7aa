"""The scripts of collections with guards, written again in Python: sets, and how a guard is looked at.

They are written from ``lua/lib/guard.lua``, ``lua/lib/generation.lua`` and the headers of ``lua/``, and compared
with what real servers answer. A set is a sorted tuple of its members.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rcollections.plans.marks import read_mark
from tests.interleavings.scripts import stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interleavings.model import Model

__all__ = ["GUARDED_SCRIPTS"]

Words = list[bytes]
ITEM = re.compile(rb"([a-z])(\d+)([a-z]*):([\d,]*)")
DAY_MS = b"86400000"


def alive(guard: bytes, current: bytes) -> bool:
    """Whether what stands beside this guard belongs to these stamps."""
    if not guard:
        return not current
    return len(guard) - len(current) in (8, 9) and guard.startswith(current)


def loaded(m: Model, guard: bytes, current: bytes, key: bytes) -> bool:
    """Whether ``load`` has filled it, and what it gave is there."""
    flag = guard[len(current) + 8 :]
    return flag == b"E" or (flag == b"L" and key in m.data)


def set_read(m: Model, keys: Words, args: Words) -> list[Any]:
    members = m.smembers(keys[0])
    return [b"big", len(members)] if len(members) > int(args[0]) else [b"all", members]


def set_add(m: Model, keys: Words, args: Words) -> list[Any]:
    ttl, mode, *members = args
    new = keys[0] not in m.data
    added = m.sadd(keys[0], *members)
    if added and ttl != b"0" and (mode == b"last" or new):
        m.pexpire(keys[0], ttl)
    return [b"ok", added]


def set_replace(m: Model, keys: Words, args: Words) -> list[Any]:
    ttl, *members = args
    m.unlink(keys[0])
    m.sadd(keys[0], *members)
    if ttl != b"0":
        m.pexpire(keys[0], ttl)
    return [b"ok"]


def guard_open(m: Model, keys: Words, args: Words) -> list[Any]:
    key, guard, lease, *tags = keys
    mode, field, token, lease_ms, tag_ms, fresh, *news = args
    assert not field, "sets have no fields"
    current = b"".join(stamp(m, tag, new, tag_ms) or b"" for tag, new in zip(tags, news, strict=True))
    found = m.get(guard) or b""
    if not alive(found, current):
        m.unlink(guard, *(() if mode == b"value" else (key,)))
        found = b""
    if mode == b"load":
        if loaded(m, found, current, key):
            return [b"loaded", b""]
        held = m.get(lease)
        if held is not None and read_mark(held) is None:
            return [b"wait", m.pttl(lease), held]
        m.set(lease, token, b"PX", lease_ms)
    mark = found[: len(current) + 8] or current + fresh
    flag = found[len(current) + 8 :]
    if flag != b"E":
        m.set(guard, mark + flag, b"PX", DAY_MS)
    return [b"lease" if mode == b"load" else b"open", mark]


def key_clear(m: Model, keys: Words, _args: Words) -> list[Any]:
    key, guard, lease, *tags = keys
    live = alive(m.get(guard) or b"", b"".join(m.get(tag) or b"missing" for tag in tags))
    removed = m.unlink(key)
    m.unlink(guard, lease)
    return [b"ok", removed if live else 0]


def settle(
    m: Model, ttl: bytes, key: bytes, guard: bytes, found: bytes, mark: bytes, filled: bool, whole: bool
) -> None:
    """The guard gets the ttl of what it stands for."""
    left = m.pttl(key)
    flag = (b"E" if left == -2 else b"L") if filled else b""
    if left != -2:
        m.set(guard, mark + flag, *((b"PX", b"%d" % max(left, 1)) if left >= 0 else ()))
    elif not found and not flag:
        m.unlink(guard)
    elif found and not whole:
        m.set(guard, mark + flag, b"KEEPTTL")
    elif ttl == b"0" and flag == b"E":
        m.set(guard, mark + flag)
    else:
        m.set(guard, mark + flag, b"PX", DAY_MS if ttl == b"0" else ttl)


def guarded(op: Callable[[Model, Words, Words], list[Any]]) -> Callable[[Model, Words, Words], list[Any]]:
    """The script on living collections only; the guard of the one that it writes is kept."""

    def run(m: Model, keys: Words, args: Words) -> list[Any]:
        *args, spec = args
        guards, tags = map(int, spec.split()[:2])
        args, seen, news = args[: -4 - tags], args[-4 - tags :][:4], args[-4 - tags :][4:]
        own = len(keys) - guards - tags
        keys, beside, tag = keys[:own], keys[own : own + guards], keys[own + guards :]
        written: Any = None
        for role, index, flags, numbers in ITEM.findall(spec):
            place = int(index) - 1
            key, guard = keys[place], beside.pop(0)
            found, current = m.get(guard) or b"", b""
            for number in map(int, numbers.split(b",") if numbers else ()):
                current += stamp(m, tag[number - 1], None if role == b"r" else news[number - 1], seen[3]) or b"missing"
            live, full = alive(found, current), loaded(m, found, current, key)
            if role == b"r":
                dead = beside.pop(0)
                if b"l" in flags and not (live and full):
                    return [b"unloaded", index]
                keys[place] = key if live else dead
                continue
            if role != b"w" and (not live or found[: len(current) + 8] != seen[0]):
                return [b"refused"]
            if not live:
                m.unlink(key, guard)
                found = b""
            full, whole = loaded(m, found, current, key), b"a" in flags
            if b"l" in flags and not whole and role == b"w" and not full:
                return [b"unloaded", index]
            same = bool(found) and not whole and (full or b"p" not in flags)
            mark = found[: len(current) + 8] if same else current + seen[1]
            filled = full or (whole and (b"l" in flags or b"p" in flags))
            written = (key, guard, found, mark, filled, whole)
        reply = op(m, keys, args)
        if written is not None:
            settle(m, seen[2], *written)
        return reply

    return run


GUARDED_SCRIPTS: dict[str, Callable[[Model, Words, Words], list[Any]]] = {
    "guard_open": guard_open,
    "key_clear": key_clear,
    **{each.__name__: each for each in (set_read, set_add, set_replace)},
    **{f"guarded:{each.__name__}": guarded(each) for each in (set_read, set_add, set_replace)},
}
