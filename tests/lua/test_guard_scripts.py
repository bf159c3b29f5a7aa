"""The guarded form of scripts, and those that work on guards, each by itself, on every kind of server."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.plans.effects import Script
from rcollections.plans.scripts import source

OLD, NEW = b"oldstamp", b"newstamp"
MARK, NEXT = b"mark-one", b"mark-two"
GUARD, LEASE, TAG = "rc:g:{h}", "rc:l:{h}", "rc:t:t"
TAG_MS, DAY = 200_000_000, 86_400_000


def guarded(store: Any, name: str, keys: tuple[str, ...], *args: Any, spec: str, seen: bytes = b"", **more: Any) -> Any:
    """Run the guarded form of a script; ``more``: beside and tags where they are not those of the hash alone."""
    beside, tags = more.get("beside", (GUARD,)), more.get("tags", (TAG,))
    tail = (seen, NEXT, more.get("ttl", 5000), TAG_MS, *(NEW for _ in tags), spec)
    return store.one(Script(f"guarded:{name}", (*keys, *beside, *tags), (*args, *tail)))


def write(store: Any, role: str = "w1:1", seen: bytes = b"") -> Any:
    return guarded(store, "hash_set", ("h",), 9000, "last", "f", "1", spec=f"1 1 {role}", seen=seen)


def living(store: Any, flag: bytes = b"") -> None:
    """A hash with one field, of the generation of the tag's stamp."""
    store.raw("SET", TAG, OLD)
    store.raw("SET", GUARD, OLD + MARK + flag)
    store.raw("HSET", "h", "there", "1")


def test_a_write_makes_the_tag_and_the_guard(store: Any) -> None:
    """What is missing is made in the same step; the guard gets the ttl of the collection."""
    assert write(store) == [b"ok", 1]
    assert store.raw("GET", TAG) == NEW
    assert TAG_MS - 1000 < store.raw("PTTL", TAG) <= TAG_MS
    assert store.raw("GET", GUARD) == NEW + NEXT
    assert abs(store.raw("PTTL", GUARD) - store.raw("PTTL", "h")) < 50


def test_a_write_to_a_living_collection_keeps_it_and_its_mark(store: Any) -> None:
    """Nothing is lost, and ``since`` of before stays good."""
    living(store)
    write(store)
    assert store.raw("HLEN", "h") == 2
    assert store.raw("GET", GUARD) == OLD + MARK


@pytest.mark.parametrize(
    "spoil",
    [
        ("SET", TAG, b"otherone"),
        ("DEL", TAG),
        ("DEL", GUARD),
        ("SET", GUARD, OLD),
        ("SET", GUARD, OLD + OLD + MARK),
        ("SET", GUARD, MARK + OLD),
    ],
)
def test_a_write_to_a_dead_collection_begins_anew(store: Any, spoil: tuple[Any, ...]) -> None:
    """Other stamps, a missing tag or guard, a guard of other tags: what was there is gone first."""
    living(store)
    store.raw(*spoil)
    write(store)
    assert store.raw("HGETALL", "h") == [b"f", b"1"]
    assert store.raw("GET", GUARD) == store.raw("GET", TAG) + NEXT


def test_removing_from_a_dead_collection_leaves_nothing(store: Any) -> None:
    """No guard is left of a collection that is not there; of one that was emptied it keeps its ttl."""
    living(store)
    store.raw("SET", TAG, b"otherone")
    assert guarded(store, "key_run", ("h",), "HDEL", "there", spec="1 1 w1:1") == [b"ok", 0]
    assert store.raw("EXISTS", "h", GUARD) == 0
    living(store)
    store.raw("PEXPIRE", GUARD, 7000)
    store.raw("SET", TAG, OLD)
    assert guarded(store, "key_run", ("h",), "HDEL", "there", spec="1 1 w1:1") == [b"ok", 1]
    assert 6000 < store.raw("PTTL", GUARD) <= 7000


def test_since_refuses_what_changed(store: Any) -> None:
    """Replacing and merging want the guard that was seen; replacing gives it a new mark."""
    living(store)
    assert write(store, "m1:1", OLD + NEXT) == [b"refused"]
    assert write(store, "m1:1", OLD + MARK) == [b"ok", 1]
    assert write(store, "m1:1", OLD + MARK) == [b"ok", 0]
    replace = ("hash_replace", ("h",), 9000, "f", "2")
    assert guarded(store, *replace, spec="1 1 f1a:1", seen=OLD + MARK) == [b"ok"]
    assert store.raw("GET", GUARD) == OLD + NEXT
    assert guarded(store, *replace, spec="1 1 f1a:1", seen=OLD + MARK) == [b"refused"]
    store.raw("SET", TAG, NEW)
    assert guarded(store, *replace, spec="1 1 f1a:1", seen=OLD + NEXT) == [b"refused"]
    assert store.raw("HGETALL", "h") == [b"f", b"2"]
    store.raw("DEL", GUARD)
    assert write(store, "m1:1", OLD + NEXT) == [b"refused"]


