"""What users of asyncio see through ``mypy --strict``: every call of the Async types. Never run."""

from __future__ import annotations

from collections import Counter
from typing import Any, assert_type

from rcollections import (
    AsyncCounterCache,
    AsyncDictCache,
    AsyncKeyCache,
    AsyncSetCache,
    AsyncSortedSetCache,
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    ainvalidate_tags,
    cached,
    multi_cached,
)


class Profile(AsyncDictCache[str, int]):
    prefix = "profile"
    ttl = 600
    tags = ("users",)


class Price(AsyncKeyCache[float]):
    prefix = "price"


class Plain(DictCache[str, int]):
    prefix = "plain"


async def faces() -> None:
    assert_type(Plain(1).aio, AsyncDictCache[str, int])
    assert_type(KeyCache[float]("k").aio, AsyncKeyCache[float])
    assert_type(SetCache[str]("s").aio, AsyncSetCache[str])
    assert_type(SortedSetCache[str]("z").aio, AsyncSortedSetCache[str])
    assert_type(CounterCache[str]("c").aio, AsyncCounterCache[str])
    assert_type(Plain(1).sync, Plain)
    assert_type(Profile(1).aio, Profile)
    assert_type(Profile(1).key.upper(), str)


async def shared() -> None:
    profile = Profile(42)
    assert_type(await Profile.create(42, data={"visits": 1}), Profile)
    assert_type(await profile.exists(), bool)
    assert_type(await profile.has(5), bool)
    assert_type(await profile.clear(), bool)
    assert_type(await profile.expires_in(), float | None)
    assert_type(await profile.expire(60), bool)
    assert_type(await profile.touch(), bool)
    assert_type(await profile.renew(60), bool)
    since = await profile.since()
    assert_type(await profile.fill({"visits": 1}, since=since, merge=True), bool)
    assert_type(await profile.copy_to(7), Profile)
    assert_type(await Profile.clean(), int)
    assert_type(await profile.equals({}), bool)
    assert_type(Profile.at("profile.1"), Profile)
    assert_type(Profile.stats("get").calls, int)
    await ainvalidate_tags("users", settle=True)


async def dicts() -> None:
    profile = Profile(42)
    assert_type(await profile["visits"], int)
    assert_type(await profile.get("visits"), int | None)
    assert_type(await profile.get("visits", "no"), int | str)
    assert_type(await profile.set("visits", 1, ttl=5), bool)
    await profile.delete("visits")
    await profile.setdefault("visits", 1)
    assert_type(await profile.pop("visits"), int)
    assert_type(await profile.pop("visits", None), int | None)
    assert_type(await profile.popitem(), tuple[str, int])
    await profile.increment("visits", 2)
    await profile.get_ttl("visits", 0)
    _, token = await profile.gets("visits")
    assert_type(await profile.cas("visits", 3, token), bool)
    async with profile.edit("visits", 0) as edited:
        assert_type(edited, int)
    assert_type(await profile.mutate("visits", lambda n: 1, default=0), int)
    assert_type(await profile.get_many(["a"], 0), dict[str, Any])
    assert_type(await profile.getmany("a", "b"), list[Any])
    await profile.set_many({"a": 1}, ttl=5)
    await profile.update({"a": 1}, b=2)
    assert_type(await Profile.fromkeys("ab", 1, 42), Profile)
    assert_type(await profile.to_dict(), dict[str, int])
    assert_type(await profile.copy(), dict[str, int])
    assert_type(await profile.length(), int)
    assert_type(await profile.contains("a"), bool)
    assert_type(await profile.discard("a"), bool)
    assert_type(await profile.delete_many(["a"]), int)
    async for field in profile:
        assert_type(field, str)
    async for field, number in profile.items():
        assert_type((field, number), tuple[str, int])
    async for field in profile.keys():
        assert_type(field, str)
    async for number in profile.values():
        assert_type(number, int)
    async with profile.pipeline() as p:
        visits = p["visits"]
        p["visits"] = 1
        assert_type(p(Price("x")).set(1.5).value, bool)
        assert_type(p(Plain("x")).get("a").value, int | None)
    assert_type(visits.value, int)
    await profile.set("visits", "one")  # type: ignore[arg-type]
    profile["visits"] = 1  # type: ignore[index]
    for _ in profile:  # type: ignore[attr-defined]
        pass
    len(profile)  # type: ignore[arg-type]


