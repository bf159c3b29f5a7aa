"""The scripts of whole keys and of single values, each by itself, on every kind of server."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.errors import WrongTypeError
from rcollections.plans.effects import Script
from rcollections.plans.entries import ERROR, VALUE, Entry, pack

TTL = ("9000", "last")
FIRST = ("9000", "first")
NONE = ("0", "last")


def run(store: Any, name: str, keys: tuple[str, ...], *args: Any) -> Any:
    return store.one(Script(name, keys, args))


def ttl(store: Any, key: str = "k") -> int:
    return store.raw("PTTL", key)


def armed(store: Any, key: str = "k") -> bool:
    return 8000 < ttl(store, key) <= 9000


@pytest.mark.parametrize(
    ("now", "seen", "answer"),
    [
        (None, ("absent", ""), b"ok"),
        (None, ("there", "a"), b"changed"),
        (None, ("there", ""), b"changed"),
        ("a", ("there", "a"), b"ok"),
        ("a", ("there", "b"), b"changed"),
        ("a", ("absent", ""), b"changed"),
        ("", ("there", ""), b"ok"),
        ("", ("absent", ""), b"changed"),
    ],
)
def test_key_cas_compares_bytes(store: Any, now: str | None, seen: tuple[str, str], answer: bytes) -> None:
    """An empty value is not a missing one."""
    if now is not None:
        store.raw("SET", "k", now)
    assert run(store, "key_cas", ("k",), *TTL, *seen, "new") == [answer]
    if answer == b"ok":
        assert store.raw("GET", "k") == b"new"
        assert armed(store)
    else:
        assert store.raw("GET", "k") == (None if now is None else now.encode())


def test_key_add(store: Any) -> None:
    """Any value is in the way, an empty one too; none that is stale, an error, of tags, or no whole entry."""
    keys = ("k", "rc:l:{k}")
    store.raw("SET", "rc:l:{k}", "token")
    assert run(store, "key_add", keys, "9000", "new") == [b"ok"]
    assert store.raw("GET", "k") == b"new"
    assert armed(store)
    assert store.raw("EXISTS", "rc:l:{k}") == 0
    store.raw("SET", "rc:l:{k}", "token")
    for there in (b"", b"old", pack(Entry(b"old", VALUE, 100))):
        store.raw("SET", "k", there, "PX", 900)
        assert run(store, "key_add", keys, "9000", "new") == [b"there", there]
        assert store.raw("GET", "k") == there
    assert store.raw("EXISTS", "rc:l:{k}") == 1
    dead = Entry(b"old", VALUE, 1000), Entry(b"old", ERROR), Entry(b"old", VALUE, 0, (b"stamp--1",))
    for there in (*map(pack, dead), b"\xc0broken"):
        store.raw("SET", "k", there, "PX", 900)
        assert run(store, "key_add", keys, "0", "new") == [b"ok"]
        assert store.raw("GET", "k") == b"new"
        assert ttl(store) == -1


def test_key_cas_follows_the_ttl_mode(store: Any) -> None:
    """'first' keeps what is armed, 'last' with 0 takes it away."""
    store.raw("SET", "k", "a", "PX", 500)
    run(store, "key_cas", ("k",), *FIRST, "there", "a", "b")
    assert 0 < ttl(store) <= 500
    run(store, "key_cas", ("k",), *NONE, "there", "b", "c")
    assert ttl(store) == -1
    run(store, "key_cas", ("new",), *FIRST, "absent", "", "c")
    assert armed(store, "new")


def test_key_commit_renames_and_arms(store: Any) -> None:
    """What was there is replaced; the ttl of the staging key does not stay."""
    store.raw("SET", "k", "old")
    store.raw("SET", "aside", "new", "PX", 500)
    assert run(store, "key_commit", ("aside", "k"), "0") == [b"ok"]
    assert store.raw("GET", "k") == b"new"
    assert ttl(store) == -1
    assert store.raw("EXISTS", "aside") == 0
    store.raw("SET", "aside", "newer")
    run(store, "key_commit", ("aside", "k"), "9000")
    assert armed(store)


def test_key_commit_without_staging_key_changes_nothing(store: Any) -> None:
    """The staging key may have expired: the real one stays."""
    store.raw("SET", "k", "old")
    assert run(store, "key_commit", ("aside", "k"), "9000") == [b"missing"]
    assert store.raw("GET", "k") == b"old"


def test_key_copy_copies_any_type(store: Any) -> None:
    """With the ttl of the call, not that of the source; nothing copies nothing."""
    store.raw("HSET", "k", "f", "1")
    store.raw("PEXPIRE", "k", 500)
    store.raw("SET", "copy", "other type")
    assert run(store, "key_copy", ("k", "copy"), "0") == [b"ok"]
    assert store.raw("HGET", "copy", "f") == b"1"
    assert ttl(store, "copy") == -1
    run(store, "key_copy", ("k", "copy"), "9000")
    assert armed(store, "copy")
    assert run(store, "key_copy", ("nothing", "copy"), "9000") == [b"missing"]
    assert store.raw("EXISTS", "copy") == 0


def test_key_expire_sets_takes_away_and_misses(store: Any) -> None:
    """0 is for ever, for a key that lives for ever already too."""
    assert run(store, "key_expire", ("k",), "9000") == [b"missing"]
    store.raw("SET", "k", "a")
    assert run(store, "key_expire", ("k",), "0") == [b"ok"]
    assert run(store, "key_expire", ("k",), "9000") == [b"ok"]
    assert armed(store)
    assert run(store, "key_expire", ("k",), "0") == [b"ok"]
    assert ttl(store) == -1


def test_key_get_ttl(store: Any) -> None:
    """Value and ms, -1 for ever."""
    assert run(store, "key_get_ttl", ("k",)) == [b"missing"]
    store.raw("SET", "k", "a")
    assert run(store, "key_get_ttl", ("k",)) == [b"ok", b"a", -1]
    store.raw("PEXPIRE", "k", 9000)
    assert 8000 < run(store, "key_get_ttl", ("k",))[2] <= 9000


def test_key_get_ttls(store: Any) -> None:
    """-2 marks the missing ones, since an empty value is a value."""
    store.raw("SET", "a", "")
    store.raw("SET", "c", "x")
    assert run(store, "key_get_ttls", ("a", "b", "c")) == [b"ok", b"", -1, b"", -2, b"x", -1]


@pytest.mark.parametrize(
    ("now", "kind", "by", "answer"),
    [
        (None, "int", "5", [b"ok", b"5"]),
        ("5", "int", "-7", [b"ok", b"-2"]),
        ("9223372036854775806", "int", "1", [b"ok", b"9223372036854775807"]),
        ("9223372036854775807", "int", "1", [b"range"]),
        ("1", "float", "0.5", [b"ok", b"1.5"]),
        ("1.5", "int", "1", [b"ok", b"2.5"]),
        (None, "float", "2.0", [b"ok", b"2.0"]),
        ("0.1", "float", "0.2", [b"ok", b"0.30000000000000004"]),
        ("1e+300", "float", "1e+300", [b"ok", b"2e+300"]),
        ("1.7e+308", "float", "1.7e+308", [b"range"]),
        ("007", "int", "1", [b"text"]),
        ("+5", "int", "1", [b"text"]),
        ("", "int", "1", [b"text"]),
        ("x", "int", "1", [b"text"]),
        ("12345678901234567890123", "int", "1", [b"text"]),
    ],
)
def test_key_incr(store: Any, now: str | None, kind: str, by: str, answer: list[bytes]) -> None:
    """Ints stay exact to the last of 64 bits, floats stay floats, text is refused and kept."""
    if now is not None:
        store.raw("SET", "k", now)
    assert run(store, "key_incr", ("k",), *TTL, kind, by, "any") == answer
    if answer[0] == b"ok":
        assert store.raw("GET", "k") == answer[1]
        assert armed(store)
    else:
        assert store.raw("GET", "k") == now.encode()  # type: ignore[union-attr]
        assert ttl(store) == -1


def test_key_incr_arms_once_with_first(store: Any) -> None:
    """A daily counter ends with its day."""
    run(store, "key_incr", ("k",), *FIRST, "int", "1", "any")
    assert armed(store)
    store.raw("PEXPIRE", "k", 500)
    run(store, "key_incr", ("k",), *FIRST, "int", "1", "any")
    run(store, "key_incr", ("k",), *FIRST, "float", "0.5", "any")
    assert 0 < ttl(store) <= 500


def test_key_incr_refuses_another_type(store: Any) -> None:
    """A list is no number."""
    store.raw("RPUSH", "k", "1")
    with pytest.raises(WrongTypeError, match="another kind of structure"):
        run(store, "key_incr", ("k",), *TTL, "int", "1", "any")


def test_key_incr_of_an_entry(store: Any) -> None:
    """Its metadata stays in front, its grace behind the ttl; what counts no more begins at 0, as a bare value."""
    fresh = pack(Entry(b"9223372036854775800", VALUE, 1000))
    store.raw("SET", "k", fresh, "PX", 50_000)
    assert run(store, "key_incr", ("k",), *TTL, "int", "100", "any") == [b"range"]
    assert store.raw("GET", "k") == fresh
    assert ttl(store) > 9000
    assert run(store, "key_incr", ("k",), *FIRST, "int", "7", "any") == [b"ok", b"9223372036854775807"]
    assert store.raw("GET", "k") == fresh[:18] + b"9223372036854775807"
    assert ttl(store) > 10_000
    assert run(store, "key_incr", ("k",), *TTL, "float", "0.5", "any") == [b"ok", b"9.223372036854776e+18"]
    assert store.raw("GET", "k") == fresh[:18] + b"9.223372036854776e+18"
    assert 9000 < ttl(store) <= 10_000
    store.raw("SET", "k", pack(Entry(b"text", VALUE, 1000)))
    assert run(store, "key_incr", ("k",), *TTL, "int", "1", "any") == [b"text"]
    for kind, by in (("int", "-9223372036854775808"), ("float", "0.5")):
        store.raw("SET", "k", pack(Entry(b"5", VALUE, 1000)), "PX", 900)
        assert run(store, "key_incr", ("k",), *FIRST, kind, by, "any") == [b"ok", by.encode()]
        assert store.raw("GET", "k") == by.encode()
        assert armed(store)


def test_key_incr_of_what_must_be_there(store: Any) -> None:
    """Where no number counts, nothing changes."""
    there = ("key_incr", ("k",), *TTL, "int", "1", "there")
    assert run(store, *there) == [b"missing"]
    assert store.raw("EXISTS", "k") == 0
    for dead in (pack(Entry(b"5", VALUE, 1000)), pack(Entry(b"5", ERROR))):
        store.raw("SET", "k", dead, "PX", 900)
        assert run(store, *there) == [b"missing"]
        assert store.raw("GET", "k") == dead
        assert ttl(store) <= 900
    store.raw("SET", "k", "5")
    assert run(store, *there) == [b"ok", b"6"]
    assert armed(store)


def test_first_is_after_what_counts_no_more(store: Any) -> None:
    """A fresh entry hands on its freshness, without the grace; a stale one nothing, and a token of nothing fits."""
    writes: list[Any] = [
        ("key_set", "9000", "new"),
        ("key_set_many", "1", *FIRST, "new"),
        ("key_cas", *FIRST, "there", "", "new"),
        ("key_cas", *FIRST, "absent", "", "new"),
    ]
    for name, *args in writes:
        for left, low, high in ((900, 8000, 9000), (5000, 3000, 4000)):
            data = pack(Entry(b"old", VALUE, 1000))
            store.raw("SET", "k", data, "PX", left)
            if "there" in args:
                args[3] = data
            wanted = b"changed" if "absent" in args and left > 1000 else b"ok"
            assert run(store, name, ("k",), *args) == [wanted]
            if wanted == b"ok":
                assert store.raw("GET", "k") == b"new"
                assert low < ttl(store) <= high


def test_key_renew_only_lengthens(store: Any) -> None:
    """0 is for ever, which nothing lengthens."""
    assert run(store, "key_renew", ("k",), "9000") == [b"missing"]
    store.raw("SET", "k", "a", "PX", 500)
    assert run(store, "key_renew", ("k",), "9000") == [b"ok"]
    assert armed(store)
    assert run(store, "key_renew", ("k",), "500") == [b"longer"]
    assert armed(store)
    assert run(store, "key_renew", ("k",), "0") == [b"ok"]
    assert ttl(store) == -1
    assert run(store, "key_renew", ("k",), "9000") == [b"longer"]


def test_key_set_arms_when_the_key_is_made(store: Any) -> None:
    """This is the form for 'first': later values leave the ttl alone."""
    assert run(store, "key_set", ("k",), "9000", "a") == [b"ok"]
    assert armed(store)
    store.raw("PEXPIRE", "k", 500)
    run(store, "key_set", ("k",), "9000", "b")
    assert 0 < ttl(store) <= 500
    assert store.raw("GET", "k") == b"b"
    run(store, "key_set", ("for ever",), "0", "a")
    assert ttl(store, "for ever") == -1


def test_key_set_many(store: Any) -> None:
    """Each key by the rule of the mode."""
    store.raw("SET", "a", "old", "PX", 500)
    assert run(store, "key_set_many", ("a", "b"), "2", *FIRST, "1", "2") == [b"ok"]
    assert store.raw("MGET", "a", "b") == [b"1", b"2"]
    assert 0 < ttl(store, "a") <= 500
    assert armed(store, "b")
    run(store, "key_set_many", ("a", "b"), "2", *NONE, "3", "4")
    assert ttl(store, "a") == ttl(store, "b") == -1
    run(store, "key_set_many", ("a", "b"), "2", *TTL, "5", "6")
    assert armed(store, "a")


def test_key_set_many_is_all_or_nothing(store: Any) -> None:
    """A key of another type among them: no value is stored, and no lease dropped."""
    store.raw("SADD", "b", "member")
    store.raw("SET", "rc:l:{a}", "token")
    with pytest.raises(WrongTypeError):
        run(store, "key_set_many", ("a", "b", "rc:l:{a}", "rc:l:{b}"), "2", *FIRST, "1", "2")
    assert store.raw("EXISTS", "a", "rc:l:{a}") == 1


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("key_set", ("0", "9")),
        ("key_add", ("0", "9")),
        ("key_cas", (*NONE, "absent", "", "9")),
        ("key_incr", (*NONE, "int", "9", "any")),
        ("key_incr", (*NONE, "float", "9.0", "any")),
        ("key_set_many", ("1", *NONE, "9")),
    ],
)
def test_plain_writes_drop_the_lease(store: Any, name: str, args: tuple[str, ...]) -> None:
    """P4: in the same step as the write; without a write it stays, and without a lease there is none to drop."""
    keys = ("k", "rc:l:{k}")
    store.raw("SET", keys[1], "token")
    run(store, name, keys[:1], *args)
    assert store.raw("GET", keys[0]).startswith(b"9")
    assert store.raw("EXISTS", keys[1]) == 1
    store.raw("DEL", keys[0])
    run(store, name, keys, *args)
    assert store.raw("GET", keys[0]).startswith(b"9")
    assert store.raw("EXISTS", keys[1]) == 0


def test_a_write_that_is_refused_leaves_the_lease(store: Any) -> None:
    """The value did not change, so what is computed is not older than it."""
    keys = ("k", "rc:l:{k}")
    store.raw("SET", keys[0], "text")
    store.raw("SET", keys[1], "token")
    assert run(store, "key_add", keys, "0", "new")[0] == b"there"
    assert run(store, "key_cas", keys, *NONE, "there", "other", "new") == [b"changed"]
    assert run(store, "key_cas", keys, *NONE, "absent", "", "new") == [b"changed"]
    assert run(store, "key_incr", keys, *NONE, "int", "1", "any") == [b"text"]
    assert store.raw("EXISTS", keys[1]) == 1


def test_key_delete_many_counts_the_keys_only(store: Any) -> None:
    """Leases go too, and are not counted; more keys than Lua's stack holds are fine."""
    for key in ("a", "b", "rc:l:{a}", "other"):
        store.raw("SET", key, "1")
    step = Script("key_delete_many", ("a", "b", "c", "rc:l:{a}", "rc:l:{b}", "rc:l:{c}"), (3,))
    assert store.one(step) == [b"ok", 2]
    assert store.raw("KEYS", "*") == [b"other"]
    many = tuple(f"k{n}" for n in range(10_000))
    store.raw("MSET", *(word for key in many for word in (key, "1")))
    assert store.one(Script("key_delete_many", (*many, *(f"rc:l:{{{key}}}" for key in many)), (10_000,))) == [
        b"ok",
        10_000,
    ]
