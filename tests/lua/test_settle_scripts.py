"""The script that asks all listeners, by itself, on every kind of server."""

from __future__ import annotations

from typing import Any

from rcollections.plans.effects import Script


def ask(store: Any, *gone: str) -> Any:
    return store.one(Script("settle_ask", ("rc:z",), ("rc:z:0", *gone)))


def test_rounds_count_up_and_come_with_all_listeners(store: Any) -> None:
    """A round is a number that was never asked before; the reply has the listeners of that moment."""
    store.raw("HSET", "rc:z", "one", "1000:0")
    first, second = ask(store), ask(store)
    assert first[:3] == [b"ok", 1, 0]
    assert second[:3] == [b"ok", 2, 0]
    fields = dict(zip(second[3::2], second[4::2], strict=True))
    assert fields == {b"one": b"1000:0", b"round": b"2"}


def test_only_who_has_not_answered_since_is_taken_out(store: Any) -> None:
    """One that has answered meanwhile stays: it serves, and whoever settles next has to ask it."""
    store.raw("HSET", "rc:z", "silent", "1000:1", "woke", "1000:2")
    ask(store, "silent", "1000:1", "woke", "1000:1", "unknown", "1000:1")
    assert store.raw("HGET", "rc:z", "silent") is None
    assert store.raw("HGET", "rc:z", "woke") == b"1000:2"
    assert store.raw("HEXISTS", "rc:z", "unknown") == 0