async def values() -> None:
    price = Price("apple")
    assert_type(await price.get(), float | None)
    assert_type(await price.get("none"), float | str)
    assert_type(await price.data, float | None)
    assert_type(await price.peek(strict=True), float)
    assert_type(await price.set(1.5, nx=True, ttl=5, since=None), bool)
    assert_type(await price.add(1.5, ttl=5), bool)
    assert_type(await price.getdel(), float | None)
    assert_type(await price.getdel(0), float | int)
    assert_type(await price.get_ttl(), tuple[float, float])
    value, token = await price.gets()
    assert_type(value, float | None)
    assert_type(await price.cas(2.5, token), bool)
    async with price.edit(0.0) as edited:
        assert_type(edited, float)
    assert_type(await price.mutate(lambda old: 2.5, default=0.0, attempts=3), float)
    await price.increment(1, must_exist=True, keep_ttl=True)
    assert_type(await price.clear(if_value=1.5), bool)
    assert_type(await price.equals(2.5), bool)
    async with price.writing(settle=True) as w:
        w.put(2.5)
    async with price.lock(lease=5, wait=1) as held:
        assert_type(held.lost, bool)
    assert_type(await Price.get_many([1, (2, "x")], None, with_ttl=True), dict[Any, Any])
    await Price.set_many({1: 1.5}, ttl=5)
    assert_type(await Price.delete_many([1]), int)
    await price.set("dear")  # type: ignore[arg-type]


async def sets() -> None:
    names = AsyncSetCache[str]("names")
    assert_type(await names.add("ann"), bool)
    await names.remove("ann")
    await names.delete("ann")
    assert_type(await names.discard("ann"), bool)
    assert_type(await names.pop(), str)
    assert_type(await names.contains("ann"), bool)
    assert_type(await names.length(), int)
    assert_type(await names.to_set(), set[str])
    assert_type(await names.copy(), set[str])
    assert_type(await names.random_sample(3), list[str])
    assert_type(await names.add_many(["ann"]), int)
    assert_type(await names.delete_many(["ann"]), int)
    assert_type(await names.contains_many(["ann"]), dict[str, bool])
    assert_type(await names.union([1]), set[str | int])
    assert_type(await names.intersection({"ann"}), set[str])
    assert_type(await names.difference({"ann"}), set[str])
    assert_type(await names.symmetric_difference([1]), set[str | int])
    await names.update({"ann"})
    await names.intersection_update({"ann"})
    await names.difference_update({"ann"})
    await names.symmetric_difference_update({"ann"})
    assert_type(await names.issubset({"ann"}), bool)
    assert_type(await names.issuperset({"ann"}), bool)
    assert_type(await names.isdisjoint({"ann"}), bool)
    assert_type(await names.equals({"ann"}), bool)
    async for name in names:
        assert_type(name, str)


