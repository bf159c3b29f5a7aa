"""``KeyCache`` on values that functions stored with stale windows: fresh ones count, others are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CacheError,
    CacheMissError,
    EncodeError,
    KeyCache,
    KeyExistsError,
    WrongTypeError,
    cached,
    invalidate_tags,
)
from tests.trips import trips

if TYPE_CHECKING:
    from collections.abc import Callable


class Bare(KeyCache[Any]):
    prefix = "k"
    ttl = 100


class Tagged(Bare):
    tags = ("one",)


class First(Bare):
    ttl_from = "first"


class TaggedFirst(Tagged):
    ttl_from = "first"


BOTH = pytest.mark.parametrize("cls", [Bare, Tagged])


def ms_left(store: Any) -> int:
    return int(store.raw("PTTL", "k.1"))


def computed(cls: Any, value: Any = 10, **options: Any) -> Any:
    """A function whose values have a second life of 50 s behind a first one of 50 s."""
    f = cached(cls, key=lambda n: (n,), **{"ttl": 50, "stale_while_revalidate": 50, **options})(lambda n: value)
    assert f.refresh(1) == value
    return f


def _stale(cls: Any, _store: Any) -> None:
    computed(cls).expire(1)


def _stale_by_itself(cls: Any, store: Any) -> None:
    computed(cls)
    store.raw("PEXPIRE", "k.1", 49_000)


def _other_tags(cls: Any, _store: Any) -> None:
    KeyCache("k", 1, tags=("one", "two", "three"), data=5)


def _invalidated(cls: Any, _store: Any) -> None:
    KeyCache("k", 1, tags=("one",), data=5)
    invalidate_tags("one")


def _error(cls: Any, _store: Any) -> None:
    @cached(cls, key=lambda n: (n,), cache_errors=LookupError)
    def fails(n: int) -> int:
        raise LookupError("no")

    with pytest.raises(LookupError):
        fails(1)


def _broken(_cls: Any, store: Any) -> None:
    store.raw("SET", "k.1", b"\xc0broken", "PX", 90_000)


DEAD: dict[str, Callable[[Any, Any], None]] = {
    "stale": _stale,
    "stale by itself": _stale_by_itself,
    "other tags": _other_tags,
    "invalidated": _invalidated,
    "error": _error,
    "broken": _broken,
}
EACH_DEAD = pytest.mark.parametrize("dead", DEAD.values(), ids=DEAD)


# -- values that count -----------------------------------------------------------------------------


@BOTH
def test_every_read_gives_it(store: Any, cls: Any) -> None:
    """Alone, with others, with a token, with its time."""
    computed(cls)
    k = cls(1)
    cls(2, data=20)
    assert (k.get(), k.data, k.peek(), k.gets()[0], k.exists(), k.has(), bool(k)) == (10, 10, 10, 10, True, True, True)
    assert cls.get_many([3, 1, 2]) == {1: 10, 2: 20}
    assert list(cls.get_many([3, 1, 2], "none").items()) == [(3, "none"), (1, 10), (2, 20)]
    assert cls.get_many([1], with_ttl=True) == {1: (10, pytest.approx(50, abs=1))}
    assert k.get_ttl() == (10, pytest.approx(50, abs=1))
    assert k.exists(ttl=40)
    assert not k.exists(ttl=60)  # that it may be served stale does not count


@BOTH
def test_cas_and_edit(store: Any, cls: Any) -> None:
    """The token is of the value that was given: another value of the function is another."""
    f = computed(cls, [1])
    k = cls(1)
    value, token = k.gets()
    assert value == [1]
    f.refresh(1)
    assert not k.cas([2], token)
    before = store.raw("GET", k.key)
    with k.edit():
        pass
    assert store.raw("GET", k.key) == before
    with k.edit() as v:
        v.append(3)
    assert k.get() == [1, 3]
    assert f(1) == [1, 3]
    f.refresh(1)
    edit = k.edit()
    edit.__enter__().append(4)
    f.refresh(1)
    with pytest.raises(CacheError, match="changed by somebody else"):
        edit.__exit__(None, None, None)


@BOTH
def test_getdel_gives_what_it_removes(store: Any, cls: Any) -> None:
    """Once."""
    computed(cls)
    assert cls(1).getdel() == 10
    assert cls(1).getdel("none") == "none"
    assert store.raw("EXISTS", "k.1") == 0


@pytest.mark.parametrize("cls", [Bare, Tagged, First, TaggedFirst])
def test_numbers_count_on(store: Any, cls: Any) -> None:
    """The ttl of the class begins anew unless it counts from the first write, the grace behind it in any case."""
    f = computed(cls)
    k = cls(1)
    assert k.increment() == 11
    k += 1
    k -= 2
    assert f(1) == 10
    assert k.increment(0.5) == 10.5
    assert f(1) == 10.5
    assert k.get_ttl() == (10.5, pytest.approx(50 if cls.ttl_from == "first" else 100, abs=1))
    f.expire(1)
    assert k.get() is None
    assert store.raw("EXISTS", "k.1") == 1  # and may be served stale


@BOTH
def test_numbers_stay_within_their_range(store: Any, cls: Any) -> None:
    """What fails changes nothing, and what is no number is none."""
    computed(cls, 2**63 - 1)
    k = cls(1)
    before = store.raw("GET", "k.1"), ms_left(store)
    for step in (1, 2**62):
        with pytest.raises(EncodeError):
            k.increment(step)
    assert store.raw("GET", "k.1") == before[0]
    assert before[1] - 5_000 < ms_left(store) <= before[1]
    assert k.increment(-1) == 2**63 - 2
    computed(cls, "text")
    with pytest.raises(WrongTypeError):
        k.increment()
    with pytest.raises(WrongTypeError):
        k.increment(0.5)
    assert k.get() == "text"


@BOTH
def test_a_longer_grace_than_the_ttl(store: Any, cls: Any) -> None:
    """It does not swallow what was counted."""
    computed(cls, stale_while_revalidate=500)
    assert cls(1).increment() == 11
    assert cls(1).get_ttl() == (11, pytest.approx(100, abs=1))


@BOTH
def test_it_is_in_the_way_of_add(store: Any, cls: Any) -> None:
    """As any other value."""
    f = computed(cls)
    with pytest.raises(KeyExistsError):
        cls(1).add(5)
    assert cls(1).set(5, nx=True) is False
    assert f(1) == 10


@BOTH
def test_ttl_commands_are_about_freshness(store: Any, cls: Any) -> None:
    """The grace stays behind it."""
    f = computed(cls)
    k = cls(1)
    assert k.expire(10) is True
    assert k.get_ttl() == (10, pytest.approx(10, abs=1))
    assert 55_000 < ms_left(store) <= 60_000
    assert k.renew(5) is False
    assert k.renew(120) is True
    assert k.get_ttl() == (10, pytest.approx(120, abs=1))
    assert k.renew(110) is False
    assert k.touch() is True
    assert k.get_ttl() == (10, pytest.approx(100, abs=1))
    assert k.expire(0) is True
    assert k.get_ttl() == (10, float("inf"))
    assert k.get() == k.gets()[0] == 10
    assert k.renew(10) is False
    assert f(1) == 10
    k.expire(20)
    f.expire(1)
    assert 45_000 < ms_left(store) <= 50_000


@BOTH
def test_a_copy(store: Any, cls: Any) -> None:
    """It is as fresh as the ttl of the class says, whatever the grace."""
    computed(cls, stale_while_revalidate=500)
    assert cls(1).copy_to(2).get_ttl() == (10, pytest.approx(100, abs=1))
    cls(3, data=30)
    assert cls(3).copy_to(2).get_ttl() == (30, pytest.approx(100, abs=1))


# -- values that do not count ----------------------------------------------------------------------


@BOTH
@EACH_DEAD
def test_a_dead_value_is_not_there(store: Any, cls: Any, dead: Any) -> None:
    """For no read, and no bool of any kind."""
    dead(cls, store)
    k = cls(1)
    assert (k.get("none"), k.getdel("none"), k.gets()[0]) == ("none", "none", None)
    assert (k.exists(), k.has(), bool(k), k.exists(ttl=1)) == (False, False, False, False)
    assert cls.get_many([1]) == cls.get_many([1], with_ttl=True) == {}
    assert k.get_ttl("none") == ("none", -1.0)
    for call in (k.peek, lambda: k.edit().__enter__()):
        with pytest.raises(CacheMissError):
            call()


@BOTH
@EACH_DEAD
def test_a_dead_value_is_not_in_the_way(store: Any, cls: Any, dead: Any) -> None:
    """add, nx, increment, cas and edit begin anew, with the ttl of the class."""
    k = cls(1)

    def check(value: Any) -> None:
        assert k.get_ttl() == (value, pytest.approx(100, abs=1))
        assert 95_000 < ms_left(store) <= 100_000
        k.clear()

    dead(cls, store)
    k.add(5)
    check(5)
    dead(cls, store)
    assert k.set(6, nx=True) is True
    check(6)
    dead(cls, store)
    assert k.set(6, nx=True, ttl=10) is True
    assert k.get_ttl()[1] <= 10
    k.clear()
    for step in (7, -7, 0.5, -(2**63)):
        dead(cls, store)
        assert k.increment(step) == step
        check(step)
    dead(cls, store)
    assert k.cas(8, k.gets()[1])
    check(8)
    dead(cls, store)
    with k.edit(10):  # which is what was there
        pass
    check(10)
    _, token = k.gets()
    dead(cls, store)
    assert k.cas(9, token)
    check(9)


@BOTH
@EACH_DEAD
def test_a_dead_value_stays_dead(store: Any, cls: Any, dead: Any) -> None:
    """Nothing that sets a ttl brings it back, or keeps it longer; a copy is none."""
    dead(cls, store)
    k = cls(1)
    cls(2, data=5)
    assert not k.copy_to(2).exists()
    assert store.raw("EXISTS", "k.2") == 0
    before = store.raw("GET", "k.1"), ms_left(store)
    assert (k.touch(), k.renew(100), k.renew(), k.expire(100), k.expire(0), k.renew(0)) == (False,) * 6
    assert k.get() is None
    assert store.raw("GET", "k.1") == before[0]
    assert before[1] - 5_000 < ms_left(store) <= before[1]


@pytest.mark.parametrize("cls", [First, TaggedFirst])
@EACH_DEAD
def test_the_first_write_is_that_after_a_dead_value(store: Any, cls: Any, dead: Any) -> None:
    """Where the ttl counts from it. The grace of a fresh one does not make it longer either."""
    k = cls(1)
    writes: list[Any] = [lambda: k.set(5), lambda: cls.set_many({1: 5}), lambda: k.cas(5, k.gets()[1])]
    for write in writes:
        k.clear()
        dead(cls, store)
        write()
        assert k.get_ttl() == (5, pytest.approx(100, abs=1))
        k.clear()
        computed(cls)
        write()
        assert k.get_ttl() == (5, pytest.approx(50, abs=1))


@BOTH
def test_a_stale_value_is_computed_again(store: Any, cls: Any) -> None:
    """Whatever was tried on the handle meanwhile: the function does not take it for fresh."""
    f = computed(cls)
    f.expire(1)
    cls(1).touch()
    cls(1).renew(100)
    cls(1).expire(100)
    with pytest.raises(CacheMissError):
        cls(1).peek()
    with pytest.raises(KeyError):
        f.peek(1)


@BOTH
@pytest.mark.parametrize("data", [b"\xff\xfe", b"\xc1?"])
def test_unreadable_bytes_are_not_in_the_way_of_add(store: Any, cls: Any, data: bytes) -> None:
    """get() takes them for nothing, so does add(); but what came in between is."""
    k = cls(1)
    for write in (lambda: k.add(5), lambda: k.set(5, nx=True)):
        store.raw("SET", "k.1", data)
        assert k.get() is None
        assert not k.exists()
        write()
        assert k.get() == 5
        with pytest.raises(KeyExistsError):
            k.add(6)


def test_unreadable_bytes_behind_tags(store: Any) -> None:
    """The stamps are right, and nobody can read the value."""
    k = Tagged(1, data=5)
    store.raw("SET", "k.1", store.raw("GET", "k.1")[:-1] + b"\xff\xfe")
    assert k.get() is None
    k.add(6)
    assert k.get() == 6


# -- where else ------------------------------------------------------------------------------------


@BOTH
def test_in_a_pipeline(store: Any, cls: Any) -> None:
    """The same results, in the same order."""
    f = computed(cls)
    k = cls(1)
    with k.pipeline() as p:
        p.get()
        p.exists()
        p.gets()
        p.set(5, nx=True)
        p.increment(1)
        p.renew(120)
        p.getdel()
        p.add(5)
        p.get()
    read, there, (got, _), stored, total, renewed, taken, added, last = p.results
    assert (stored, total, renewed, taken, added, last) == (False, 11, True, 11, True, 5)
    assert (read, there, got) in ((10, True, 10), (5, True, 5))  # asked again behind it, as of then
    f.refresh(1)
    f.expire(1)
    with k.pipeline() as p:
        p.exists()
        p.get("none")
        p.touch()
        p.set(5, nx=True)
        p.set(6, nx=True)
        p.get()
    assert p.results[2:] == [False, True, False, 5]


@BOTH
def test_held_in_the_process(store: Any, cls: Any) -> None:
    """What only its ttl tells to be fresh is never held."""
    near = type("Held", (cls,), {"l1": True})
    f = computed(near)
    for _ in range(3):
        assert near(1).get() == 10
        assert near(1).exists()
        assert near(1).gets()[0] == 10
        assert near.get_many([1]) == {1: 10}
    f.expire(1)
    assert near(1).get() is None
    assert not near(1).exists()
    assert near(1).set(5, nx=True)
    for _ in range(3):
        assert near(1).get() == 5
        assert near(1).exists()


@BOTH
def test_round_trips(server: Any, cls: Any) -> None:
    """An ordinary value never costs a second one; a fresh one of a function with stale windows does, for reads."""
    from rcollections import connection

    k = cls(1)
    reads: list[Any] = [k.get, k.peek, k.gets, k.exists, lambda: cls.get_many([1, 2]), k.get_ttl]
    reads += [lambda: cls.get_many([1, 2], with_ttl=True), lambda: k.exists(ttl=5)]
    writes: list[Any] = [k.increment, lambda: k.set(1), lambda: k.set(1, nx=True), k.touch, k.renew]
    writes += [lambda: k.expire(90)]
    k.set(1)
    for call in (*reads, *writes):
        assert trips(connection(), call) == 1
    computed(cls)
    for call in reads[:5]:
        assert trips(connection(), call) == 2
    for call in (*reads[5:], *writes[2:]):
        assert trips(connection(), call) == 1
