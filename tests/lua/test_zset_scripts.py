"""The scripts of sorted sets, each by itself, on every kind of server."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.errors import WrongTypeError
from rcollections.plans.effects import Script

TTL = ("9000", "last")
FIRST = ("9000", "first")
NONE = ("0", "last")


def content(store: Any, key: str = "z") -> list[tuple[str, float]]:
    flat = iter(store.raw("ZRANGE", key, 0, -1, "WITHSCORES"))
    return [(member.decode(), float(score)) for member, score in zip(flat, flat, strict=True)]


def put(store: Any, key: str = "z", **scores: float) -> None:
    store.raw("ZADD", key, *(word for member, score in scores.items() for word in (score, member)))


def run(store: Any, name: str, keys: tuple[str, ...], *args: Any) -> Any:
    return store.one(Script(name, keys, args))


def combine(
    store: Any, op: str, *others: str, stage: dict[str, float] | None = None, arm: Any = NONE, how: str = "sum"
) -> Any:
    keys = ("z", "aside", "between", *others, *(() if stage is None else ("aside",)))
    flat = [word for member, score in (stage or {}).items() for word in (score, member)]
    return run(store, "zset_combine", keys, *arm, op, how, len(stage or ()), *flat)


def test_zset_add_counts_the_new_ones(store: Any) -> None:
    """A changed score is not new."""
    assert run(store, "zset_add", ("z",), *NONE, "", 1, "a", 2.5, "b") == [b"ok", 2]
    assert run(store, "zset_add", ("z",), *NONE, "", 7, "a", "inf", "c") == [b"ok", 1]
    assert content(store) == [("b", 2.5), ("a", 7.0), ("c", float("inf"))]


@pytest.mark.parametrize(
    ("flags", "score", "new", "after"),
    [
        ("nx", 9, 1, {"a": 5, "b": 9}),
        ("xx", 9, 0, {"a": 9}),
        ("gt", 9, 1, {"a": 9, "b": 9}),
        ("gt", 1, 1, {"a": 5, "b": 1}),
        ("lt", 9, 1, {"a": 5, "b": 9}),
        ("lt", 1, 1, {"a": 1, "b": 1}),
        ("xx gt", 9, 0, {"a": 9}),
        ("xx lt", 9, 0, {"a": 5}),
    ],
)
def test_zset_add_obeys_conditions(store: Any, flags: str, score: float, new: int, after: dict[str, float]) -> None:
    """The flags are those of ZADD."""
    put(store, a=5)
    assert run(store, "zset_add", ("z",), *NONE, flags, score, "a", score, "b") == [b"ok", new]
    assert dict(content(store)) == after


def test_zset_add_arms_the_ttl_only_if_something_was_stored(store: Any) -> None:
    """A new member and another score arm; the same score, and what a condition forbids, do not."""
    put(store, a=1)
    store.raw("PEXPIRE", "z", 500)
    for flags, score in (("", 1), ("nx", 2), ("gt", 0), ("lt", 2)):
        run(store, "zset_add", ("z",), *TTL, flags, score, "a")
        assert 0 < store.raw("PTTL", "z") <= 500
    run(store, "zset_add", ("z",), *FIRST, "", 2, "a")
    assert 0 < store.raw("PTTL", "z") <= 500
    run(store, "zset_add", ("z",), *TTL, "", 3, "a")
    assert store.raw("PTTL", "z") > 500
    run(store, "zset_add", ("y",), *FIRST, "", 3, "a")
    assert store.raw("PTTL", "y") > 500


def test_zset_add_takes_more_than_the_stack_of_lua(store: Any) -> None:
    """10,000 pairs go in runs."""
    flat = [word for n in range(10_000) for word in (n, f"m{n}")]
    assert run(store, "zset_add", ("z",), *NONE, "", *flat) == [b"ok", 10_000]


def test_zset_incr_gives_the_sum(store: Any) -> None:
    """A missing member starts at 0; the sum is exact."""
    assert run(store, "zset_incr", ("z",), *NONE, "0.1", "a") == [b"ok", run_score(store, "a")]
    word, text = run(store, "zset_incr", ("z",), *NONE, "0.2", "a")
    assert (word, float(text)) == (b"ok", 0.1 + 0.2)


def run_score(store: Any, member: str) -> bytes:
    return store.raw("ZSCORE", "z", member)  # type: ignore[no-any-return]


def test_zset_incr_refuses_what_is_no_number(store: Any) -> None:
    """inf and -inf: nothing changes. Another kind of key: the server's error."""
    run(store, "zset_incr", ("z",), *NONE, "inf", "a")
    assert run(store, "zset_incr", ("z",), *NONE, "-inf", "a") == [b"nan"]
    assert content(store) == [("a", float("inf"))]
    store.raw("SET", "t", "text")
    with pytest.raises(WrongTypeError):
        run(store, "zset_incr", ("t",), *NONE, "1", "a")


