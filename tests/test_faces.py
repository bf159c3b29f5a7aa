"""Both faces of a type: the same names, parameters, defaults and words; what cannot be awaited is refused by name."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from typing import Any

import pytest

import rcollections
from rcollections import (
    AsyncCounterCache,
    AsyncDictCache,
    AsyncKeyCache,
    AsyncSetCache,
    AsyncSortedSetCache,
    ConfigError,
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    cached,
    invalidate_tags,
    multi_cached,
    no_l1,
    observe,
)
from tests.faces import MADE, docstring, made, target

PAIRS = (
    (KeyCache, AsyncKeyCache),
    (DictCache, AsyncDictCache),
    (SetCache, AsyncSetCache),
    (SortedSetCache, AsyncSortedSetCache),
    (CounterCache, AsyncCounterCache),
)
BLOCKS = {"pipeline", "edit", "writing", "lock"}
AT_ONCE = {"cached", "at", "stats"}


@pytest.mark.parametrize("name", MADE)
def test_the_files_are_made_from_the_sync_ones(name: str) -> None:
    """``python -m tests.faces`` writes what is there."""
    assert target(name).read_text() == made(name), "a sync type was changed: run  python -m tests.faces"


def public(cls: type[Any]) -> dict[str, Any]:
    """What a type has under names without underscore, but what every object of the standard library's kind has."""
    return {
        name: inspect.getattr_static(cls, name)
        for name in dir(cls)
        if not name.startswith("_") and name not in ("aio", "sync")
    }


def plain(member: Any) -> Any:
    """The function behind a method, a class method or a property."""
    return (
        member.__func__ if isinstance(member, classmethod) else member.fget if isinstance(member, property) else member
    )


@pytest.mark.parametrize(("sync", "aio"), PAIRS, ids=lambda cls: cls.__name__)
def test_both_faces_have_the_same_names(sync: type[Any], aio: type[Any]) -> None:
    """Neither has a public name that the other has not."""
    assert public(sync).keys() == public(aio).keys()


@pytest.mark.parametrize(("sync", "aio"), PAIRS, ids=lambda cls: cls.__name__)
def test_both_faces_have_the_same_signatures_and_words(sync: type[Any], aio: type[Any]) -> None:
    """Parameters, kinds and defaults are equal. Every method is awaited, iterated by ``async for``, or a block."""
    for name, member in public(sync).items():
        one, other = plain(member), plain(public(aio)[name])
        assert type(member) is type(public(aio)[name]), name
        if one is other or not callable(one):
            assert one == other, name
            continue
        mine, theirs = inspect.signature(one), inspect.signature(other)
        assert [p.replace(annotation=None) for p in mine.parameters.values()] == [
            p.replace(annotation=None) for p in theirs.parameters.values()
        ], name
        assert docstring(inspect.getdoc(one) or "") == (inspect.getdoc(other) or ""), name
        returns = str(theirs.return_annotation)
        if inspect.iscoroutinefunction(other):
            assert name not in BLOCKS | AT_ONCE, name
        elif returns.startswith("AsyncIterator["):
            assert not BLOCKS & {name}, name
        else:
            assert name in BLOCKS | AT_ONCE | {"key", "missing_count"}, name


def test_what_is_asked_without_awaiting_names_what_to_await(store: Any) -> None:
    """Before anything is sent."""
    k, d, s = AsyncKeyCache("k"), AsyncDictCache("d"), AsyncSetCache("s")
    z, c = AsyncSortedSetCache("z"), AsyncCounterCache("c")
    refused: list[tuple[Any, str]] = [
        (lambda: len(d), "length"), (lambda: "a" in d, "contains"), (lambda: d == {}, "equals"),
        (lambda: d != {}, "equals"), (lambda: d == {}, "equals"), (lambda: bool(d), "exists"),
        (lambda: list(d), "async for"), (lambda: d.__setitem__("a", 1), "set"), (lambda: d.__delitem__("a"), "delete"),
        (lambda: d | {}, "to_dict"), (lambda: len(s), "length"), (lambda: 1 in s, "contains"),
        (lambda: s == {1}, "equals"), (lambda: s | {1}, "union"), (lambda: {1} | s, "union"),
        (lambda: s & {1}, "intersection"), (lambda: s - {1}, "difference"), (lambda: s < {1}, "issubset"),
        (lambda: s.__ior__({1}), "update"), (lambda: bool(s), "exists"), (lambda: list(s), "async for"),
        (lambda: len(z), "length"), (lambda: reversed(z), "items"), (lambda: z == {}, "equals"),
        (lambda: c + c, "to_counter"), (lambda: c.__iadd__(c), "combine"), (lambda: c.__setitem__("a", 1), "set"),
        (lambda: k == 1, "equals"), (lambda: k.__iadd__(1), "increment"), (lambda: int(k), "get"),
        (lambda: bool(k), "exists"), (lambda: k < 3, "get"), (lambda: setattr(k, "data", 1), "set"),
        (lambda: delattr(k, "data"), "clear"),
    ]  # fmt: skip
    for ask, name in refused:
        with pytest.raises(TypeError, match=rf"\b{name}\b"):
            ask()
    for _, aio in PAIRS:
        with pytest.raises(TypeError, match=rf"await {aio.__name__}.create"):
            aio("x", data=[])
    assert store.raw("DBSIZE") == 0


