"""The scripts of hashes, each by itself, on every kind of server."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from rcollections import connection
from rcollections.errors import CacheError, WrongTypeError
from rcollections.plans.effects import Script

TTL = ("9000", "last")
FIRST = ("9000", "first")
NONE = ("0", "last")


def run(store: Any, name: str, keys: tuple[str, ...], *args: Any) -> Any:
    return store.one(Script(name, keys, args))


def content(store: Any, key: str = "h") -> dict[bytes, bytes]:
    flat = iter(store.raw("HGETALL", key))
    return dict(zip(flat, flat, strict=True))


def armed(store: Any, key: str = "h") -> bool:
    return 8000 < store.raw("PTTL", key) <= 9000


WRITES = [
    ("hash_set", ("f", "1")),
    ("hash_incr", ("f", "int", "1")),
    ("hash_incr", ("f", "float", "0.5")),
    ("hash_cas", ("g", "absent", "", "1")),
    ("hash_setdefault", ("g", "1")),
]


@pytest.mark.parametrize(("name", "args"), WRITES)
def test_writes_arm_the_ttl_by_the_mode(store: Any, name: str, args: tuple[str, ...]) -> None:
    """'last' arms each time, 'first' only when the hash is made, 0 never; all in the same step."""
    run(store, name, ("h",), *FIRST, *args)
    assert armed(store)
    store.raw("DEL", "h")
    store.raw("HSET", "h", "f", "0")
    store.raw("PEXPIRE", "h", 500)
    run(store, name, ("h",), *FIRST, *args)
    assert 0 < store.raw("PTTL", "h") <= 500
    store.raw("HDEL", "h", "g")
    run(store, name, ("h",), *NONE, *args)
    assert 0 < store.raw("PTTL", "h") <= 500
    store.raw("HDEL", "h", "g")
    run(store, name, ("h",), *TTL, *args)
    assert armed(store)


@pytest.mark.parametrize(
    ("now", "seen", "answer"),
    [
        (None, ("absent", ""), b"ok"),
        (None, ("there", ""), b"changed"),
        ("a", ("there", "a"), b"ok"),
        ("a", ("there", "b"), b"changed"),
        ("", ("there", ""), b"ok"),
        ("", ("absent", ""), b"changed"),
    ],
)
def test_hash_cas_compares_bytes(store: Any, now: str | None, seen: tuple[str, str], answer: bytes) -> None:
    """What changed is kept, and no ttl is armed."""
    if now is not None:
        store.raw("HSET", "h", "f", now)
    assert run(store, "hash_cas", ("h",), *TTL, "f", *seen, "new") == [answer]
    if answer == b"ok":
        assert content(store) == {b"f": b"new"}
    else:
        assert content(store) == ({} if now is None else {b"f": now.encode()})
        assert not armed(store)


def test_hash_get_ttl_gives_the_shorter_of_both(store: Any) -> None:
    """A field ends with its hash, or before it where the server has ttls for fields."""
    assert run(store, "hash_get_ttl", ("h",), "f") == [b"missing"]
    store.raw("HSET", "h", "f", "1")
    assert run(store, "hash_get_ttl", ("h",), "f") == [b"ok", b"1", -1]
    store.raw("PEXPIRE", "h", 9000)
    assert 8000 < run(store, "hash_get_ttl", ("h",), "f")[2] <= 9000
    if run(store, "hash_set_ttl", ("h",), *NONE, "500", "f", "1")[0] == b"ok":
        assert 0 < run(store, "hash_get_ttl", ("h",), "f")[2] <= 500


@pytest.mark.parametrize(
    ("now", "kind", "by", "answer"),
    [
        (None, "int", "5", [b"ok", b"5"]),
        ("9223372036854775806", "int", "1", [b"ok", b"9223372036854775807"]),
        ("9223372036854775807", "int", "1", [b"range"]),
        ("1", "float", "0.5", [b"ok", b"1.5"]),
        ("1.5", "int", "1", [b"ok", b"2.5"]),
        ("1.7e+308", "float", "1.7e+308", [b"range"]),
        ("007", "int", "1", [b"text"]),
        ("x", "int", "1", [b"text"]),
    ],
)
def test_hash_incr(store: Any, now: str | None, kind: str, by: str, answer: list[bytes]) -> None:
    """The rules are those of key_incr."""
    if now is not None:
        store.raw("HSET", "h", "f", now)
    assert run(store, "hash_incr", ("h",), *TTL, "f", kind, by) == answer
    if answer[0] == b"ok":
        assert content(store) == {b"f": answer[1]}
    else:
        assert content(store) == {b"f": now.encode()}  # type: ignore[union-attr]
        assert not armed(store)


def test_hash_merge(store: Any) -> None:
    """All fields of the other; too many are refused before any is stored; nothing arms nothing."""
    store.raw("HSET", "h", "a", "1", "b", "2")
    store.raw("HSET", "other", "b", "3", "c", "4")
    assert run(store, "hash_merge", ("h", "other"), *TTL, 1) == [b"big"]
    assert content(store) == {b"a": b"1", b"b": b"2"}
    assert run(store, "hash_merge", ("h", "nothing"), *TTL, 2) == [b"ok"]
    assert store.raw("PTTL", "h") == -1
    assert run(store, "hash_merge", ("h", "other"), *TTL, 2) == [b"ok"]
    assert content(store) == {b"a": b"1", b"b": b"3", b"c": b"4"}
    assert armed(store)


def test_hash_pop_and_popitem(store: Any) -> None:
    """What they give is gone; removing never arms."""
    assert run(store, "hash_pop", ("h",), "f") == [b"missing"]
    assert run(store, "hash_popitem", ("h",)) == [b"missing"]
    store.raw("HSET", "h", "f", "1", "g", "2")
    store.raw("PEXPIRE", "h", 500)
    assert run(store, "hash_pop", ("h",), "f") == [b"ok", b"1"]
    assert 0 < store.raw("PTTL", "h") <= 500
    assert run(store, "hash_popitem", ("h",)) == [b"ok", b"g", b"2"]
    assert store.raw("EXISTS", "h") == 0


def test_hash_read_gives_all_or_says_how_many(store: Any) -> None:
    """Above the limit only the count travels."""
    store.raw("HSET", "h", "f", "1", "g", "2")
    assert run(store, "hash_read", ("h",), 1, "HGETALL") == [b"big", 2]
    assert sorted(run(store, "hash_read", ("h",), 2, "HKEYS")[1]) == [b"f", b"g"]
    assert sorted(run(store, "hash_read", ("h",), 2, "HVALS")[1]) == [b"1", b"2"]
    assert sorted(run(store, "hash_read", ("h",), 2, "HGETALL")[1]) == [b"1", b"2", b"f", b"g"]
    assert run(store, "hash_read", ("none",), 2, "HGETALL") == [b"all", []]


def test_hash_replace(store: Any) -> None:
    """Whatever was there is gone, another type too; nothing leaves nothing; 20,000 words go in runs."""
    store.raw("RPUSH", "h", "x")
    assert run(store, "hash_replace", ("h",), "9000", "f", "1") == [b"ok"]
    assert content(store) == {b"f": b"1"}
    assert armed(store)
    run(store, "hash_replace", ("h",), "0", "f", "1")
    assert store.raw("PTTL", "h") == -1
    run(store, "hash_replace", ("h",), "0")
    assert store.raw("EXISTS", "h") == 0
    run(store, "hash_replace", ("h",), "0", *range(20_000))
    assert store.raw("HLEN", "h") == 10_000


def test_hash_set_counts_the_new_ones(store: Any) -> None:
    """More than Lua's stack takes go in runs."""
    assert run(store, "hash_set", ("h",), *NONE, "f", "1", "g", "2") == [b"ok", 2]
    assert run(store, "hash_set", ("h",), *NONE, "f", "3", "x", "4") == [b"ok", 1]
    assert run(store, "hash_set", ("big",), *NONE, *range(20_000)) == [b"ok", 10_000]


