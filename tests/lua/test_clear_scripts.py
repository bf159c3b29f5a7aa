"""The scripts that remove a key with what stands beside it, on every kind of server."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.plans.effects import Script
from rcollections.plans.entries import ERROR, VALUE, Entry, pack

GUARD, LEASE = "rc:g:{k}", "rc:l:{k}"
STAMP, OTHER = b"stamp-01", b"stamp-02"


def clear(store: Any, name: str, *args: Any, tags: tuple[str, ...] = ()) -> Any:
    return store.one(Script(name, ("k", GUARD, LEASE, *tags), args))


def seed(store: Any, guard: bytes | None = None) -> None:
    store.raw("FLUSHDB")
    store.raw("SET", LEASE, "token")
    if guard is not None:
        store.raw("SET", GUARD, guard)


@pytest.mark.parametrize(
    ("guard", "tags", "live"),
    [
        (None, 0, True),
        (None, 1, False),
        (b"mark-123", 0, True),
        (STAMP + b"mark-123", 1, True),
        (STAMP + b"mark-123L", 1, True),
        (OTHER + b"mark-123", 1, False),
        (STAMP + b"mark-123", 2, False),
    ],
)
def test_key_clear_tells_whether_it_counted(store: Any, guard: bytes | None, tags: int, live: bool) -> None:
    """All goes in any case; what belongs to other stamps than those of the tags counted as nothing."""
    seed(store, guard)
    store.raw("SET", "t1", STAMP)  # the second tag is missing, and matches nothing
    for _ in range(2):
        store.raw("SADD", "k", "a", "b")
        assert clear(store, "key_clear", tags=("t1", "t2")[:tags]) == [b"ok", int(live)]
        assert store.raw("EXISTS", "k", GUARD, LEASE) == 0
        assert clear(store, "key_clear", tags=("t1", "t2")[:tags]) == [b"ok", 0]
        seed(store, guard)
        store.raw("SET", "t1", STAMP)


@pytest.mark.parametrize(
    ("entry", "tags", "live"),
    [
        (b"plain", 0, True),
        (b"", 0, True),
        (b"plain", 1, False),
        (pack(Entry(b"v", VALUE, 100)), 0, True),
        (pack(Entry(b"v", VALUE, 5000)), 0, False),
        (pack(Entry(b"v", ERROR, 100)), 0, False),
        (pack(Entry(b"v", VALUE, 0, (STAMP,))), 1, True),
        (pack(Entry(b"", VALUE, 0, (STAMP,))), 1, True),
        (pack(Entry(b"v", VALUE, 0, (STAMP,))), 0, False),
        (pack(Entry(b"v", VALUE, 0, (OTHER,))), 1, False),
        (pack(Entry(b"v", VALUE, 0, (STAMP, STAMP))), 1, False),
        (pack(Entry(b"v", VALUE, 5000, (STAMP,))), 1, False),
        (b"\xc0broken", 0, False),
    ],
)
def test_entry_clear_tells_whether_it_counted(store: Any, entry: bytes, tags: int, live: bool) -> None:
    """Stale, of other tags, an error, or no whole entry: it goes, and counted as nothing."""
    seed(store, b"mark-123")
    store.raw("SET", "t1", STAMP)
    store.raw("SET", "k", entry, "PX", 3000)
    assert clear(store, "entry_clear", "any", "", tags=("t1",)[:tags]) == [b"ok" if live else b"missing"]
    assert store.raw("EXISTS", "k", GUARD, LEASE) == 0
    assert clear(store, "entry_clear", "any", "", tags=("t1",)[:tags]) == [b"missing"]


def test_entry_clear_without_an_end(store: Any) -> None:
    """A value that stays for ever is fresh; one that is no text goes as well, whatever it is."""
    for entry in (b"plain", pack(Entry(b"v", VALUE, 5000))):
        store.raw("SET", "k", entry)
        assert clear(store, "entry_clear", "any", "") == [b"ok"]
    store.raw("HSET", "k", "f", "1")
    assert clear(store, "entry_clear", "any", "") == [b"ok"]
    assert store.raw("EXISTS", "k") == 0


@pytest.mark.parametrize(
    ("entry", "tags", "answer"),
    [
        (b"v", 0, b"ok"),
        (b"w", 0, b"other"),
        (b"", 0, b"other"),
        (None, 0, b"missing"),
        (pack(Entry(b"v", VALUE, 100)), 0, b"ok"),
        (pack(Entry(b"w", VALUE, 100)), 0, b"other"),
        (pack(Entry(b"v", VALUE, 5000)), 0, b"missing"),
        (pack(Entry(b"v", VALUE, 0, (STAMP,))), 1, b"ok"),
        (pack(Entry(b"w", VALUE, 0, (STAMP,))), 1, b"other"),
        (pack(Entry(b"v", VALUE, 0, (OTHER,))), 1, b"missing"),
        (pack(Entry(b"v", ERROR, 100)), 0, b"missing"),
    ],
)
def test_entry_clear_of_one_value(store: Any, entry: bytes | None, tags: int, answer: bytes) -> None:
    """It sees through metadata; where another value or none is there, nothing changes."""
    seed(store, b"mark-123")
    store.raw("SET", "t1", STAMP)
    if entry is not None:
        store.raw("SET", "k", entry, "PX", 3000)
    assert clear(store, "entry_clear", "same", "v", tags=("t1",)[:tags]) == [answer]
    assert store.raw("EXISTS", GUARD, LEASE) == (0 if answer == b"ok" else 2)
    assert store.raw("GET", "k") == (None if answer == b"ok" else entry)
