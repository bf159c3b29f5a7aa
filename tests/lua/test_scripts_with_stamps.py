"""Scripts that get the stamps of tags as arguments, where the tags are in other slots of a cluster (rules K1 to K6)."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.plans.cluster.stamped import guarding
from rcollections.plans.effects import Command, Script
from rcollections.plans.entries import Entry, pack
from rcollections.plans.expanded import expand
from rcollections.plans.guards import Guarded

KEY, LEASE, GUARD, TAG = "k", "rc:l:{k}", "rc:g:{k}", "rc:t:a"
OLD, NOW, NEXT = b"stamp-00", b"stamp-01", b"stamp-02"
TOKEN = b"token-01"


def run(store: Any, name: str, keys: tuple[str, ...], *args: Any) -> Any:
    return store.one(Script(name, keys, args))


def seeded(store: Any, *stamps: bytes, value: bytes = b"5") -> bytes:
    data = pack(Entry(value, 0, 0, stamps))
    store.raw("SET", KEY, data)
    return data


def test_a_stamp_is_made_once(store: Any) -> None:
    """And lives as long as it is asked to, never shorter."""
    assert run(store, "tag_stamp", (TAG,), 9000, NOW) == [b"ok", NOW]
    assert run(store, "tag_stamp", (TAG,), 5000, NEXT) == [b"ok", NOW]
    assert 5000 < store.raw("PTTL", TAG) <= 9000
    assert run(store, "tag_stamp", (TAG,), 90_000, NEXT) == [b"ok", NOW]
    assert store.raw("PTTL", TAG) > 9000
    assert run(store, "tag_stamp", (TAG,), 0, NEXT) == [b"ok", NOW]
    assert store.raw("PTTL", TAG) == -1


def test_fetch(store: Any) -> None:
    """K2: a hit under these stamps; else the lease, with them."""
    ask = (TOKEN, 5000, 0, "miss", -1, 0)
    data = seeded(store, NOW)
    assert run(store, "entry_fetch", (KEY, LEASE), *ask, NOW)[:3] == [b"hit", data, NOW]
    assert run(store, "entry_fetch", (KEY, LEASE), *ask, NEXT)[:3] == [b"lease", b"", NEXT]
    assert store.raw("GET", LEASE) == TOKEN


def test_put_and_begin(store: Any) -> None:
    """K4: under these stamps."""
    assert run(store, "entry_put", (KEY, LEASE), "head", "v", 0, 0, "channel", NOW) == [b"ok"]
    assert store.raw("GET", KEY) == b"head" + NOW + b"v"
    assert run(store, "entry_begin", (KEY, LEASE), TOKEN, 5000, 0, NOW + NEXT) == [b"lease", NOW + NEXT]
    assert store.raw("GET", KEY) is None


def test_free_with_a_mark(store: Any) -> None:
    """The reply has the stamps that were read."""
    store.raw("SET", LEASE, TOKEN)
    assert run(store, "lease_free", (LEASE,), TOKEN, "channel", "mark", 5000, NOW) == [b"ok", NOW]
    assert store.raw("GET", LEASE) == b"mark"


SETS = [
    ("entry_set", (KEY, LEASE, GUARD), ("", "v", 0, 0, "channel", "last", "any", "", "")),
    ("entry_incr", (KEY, LEASE), ("head", 0, 0, "channel", "last", "int", "3", "any")),
    ("entry_set_many", (KEY, LEASE), (1, 0, 0, "last", "", "v")),
    ("entry_clear", (KEY, GUARD, LEASE), ("any", "")),
]


@pytest.mark.parametrize(("name", "keys", "args"), SETS)
def test_an_entry_that_may_be_newer_stays(store: Any, name: str, keys: tuple[str, ...], args: Any) -> None:
    """What has other stamps may have been made behind an invalidation that the client has not seen."""
    data = seeded(store, NEXT)
    assert run(store, name, keys, *args, NOW, b"") == [b"stale", NEXT]
    assert run(store, name, keys, *args, NOW, OLD) == [b"stale", NEXT]
    assert store.raw("GET", KEY) == data
    # The client has read the stamps once more behind that: then the entry counts no more.
    assert run(store, name, keys, *args, NOW, NEXT)[0] in (b"ok", b"missing")
    assert store.raw("GET", KEY) != data


@pytest.mark.parametrize(("name", "keys", "args"), SETS)
def test_an_entry_of_these_stamps_changes_at_once(store: Any, name: str, keys: tuple[str, ...], args: Any) -> None:
    """And so does one without stamps, which no invalidation concerns, and a missing one."""
    for before in ((NOW,), ()):
        data = seeded(store, *before)
        assert run(store, name, keys, *args, NOW, b"")[0] in (b"ok", b"missing")
        assert store.raw("GET", KEY) != data
    store.raw("DEL", KEY)
    assert run(store, name, keys, *args, NOW, b"")[0] in (b"ok", b"missing")


@pytest.mark.parametrize("name", ["entry_arm", "entry_take", "entry_copy"])
def test_what_only_reads_the_stamps(store: Any, name: str) -> None:
    """An entry of other stamps is missing, and stays."""
    keys, args = {
        "entry_arm": ((KEY,), (5000, "set")),
        "entry_take": ((KEY, LEASE), ("channel",)),
        "entry_copy": ((KEY, "{k}2", LEASE), (0,)),
    }[name]
    data = seeded(store, NOW)
    assert run(store, name, keys, *args, NEXT) == [b"missing"]
    assert store.raw("GET", KEY) == data
    assert run(store, name, keys, *args, NOW)[0] == b"ok"


def test_the_guard_of_a_collection(store: Any) -> None:
    """A guard of other stamps, with its collection, goes only if it was seen before the stamps were read."""
    store.raw("SET", GUARD, NEXT + b"12345678")
    store.raw("HSET", KEY, "f", 1)
    ask = ("open", "", b"", 0, 0, b"a-mark-8")
    assert run(store, "guard_open", (KEY, GUARD, LEASE), *ask, NOW, b"") == [b"stale", NEXT + b"12345678"]
    assert run(store, "key_clear", (KEY, GUARD, LEASE), NOW, b"") == [b"stale", NEXT + b"12345678"]
    assert store.raw("HLEN", KEY) == 1
    assert run(store, "guard_open", (KEY, GUARD, LEASE), *ask, NOW, NEXT + b"12345678") == [b"open", NOW + b"a-mark-8"]
    assert store.raw("HLEN", KEY) == 0
    assert run(store, "key_clear", (KEY, GUARD, LEASE), NOW, b"") == [b"ok", 0]


def guarded(*stamps: bytes, dead: bytes = b"") -> Script:
    """HSET on a guarded hash, as it is sent where the tag is in another slot."""
    key = Guarded.make(KEY, GUARD, (TAG,), 0, 0)
    form = expand(Command(("HSET", key, "f", "1")))
    assert form is not None
    (step,) = form.steps
    assert isinstance(step, Script)
    return guarding(step).made(step.name, stamps, [dead])


def test_a_guarded_write(store: Any) -> None:
    """The content of a generation that may be newer stays; of one that counts no more it goes."""
    store.raw("SET", GUARD, NEXT + b"12345678")
    store.raw("HSET", KEY, "g", 2)
    assert store.one(guarded(NOW)) == [b"stale", b"1", NEXT + b"12345678"]
    assert store.raw("HKEYS", KEY) == [b"g"]
    assert store.one(guarded(NEXT)) == [b"ok", 1]
    assert sorted(store.raw("HKEYS", KEY)) == [b"f", b"g"]
    seen = store.raw("GET", GUARD)
    assert store.one(guarded(NOW, dead=seen)) == [b"ok", 1]
    assert store.raw("HKEYS", KEY) == [b"f"]
    assert store.raw("GET", GUARD).startswith(NOW)