def test_hash_set_ttl_stores_all_or_says_that_it_cannot(store: Any) -> None:
    """Where the server has no ttl for fields nothing is stored."""
    reply = run(store, "hash_set_ttl", ("h",), *TTL, "500", "f", "1", "g", "2")
    if reply == [b"unsupported"]:
        assert content(store) == {}
        return
    assert reply == [b"ok", 2]
    assert armed(store)
    assert all(0 < ms <= 500 for ms in store.raw("HPTTL", "h", "FIELDS", 2, "f", "g"))
    assert run(store, "hash_set_ttl", ("h",), *TTL, "0", "f", "1") == [b"ok", 0]
    assert store.raw("HPTTL", "h", "FIELDS", 1, "f") == [-1]


def test_hash_set_ttl_refuses_a_ttl_before_it_writes(server: Any) -> None:
    """Nothing is stored, and the ttl of the hash stays as it was."""
    store = connection()
    store.raw("HSET", "h", "old", "1")
    store.raw("PEXPIRE", "h", 500)
    for wrong in ("9223372036854775807", "-1", "soon"):
        with suppress(CacheError):
            assert run(store, "hash_set_ttl", ("h",), *TTL, wrong, "f", "1", "g", "2") == [b"unsupported"]
        assert content(store) == {b"old": b"1"}
        assert 0 < store.raw("PTTL", "h") <= 500


def test_hash_set_ttl_refuses_another_type(store: Any) -> None:
    """That is no matter of the server's age."""
    store.raw("RPUSH", "h", "1")
    reply_or_error: Any = None
    try:
        reply_or_error = run(store, "hash_set_ttl", ("h",), *TTL, "500", "f", "1")
    except WrongTypeError as error:
        reply_or_error = error
    assert isinstance(reply_or_error, WrongTypeError) or reply_or_error == [b"unsupported"]


def test_hash_setdefault(store: Any) -> None:
    """What is there is given and nothing is armed."""
    assert run(store, "hash_setdefault", ("h",), *NONE, "f", "1") == [b"set"]
    assert run(store, "hash_setdefault", ("h",), *TTL, "f", "2") == [b"old", b"1"]
    assert store.raw("PTTL", "h") == -1


def test_the_first_field_that_expires(store: Any) -> None:
    """hash_soonest: of all fields; -1 without any. Where the server has no ttl for fields, nobody asks."""
    assert run(store, "hash_soonest", ("h",)) == [b"ok", -1]
    store.raw("HSET", "h", "a", "1", "b", "2")
    try:
        assert run(store, "hash_soonest", ("h",)) == [b"ok", -1]
    except CacheError:
        return
    store.raw("HPEXPIRE", "h", "9000", "FIELDS", "1", "a")
    store.raw("HPEXPIRE", "h", "5000", "FIELDS", "1", "b")
    assert 4000 < run(store, "hash_soonest", ("h",))[1] <= 5000