def test_zset_incr_arms_the_ttl_only_if_the_score_changed(store: Any) -> None:
    """By 0 is no change, unless it makes the member."""
    put(store, a=1)
    store.raw("PEXPIRE", "z", 500)
    run(store, "zset_incr", ("z",), *TTL, "0", "a")
    run(store, "zset_incr", ("z",), *FIRST, "1", "a")
    assert 0 < store.raw("PTTL", "z") <= 500
    run(store, "zset_incr", ("z",), *TTL, "0", "b")
    assert store.raw("PTTL", "z") > 500


def test_zset_read_gives_all_or_says_how_many(store: Any) -> None:
    """Above the limit only the count travels."""
    assert run(store, "zset_read", ("z",), 2) == [b"all", []]
    put(store, b=2, a=1)
    assert run(store, "zset_read", ("z",), 2) == [b"all", [b"a", b"1", b"b", b"2"]]
    assert run(store, "zset_read", ("z",), 1) == [b"big", 2]


def names(reply: list[Any]) -> str:
    return "".join(member.decode() for member in reply[1][::2])


def test_zset_page_goes_on_after_what_was_seen(store: Any) -> None:
    """Up and down, from either end, lowest first within a page."""
    put(store, a=1, b=1, c=1, d=2, e=3)
    assert names(run(store, "zset_page", ("z",), 2, "up", "", "")) == "ab"
    assert names(run(store, "zset_page", ("z",), 2, "up", "1", "b")) == "cd"
    assert names(run(store, "zset_page", ("z",), 2, "up", "2", "d")) == "e"
    assert names(run(store, "zset_page", ("z",), 2, "up", "3", "e")) == ""
    assert names(run(store, "zset_page", ("z",), 2, "down", "", "")) == "de"
    assert names(run(store, "zset_page", ("z",), 2, "down", "2", "d")) == "bc"
    assert names(run(store, "zset_page", ("z",), 2, "down", "1", "b")) == "a"
    assert names(run(store, "zset_page", ("z",), 2, "down", "1", "a")) == ""
    assert names(run(store, "zset_page", ("none",), 2, "down", "", "")) == ""


@pytest.mark.parametrize("gone", ["b", "moved"])
def test_zset_page_finds_the_place_of_what_is_gone(store: Any, gone: str) -> None:
    """Removed, or with another score: its old place counts, by score and then by bytes."""
    put(store, a=1, c=1, d=1, e=2)
    store.raw("ZADD", "z", 1, b"\xff", 1, b"a\x00", 5, "moved" if gone == "moved" else "z")
    seen = "b" if gone == "b" else "moved"
    up = run(store, "zset_page", ("z",), 9, "up", "1", seen)[1][::2]
    down = run(store, "zset_page", ("z",), 9, "down", "1", seen)[1][::2]
    last = b"moved" if gone == "moved" else b"z"
    low, high = (b"a", b"a\x00"), (b"c", b"d")
    if gone == "moved":
        low, high = (*low, *high), ()
    assert down == list(low)
    assert up == [*high, b"\xff", b"e", last]


def test_zset_page_compares_by_bytes(store: Any) -> None:
    """Not by the locale, and a prefix comes first."""
    put(store, Z=1, a=1, ab=1)
    for seen, after in (("Y", "Zaab"), ("_", "aab"), ("aa", "ab"), ("abc", ""), ("", "Zaab")):
        assert names(run(store, "zset_page", ("z",), 9, "up", "1", seen)) == after


def test_zset_replace_leaves_nothing_of_the_old(store: Any) -> None:
    """Members, ttl and kind of what was there are gone; no members leave no key."""
    store.raw("SET", "z", "text", "PX", 500)
    assert run(store, "zset_replace", ("z",), 0, 1, "a") == [b"ok"]
    assert content(store) == [("a", 1.0)]
    assert store.raw("PTTL", "z") == -1
    run(store, "zset_replace", ("z",), 9000, 2, "b")
    assert content(store) == [("b", 2.0)]
    assert store.raw("PTTL", "z") > 500
    run(store, "zset_replace", ("z",), 9000)
    assert store.raw("EXISTS", "z") == 0


@pytest.mark.parametrize(("how", "a", "b"), [("sum", 6, 6), ("min", 1, 2), ("max", 5, 4)])
def test_zset_merge_aggregates(store: Any, how: str, a: float, b: float) -> None:
    """New members come with their score."""
    put(store, a=5, b=2)
    assert run(store, "zset_merge", ("z",), *NONE, how, 1, "a", 4, "b", 7, "c") == [b"ok"]
    assert dict(content(store)) == {"a": a, "b": b, "c": 7}


def test_zset_merge_of_infinities_is_that_of_the_server(store: Any) -> None:
    """inf and -inf make 0, as ZUNIONSTORE has it."""
    put(store, a=float("inf"))
    run(store, "zset_merge", ("z",), *NONE, "sum", "-inf", "a")
    assert content(store) == [("a", 0.0)]


def test_zset_merge_arms_the_ttl_only_for_changes(store: Any) -> None:
    """Scores that stay as they are store nothing."""
    put(store, a=5)
    store.raw("PEXPIRE", "z", 500)
    run(store, "zset_merge", ("z",), *TTL, "max", 4, "a")
    run(store, "zset_merge", ("z",), *TTL, "sum", 0, "a")
    run(store, "zset_merge", ("z",), *FIRST, "sum", 1, "a")
    assert 0 < store.raw("PTTL", "z") <= 500
    run(store, "zset_merge", ("z",), *TTL, "max", 9, "a")
    assert store.raw("PTTL", "z") > 500