@pytest.mark.parametrize(
    ("flag", "there", "answer"), [(b"", 1, b"unloaded"), (b"L", 1, b"ok"), (b"L", 0, b"unloaded"), (b"E", 0, b"ok")]
)
def test_what_loads_itself_is_loaded_before_it_is_written(store: Any, flag: bytes, there: int, answer: bytes) -> None:
    """L counts only while the collection is there: it could have been evicted. E says that it is empty."""
    living(store, flag)
    if not there:
        store.raw("DEL", "h")
    assert write(store, "w1l:1")[0] == answer
    if answer == b"unloaded":
        assert store.raw("HGET", "h", "f") is None
        assert write(store, "w1p:1")[0] == b"ok"
        assert store.raw("GET", GUARD) == OLD + NEXT
        assert guarded(store, "hash_replace", ("h",), 9000, "f", "2", spec="1 1 w1la:1") == [b"ok"]
    assert store.raw("GET", GUARD)[-1:] == b"L"
    assert guarded(store, "hash_replace", ("h",), 9000, spec="1 1 w1la:1") == [b"ok"]
    assert store.raw("GET", GUARD)[-1:] == b"E"
    assert 4000 < store.raw("PTTL", GUARD) <= 5000


def test_operands_are_looked_at_and_stay(store: Any) -> None:
    """A dead operand reads as a key that is not there; it is not removed: other tags may be right for others."""
    store.raw("SADD", "h", "a")
    store.raw("SADD", "o", "b")
    store.raw("SET", TAG, OLD)
    both = {"beside": (GUARD, GUARD + ":"), "spec": "2 1 r2:1"}
    union = ("keys_read", ("o", "h"), "SUNION", 0)
    assert guarded(store, *union, **both) == [b"ok", [b"b"]]
    store.raw("SET", GUARD, OLD + MARK)
    assert sorted(guarded(store, *union, **both)[1]) == [b"a", b"b"]
    store.raw("DEL", TAG)
    assert guarded(store, *union, **both) == [b"ok", [b"b"]]
    assert store.raw("EXISTS", TAG, "h") == 1
    assert guarded(store, *union, **(both | {"spec": "2 1 r2l:1"})) == [b"unloaded", b"2"]


def test_keys_read_and_key_run_alone(store: Any) -> None:
    """Words before and after the keys; more words than Lua can unpack."""
    store.raw("ZADD", "z", "1", "a")
    store.raw("SADD", "s", *range(9000))
    run = lambda name, keys, *args: store.one(Script(name, keys, args))  # noqa: E731
    assert run("keys_read", ("z", "z2"), "ZUNION", 1, 2, "WITHSCORES") == [b"ok", [b"a", b"1"]]
    assert run("key_run", ("s",), "SREM", *range(8000)) == [b"ok", 8000]
    assert run("key_run", ("nothing",), "SPOP") == [b"ok", None]


def opened(store: Any, mode: str, token: bytes = b"token", field: str = "") -> Any:
    args = (mode, field, token, 3000, TAG_MS, NEXT, NEW)
    return store.one(Script("guard_open", ("h", GUARD, LEASE, TAG), args))


def test_opening_makes_what_is_missing_and_keeps_what_lives(store: Any) -> None:
    """The guard is what a write of this moment would leave."""
    assert opened(store, "open") == [b"open", NEW + NEXT]
    assert store.raw("GET", GUARD) == NEW + NEXT
    assert opened(store, "open") == [b"open", NEW + NEXT]
    living(store, b"L")
    assert opened(store, "open") == [b"open", OLD + MARK]
    assert store.raw("GET", GUARD) == OLD + MARK + b"L"
    store.raw("SET", TAG, NEW)
    assert opened(store, "value") == [b"open", NEW + NEXT]
    assert store.raw("EXISTS", "h") == 1
    store.raw("SET", GUARD, OLD + MARK)
    assert opened(store, "open") == [b"open", NEW + NEXT]
    assert store.raw("EXISTS", "h") == 0
    assert DAY - 1000 < store.raw("PTTL", GUARD) <= DAY


def test_opening_gives_one_lease(store: Any) -> None:
    """The first loads, the second waits, the third finds it loaded."""
    assert opened(store, "load") == [b"lease", NEW + NEXT]
    word, left, owner = opened(store, "load", b"other")
    assert owner == b"token"
    assert word == b"wait"
    assert 0 < left <= 3000
    assert store.raw("GET", LEASE) == b"token"
    store.raw("SET", GUARD, NEW + MARK + b"E", "PX", 500)
    assert opened(store, "load") == [b"loaded", b""]
    assert opened(store, "open") == [b"open", NEW + MARK]
    assert store.raw("PTTL", GUARD) <= 500


def test_opening_a_field(store: Any) -> None:
    """A field that is there is the answer; one of a dead generation is not."""
    living(store)
    assert opened(store, "field", field="there") == [b"loaded", b"1"]
    assert opened(store, "field", field="gone") == [b"lease", OLD + MARK]
    assert opened(store, "field", field="gone")[0] == b"wait"
    store.raw("DEL", LEASE)
    store.raw("SET", TAG, NEW)
    assert opened(store, "field", field="there") == [b"lease", NEW + NEXT]


def test_a_guarded_script_lists_what_it_takes_more() -> None:
    """Its contract is that of the script, and the tail of guard, draws and spec."""
    plain, more = source("hash_set"), source("guarded:hash_set")
    assert (more.keys, more.args) == (plain.keys + 1, plain.args + 5)
    assert {*plain.words, "unloaded", "refused"} == set(more.words)
    assert plain.text.strip() in more.text
    assert more.sha != plain.sha
