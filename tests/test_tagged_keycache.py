"""``KeyCache`` with tags stores entries, the same that functions store: the two read each other's."""

from __future__ import annotations

from typing import Any

import pytest

from rcollections import CacheError, CacheMissError, KeyCache, KeyExistsError, WrongTypeError, cached, invalidate_tags
from tests.trips import trips


class K(KeyCache[Any]):
    prefix = "k"
    ttl = 100
    tags = ("two", "one")


class Bare(KeyCache[Any]):
    prefix = "k"
    ttl = 100


# Each with what it gives of a missing value.
READS: list[Any] = [
    (lambda k: k.get("none"), "none"),
    (lambda k: k.data, None),
    (lambda k: k.exists(), False),
    (lambda k: k.exists(ttl=5), False),
    (lambda k: k.get_ttl("none")[0], "none"),
    (lambda k: k.gets()[0], None),
    (lambda k: type(k).get_many([1], "none")[1], "none"),
    (lambda k: type(k).get_many([1], "none", with_ttl=True)[1][0], "none"),
    (lambda k: k.getdel("none"), "none"),
]


@pytest.mark.parametrize("tag", ["one", "two"])
@pytest.mark.parametrize("value", [5, "text", None, False, [1, {"a": 2}], b"\xc0bytes", 2.5])
def test_reads_give_what_was_stored_until_a_tag_is_invalidated(store: Any, value: Any, tag: str) -> None:
    """Every read; afterwards each gives what it gives of a missing value."""
    for read, missing in READS:
        K(1, data=value)
        assert read(K(1)) == (True if missing is False else value)
        K(1, data=value)
        invalidate_tags(tag)
        assert read(K(1)) == missing
    assert K.get_many([1]) == {}
    with pytest.raises(CacheMissError):
        K(1).peek()


def test_writes_begin_anew(store: Any) -> None:
    """set, nx, add, cas, increment, expire, touch and renew take a dead value as none."""
    k = K(1, data=5)
    assert k.set(6, nx=True) is False
    with pytest.raises(KeyExistsError):
        k.add(6)
    invalidate_tags("one")
    assert k.expire(5) is False
    assert k.touch() is False
    assert k.renew(5) is False
    assert k.add(7)
    invalidate_tags("one")
    assert k.set(8, nx=True)
    assert k.get() == 8
    invalidate_tags("one")
    assert k.increment(2) == 2
    assert k.increment(2) == 4
    assert k.get() == 4
    invalidate_tags("one")
    _, token = k.gets()
    assert k.cas(9, token)
    assert not k.cas(10, token)
    value, token = k.gets()
    assert value == 9
    assert k.cas(11, token)
    assert k.get() == 11


def test_cas_sees_an_invalidation_as_a_change_that_was_made(store: Any) -> None:
    """A token of a missing value wants it missing, counting dead ones as missing."""
    k = K(1)
    _, token = k.gets()
    k.set(5)
    assert not k.cas(6, token)
    invalidate_tags("one")
    assert k.cas(6, token)


def test_edit(store: Any) -> None:
    """Writes back under the stamps of the moment; nothing is sent where nothing was changed."""
    k = K(1, data=[1])
    with k.edit() as v:
        v.append(2)
    assert k.get() == [1, 2]
    before = store.raw("GET", k.key)
    with k.edit():
        pass
    assert store.raw("GET", k.key) == before


@pytest.mark.parametrize("kind", [int, float])
def test_increment_keeps_kind_ttl_and_range(store: Any, kind: Any) -> None:
    """64 bits exactly; floats stay floats; the metadata stays in front."""
    big = 2**62 + 1
    k = K(1, data=big)
    assert k.increment(2**61) == big + 2**61
    with pytest.raises(TypeError):
        k.increment(2**62)
    assert k.get() == big + 2**61
    k.set(1.5)
    assert k.increment(1) == 2.5
    assert k.increment(kind(1)) == 3.5
    k.set("text")
    with pytest.raises(WrongTypeError):
        k.increment()
    assert k.get() == "text"
    first = K(2, data=1, ttl_from="first")
    first.expire(7)
    first.increment()
    assert first.get_ttl()[1] <= 7
    K(2).increment()
    assert first.get_ttl() == (3, pytest.approx(100, abs=1))
    invalidate_tags("one")
    assert first.increment() == 1
    assert first.get_ttl()[1] > 90


def test_ttl_rules(store: Any) -> None:
    """As without tags: the class's, the call's, first, for ever."""
    k = K(1, data=1)
    assert 90 < k.get_ttl()[1] <= 100
    k.set(2, ttl=5)
    assert k.get_ttl()[1] <= 5
    k.set(2, ttl=0)
    assert k.get_ttl()[1] == float("inf")
    assert store.raw("PTTL", "rc:t:one") > 10_000
    assert k.expire(50)
    assert not k.renew(20)
    assert k.renew(200)
    assert k.touch()
    assert 90 < k.get_ttl()[1] <= 100
    assert k.exists(ttl=50)
    assert not k.exists(ttl=500)
    first = K(1, ttl_from="first")
    k.expire(7)
    first.set(3)
    assert first.get_ttl()[1] <= 7


def test_set_many(store: Any) -> None:
    """All under the stamps of one moment."""
    K.set_many({n: n for n in range(20)})
    assert K.get_many(range(20)) == {n: n for n in range(20)}
    assert K.get_many([3], with_ttl=True)[3] == (3, pytest.approx(100, abs=1))
    invalidate_tags("two")
    assert K.get_many(range(20)) == {}
    K.set_many({1: "a"}, ttl=5)
    assert K.get_many([1, 2], None) == {1: "a", 2: None}
    assert K(1).get_ttl()[1] <= 5


