"""The scripts of entries, leases and tags, each by itself, on every kind of server."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections import WrongTypeError
from rcollections.plans.effects import Script
from rcollections.plans.entries import VALUE, Entry, pack
from rcollections.plans.marks import ALONE, NAMED, THROWN, Mark, read_mark

ENTRY, LEASE, CHANNEL = "f", "rc:l:{f}", "rc:w:f"
BOTH = (ENTRY, LEASE)
A, B = "rc:t:a", "rc:t:b"
S1, S2, S3 = b"stamp--1", b"stamp--2", b"stamp--3"
LEASE_MS, TAG_MS = 5_000, 100_000


def run(store: Any, name: str, keys: tuple[str, ...], *args: Any) -> Any:
    return store.one(Script(name, keys, args))


def fetch(
    store: Any,
    token: bytes,
    *tags: str,
    mode: str = "miss",
    early: int = -1,
    window: int = 0,
    news: tuple[bytes, ...] = (),
) -> Any:
    return run(store, "entry_fetch", (*BOTH, *tags), token, LEASE_MS, TAG_MS, mode, early, window, *news)


def near(ms: int, expected: int) -> bool:
    return expected - 2_000 < ms <= expected


def ttl(store: Any, key: str) -> int:
    return store.raw("PTTL", key)


def entry(value: bytes = b"v", grace: int = 0, stamps: tuple[bytes, ...] = ()) -> bytes:
    return pack(Entry(value, VALUE, grace, stamps))


# -- entry_fetch -----------------------------------------------------------------------------------


def test_entry_fetch_gives_one_lease(store: Any) -> None:
    """The first gets it, for the time that it asked for; the second is told to wait, and for whom."""
    assert fetch(store, b"token-01") == [b"lease", b"", b"", -2, 0, b""]
    assert store.raw("GET", LEASE) == b"token-01"
    assert near(ttl(store, LEASE), LEASE_MS)
    assert fetch(store, b"token-02") == [b"wait", b"", b"", -2, 0, b"token-01"]
    assert store.raw("GET", LEASE) == b"token-01"


def test_entry_fetch_looks_again(store: Any) -> None:
    """What is there, and valid, is the answer, an empty value too; no lease is taken."""
    for value in (b"v", b""):
        store.raw("SET", ENTRY, value)
        assert fetch(store, b"token-01") == [b"hit", value, b"", -1, 0, b""]
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
    run(store, "entry_fetch", (*BOTH, A), b"token-02", LEASE_MS, 0, "miss", -1, 0, S3)
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
    word, seen, _, left, *_ = fetch(store, b"token-01")
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


# -- marks: what FREE leaves in the key of a lease ---------------------------------------------------


def leave(store: Any, mark: Mark) -> None:
    """The computation of ``token-01`` ends without a result."""
    store.raw("SET", LEASE, b"token-01")
    reply = run(store, "lease_free", (LEASE,), b"token-01", CHANNEL, mark.pack(), mark.life)
    assert reply == [b"ok", b""]
    assert near(ttl(store, LEASE), mark.life)


def test_a_mark_is_no_lease(store: Any) -> None:
    """Whoever comes new takes its place, and hears how often the computation has failed."""
    for failures in (1, 7):
        leave(store, Mark(NAMED, b"token-01", b"", b"ValueError", failures, 30_000))
        assert fetch(store, b"token-02") == [b"lease", b"", b"", -2, failures, b""]
        assert store.raw("GET", LEASE) == b"token-02"
        assert fetch(store, b"token-03")[0] == b"wait"


def test_a_mark_spares_the_source(store: Any) -> None:
    """While it is new, whoever may serve a stale value gets that; not a refresh, and not past the window."""
    data = entry(grace=50_000)
    mark = Mark(NAMED, b"token-01", b"", b"ValueError", 1, 30_000)
    store.raw("SET", ENTRY, data, "PX", 40_000)  # stale for 10 s
    leave(store, mark)
    word, seen, _, _, ms, _ = fetch(store, b"token-02", window=20_000)
    assert (word, seen) == (b"cool", data)
    assert near(ms, 30_000)
    assert fetch(store, b"token-02", mode="early", early=60_000)[0] == b"cool"
    assert store.raw("GET", LEASE) == mark.pack()
    assert fetch(store, b"token-02", window=5_000)[0] == b"lease"
    leave(store, mark)
    assert fetch(store, b"token-02", mode="force", window=20_000)[0] == b"lease"
    leave(store, mark)
    store.raw("PEXPIRE", LEASE, 29_000)  # as if 31 s had passed
    reply = fetch(store, b"token-02", window=20_000)
    assert (reply[0], reply[4]) == (b"lease", 1)


def test_a_mark_of_what_cannot_be_stored(store: Any) -> None:
    """Its lease is passed by: everybody is to compute at once."""
    leave(store, Mark(ALONE, b"token-01", b"", cool=60_000))
    assert fetch(store, b"token-02")[0] == b"alone"
    assert fetch(store, b"token-02", mode="early")[0] == b"cool"
    assert fetch(store, b"token-02", mode="force")[0] == b"lease"
    leave(store, Mark(ALONE, b"token-01", b""))
    assert fetch(store, b"token-02")[0] == b"lease"


@pytest.mark.parametrize("how", ["entry_delete", "entry_expire", "entry_put", "entry_begin"])
def test_what_changes_the_entry_drops_the_mark(store: Any, how: str) -> None:
    """An error of before is nobody's any more."""
    leave(store, Mark(NAMED, b"token-01", b"", b"ValueError", 1, 30_000))
    arguments: dict[str, tuple[Any, ...]] = {
        "entry_put": (b"", b"v", 0, TAG_MS, CHANNEL), "entry_begin": (b"token-02", LEASE_MS, TAG_MS),
    }  # fmt: skip
    run(store, how, BOTH, *arguments.get(how, (CHANNEL,)))
    assert store.raw("GET", LEASE) == (b"token-02" if how == "entry_begin" else None)