async def sorted_sets() -> None:
    ranked = AsyncSortedSetCache[str]("ranked")
    assert_type(await ranked.add("ann", 2, nx=True, xx=False, gt=False, lt=False), bool)
    assert_type(await ranked.addnx("ann"), bool)
    assert_type(await ranked.incr("ann", 2), float)
    assert_type(await ranked.score("ann"), float)
    assert_type(await ranked.get("ann"), float | None)
    assert_type(await ranked.get("ann", "no"), float | str)
    assert_type(await ranked.rank("ann", reverse=True), int)
    await ranked.remove("ann")
    await ranked.delete("ann")
    assert_type(await ranked.discard("ann"), bool)
    assert_type(await ranked.pop(last=True), tuple[str, float])
    assert_type(await ranked.rpop(), tuple[str, float])
    assert_type(await ranked.contains("ann"), bool)
    assert_type(await ranked.length(), int)
    assert_type(await ranked[0], tuple[str, float])
    assert_type(await ranked[0:3], list[tuple[str, float]])
    assert_type(await ranked.chunk(3, 1, last=True), list[tuple[str, float]])
    assert_type(await ranked.rchunk(3), list[tuple[str, float]])
    assert_type(await ranked.remove_range_by_rank(0, 1), int)
    assert_type(await ranked.range(1, 2, limit=3, offset=1, reverse=True), list[tuple[str, float]])
    assert_type(await ranked.count(min=1), int)
    assert_type(await ranked.remove_range_by_score(1, 2), int)
    async for pair in ranked:
        assert_type(pair, tuple[str, float])
    async for pair in ranked.items(reverse=True):
        assert_type(pair, tuple[str, float])
    async for name in ranked.elements():
        assert_type(name, str)
    assert_type(await ranked.to_dict(), dict[str, float])
    assert_type(await ranked.copy(), dict[str, float])
    assert_type(await ranked.equals({"ann": 1}), bool)
    assert_type(await ranked.add_many({"ann": 1}), int)
    await ranked.update([("ann", 1)])
    assert_type(await ranked.get_many(["ann"], 0.0), dict[str, Any])
    assert_type(await ranked.scores(["ann"]), dict[str, Any])
    assert_type(await ranked.delete_many(["ann"]), int)
    assert_type(await ranked.union({"ann": 1}, aggregate="max"), dict[Any, float])
    assert_type(await ranked.intersection({"ann"}), dict[str, float])
    assert_type(await ranked.difference({"ann"}), dict[str, float])
    await ranked.union_update({"ann": 1}, aggregate="min")
    await ranked.intersection_update({"ann"})
    await ranked.difference_update({"ann"})


async def counters() -> None:
    words = AsyncCounterCache[str]("words")
    assert_type(await words["a"], int)
    assert_type(await words.get("a"), int | None)
    assert_type(await words.get("a", "no"), int | str)
    assert_type(await words.set("a", 1), bool)
    await words.delete("a")
    assert_type(await words.increment("a", 2), int)
    assert_type(await words.inc("a"), int)
    assert_type(await words.setdefault("a", 1), int)
    assert_type(await words.pop("a"), int)
    assert_type(await words.pop("a", None), int | None)
    assert_type(await words.popitem(), tuple[str, int])
    assert_type(await words.get_many(["a"], 0), dict[str, Any])
    assert_type(await words.getmany("a"), list[int])
    await words.set_many({"a": 1})
    await words.update("abc", d=1)
    await words.subtract({"a": 1})
    await words.combine(Counter("ab"), "sub")
    assert_type(await words.most_common(2), list[tuple[str, int]])
    for word in await words.elements():
        assert_type(word, str)
    assert_type(await words.total(), int)
    assert_type(await words.to_counter(), Counter[str])
    assert_type(await words.copy(), Counter[str])
    assert_type(await words.to_dict(), dict[str, int])
    assert_type(await words.equals({}), bool)
    async for word, count in words.items():
        assert_type((word, count), tuple[str, int])


@cached(Price, key="{name}")
async def price_of(name: str) -> float:
    return 1.5


@Price.cached(key="{name}")
def sync_price_of(name: str) -> float:
    return 1.5


@multi_cached("ids", Price)
async def prices_of(ids: list[int]) -> dict[int, float]:
    return dict.fromkeys(ids, 1.5)


async def functions() -> None:
    assert_type(await price_of("tea"), float)
    assert_type(sync_price_of("tea"), float)
