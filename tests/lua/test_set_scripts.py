"""The scripts of sets, each by itself, on every kind of server."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections.errors import WrongTypeError
from rcollections.plans.effects import Script

TTL = ("9000", "last")
FIRST = ("9000", "first")
NONE = ("0", "last")


def members(store: Any, key: str = "s") -> set[bytes]:
    return set(store.raw("SMEMBERS", key))


def run(store: Any, name: str, keys: tuple[str, ...], *args: Any) -> Any:
    return store.one(Script(name, keys, args))


def combine(store: Any, op: str, *others: str, stage: tuple[str, ...] = (), arm: tuple[str, str] = NONE) -> Any:
    keys = ("s", "aside", "between", *others, *(("aside",) if stage else ()))
    return run(store, "set_combine", keys, *arm, op, len(stage), *stage)


def test_set_add_counts_the_new_ones(store: Any) -> None:
    """Members that are there already do not count."""
    assert run(store, "set_add", ("s",), *NONE, "a", "b") == [b"ok", 2]
    assert run(store, "set_add", ("s",), *NONE, "b", "c") == [b"ok", 1]
    assert members(store) == {b"a", b"b", b"c"}
    assert store.raw("PTTL", "s") == -1


def test_set_add_arms_the_ttl_only_for_new_ones(store: Any) -> None:
    """A new member arms, one that is there does not; with 'first' only the making of the key does."""
    run(store, "set_add", ("s",), *TTL, "a")
    store.raw("PEXPIRE", "s", 500)
    run(store, "set_add", ("s",), *TTL, "a")
    assert 0 < store.raw("PTTL", "s") <= 500
    run(store, "set_add", ("s",), *FIRST, "b")
    assert 0 < store.raw("PTTL", "s") <= 500
    run(store, "set_add", ("s",), *TTL, "c")
    assert store.raw("PTTL", "s") > 500
    run(store, "set_add", ("t",), *FIRST, "a")
    assert store.raw("PTTL", "t") > 500


def test_set_add_takes_more_than_the_stack_of_lua(store: Any) -> None:
    """20,000 members go in runs."""
    assert run(store, "set_add", ("s",), *NONE, *range(20_000)) == [b"ok", 20_000]
    assert store.raw("SCARD", "s") == 20_000


def test_set_read_gives_all_or_says_how_many(store: Any) -> None:
    """Above the limit only the count travels."""
    assert run(store, "set_read", ("s",), 2) == [b"all", []]
    store.raw("SADD", "s", "a", "b")
    word, found = run(store, "set_read", ("s",), 2)
    assert (word, set(found)) == (b"all", {b"a", b"b"})
    assert run(store, "set_read", ("s",), 1) == [b"big", 2]


def test_set_replace_leaves_nothing_of_the_old(store: Any) -> None:
    """Members, ttl and kind of what was there are gone; no members leave no key."""
    store.raw("SET", "s", "text", "PX", 500)
    assert run(store, "set_replace", ("s",), 0, "a", "b") == [b"ok"]
    assert members(store) == {b"a", b"b"}
    assert store.raw("PTTL", "s") == -1
    run(store, "set_replace", ("s",), 9000, "c")
    assert members(store) == {b"c"}
    assert store.raw("PTTL", "s") > 500
    run(store, "set_replace", ("s",), 9000)
    assert store.raw("EXISTS", "s") == 0


def test_set_xor_gives_both_differences(store: Any) -> None:
    """What only the one has, and what only the other has."""
    store.raw("SADD", "s", "a", "b")
    store.raw("SADD", "t", "b", "c")
    assert run(store, "set_xor", ("s", "t")) == [b"ok", [b"a"], [b"c"]]
    assert run(store, "set_xor", ("s", "s")) == [b"ok", [], []]


def test_set_compare_counts(store: Any) -> None:
    """Sizes and common members, with another set of the server or with members that are sent."""
    store.raw("SADD", "s", "a", "b", "c")
    store.raw("SADD", "t", "b", "c", "d", "e")
    assert run(store, "set_compare", ("s", "t")) == [b"ok", 3, 4, 2]
    assert run(store, "set_compare", ("s", "none")) == [b"ok", 3, 0, 0]
    assert run(store, "set_compare", ("s",), "b", "z") == [b"ok", 3, 2, 1]
    assert run(store, "set_compare", ("s",)) == [b"ok", 3, 0, 0]
    assert run(store, "set_compare", ("s",), *range(9000), "a") == [b"ok", 3, 9001, 1]


CASES: dict[str, tuple[set[str], set[str], set[str]]] = {
    "union": ({"a", "b"}, {"b", "c"}, {"a", "b", "c"}),
    "inter": ({"a", "b"}, {"b", "c"}, {"b"}),
    "diff": ({"a", "b"}, {"b", "c"}, {"a"}),
    "xor": ({"a", "b"}, {"b", "c"}, {"a", "c"}),
    "copy": ({"a", "b"}, {"b", "c"}, {"b", "c"}),
}


@pytest.mark.parametrize("op", CASES)
@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("larger", ["mine", "theirs", "neither"])
def test_set_combine_does_what_its_name_says(store: Any, op: str, staged: bool, larger: str) -> None:
    """With a set of the server and with members that are sent, whichever side is the larger one."""
    mine, theirs, _ = CASES[op]
    mine = mine | ({"x", "y"} if larger == "mine" else set())
    theirs = theirs | ({"v", "w"} if larger == "theirs" else set())
    want = {"union": mine | theirs, "inter": mine & theirs, "diff": mine - theirs, "xor": mine ^ theirs, "copy": theirs}
    store.raw("SADD", "s", *mine)
    store.raw("SADD", "t", *theirs)
    reply = combine(store, op, stage=tuple(theirs)) if staged else combine(store, op, "t")
    assert reply == [b"ok", 0 if op == "copy" else len(mine), len(want[op])]
    assert members(store) == {word.encode() for word in want[op]}
    assert members(store, "t") == {word.encode() for word in theirs}
    assert store.raw("EXISTS", "aside", "between") == 0


@pytest.mark.parametrize(("op", "left"), [("union", "ab"), ("inter", "ab"), ("diff", ""), ("xor", ""), ("copy", "ab")])
def test_set_combine_knows_an_alias(store: Any, op: str, left: str) -> None:
    """A set with itself."""
    store.raw("SADD", "s", "a", "b")
    combine(store, op, "s")
    assert members(store) == {char.encode() for char in left}


def test_set_combine_takes_several(store: Any) -> None:
    """All others count, and the sent members with them."""
    store.raw("SADD", "s", *"abcdef")
    store.raw("SADD", "t", *"abcx")
    store.raw("SADD", "u", *"bcdy")
    combine(store, "inter", "t", "u", stage=("c", "b", "q"))
    assert members(store) == {b"b", b"c"}
    combine(store, "union", "t", "u", stage=("q",))
    assert members(store) == {char.encode() for char in "abcdxyq"}
    combine(store, "diff", "t", "u", stage=("nobody",))
    assert members(store) == {b"q"}


@pytest.mark.parametrize("op", ["union", "inter", "diff", "xor"])
@pytest.mark.parametrize("others", ["b", "bcdefgh"])
def test_set_combine_keeps_the_ttl(store: Any, op: str, others: str) -> None:
    """Removing never changes the ttl; what stores arms it, with 'first' only if it makes the key."""
    store.raw("SADD", "t", *others)
    grows = (op == "union" and len(others) > 1) or (op == "xor" and len(others) > 1)
    for arm in (TTL, FIRST):
        store.raw("DEL", "s")
        store.raw("SADD", "s", "a", "b")
        store.raw("PEXPIRE", "s", 500)
        combine(store, op, "t", arm=arm)
        if grows and arm is TTL:
            assert store.raw("PTTL", "s") > 500
        else:
            assert 0 < store.raw("PTTL", "s") <= 500


def test_set_combine_arms_a_key_that_it_makes(store: Any) -> None:
    """'first' too; and 'copy' replaces the ttl with the content."""
    store.raw("SADD", "t", "a")
    combine(store, "union", "t", arm=FIRST)
    assert store.raw("PTTL", "s") > 500
    combine(store, "copy", "t", arm=NONE)
    assert store.raw("PTTL", "s") == -1
    combine(store, "copy", "t", arm=FIRST)
    assert store.raw("PTTL", "s") > 500


def test_set_combine_moves_what_was_staged(store: Any) -> None:
    """The ttl of the staging key goes, that of the class comes."""
    store.raw("SADD", "s", "old")
    for arm, alive in ((NONE, False), (TTL, True)):
        store.raw("SADD", "aside", "a", "b")
        store.raw("PEXPIRE", "aside", 500)
        keys = ("s", "aside", "between", "aside")
        assert run(store, "set_combine", keys, *arm, "move", 2) == [b"ok", 0, 2]
        assert members(store) == {b"a", b"b"}
        assert (store.raw("PTTL", "s") > 500) is alive


def test_set_combine_refuses_what_was_lost_on_the_way(store: Any) -> None:
    """Fewer staged members than were sent: nothing changes."""
    store.raw("SADD", "s", "a")
    store.raw("SADD", "aside", "a", "b")
    keys = ("s", "aside", "between", "aside")
    assert run(store, "set_combine", keys, *NONE, "inter", 3) == [b"lost"]
    assert members(store) == {b"a"}
    assert store.raw("EXISTS", "aside") == 0


@pytest.mark.parametrize("op", list(CASES))
def test_set_combine_changes_nothing_where_a_key_is_of_another_kind(store: Any, op: str) -> None:
    """WrongTypeError, and no staging key stays."""
    store.raw("SADD", "s", "a")
    store.raw("SET", "t", "text")
    with pytest.raises(WrongTypeError):
        combine(store, op, "t", stage=("a",))
    assert members(store) == {b"a"}
    store.raw("SET", "s", "text")
    if op != "copy":
        with pytest.raises(WrongTypeError):
            combine(store, op, stage=("a",))
    assert store.raw("EXISTS", "aside", "between") == 0
