"""The scripts of entries, leases and tags, each by itself, on every kind of server."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.plans.effects import Script
from rcollections.plans.entries import VALUE, Entry, pack

ENTRY, LEASE, CHANNEL = "f", "rc:l:{f}", "rc:w:f"
BOTH = (ENTRY, LEASE)
A, B = "rc:t:a", "rc:t:b"
S1, S2, S3 = b"stamp--1", b"stamp--2", b"stamp--3"
LEASE_MS, TAG_MS = 5_000, 100_000


def run(store: Any, name: str, keys: tuple[str, ...], *args: Any) -> Any:
    return store.one(Script(name, keys, args))


def fetch(
    store: Any, token: bytes, *tags: str, mode: str = "miss", early: int = -1, news: tuple[bytes, ...] = ()
) -> Any:
    return run(store, "entry_fetch", (*BOTH, *tags), token, LEASE_MS, TAG_MS, mode, early, *news)


def near(ms: int, expected: int) -> bool:
    return expected - 2_000 < ms <= expected


def ttl(store: Any, key: str) -> int:
    return store.raw("PTTL", key)


def entry(value: bytes = b"v", grace: int = 0, stamps: tuple[bytes, ...] = ()) -> bytes:
    return pack(Entry(value, VALUE, grace, stamps))


# -- entry_fetch -----------------------------------------------------------------------------------


def test_entry_fetch_gives_one_lease(store: Any) -> None:
    """The first gets it, for the time that it asked for; the second is told to wait, and how long at most."""
    assert fetch(store, b"token-01") == [b"lease", b"", b"", -2, 0]
    assert store.raw("GET", LEASE) == b"token-01"
    assert near(ttl(store, LEASE), LEASE_MS)
    word, data, stamps, left, lease_left = fetch(store, b"token-02")
    assert (word, data, stamps, left) == (b"wait", b"", b"", -2)
    assert near(lease_left, LEASE_MS)
    assert store.raw("GET", LEASE) == b"token-01"


def test_entry_fetch_looks_again(store: Any) -> None:
    """What is there, and valid, is the answer, an empty value too; no lease is taken."""
    for value in (b"v", b""):
        store.raw("SET", ENTRY, value)
        assert fetch(store, b"token-01") == [b"hit", value, b"", -1, 0]
    assert store.raw("EXISTS", LEASE) == 0


def test_entry_fetch_makes_missing_tags_once(store: Any) -> None:
    """Missing tags get the stamps that came along, tags that are there keep theirs."""
    store.raw("SET", A, S1)
    assert fetch(store, b"token-01", A, B, news=(S2, S3))[:3] == [b"lease", b"", S1 + S3]
    assert store.raw("MGET", A, B) == [S1, S3]
    assert near(ttl(store, B), TAG_MS)
    assert ttl(store, A) == -1


def test_entry_fetch_lengthens_tags_below_half(store: Any) -> None:
    """A ttl of more than half is left alone; for entries without end the tag has none either."""
    store.raw("SET", A, S1, "PX", 40_000)
    store.raw("SET", B, S2, "PX", 60_000)
    fetch(store, b"token-01", A, B, news=(S3, S3))
    assert near(ttl(store, A), TAG_MS)
    assert near(ttl(store, B), 60_000)
    run(store, "entry_fetch", (*BOTH, A), b"token-02", LEASE_MS, 0, "miss", -1, S3)
    assert ttl(store, A) == -1


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (entry(stamps=(S1,)), b"hit"),
        (entry(stamps=(S2,)), b"lease"),
        (entry(stamps=()), b"lease"),
        (entry(stamps=(S1, S1)), b"lease"),
        (b"\xc0broken", b"lease"),
    ],
)
def test_entry_fetch_compares_stamps(store: Any, data: bytes, word: bytes) -> None:
    """An entry counts under exactly the stamps of now; whatever else is there is not even shown."""
    store.raw("SET", A, S1)
    store.raw("SET", ENTRY, data)
    reply = fetch(store, b"token-01", A, news=(S3,))
    assert reply[:3] == [word, data if word == b"hit" else b"", S1]
    assert reply[3] == (-1 if word == b"hit" else -2)


def test_entry_fetch_tells_stale_from_fresh(store: Any) -> None:
    """Inside its grace an entry is stale: it comes with the lease, or with the word to wait."""
    data = entry(grace=50_000)
    store.raw("SET", ENTRY, data, "PX", 90_000)
    assert fetch(store, b"token-01")[:2] == [b"hit", data]
    store.raw("PEXPIRE", ENTRY, 40_000)
    word, seen, _, left, _ = fetch(store, b"token-01")
    assert (word, seen) == (b"lease", data)
    assert near(left, 40_000)
    assert fetch(store, b"token-02")[:2] == [b"wait", data]


def test_entry_fetch_early_and_force(store: Any) -> None:
    """``early`` gives the lease below that much freshness, ``force`` takes it from whoever has it."""
    store.raw("SET", ENTRY, b"v", "PX", 40_000)
    assert fetch(store, b"token-01", mode="early", early=30_000)[0] == b"hit"
    assert fetch(store, b"token-01", mode="early", early=50_000)[:2] == [b"lease", b"v"]
    assert fetch(store, b"token-02", mode="early", early=50_000)[0] == b"wait"
    assert fetch(store, b"token-03", mode="force")[:2] == [b"lease", b"v"]
    assert store.raw("GET", LEASE) == b"token-03"


# -- entry_store, entry_put, entry_begin -----------------------------------------------------------


def test_entry_store_needs_the_lease(store: Any) -> None:
    """Without it, with another's or after it has gone: refused, and nothing is changed."""
    assert run(store, "entry_store", BOTH, b"token-01", b"v", 9_000, CHANNEL) == [b"refused"]
    store.raw("SET", LEASE, b"token-02")
    assert run(store, "entry_store", BOTH, b"token-01", b"v", 9_000, CHANNEL) == [b"refused"]
    assert store.raw("EXISTS", ENTRY) == 0
    assert store.raw("GET", LEASE) == b"token-02"
    assert run(store, "entry_store", BOTH, b"token-02", b"v", 9_000, CHANNEL) == [b"ok"]
    assert store.raw("GET", ENTRY) == b"v"
    assert near(ttl(store, ENTRY), 9_000)
    assert store.raw("EXISTS", LEASE) == 0
    store.raw("SET", LEASE, b"token-03")
    assert run(store, "entry_store", BOTH, b"token-03", b"w", 0, CHANNEL) == [b"ok"]
    assert ttl(store, ENTRY) == -1