def test_tokens_are_no_marks(store: Any) -> None:
    """Whatever a token looks like: short ones that begin like a mark, long ones that do not."""
    for token in (b"F\0234567", b"F\0e 1 2 ", b"F:1234:0123456789abcdef", b"Four:77:e 1 2 3 abcdefgh"):
        store.raw("SET", LEASE, token)
        assert fetch(store, b"token-02")[0] == b"wait"
        assert read_mark(token) is None


def test_a_mark_is_read_as_it_was_written() -> None:
    """Bytes of any kind in token, stamps and content."""
    for content in (b"", b"a b\0\n", b"F\0e 1 2 3 4 5 6 "):
        mark = Mark(THROWN, b"F\0 to 1", b"\0" * 16, content, 3, 4000, 12)
        assert read_mark(mark.pack()) == mark
    assert read_mark(None) is None


def test_lease_free_tells_the_stamps(store: Any) -> None:
    """Those of its moment: whoever waited learns whether a tag was invalidated meanwhile."""
    store.raw("SET", LEASE, b"token-01")
    store.raw("SET", A, S1)
    assert run(store, "lease_free", (LEASE, A), b"token-01", CHANNEL, b"mark", 500) == [b"ok", S1]
    store.raw("SET", LEASE, b"token-01")
    assert run(store, "lease_free", (LEASE, A, B), b"token-01", CHANNEL) == [b"ok", S1 + b"missing"]


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


@pytest.mark.parametrize("ms", [0, 9_000])
def test_entry_store_overwrites_no_other_kind_of_value(store: Any, ms: int) -> None:
    """FETCH says nothing of a key that holds no string; STORE leaves it as it is."""
    store.raw("RPUSH", ENTRY, "somebody's")
    assert fetch(store, b"token-01")[0] == b"lease"
    with pytest.raises(WrongTypeError):
        run(store, "entry_store", BOTH, b"token-01", b"v", ms, CHANNEL)
    assert store.raw("LRANGE", ENTRY, 0, -1) == [b"somebody's"]


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
    assert run(store, "lease_free", (LEASE,), b"token-01", CHANNEL) == [b"refused", b""]
    store.raw("SET", LEASE, b"token-02")
    assert run(store, "lease_free", (LEASE,), b"token-01", CHANNEL) == [b"refused", b""]
    assert store.raw("GET", LEASE) == b"token-02"
    assert run(store, "lease_free", (LEASE,), b"token-02", CHANNEL) == [b"ok", b""]
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