class Profile(DictCache[str, int]):
    """A class of a user: its options and functions serve both worlds."""

    prefix = "profile"
    ttl = 60
    tags = ("users",)

    def load(self) -> dict[str, int]:
        return {"loaded": self.number()}

    def number(self) -> int:
        return len(self.key)

    def __missing__(self, field: str) -> int:
        return len(field)


class Later(AsyncDictCache[str, int]):
    """The same with an Async class and ``async def``."""

    prefix = "later"

    async def load(self) -> dict[str, int]:
        await asyncio.sleep(0)
        return {"loaded": len(self.key)}

    async def __missing__(self, field: str) -> int:
        await asyncio.sleep(0)
        return len(field)


class Doubled(KeyCache[int]):
    prefix = "doubled"

    def default(self) -> int:
        return self.normalize(4)

    def normalize(self, value: int) -> int:
        return 2 * value


def test_a_class_of_the_users_has_both_faces(store: Any) -> None:
    """Its functions get the handle of the class in which they stand; its options are those of both."""

    async def main() -> None:
        aio = Profile(1, ttl=30).aio
        assert (aio.key, aio.ttl, aio.tags, type(aio).__name__) == ("profile.1", 30, ("users",), "Profile")
        assert isinstance(aio, AsyncDictCache)
        assert not isinstance(aio, DictCache)
        assert type(aio.sync) is Profile
        assert aio.aio is aio
        assert await aio.to_dict() == {"loaded": 9}
        assert await aio["abc"] == 3
        assert sorted([each async for each in aio]) == ["abc", "loaded"]
        invalidate_tags("users")
        assert await aio.to_dict() == {"loaded": 9}
        assert await Doubled(1).aio.get() == 8
        assert await (await Doubled(2).aio.create(2, data=3)).get() == 6

    asyncio.run(main())
    assert Profile(1).sync.to_dict() == {"loaded": 9}


def test_async_def_of_the_users_class(store: Any) -> None:
    """Asyncio awaits it, a thread refuses it by name and says where it works."""

    async def main() -> None:
        assert await Later(1).to_dict() == {"loaded": 7}
        assert await Later(1)["ab"] == 2
        async with Later(1).pipeline() as p:
            loaded, there = p["loaded"], p.get("ab")
        assert (loaded.value, there.value) == (7, 2)

    asyncio.run(main())
    with pytest.raises(TypeError, match=r"Later\.load\(\) is an async def.*aio"):
        Later(2).sync.to_dict()
    store.raw("FLUSHDB")

    class Fields(DictCache[str, int]):
        async def __missing__(self, field: str) -> int:
            return 1

    with pytest.raises(TypeError, match=r"Fields\.__missing__\(\) is an async def"):
        Fields("f")["a"]

    class Counts(CounterCache[str]):
        async def __missing__(self, field: str) -> int:
            return 5

    with pytest.raises(TypeError, match=r"Counts\.__missing__\(\) is an async def"):
        Counts("c")["a"]

    async def counts() -> int:
        return await Counts("c").aio["a"]

    assert asyncio.run(counts()) == 5
    with pytest.raises(ConfigError, match="normalize"):

        class _Never(KeyCache[int]):
            async def normalize(self, value: int) -> int:
                return value


def test_tasks_share_one_load(store: Any) -> None:
    """One lease, over tasks and threads."""
    calls: list[str] = []

    class Slow(SetCache[int]):
        prefix = "slow"

        async def load(self) -> set[int]:
            calls.append("load")
            await asyncio.sleep(0.05)
            return {1, 2}

    async def main() -> None:
        found = await asyncio.gather(*(Slow(1).aio.to_set() for _ in range(20)))
        assert found == [{1, 2}] * 20

    asyncio.run(main())
    assert calls == ["load"]


@pytest.mark.parametrize("handle", [AsyncSetCache("s", ttl=5), Profile(1, ttl=5).aio, Later("x", ttl=5).sync])
def test_handles_are_pickled_and_copied(handle: Any) -> None:
    """A face that was made of a class of the user's too."""
    for other in (pickle.loads(pickle.dumps(handle)), copy.copy(handle)):
        assert (type(other), other._own_key, other.ttl) == (type(handle), handle._own_key, 5)
    with pytest.raises(TypeError, match="handle"):
        copy.deepcopy(handle)
    assert repr(handle).startswith(type(handle).__name__)
    with pytest.raises(TypeError):
        hash(handle)


