"""The scripts of entries, leases and tags, written again in Python: the same steps, the same replies.

They are written from the headers of ``lua/``, and compared with what real servers answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcollections.plans.marks import ALONE, read_mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interleavings.model import Model

__all__ = ["SCRIPTS"]

Words = list[bytes]


def read_entry(data: bytes) -> tuple[int, bytes] | None:
    """Grace in ms and the joined stamps; None for bytes that only begin like an entry."""
    if data[:1] != b"\xc0":
        return 0, b""
    count = int.from_bytes(data[8:10], "big")
    if len(data) < 18 + 8 * count:
        return None
    return int.from_bytes(data[2:8], "big"), data[18 : 18 + 8 * count]


def stamp(m: Model, tag: bytes, new: bytes | None, ttl: bytes) -> bytes | None:
    """The stamp of one tag. With ``new`` a missing one is made, and a short ttl lengthened."""
    left = m.pttl(tag)
    if new is None:
        return m.get(tag)
    if left == -2:
        put(m, tag, new, ttl)
    elif left >= 0 and ttl == b"0":
        m.persist(tag)
    elif left >= 0 and left < int(ttl) / 2:
        m.pexpire(tag, ttl)
    return m.get(tag)


def stamps(m: Model, tags: Words, ttl: bytes, news: Words) -> bytes:
    """The stamps of the tags, joined; missing ones are made."""
    return b"".join(stamp(m, tag, new, ttl) or b"" for tag, new in zip(tags, news, strict=True))


def put(m: Model, key: bytes, value: bytes, ttl: bytes) -> None:
    m.set(key, value, *(() if ttl == b"0" else (b"PX", ttl)))


def entry_fetch(m: Model, keys: Words, args: Words) -> list[Any]:
    entry, lease, *tags = keys
    token, lease_ms, tag_ms, mode, early, window, *news = args
    current = stamps(m, tags, tag_ms, news)
    data, left, late = m.get(entry), -2, None
    known = None if data is None else read_entry(data)
    if known is not None and known[1] == current:
        left = m.pttl(entry)
        soft = left - known[0]
        fresh = known[0] == 0 or left < 0 or soft > 0
        late = None if fresh else -soft
        if mode == b"early" and left >= 0 and soft < int(early):
            fresh = False
        if fresh and mode != b"force":
            return [b"hit", data, current, left, 0, b""]
    else:
        data = None
    held, failures = m.get(lease), 0
    mark = read_mark(held)
    if mark is not None:
        failures = mark.failures
        ms = mark.cool - mark.life + m.pttl(lease)
        if ms > 0 and mode != b"force":
            if mode == b"early":
                return [b"cool", data or b"", current, left, ms, b""]
            if mark.kind == ALONE:
                return [b"alone", data or b"", current, left, ms, b""]
            if late is not None and late < int(window):
                return [b"cool", data, current, left, ms, b""]
    elif held is not None and mode != b"force":
        return [b"wait", data or b"", current, left, 0, held]
    m.set(lease, token, b"PX", lease_ms)
    return [b"lease", data or b"", current, left, failures, b""]


def entry_store(m: Model, keys: Words, args: Words) -> list[Any]:
    entry, lease = keys
    token, data, ttl, channel = args
    if m.get(lease) != token:
        return [b"refused"]
    put(m, entry, data, ttl)
    m.unlink(lease)
    m.publish(channel)
    return [b"ok"]


def entry_put(m: Model, keys: Words, args: Words) -> list[Any]:
    entry, lease, *tags = keys
    head, value, ttl, tag_ms, channel, *news = args
    data = head + stamps(m, tags, tag_ms, news) + value
    m.unlink(lease)
    put(m, entry, data, ttl)
    m.publish(channel)
    return [b"ok"]


def entry_begin(m: Model, keys: Words, args: Words) -> list[Any]:
    entry, lease, *tags = keys
    token, lease_ms, tag_ms, *news = args
    current = stamps(m, tags, tag_ms, news)
    m.unlink(entry)
    m.set(lease, token, b"PX", lease_ms)
    return [b"lease", current]


def entry_delete(m: Model, keys: Words, args: Words) -> list[Any]:
    entry, lease = keys
    removed = m.unlink(entry)
    m.unlink(lease)
    m.publish(args[0])
    return [b"ok", removed]


def entry_expire(m: Model, keys: Words, args: Words) -> list[Any]:
    entry, lease = keys
    m.unlink(lease)
    m.publish(args[0])
    data = m.get(entry)
    known = None if data is None else read_entry(data)
    if known is not None and known[0] > 0:
        left = m.pttl(entry)
        if left < 0 or left > known[0]:
            m.pexpire(entry, known[0])
        return [b"stale"]
    m.unlink(entry)
    return [b"gone"]


def lease_free(m: Model, keys: Words, args: Words) -> list[Any]:
    if m.get(keys[0]) != args[0]:
        return [b"refused", b""]
    if len(args) > 2:
        m.set(keys[0], args[2], b"PX", args[3])
    else:
        m.unlink(keys[0])
    m.publish(args[1])
    return [b"ok", b"".join(m.get(tag) or b"missing" for tag in keys[1:])]


def lease_renew(m: Model, keys: Words, args: Words) -> list[Any]:
    if m.get(keys[0]) != args[0]:
        return [b"refused"]
    m.pexpire(keys[0], args[1])
    return [b"ok"]


def lock_take(m: Model, keys: Words, args: Words) -> list[Any]:
    lock, counter = keys
    token, ms, kept = args
    if m.exists(lock):
        return [b"wait", m.pttl(lock)]
    number = int(m.get(counter) or 0) + 1
    m.set(counter, b"%d" % number, b"KEEPTTL")
    m.pexpire(counter, kept)
    m.set(lock, token, b"PX", ms)
    return [b"held", number]


def lock_free(m: Model, keys: Words, args: Words) -> list[Any]:
    lock, counter = keys
    if m.get(lock) != args[0]:
        return [b"refused"]
    m.unlink(lock)
    m.pexpire(counter, args[2])
    m.publish(args[1])
    return [b"ok"]


def tag_bump(m: Model, keys: Words, args: Words) -> list[Any]:
    ttl, *news = args
    for tag, new in zip(keys, news, strict=True):
        left = m.pttl(tag)
        put(m, tag, new, b"0" if left == -1 else b"%d" % max(left, int(ttl)))
    return [b"ok"]


SCRIPTS: dict[str, Callable[[Model, Words, Words], list[Any]]] = {
    each.__name__: each
    for each in (
        entry_fetch, entry_store, entry_put, entry_begin, entry_delete, entry_expire, lease_free, lease_renew,
        lock_free, lock_take, tag_bump,
    )
}  # fmt: skip