def test_entry_put_stores_under_the_stamps_of_now(store: Any) -> None:
    """Head, stamps and value make the entry; whoever computes has lost the lease."""
    store.raw("SET", A, S1)
    store.raw("SET", LEASE, b"token-01")
    keys = (*BOTH, A, B)
    assert run(store, "entry_put", keys, b"head", b"value", 9_000, TAG_MS, CHANNEL, S2, S3) == [b"ok"]
    assert store.raw("GET", ENTRY) == b"head" + S1 + S3 + b"value"
    assert near(ttl(store, ENTRY), 9_000)
    assert store.raw("EXISTS", LEASE) == 0
    assert run(store, "entry_put", BOTH, b"", b"bare", 0, TAG_MS, CHANNEL) == [b"ok"]
    assert store.raw("GET", ENTRY) == b"bare"
    assert ttl(store, ENTRY) == -1


def test_entry_begin_takes_over(store: Any) -> None:
    """The entry goes, the lease is ours whoever had it, the stamps are those of now."""
    store.raw("SET", ENTRY, b"v")
    store.raw("SET", LEASE, b"token-01")
    store.raw("SET", A, S1)
    assert run(store, "entry_begin", (*BOTH, A, B), b"token-02", LEASE_MS, TAG_MS, S2, S3) == [b"lease", S1 + S3]
    assert store.raw("EXISTS", ENTRY) == 0
    assert store.raw("GET", LEASE) == b"token-02"
    assert near(ttl(store, LEASE), LEASE_MS)