def test_a_function_and_a_keycache_agree(store: Any) -> None:
    """What the one stores the other reads, and one invalidation is one for both."""
    calls = []

    @cached(K, key=lambda n: (n,))
    def double(n: int) -> int:
        calls.append(n)
        return 2 * n

    assert double(4) == 8
    assert K(4).get() == 8
    assert K(4).increment() == 9
    assert double(4) == 9
    K(5).set(1)
    assert double(5) == 1
    invalidate_tags("one")
    assert K(4).get() is None
    K(4).clear()
    assert double(4) == 8
    assert double(5) == 10
    assert calls == [4, 4, 5]


def test_other_tags_are_a_miss(store: Any) -> None:
    """A class without tags does not answer with what tags could have invalidated, nor the other way round."""
    K(1, data=5)
    assert Bare(1).get("none") == "none"
    assert Bare.get_many([1]) == {}
    Bare(1, data=6)
    assert K(1).get("none") == "none"
    assert KeyCache("k", 1, tags=("one",)).get("none") == "none"


def test_metadata_of_functions_is_stripped(store: Any) -> None:
    """Without tags too; a stale value is a miss, and so is an exception that was cached."""

    @cached(Bare, key=lambda n: (n,), stale_while_revalidate=50)
    def double(n: int) -> int:
        return 2 * n

    assert double(4) == 8
    assert store.raw("GET", "k.4") != b"8"
    assert Bare(4).get() == 8
    assert Bare(4).data == 8
    assert Bare(4).peek() == 8
    assert Bare(4).get_ttl()[1] == pytest.approx(100, abs=1)
    double.expire(4)
    assert Bare(4).get("none") == "none"
    assert Bare(4).get_ttl("none") == ("none", -1.0)

    @cached(Bare, key=lambda n: ("error", n), cache_errors=LookupError)
    def fails(n: int) -> int:
        raise LookupError("no")

    with pytest.raises(LookupError):
        fails(4)
    assert store.raw("EXISTS", "k.error.4") == 1
    assert Bare("error", 4).get("none") == "none"


def test_set_stops_a_computation_that_began_before(store: Any) -> None:
    """P1: the lease goes with the put, so the older result is not stored."""

    @cached(K, key=lambda n: (n,))
    def slow(n: int) -> str:
        K(n).set("new")
        return "old"

    assert slow(1) == "old"
    assert K(1).get() == "new"

    @cached(K, key=lambda n: (n,))
    def cleared(n: int) -> str:
        K(n).clear()
        return "old"

    K(2).clear()
    assert cleared(2) == "old"
    assert K(2).get() is None


@pytest.mark.parametrize("tags", [(), ("one",)])
def test_since(store: Any, tags: tuple[str, ...]) -> None:
    """``set(…, since=)`` and ``fill`` are refused after an invalidation or a clear, not after other writes."""
    k = KeyCache("x", tags=tags)
    k.set(0)
    since = k.since()
    assert k.get() == 0
    k.set(1)
    assert k.set(2, since=since) is True
    assert k.fill(3, since=since) is True
    assert k.get() == 3
    k.clear()
    assert k.set(4, since=since) is False
    assert k.get() is None
    since = k.since()
    invalidate_tags("one")
    assert k.set(5, since=since) is not bool(tags)
    assert k.get() == (None if tags else 5)


def _fail_while_writing(k: KeyCache[Any]) -> None:
    with k.writing() as w:
        w.put("new")
        raise LookupError


@pytest.mark.parametrize("cls", [K, Bare])
def test_writing(store: Any, cls: type[KeyCache[Any]]) -> None:
    """Nobody stores an older value while the source is changed; an error, or no put, leaves nothing."""
    k = cls(1, data="old")
    computed = cached(cls, key=lambda: (1,))(lambda: "computed")
    with k.writing() as w:
        assert k.get() is None
        w.put("new")
    assert k.get() == "new"
    with k.writing() as w:
        pass
    assert k.get() is None
    k.set("old")
    with pytest.raises(LookupError):
        _fail_while_writing(k)
    assert k.get() is None
    with k.writing() as w:
        invalidate_tags("one")
        w.put("new")
    assert k.get() == (None if k.tags else "new")
    with k.writing() as w:
        k.clear()
        w.put("refused")
    assert k.get() is None
    assert computed() == "computed"
    with pytest.raises(CacheError):
        w.put(1)


def test_one_round_trip(server: Any) -> None:
    """With two tags every operation still is one round trip."""
    from rcollections import connection

    k = K(1, data=1)
    calls: list[Any] = [k.get, k.exists, k.get_ttl, k.gets, k.increment, k.touch, lambda: k.set(1), k.clear]
    calls += [lambda: K.get_many(range(9)), lambda: K.set_many({1: 1, 2: 2}), k.getdel]
    for call in calls:
        if call != k.getdel:
            k.set(1)
        assert trips(connection(), call) == 1 or call == k.getdel


def test_in_a_pipeline(store: Any) -> None:
    """Reads and writes of entries are single steps, so MULTI carries them."""
    k = K(1, data=1)
    with k.pipeline() as p:
        before = p.get()
        p.set(5)
        p.increment(2)
        after = p.get()
    assert (before.value, after.value) == (1, 7)
    invalidate_tags("one")
    with k.pipeline() as p:
        gone = p.get("none")
    assert gone.value == "none"


def test_clean_takes_leases_and_guards_along(store: Any) -> None:
    """Nothing of the class stays but its tags."""
    K(1, data=1)
    K(1).since()
    assert K.clean() == 1
    assert {key for key in store.raw("KEYS", "*") if not key.startswith(b"rc:t:")} == set()
