"""``since()`` and ``fill()``: what was read from the source before an invalidation is not stored after it."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections import CounterCache, DictCache, SetCache, SortedSetCache, invalidate_tags
from tests.test_tagged_collections import COLLECTIONS, DATA, add, content


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("cls", COLLECTIONS)
def test_fill_stores_what_is_up_to_date(store: Any, cls: type[Any], merge: bool) -> None:
    """Nothing happened in between: it is stored, all or to what is there."""
    c = cls("x")
    add(c, "old")
    assert c.fill(DATA[cls], since=c.since(), merge=merge) is True
    assert content(c) == (content(c) | DATA[cls] if merge else DATA[cls])
    assert ("old" in c) is merge
    assert len(c) == len(DATA[cls]) + merge


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("cls", COLLECTIONS)
@pytest.mark.parametrize("there", [False, True])
def test_fill_is_refused_after_an_invalidation(store: Any, cls: type[Any], merge: bool, there: bool) -> None:
    """Source read, tag invalidated, then stored: never; not even if the new generation has begun."""
    c = cls("x")
    since = c.since()
    invalidate_tags("two")
    if there:
        add(c, "new")
    assert c.fill(DATA[cls], since=since, merge=merge) is False
    assert set(content(c)) == ({"new"} if there else set())
    assert c.fill(DATA[cls], since=c.since(), merge=merge) is True


@pytest.mark.parametrize("base", [DictCache, CounterCache, SetCache, SortedSetCache])
@pytest.mark.parametrize("tags", [(), ("one",)])
def test_fill_is_refused_after_clear_and_after_replacing(store: Any, base: type[Any], tags: tuple[str, ...]) -> None:
    """Without tags too ``since`` notices that the key was cleared, and filled by somebody else."""
    data = {"a": 1, "b": 2}
    c = base("x", tags=tags)
    add(c, "old")
    since = c.since()
    c.clear()
    assert c.fill(data, since=since) is False
    assert len(c) == 0
    first, second = c.since(), c.since()
    assert c.fill(data, since=first) is True
    assert c.fill({"c": 3}, since=second) is False
    assert len(c) == 2


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_single_writes_in_between_do_no_harm(store: Any, cls: type[Any]) -> None:
    """What others add and remove does not make a fill stale."""
    c = cls("x")
    since = c.since()
    add(c, "n")
    c.discard("n")
    assert c.fill(DATA[cls], since=since) is True
    assert content(c) == DATA[cls]


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_since_begins_a_new_generation(store: Any, cls: type[Any]) -> None:
    """A token of now must not bring back what was invalidated before."""
    c = cls("x", data=DATA[cls])
    invalidate_tags("one")
    since = c.since()
    assert len(c) == 0
    assert c.fill({"n": 1}, since=since, merge=True)
    assert set(content(c)) == {"n"}


@pytest.mark.parametrize("cls", COLLECTIONS)
def test_many_elements(store: Any, cls: type[Any]) -> None:
    """More than one script carries: built aside and put in place, or refused and thrown away."""
    c = cls("x")
    many = dict.fromkeys(range(6000), 1)
    since = c.since()
    assert c.fill(many, since=since) is True
    assert len(c) == 6000
    since = c.since()
    invalidate_tags("one")
    assert c.fill(many, since=since) is False
    assert len(c) == 0
    assert store.raw("KEYS", "rc:s:*") == []


def test_wrong_tokens_are_refused_by_name(store: Any) -> None:
    """A token of another key, and what is no token."""
    a, b = SetCache("a"), SetCache("b")
    with pytest.raises(ValueError, match=r"since= belongs to 'a', and this is 'b'"):
        b.fill([1], since=a.since())
    with pytest.raises(TypeError, match=r"since= takes what since"):
        b.fill([1], since=b"bytes")  # type: ignore[arg-type]
    assert repr(a.since()) == "Since()"
    with a.pipeline() as p, pytest.raises(TypeError, match="pipeline"):
        p.fill([1], since=a.since())


def test_the_guard_outlives_a_slow_read_of_the_source(store: Any) -> None:
    """A short ttl does not make the token useless while the source is read."""

    class Short(SetCache[int]):
        ttl = 0.02
        tags = ("one",)

    c = Short("x", data={1})
    since = c.since()
    assert store.raw("PTTL", "rc:g:{x}") > 1000
    while c.exists():
        pass
    assert c.fill({2}, since=since) is True
    assert store.raw("PTTL", "rc:g:{x}") <= 20
