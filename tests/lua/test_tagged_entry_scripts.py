"""The scripts behind ``KeyCache`` with tags, each by itself, on every kind of server."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.plans.effects import Script
from rcollections.plans.entries import ERROR, VALUE, Entry, head, pack, unpack

OLD, NEW = b"oldstamp", b"newstamp"
TAG, GUARD, LEASE = "rc:t:t", "rc:g:{k}", "rc:l:{k}"
TAG_MS = 200_000_000


def run(store: Any, name: str, keys: tuple[str, ...], *args: Any) -> Any:
    return store.one(Script(name, keys, args))


def value(store: Any, key: str = "k") -> Any:
    entry = unpack(store.raw("GET", key) or b"")
    assert entry is not None
    return entry.value, entry.stamps


def stored(store: Any, what: bytes, kind: int = VALUE, grace: int = 0) -> None:
    store.raw("SET", TAG, OLD)
    store.raw("SET", "k", pack(Entry(what, kind, grace, (OLD,))), "PX", 9000)


def put(store: Any, wants: str = "any", seen: bytes = b"", guard: bytes = b"", mode: str = "last") -> Any:
    args = (head(VALUE, 0, 1), b"5", 5000, TAG_MS, "channel", mode, wants, seen, guard, NEW)
    return run(store, "entry_set", ("k", LEASE, GUARD, TAG), *args)


def test_entry_set_stores_under_the_stamps_of_now(store: Any) -> None:
    """It makes the tag if need be, drops the lease, arms the ttl by the mode."""
    store.raw("SET", LEASE, "token")
    assert put(store) == [b"ok"]
    assert value(store) == (b"5", (NEW,))
    assert store.raw("EXISTS", LEASE) == 0
    assert store.raw("PTTL", "k") <= 5000
    stored(store, b"1")
    assert put(store, mode="first") == [b"ok"]
    assert store.raw("PTTL", "k") > 5000
    assert value(store) == (b"5", (OLD,))


@pytest.mark.parametrize("spoil", ["bump", "gone", "stale", "error"])
def test_what_counts_no_more_is_not_there(store: Any, spoil: str) -> None:
    """Other stamps, a missing tag, a stale value, an exception: new may be stored, nothing is taken or armed."""
    take = ("entry_take", ("k", LEASE, TAG), "channel")
    arm = ("entry_arm", ("k", TAG), 1000, "set")
    stored(store, b"1")
    assert put(store, "new") == [b"there", store.raw("GET", "k")]
    assert put(store, "absent") == [b"changed"]
    assert run(store, *arm) == [b"ok"]
    assert run(store, *take)[0] == b"ok"
    assert run(store, *take) == [b"missing"]
    for name in ("take", "arm", "new", "absent"):
        stored(store, b"1", ERROR if spoil == "error" else VALUE, 20_000 if spoil == "stale" else 0)
        if spoil == "bump":
            store.raw("SET", TAG, NEW)
        if spoil == "gone":
            store.raw("DEL", TAG)
        if name == "take":
            assert run(store, *take) == [b"missing"]
        elif name == "arm":
            assert run(store, *arm) == [b"missing"]
        else:
            assert put(store, name) == [b"ok"]


def test_entry_set_compares(store: Any) -> None:
    """The bytes that were read, and the guard that was seen."""
    stored(store, b"1")
    assert put(store, "same", b"other") == [b"changed"]
    assert put(store, "same", store.raw("GET", "k")) == [b"ok"]
    assert put(store, guard=OLD + b"nonce--1") == [b"refused"]
    store.raw("SET", GUARD, OLD + b"nonce--1")
    assert put(store, guard=OLD + b"nonce--1") == [b"ok"]
    store.raw("SET", TAG, NEW)
    assert put(store, guard=OLD + b"nonce--1") == [b"refused"]


def test_entry_arm_never_shortens_when_it_renews(store: Any) -> None:
    """The grace is on top: freshness is what is asked for."""
    stored(store, b"1", grace=1000)
    assert run(store, "entry_arm", ("k", TAG), 5000, "renew") == [b"longer"]
    assert run(store, "entry_arm", ("k", TAG), 20_000, "renew") == [b"ok"]
    assert 20_000 < store.raw("PTTL", "k") <= 21_000
    assert run(store, "entry_arm", ("k", TAG), 0, "set") == [b"ok"]
    assert store.raw("PTTL", "k") == -1
    assert run(store, "entry_arm", ("k", TAG), 5000, "renew") == [b"longer"]


def test_entry_copy(store: Any) -> None:
    """What counts comes with its grace behind the new ttl, everything else leaves nothing."""
    copy = ("entry_copy", ("k", "k2", "rc:l:{k2}", TAG), 5000)
    stored(store, b"1", grace=1000)
    store.raw("SET", "rc:l:{k2}", "token")
    assert run(store, *copy) == [b"ok"]
    assert store.raw("EXISTS", "rc:l:{k2}") == 0
    assert store.raw("GET", "k2") == store.raw("GET", "k")
    assert 5000 < store.raw("PTTL", "k2") <= 6000
    assert run(store, *copy[:2], 0) == [b"ok"]
    assert store.raw("PTTL", "k2") == -1
    for spoil in (lambda: stored(store, b"1", grace=10_000), lambda: store.raw("SET", TAG, NEW)):
        stored(store, b"1")
        assert run(store, *copy) == [b"ok"]
        spoil()
        assert run(store, *copy) == [b"missing"]
        assert store.raw("EXISTS", "k2") == 0


def test_entry_incr(store: Any) -> None:
    """On the value behind the metadata; 64 bits exactly; what fails changes nothing."""

    def add(kind: str, by: str, mode: str = "last", wants: str = "any") -> Any:
        args = (head(VALUE, 0, 1), 5000, TAG_MS, "channel", mode, kind, by, wants, NEW)
        return run(store, "entry_incr", ("k", LEASE, TAG), *args)

    assert add("int", "7", wants="there") == [b"missing"]
    assert store.raw("EXISTS", "k") == 0
    assert add("int", "7") == [b"ok", b"7"]
    assert value(store) == (b"7", (NEW,))
    assert add("int", "-7", wants="there") == [b"ok", b"0"]
    store.raw("SET", LEASE, "token")
    stored(store, b"9223372036854775800")
    before = store.raw("GET", "k")
    assert add("int", "100") == [b"range"]
    assert store.raw("GET", "k") == before
    assert store.raw("PTTL", "k") > 5000
    assert store.raw("EXISTS", LEASE) == 1
    assert add("int", "7", "first") == [b"ok", b"9223372036854775807"]
    assert store.raw("PTTL", "k") > 5000
    assert store.raw("EXISTS", LEASE) == 0
    stored(store, b"1")
    assert add("float", "0.5") == [b"ok", b"1.5"]
    assert store.raw("PTTL", "k") <= 5000
    stored(store, b"text")
    assert add("int", "1") == [b"text"]
    store.raw("SET", TAG, NEW)
    before = store.raw("GET", "k")
    assert add("int", "1", wants="there") == [b"missing"]
    assert store.raw("GET", "k") == before
    assert add("int", "1") == [b"ok", b"1"]
    assert value(store) == (b"1", (NEW,))


def test_entry_set_many(store: Any) -> None:
    """All under the stamps of one moment, their leases dropped; first keeps the ttl of what counts."""
    stored(store, b"1")
    store.raw("SET", "rc:l:{k2}", "token")
    keys = ("k", "k2", LEASE, "rc:l:{k2}", TAG)
    args = (2, 5000, TAG_MS, "first", head(VALUE, 0, 1), b"5", head(VALUE, 0, 1), b"6", NEW)
    assert run(store, "entry_set_many", keys, *args) == [b"ok"]
    assert value(store) == (b"5", (OLD,))
    assert value(store, "k2") == (b"6", (OLD,))
    assert store.raw("PTTL", "k") > 5000 >= store.raw("PTTL", "k2")
    assert store.raw("EXISTS", "rc:l:{k2}") == 0
