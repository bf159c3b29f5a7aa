"""``multi_cached``: each id has a key and a lease of its own; what is missing is one call."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CacheConnectionError,
    CacheError,
    ConfigError,
    DictCache,
    EncodeError,
    KeyCache,
    configure,
    connection,
    invalidate_tags,
    multi_cached,
    observe,
)
from rcollections.observe.names import name_of
from rcollections.testing import isolated
from tests.leases import leases
from tests.trips import trips

if TYPE_CHECKING:
    from collections.abc import Iterable


class User(KeyCache[Any]):
    prefix = "user"
    ttl = 100


class Tagged(KeyCache[Any]):
    prefix = "tagged"
    ttl = 100
    tags = ("users", "all")


@pytest.fixture
def calls() -> list[Any]:
    return []


def make(calls: list[Any], cls: Any = User, **options: Any) -> Any:
    @multi_cached("ids", cls, **{"ignore": ("suffix",), **options})
    def users(ids: Iterable[int], suffix: str = "") -> dict[int, str]:
        calls.append(ids)
        return {each: f"u{each}{suffix}" for each in ids if each >= 0}

    return users


def test_only_what_is_missing_is_computed(store: Any, calls: list[Any]) -> None:
    """In order, without repeats, as a list; the result is a dict in the order asked."""
    users = make(calls)
    assert users([3, 1, 3]) == {3: "u3", 1: "u1"}
    assert calls == [[3, 1]]
    found = users(iter([2, 1, 4, 3, 2]))
    assert list(found.items()) == [(2, "u2"), (1, "u1"), (4, "u4"), (3, "u3")]
    assert calls == [[3, 1], [2, 4]]
    assert users(ids=(1, 2)) == {1: "u1", 2: "u2"}
    assert users({5}) == {5: "u5"}
    assert len(calls) == 3
    assert User(4).get() == "u4"
    assert 90 < User(4).get_ttl()[1] <= 100


def test_nothing_asked(store: Any, calls: list[Any]) -> None:
    """An empty iterable is an empty dict: nobody is called, nothing is sent."""
    assert make(calls)([]) == {}
    assert calls == []


def test_ids_that_are_left_out(store: Any, calls: list[Any]) -> None:
    """They are neither cached nor in the result, and hold no lease; None is a value like others."""
    users = make(calls)
    assert users([1, -1]) == {1: "u1"}
    assert users([1, -1]) == {1: "u1"}
    assert calls == [[1, -1], [-1]]
    assert leases(store) == []

    @multi_cached("ids", User)
    def nones(ids: list[str]) -> dict[str, None]:
        calls.append(ids)
        return dict.fromkeys(ids) | {"unasked": None}

    assert nones(["a"]) == {"a": None} == nones(["a"])
    assert len(calls) == 3
    assert not User("unasked").exists()


def test_keys(store: Any, calls: list[Any]) -> None:
    """A function of the id gives a str or parts; without it the id is the part, and a tuple is parts."""
    make(calls, key=lambda each: ("by", "id", each))([1])
    make(calls, key=lambda each: f"x{each}")([1])
    assert store.raw("EXISTS", "user.by.id.1", "user.x1") == 2

    @multi_cached("pairs", User)
    def pairs(*pairs: tuple[int, int]) -> dict[Any, int]:
        return {pair: sum(pair) for pair in pairs}

    assert pairs((1, 2), (3, 4)) == {(1, 2): 3, (3, 4): 7}
    assert store.raw("EXISTS", "user.1.2") == 1
    assert pairs.key((1, 2)) == "user.1.2"
    with pytest.raises(TypeError, match="key= gave a int"):
        make(calls, key=lambda each: each)([1])


def test_options(store: Any, calls: list[Any]) -> None:
    """ttl in seconds or of the result, tags of the class, given, or of the arguments."""
    make(calls, ttl=5)([1])
    assert User(1).get_ttl()[1] <= 5
    users = make(calls, ttl=lambda value: 0 if value == "u2" else 7)
    assert users([2, 3]) == {2: "u2", 3: "u3"}
    assert not User(2).exists()
    assert User(3).get_ttl()[1] <= 7
    tagged = make(calls, Tagged)
    assert tagged([1, 2]) == tagged([1, 2])
    assert len(calls) == 3
    assert Tagged(1).get() == "u1"
    Tagged(2).set("by hand")
    assert tagged([2]) == {2: "by hand"}
    invalidate_tags("all")
    assert tagged([1, 2]) == {1: "u1", 2: "u2"}
    assert len(calls) == 4
    other = make(calls, tags=lambda ids, suffix: (f"suffix-{suffix}",))
    other([8], "x")
    other([8], "x")
    assert len(calls) == 5
    invalidate_tags("suffix-x")
    other([8], suffix="x")
    assert len(calls) == 6


def test_peek_refresh_invalidate(store: Any, calls: list[Any]) -> None:
    """ReadToHold without computing, compute in any case, drop."""
    users = make(calls)
    assert users.peek([1, 2]) == {}
    users([1])
    assert users.peek([2, 1]) == {1: "u1"}
    assert users.refresh([1, 2], "!") == {1: "u1!", 2: "u2!"}
    assert users([1, 2]) == {1: "u1!", 2: "u2!"}
    users.invalidate([1, 1])
    assert users.peek([1, 2]) == {2: "u2!"}
    assert users([1, 2]) == {1: "u1", 2: "u2!"}
    assert users.refresh([]) == {} == users.peek([])
    users.invalidate([])
    assert users.uncached([9]) == {9: "u9"}
    info = users.cache_info()
    assert (info.hits, info.misses, info.computes, info.invalidations) == (5, 6, 4, 1), "peek counts too"


def test_methods(store: Any) -> None:
    """The instance comes first; the values of these do not depend on it."""

    class Repo:
        @multi_cached("ids", User, ignore=("self",))
        def load(self, ids: list[int]) -> dict[int, Any]:
            """Load them."""
            return {each: (type(self).__name__, each) for each in ids}

        @staticmethod
        @multi_cached("ids", User)
        def still(ids: list[int]) -> dict[int, Any]:
            return dict.fromkeys(ids, "static")

        @multi_cached("ids", User)
        @staticmethod
        def above(ids: list[int]) -> dict[int, Any]:
            return dict.fromkeys(ids, "static")

        @multi_cached("ids", User, ignore=("cls",))
        @classmethod
        def of_class(cls, ids: list[int]) -> dict[int, Any]:
            return dict.fromkeys(ids, cls.__name__)

    assert Repo.above([3]) == Repo().above([3]) == {3: "static"}
    assert Repo.of_class([4]) == Repo().of_class([4]) == {4: "Repo"}
    Repo.of_class.invalidate([4])
    assert Repo.of_class.peek([3, 4]) == {3: "static"}
    assert Repo().load([1]) == {1: ("Repo", 1)} == Repo().load(ids=[1])
    assert Repo.still([2]) == {2: "static"}
    assert Repo().load.uncached([5]) == {5: ("Repo", 5)}
    assert Repo.load.__name__ == "load"
    assert Repo.load.__doc__ == "Load them."


def test_errors_free_all_leases(store: Any, calls: list[Any]) -> None:
    """Of the function, of what it returns, and of values that cannot be stored."""

    @multi_cached("ids", User, unstorable="raise")
    def fails(ids: list[int]) -> Any:
        if ids[0] == 1:
            raise LookupError("no")
        return [1] if ids[0] == 2 else {3: "fine", 4: object()}

    for ids, error in (([1, 2], LookupError), ([2, 1], TypeError), ([3, 4], TypeError)):
        with pytest.raises(error):
            fails(ids)
        assert leases(store) == []
    with pytest.raises(TypeError, match="fails gave a list: it gives a mapping of ids to values"):
        fails([2])


def test_a_function_that_calls_itself(store: Any) -> None:
    """For the same id that is an error, for others it is fine."""

    @multi_cached("ids", User)
    def chain(ids: list[int]) -> dict[int, int]:
        return {each: 0 if each == 0 else 1 + chain([each - 1])[each - 1] for each in ids}

    @multi_cached("ids", User, key=lambda each: ("circle", each))
    def circle(ids: list[int]) -> dict[int, int]:
        return circle(ids)

    assert chain([3]) == {3: 3}
    with pytest.raises(CacheError, match="calls itself with the same arguments"):
        circle([1])
    assert leases(store) == []


@pytest.mark.parametrize("tags", [(), ("one",)])
def test_each_id_is_computed_once(store: Any, tags: tuple[str, ...]) -> None:
    """Eight threads with overlapping ids: nobody computes what another one is computing; nobody waits in a circle."""
    counted: list[int] = []

    @multi_cached("ids", User, tags=tags)
    def slow(ids: list[int]) -> dict[int, int]:
        counted.extend(ids)
        time.sleep(0.1)
        return {each: each * each for each in ids}

    wrong: list[Any] = []

    def ask(n: int) -> None:
        ids = [(n * 3 + k) % 20 for k in range(10)]
        if slow(ids if n % 2 else ids[::-1]) != {each: each * each for each in ids}:
            wrong.append(n)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sorted(counted) == sorted(set(counted))
    assert time.monotonic() - began < 3


def test_what_is_invalidated_meanwhile_is_not_stored(store: Any) -> None:
    """By its key or by a tag; its caller gets it."""

    @multi_cached("ids", Tagged)
    def racing(ids: list[int]) -> dict[int, str]:
        if 1 in ids:
            racing.invalidate([1])
        if 3 in ids:
            invalidate_tags("all")
        return dict.fromkeys(ids, "old")

    assert racing([1, 2]) == {1: "old", 2: "old"}
    assert racing.peek([1, 2]) == {2: "old"}
    assert racing([3]) == {3: "old"}
    assert racing.peek([1, 2, 3]) == {}


def test_the_holder_left_it_out_or_failed(store: Any) -> None:
    """Who waited computes it then."""
    began = threading.Event()
    turns: list[list[int]] = []

    @multi_cached("ids", User)
    def slow(ids: list[int]) -> dict[int, str]:
        turns.append(ids)
        if len(turns) == 1:
            began.set()
            time.sleep(0.1)
            raise LookupError
        return dict.fromkeys(ids, "x")

    def first() -> None:
        with pytest.raises(LookupError):
            slow([1, 2])

    thread = threading.Thread(target=first)
    thread.start()
    began.wait(5)
    assert slow([0, 1, 2]) == {0: "x", 1: "x", 2: "x"}
    thread.join()
    assert sorted(turns[1:]) == [[0], [1, 2]]


def test_async(store: Any) -> None:
    """The same for a coroutine function, and for its methods."""
    counted: list[int] = []

    @multi_cached("ids", Tagged)
    async def slow(ids: list[int]) -> dict[int, int]:
        counted.extend(ids)
        await asyncio.sleep(0.05)
        return {each: -each for each in ids}

    async def main() -> None:
        both = await asyncio.gather(slow([1, 2, 3]), slow([3, 4, 1]), slow([]))
        assert both == [{1: -1, 2: -2, 3: -3}, {3: -3, 4: -4, 1: -1}, {}]
        assert await slow.peek([4, 5]) == {4: -4}
        await slow.invalidate([4])
        assert await slow.peek([4]) == {}
        assert await slow.refresh([4]) == {4: -4}
        from rcollections.servers.loops import aclose

        await aclose(connection())

    asyncio.run(main())
    assert sorted(counted) == [1, 2, 3, 4, 4]


def test_a_cancelled_call_frees_its_leases(store: Any) -> None:
    """Others need not wait for what nobody computes any more."""

    @multi_cached("ids", User)
    async def slow(ids: list[int]) -> dict[int, int]:
        await asyncio.sleep(10)
        return {}

    async def main() -> None:
        task = asyncio.ensure_future(slow([1, 2]))
        while len(store.raw("KEYS", "rc:l:*")) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        from rcollections.servers.loops import aclose

        await aclose(connection())

    asyncio.run(main())
    assert leases(store) == []


def test_round_trips(server: Any, calls: list[Any]) -> None:
    """100 hits are one; with misses it is the read, the leases and the stores, whatever their number."""
    users = make(calls, Tagged)
    users(range(100))
    assert trips(connection(), lambda: users(range(100))) == 1
    turn = iter(range(1000, 9000, 100))

    def cold() -> None:
        start = next(turn)
        users(range(start - 50, start + 50))

    assert trips(connection(), cold) == 3


def test_without_a_server(calls: list[Any]) -> None:
    """It computes, or raises if told so."""
    with isolated("redis://127.0.0.1:1"):
        assert make(calls)([1, 2]) == {1: "u1", 2: "u2"}
        assert make(calls).refresh([1]) == {1: "u1"}
        with pytest.raises(CacheConnectionError):
            make(calls, on_error="raise")([1])
        with pytest.raises(CacheConnectionError):
            make(calls).peek([1])
    assert calls == [[1, 2], [1]]


def test_disabled(monkeypatch: pytest.MonkeyPatch, calls: list[Any]) -> None:
    """CACHES_DISABLE=1: functions compute."""
    monkeypatch.setenv("CACHES_DISABLE", "1")
    with isolated():
        configure("redis://127.0.0.1:1")
        users = make(calls)
        assert users([1, 2]) == {1: "u1", 2: "u2"} == users([1, 2])
    assert calls == [[1, 2], [1, 2]]


def told(events: list[observe.Event]) -> list[tuple[str, str]]:
    return [(event.operation, event.key) for event in events]


def test_on_value(store: Any, calls: list[Any]) -> None:
    """Called for each value that was computed, with the arguments of the call, the one id in place of the ids."""
    seen: list[Any] = []
    users = make(calls)

    @users.on_value
    def watch(value: str, *args: Any, **kwargs: Any) -> None:
        seen.append((value, args, kwargs))
        raise RuntimeError("an observer fails")

    users([1, -1])
    users([1, 2, 3], suffix="!")
    users.refresh(ids=[2])
    assert seen == [("u1", (1,), {}), ("u2!", (2, "!"), {}), ("u3!", (3, "!"), {}), ("u2", (2,), {})]

    class Repo:
        @multi_cached("ids", User, ignore=("self", "word"))
        def spread(self, *ids: int, word: str) -> dict[int, str]:
            return dict.fromkeys(ids, word)

    repo = Repo()
    Repo.spread.on_value(watch)
    repo.spread(7, 8, word="x")
    assert seen[4:] == [("x", (repo, 7), {"word": "x"}), ("x", (repo, 8), {"word": "x"})]


def test_observers(fresh: Any, calls: list[Any]) -> None:
    """One ``call`` with the key of the first id, and in it what happened to each."""
    users, events = make(calls), []
    names = {name_of(users), name_of(User)}

    class See(observe.Observer):
        def after(self, event: observe.Event) -> None:
            assert event.name in names
            events.append(event)

    User(1).set("there")
    with observe.observing(See()):
        users([1, 2])
        assert told(events) == [
            ("hit", "user.1"), ("miss", "user.2"), ("compute", "user.2"), ("store", "user.2"), ("call", "user.1"),
        ]  # fmt: skip
        assert events[2].took > 0
        events.clear()
        users.invalidate([2, 1, 2])
        assert told(events) == [("invalidate", "user.2"), ("invalidate", "user.1")]
        events.clear()
        assert users([]) == {}
        assert told(events) == [("call", "")]
        events.clear()

        @multi_cached("ids", User)
        async def fails(ids: list[int]) -> dict[int, str]:
            raise LookupError

        names.add(name_of(fails))
        with pytest.raises(LookupError):
            asyncio.run(fails([8, 9]))
        assert told(events) == [
            ("miss", "user.8"), ("miss", "user.9"), ("compute", "user.8"), ("compute", "user.9"), ("call", "user.8"),
        ]  # fmt: skip
        assert [type(event.error) for event in events[2:]] == [LookupError] * 3
    assert users.cache_info().invalidations == 2


def test_counts_without_a_server(calls: list[Any]) -> None:
    """Each id that is computed was a miss, the breaker open or not; the call is an event."""
    events: list[observe.Event] = []

    class See(observe.Observer):
        def after(self, event: observe.Event) -> None:
            events.append(event)

    with isolated("redis://127.0.0.1:1"):
        users = make(calls)
        users([1, 2])
        info = users.cache_info()
        assert (info.misses, info.computes, info.errors) == (2, 2, 1)
        with observe.observing(See()):
            users([2, 3])
        assert [event.operation for event in events] == ["miss", "miss", "compute", "compute", "call"]
        assert users.cache_info().misses == 4


def test_mistakes_are_named() -> None:
    """At decoration, not at the first call."""
    with pytest.raises(TypeError, match="name of the parameter"):
        multi_cached(make)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="it has no parameter 'other'"):
        multi_cached("other")(lambda ids: ids)
    with pytest.raises(ConfigError, match="ttl"):
        multi_cached("ids", ttl="soon")(lambda ids: ids)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="key is a function of the id"):
        multi_cached("ids", key="user")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a function"):
        multi_cached("ids", User)(multi_cached("ids", User)(lambda ids: ids))
    with pytest.raises(TypeError, match="takes a function"):
        multi_cached("ids")(property(lambda ids: ids))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="generator"):

        @multi_cached("ids")
        def lazily(ids: list[int]) -> Any:
            yield 1

    with pytest.raises(ConfigError, match="@multi_cached needs a function with a name"):
        multi_cached("ids")(partial(lambda ids: ids))
    for cls, what in ((DictCache, "the class DictCache"), (dict, "the class dict"), (User(1), "User")):
        with pytest.raises(TypeError, match=f"@multi_cached takes a KeyCache class, not {what}$"):
            multi_cached("ids", cls)  # type: ignore[arg-type]
    for option in ({"ttl": "soon"}, {"lease": 0}, {"on_error": "ignore"}, {"tags": "users"}):
        with pytest.raises((ConfigError, TypeError), match="^@multi_cached of "):
            multi_cached("ids", **option)(lambda ids: ids)  # type: ignore[arg-type]


def test_refresh_drops_what_is_left_out(store: Any) -> None:
    """What the function does not give any more, or ``ttl`` does not store: the older value must not be given."""
    source = {1: "ann", 2: "bob", 3: "eve"}

    @multi_cached("ids", User, ttl=lambda value: 0 if value == "guest" else 60)
    def users(ids: list[int]) -> dict[int, str]:
        return {each: source[each] for each in ids if each in source}

    for ids in ([1, 2, 3], [2]):
        source.update({1: "ann", 2: "bob", 3: "eve"})
        assert users([1, 2, 3]) == source
        del source[2]
        source[3] = "guest"
        wanted = {each: source[each] for each in ids if each in source}
        assert users.refresh(ids) == wanted
        assert User.get_many([2, 3]) == ({} if 3 in ids else {3: "eve"})
        assert not leases(store)
        assert users([2]) == {}
        User.clean()


def test_refresh_drops_while_another_computes(store: Any) -> None:
    """An older computation of an id that is left out now stores nothing afterwards."""
    began, go_on = threading.Event(), threading.Event()
    rows = {1: "ann"}

    @multi_cached("ids", User)
    def users(ids: list[int]) -> dict[int, str]:
        found = dict(rows)
        if not began.is_set():
            began.set()
            assert go_on.wait(10)
        return {each: found[each] for each in ids if each in found}

    with ThreadPoolExecutor(1) as pool:
        older = pool.submit(users, [1])
        assert began.wait(10)
        rows.clear()
        assert users.refresh([1]) == {}
        go_on.set()
        assert older.result(10) == {1: "ann"}
    assert users.peek([1]) == {}


@pytest.mark.parametrize("method", ["__call__", "refresh"])
def test_a_value_that_cannot_be_written_does_no_harm_to_others(store: Any, method: str) -> None:
    """The caller gets the error; what else was computed is stored, and no lease stays."""

    @multi_cached("ids", User, unstorable="raise")
    def users(ids: list[int]) -> dict[int, Any]:
        return {each: object() if each == 2 else f"u{each}" for each in ids}

    with pytest.raises(EncodeError, match="object"):
        getattr(users, method)([1, 2, 3])
    assert users.peek([1, 2, 3]) == {1: "u1", 3: "u3"}
    assert not leases(store)
    assert users([1, 3]) == {1: "u1", 3: "u3"}

    @multi_cached("ids", User, ttl=lambda value: {"u4": 60}[value])
    def others(ids: list[int]) -> dict[int, Any]:
        return {each: f"u{each}" for each in ids}

    with pytest.raises(KeyError, match="u5"):
        getattr(others, method)([4, 5])
    assert others.peek([4, 5]) == {4: "u4"}