# -- entry_delete, entry_expire --------------------------------------------------------------------


def test_entry_delete_drops_the_lease_too(store: Any) -> None:
    """Of a missing entry as well: somebody may be computing it."""
    store.raw("SET", ENTRY, b"v")
    store.raw("SET", LEASE, b"token-01")
    assert run(store, "entry_delete", BOTH, CHANNEL) == [b"ok", 1]
    assert store.raw("EXISTS", ENTRY, LEASE) == 0
    store.raw("SET", LEASE, b"token-01")
    assert run(store, "entry_delete", BOTH, CHANNEL) == [b"ok", 0]
    assert store.raw("EXISTS", LEASE) == 0


def test_entry_expire_leaves_the_grace(store: Any) -> None:
    """What may be served stale keeps its grace at most, what may not goes; the lease goes in any case."""
    data = entry(grace=50_000)
    for before, after in ((None, 50_000), (90_000, 50_000), (30_000, 30_000)):
        store.raw("SET", ENTRY, data, *(() if before is None else ("PX", before)))
        store.raw("SET", LEASE, b"token-01")
        assert run(store, "entry_expire", BOTH, CHANNEL) == [b"stale"]
        assert near(ttl(store, ENTRY), after)
        assert store.raw("EXISTS", LEASE) == 0
    for gone in (b"bare", entry(stamps=(S1,)), b"\xc0broken"):
        store.raw("SET", ENTRY, gone)
        assert run(store, "entry_expire", BOTH, CHANNEL) == [b"gone"]
        assert store.raw("EXISTS", ENTRY) == 0
    assert run(store, "entry_expire", BOTH, CHANNEL) == [b"gone"]


# -- lease_free, lease_renew, tag_bump -------------------------------------------------------------


def test_lease_free_frees_only_its_own(store: Any) -> None:
    """A late one must not drop the lease of the next owner."""
    assert run(store, "lease_free", (LEASE,), b"token-01", CHANNEL) == [b"refused"]
    store.raw("SET", LEASE, b"token-02")
    assert run(store, "lease_free", (LEASE,), b"token-01", CHANNEL) == [b"refused"]
    assert store.raw("GET", LEASE) == b"token-02"
    assert run(store, "lease_free", (LEASE,), b"token-02", CHANNEL) == [b"ok"]
    assert store.raw("EXISTS", LEASE) == 0


def test_lease_renew_renews_only_its_own(store: Any) -> None:
    """It never makes a lease: one that has expired may have been given away in between."""
    assert run(store, "lease_renew", (LEASE,), b"token-01", 9_000) == [b"refused"]
    assert store.raw("EXISTS", LEASE) == 0
    store.raw("SET", LEASE, b"token-02", "PX", 4_000)
    assert run(store, "lease_renew", (LEASE,), b"token-01", 9_000) == [b"refused"]
    assert near(ttl(store, LEASE), 4_000)
    assert run(store, "lease_renew", (LEASE,), b"token-02", 9_000) == [b"ok"]
    assert near(ttl(store, LEASE), 9_000)


def test_tag_bump_replaces_stamps(store: Any) -> None:
    """All in one step; a ttl is never shortened, and a tag without end keeps none."""
    store.raw("SET", A, S1)
    store.raw("SET", B, S1, "PX", 500_000)
    assert run(store, "tag_bump", (A, B, "rc:t:new"), TAG_MS, S2, S3, S1) == [b"ok"]
    assert store.raw("MGET", A, B, "rc:t:new") == [S2, S3, S1]
    assert ttl(store, A) == -1
    assert near(ttl(store, B), 500_000)
    assert near(ttl(store, "rc:t:new"), TAG_MS)
    store.raw("PEXPIRE", B, 1_000)
    run(store, "tag_bump", (B,), TAG_MS, S1)
    assert near(ttl(store, B), TAG_MS)
