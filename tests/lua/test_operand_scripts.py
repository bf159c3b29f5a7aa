"""Scripts that bring an operand into another slot: they read it, page by page if it is wide, and stage its copy."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.plans.effects import Script

COPY = "rc:s:{k}:1"


def run(store: Any, name: str, keys: tuple[str, ...], *args: Any) -> list[Any]:
    found: list[Any] = store.one(Script(name, keys, args))
    return found


def test_operand_read_gives_what_is_not_wide(store: Any) -> None:
    """A text in any case, what has members up to some number of them."""
    store.raw("SET", "k", "text")
    store.raw("SADD", "s", *range(5))
    for key, most in (("k", 0), ("s", 5)):
        word, content, *ttl = run(store, "operand_read", (key,), most, 1 << 20)
        assert (word, ttl) == (b"ok", [-1] if key == "k" else [])
        store.raw("RESTORE", COPY, 0, content, "REPLACE")
        assert store.raw("TYPE", COPY) == store.raw("TYPE", key)
    assert run(store, "operand_read", ("none",), 5, 1 << 20) == [b"missing"]


def test_operand_read_tells_of_wide_ones(store: Any) -> None:
    """By members, and by bytes where the server knows them."""
    store.raw("SADD", "s", *range(6))
    store.raw("ZADD", "z", *(word for n in range(6) for word in (n, f"m{n}")))
    store.raw("HSET", "h", *range(12))
    for key, kind in (("s", b"set"), ("z", b"zset"), ("h", b"hash")):
        assert run(store, "operand_read", (key,), 5, 1 << 20)[:3] == [b"wide", kind, 6]
    store.raw("SADD", "large", "x" * 10_000)
    assert run(store, "operand_read", ("large",), 5, 5_000)[0] in (b"wide", b"ok")


@pytest.mark.parametrize(("kind", "scan", "add", "count"), [
    ("s", "SSCAN", "SADD", "SCARD"), ("z", "ZSCAN", "ZADD", "ZCARD"), ("h", "HSCAN", "HSET", "HLEN"),
])  # fmt: skip
def test_operand_page_and_operand_stage(store: Any, kind: str, scan: str, add: str, count: str) -> None:
    """All pages make a copy, which has a ttl; a page twice changes nothing, and what was lost is told."""
    words = [word for n in range(1000) for word in ((n,) if kind == "s" else (n, f"m{n}"))]
    store.raw(add, kind, *words)
    cursor, there = b"0", 0
    while True:
        word, cursor, found, ends = run(store, "operand_page", (kind,), scan, cursor, 100)
        assert (word, ends) == (b"ok", [])
        if kind == "z":
            found[::2], found[1::2] = found[1::2], found[::2]
        for _ in range(2):
            word, after = run(store, "operand_stage", (COPY,), 9000, add, count, there, 0, *found)
        there = after
        if cursor == b"0":
            break
    assert there == store.raw(count, COPY) == 1000
    assert 0 < store.raw("PTTL", COPY) <= 9000
    assert run(store, "operand_stage", (COPY,), 9000, add, count, there + 1, 0, "1", "x") == [b"lost"]
    assert store.raw("EXISTS", COPY) == 0


def test_a_staged_script_looks_at_its_copies(store: Any) -> None:
    """Whole ones are used and removed; with one that is not whole nothing is done."""
    store.raw("SADD", "{k}s", "a")
    store.raw("SADD", COPY, "b", "c")
    keys = ("{k}s", "{k}staged", "{k}aside", COPY)
    assert run(store, "staged:set_combine", keys, 0, "last", "union", 0, "SCARD4:3") == [b"lost"]
    assert store.raw("SCARD", "{k}s") == 1
    store.raw("SADD", COPY, "b", "c")
    assert run(store, "staged:set_combine", keys, 0, "last", "union", 0, "SCARD4:2") == [b"ok", 1, 3]
    assert store.raw("EXISTS", COPY) == 0
    assert run(store, "staged:set_compare", ("{k}s", COPY), "SCARD2:0") == [b"ok", 3, 0, 0]