COMBINED = {
    ("union", "sum"): {"a": 1, "b": 12, "c": 20},
    ("union", "min"): {"a": 1, "b": 2, "c": 20},
    ("union", "max"): {"a": 1, "b": 10, "c": 20},
    ("inter", "sum"): {"b": 12},
    ("inter", "min"): {"b": 2},
    ("diff", "sum"): {"a": 1},
    ("copy", "sum"): {"b": 10, "c": 20},
}


@pytest.mark.parametrize(("op", "how"), COMBINED)
@pytest.mark.parametrize("staged", [False, True])
def test_zset_combine_does_what_its_name_says(store: Any, op: str, how: str, staged: bool) -> None:
    """With a sorted set of the server, and with one that is sent."""
    put(store, a=1, b=2)
    put(store, "y", b=10, c=20)
    reply = combine(store, op, stage={"b": 10, "c": 20}, how=how) if staged else combine(store, op, "y", how=how)
    assert reply == [b"ok"]
    assert dict(content(store)) == COMBINED[op, how]
    assert store.raw("EXISTS", "aside", "between") == 0


def test_zset_combine_takes_several_and_sets_too(store: Any) -> None:
    """The members of a set have the score 1."""
    put(store, a=1, b=2)
    put(store, "y", b=10)
    store.raw("SADD", "s", "b", "c")
    combine(store, "union", "y", "s", stage={"a": 0.5})
    assert dict(content(store)) == {"a": 1.5, "b": 13, "c": 1}
    combine(store, "inter", "y", "s", stage={"b": 0})
    assert dict(content(store)) == {"b": 24}
    combine(store, "diff", "y", "s")
    assert store.raw("EXISTS", "z", "aside", "between") == 0


def test_zset_combine_knows_an_alias(store: Any) -> None:
    """With itself: a sum doubles, a difference empties."""
    put(store, a=1)
    combine(store, "union", "z")
    assert content(store) == [("a", 2.0)]
    combine(store, "copy", "z")
    assert content(store) == [("a", 2.0)]
    combine(store, "diff", "z")
    assert store.raw("EXISTS", "z") == 0


@pytest.mark.parametrize(
    ("op", "how", "stores"),
    [
        ("union", "sum", True),
        ("union", "min", False),
        ("inter", "sum", True),
        ("inter", "min", False),
        ("diff", "sum", False),
    ],
)
def test_zset_combine_keeps_the_ttl(store: Any, op: str, how: str, stores: bool) -> None:
    """Only a new member or another score arms; removing, and what changes nothing, keeps the ttl."""
    put(store, "y", b=10)
    for arm in (TTL, FIRST):
        store.raw("DEL", "z")
        put(store, a=1, b=2)
        store.raw("PEXPIRE", "z", 500)
        combine(store, op, "y", arm=arm, how=how)
        if stores and arm is TTL:
            assert store.raw("PTTL", "z") > 500
        else:
            assert 0 < store.raw("PTTL", "z") <= 500


def test_zset_combine_arms_a_key_that_it_makes(store: Any) -> None:
    """'first' too; 'copy' and 'move' replace the ttl with the content."""
    put(store, "y", a=1)
    combine(store, "union", "y", arm=FIRST)
    assert store.raw("PTTL", "z") > 500
    combine(store, "copy", "y")
    assert store.raw("PTTL", "z") == -1
    for arm, alive in ((NONE, False), (TTL, True)):
        put(store, "aside", b=2)
        store.raw("PEXPIRE", "aside", 500)
        assert run(store, "zset_combine", ("z", "aside", "x", "aside"), *arm, "move", "sum", 1) == [b"ok"]
        assert content(store) == [("b", 2.0)]
        assert (store.raw("PTTL", "z") > 500) is alive


def test_zset_combine_refuses_what_was_lost_on_the_way(store: Any) -> None:
    """Fewer staged members than were sent: nothing changes."""
    put(store, a=1)
    put(store, "aside", a=1)
    assert run(store, "zset_combine", ("z", "aside", "x", "aside"), *NONE, "inter", "sum", 2) == [b"lost"]
    assert content(store) == [("a", 1.0)]
    assert store.raw("EXISTS", "aside") == 0


@pytest.mark.parametrize("op", ["union", "inter", "diff", "copy"])
def test_zset_combine_changes_nothing_where_a_key_is_of_another_kind(store: Any, op: str) -> None:
    """WrongTypeError, and no staging key stays."""
    put(store, a=1)
    store.raw("SET", "t", "text")
    with pytest.raises(WrongTypeError):
        combine(store, op, "t", stage={"a": 1})
    assert content(store) == [("a", 1.0)]
    if op != "copy":
        store.raw("SET", "z", "text")
        with pytest.raises(WrongTypeError):
            combine(store, op, stage={"a": 1})
    assert store.raw("EXISTS", "aside", "between") == 0
