"""The scripts of locks, each by itself, on every kind of server."""

from __future__ import annotations

from typing import Any

from rcollections.plans.effects import Script

LOCK, COUNTER, CHANNEL = "rc:k:{k}", "rc:f:{k}", "rc:w:rc:k:{k}"
MS, KEPT = 5_000, 100_000


def take(store: Any, token: bytes) -> Any:
    return store.one(Script("lock_take", (LOCK, COUNTER), (token, MS, KEPT)))


def free(store: Any, token: bytes) -> Any:
    return store.one(Script("lock_free", (LOCK, COUNTER), (token, CHANNEL, KEPT)))


def near(ms: int, expected: int) -> bool:
    return expected - 3_000 < ms <= expected


def test_one_token_has_it(store: Any) -> None:
    """The others hear how long it lasts. Each owner gets the next number, however the one before it ended."""
    assert take(store, b"one") == [b"held", 1]
    assert store.raw("GET", LOCK) == b"one"
    assert near(store.raw("PTTL", LOCK), MS)
    assert near(store.raw("PTTL", COUNTER), KEPT)
    word, left = take(store, b"two")
    assert word == b"wait"
    assert near(left, MS)
    assert store.raw("GET", LOCK) == b"one"
    store.raw("DEL", LOCK)
    assert take(store, b"three") == [b"held", 2]


def test_only_its_own_token_gives_it_back(store: Any) -> None:
    """A late FREE of an owner that lost it harms nobody; the counter stays, and is kept for a while from now on."""
    assert free(store, b"one") == [b"refused"]
    take(store, b"one")
    assert free(store, b"two") == [b"refused"]
    assert store.raw("GET", LOCK) == b"one"
    store.raw("PEXPIRE", COUNTER, 9_000)
    assert free(store, b"one") == [b"ok"]
    assert store.raw("EXISTS", LOCK) == 0
    assert store.raw("GET", COUNTER) == b"1"
    assert near(store.raw("PTTL", COUNTER), KEPT)