def test_cached_functions_take_async_classes(store: Any) -> None:
    """The class carries configuration only, for ``def`` and ``async def``."""

    class Names(AsyncKeyCache[str]):
        prefix = "names"
        ttl = 60

    @cached(Names, key=lambda n: (n,))
    def one(n: int) -> str:
        return f"one {n}"

    @Names.cached(key=lambda n: ("two", n))
    async def two(n: int) -> str:
        return f"two {n}"

    @multi_cached("ids", Names)
    def many(ids: list[int]) -> dict[int, str]:
        return {each: f"many {each}" for each in ids}

    async def main() -> None:
        assert (one(1), await two(1), many([7])) == ("one 1", "two 1", {7: "many 7"})
        assert (await Names(1).get(), await Names("two", 1).get(), await Names(7).get()) == ("one 1", "two 1", "many 7")
        assert Names(7).sync.get() == "many 7"

    asyncio.run(main())
    with pytest.raises(TypeError, match="takes a KeyCache class"):
        cached(AsyncDictCache)  # type: ignore[call-overload]


def test_observers_and_stats_know_one_class(store: Any) -> None:
    """Both faces of a class of the user's count together; the Async types have names of their own."""
    observe.collect()
    handle = Doubled("seen")
    handle.get()

    async def main() -> None:
        await handle.aio.get()
        await AsyncSetCache("s").add(1)
        assert [each async for each in AsyncSetCache("s")] == [1]

    asyncio.run(main())
    assert (Doubled.stats("get").calls, type(handle.aio).stats("get").calls) == (2, 2)
    assert AsyncSetCache.stats("add").calls == 1
    assert SetCache.stats("add").calls == 0


def test_blocks_are_awaited(store: Any) -> None:
    """Pipelines keep calls without awaiting; edit, lock and writing are ``async with``."""

    async def main() -> None:
        d = await AsyncDictCache[str, Any].create("d", data={"list": [1]})
        async with d.edit("list") as found:
            found.append(2)
        assert await d["list"] == [1, 2]
        async with d.pipeline() as p:
            p["n"] = 3
            other = p(AsyncSetCache("s")).add("x")
            third = p(SetCache("s")).length()
        assert p.results == [True, True, 1]
        assert (other.value, third.value) == (True, 1)
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with d.pipeline() as p:
                p["never"] = 1
                raise ZeroDivisionError
        assert not await d.contains("never")
        k = AsyncKeyCache[int]("k")
        async with k.lock(wait=0) as held:
            assert held.token == 1
        async with k.writing() as w:
            w.put(5)
        assert await k.get() == 5
        since = await d.since()
        assert await d.fill({"new": 1}, since=since)
        assert not await d.fill({"old": 1}, since=since)
        assert await d.to_dict() == {"new": 1}

    asyncio.run(main())


def test_operands_of_both_worlds_and_plain_ones(store: Any) -> None:
    """What the server can combine stays there; everything else is read first, and never by a call that blocks."""

    async def main() -> None:
        a = await AsyncSetCache[Any].create("a", data={1, 2, frozenset({9})})
        b = SetCache[int]("b", data={2, 3})
        text = await AsyncSetCache[Any].create("t", data={"7"}, serialize=False)
        assert await a.union(b, [7]) == {1, 2, 3, 7, frozenset({9})}
        assert await a.intersection(b.aio) == {2}
        assert await a.contains(await AsyncSetCache.create("nine", data={9}))
        await a.update(text)  # written in another way: read, and stored as this set writes it
        assert await a.equals({1, 2, 7, frozenset({9})})
        assert await a.equals(a.sync)
        d = await AsyncDictCache[str, int].create("d", data={"x": 1})
        await d.update(DictCache("e", data={"y": 2}))
        await d.update(AsyncDictCache("e"), z=3)
        assert await d.equals({"x": 1, "y": 2, "z": 3})
        copied = await AsyncDictCache[str, int].create("f", data=d)
        assert await copied.equals(d)
        z = await AsyncSortedSetCache[str].create("z", data=d)
        assert await z.equals({"x": 1, "y": 2, "z": 3})
        c = await AsyncCounterCache[str].create("c", data="hello")
        await c.update(CounterCache("w", data="hi"))
        await c.combine(AsyncCounterCache("w"), "sub")
        assert await c.equals({"h": 1, "e": 1, "l": 2, "o": 1})

    asyncio.run(main())


def test_l1_is_one_for_both(store: Any) -> None:
    """What one face has read the other finds, and a write of either drops it."""

    class Near(DictCache[str, int]):
        prefix = "near"
        l1 = True

    async def main() -> None:
        near = Near(1, data={"a": 1})
        assert await near.aio["a"] == 1
        near["a"] = 2
        assert (await near.aio["a"], near["a"]) == (2, 2)
        await near.aio.set("a", 3)
        assert (near["a"], await near.aio["a"]) == (3, 3)
        with no_l1():
            assert await near.aio["a"] == 3

    asyncio.run(main())


def test_a_large_set_comes_page_by_page(store: Any) -> None:
    """An iterator that is closed early asks for nothing more."""

    async def main() -> None:
        big = await AsyncSetCache[int].create("big", data=range(10_500))
        seen = [each async for each in big]
        assert set(seen) == set(range(10_500))
        pages = aiter(big)
        await anext(pages)
        await pages.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())


def test_the_names_come_when_they_are_asked_for() -> None:
    """And are listed before."""
    assert {aio.__name__ for _, aio in PAIRS} <= set(dir(rcollections))
    with pytest.raises(AttributeError, match="AsyncNothing"):
        rcollections.AsyncNothing  # noqa: B018
