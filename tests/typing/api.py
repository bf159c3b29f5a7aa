"""What users see through ``mypy --strict``. Never run: ``make test`` type-checks it."""

from __future__ import annotations

from typing import Any, assert_type

from rcollections import (
    CounterCache,
    DictCache,
    Key,
    KeyCache,
    L1Info,
    SetCache,
    SortedSetCache,
    cached,
    invalidate_tags,
    l1_info,
    multi_cached,
    no_l1,
)


class Profile(DictCache[str, int]):
    prefix = "profile"
    ttl = 600
    tags = ("users",)


class Price(KeyCache[float]):
    prefix = "price"


def dicts() -> None:
    profile = Profile(42)
    assert_type(profile["visits"], int)
    assert_type(profile.get("visits"), int | None)
    assert_type(profile.get("visits", "no"), int | str)
    assert_type(profile.pop("visits"), int)
    assert_type(profile.popitem(), tuple[str, int])
    assert_type(profile.to_dict(), dict[str, int])
    assert_type(Profile.create(1), Profile)
    assert_type(profile.copy_to(7), Profile)
    profile["visits"] = 1
    profile["visits"] = "one"  # type: ignore[assignment]
    profile[1] = 1  # type: ignore[index]
    for name, count in profile.items():
        assert_type((name, count), tuple[str, int])
    with profile.pipeline() as p:
        visits = p["visits"]
        assert_type(p.get("visits").value, int | None)
        assert_type(p.get("visits", "no").value, int | str)
        assert_type(p.pop("visits").value, int)
        assert_type(p.to_dict().value, dict[str, int])
        assert_type(p.get_many(["a"]).value, dict[str, int])
        p["a"] = 1
        p["a"] = "one"  # type: ignore[assignment]
        del p["a"]
        p.get("visits").upper()  # type: ignore[attr-defined]
        price = p(Price("x"))
        assert_type(price.set(1.5).value, bool)
        assert_type(price.get().value, float | None)
        price.data = 2.5
        assert_type(price.data.value, float | None)
        assert_type(p(SetCache[str]("names")).pop().value, str)
        assert_type(p(SetCache[str]("names")).to_set().value, set[str])
        ranked = p(SortedSetCache[str]("ranked"))
        assert_type(ranked.score("ann").value, float)
        assert_type(ranked[0].value, tuple[str, float])
        words = p(CounterCache[str]("words"))
        words["a"] += 1
        assert_type(words["a"].value, int)
        assert_type(words.most_common(2).value, list[tuple[str, int]])
        assert_type(p.a_method_of_the_user(), Any)
    assert_type(visits.value, int)
    assert_type(p.results, list[Any])


def values() -> None:
    price = Price("apple")
    assert_type(price.data, float | None)
    assert_type(price.get(), float | None)
    assert_type(price.get("none"), float | str)
    assert_type(price.getdel(), float | None)
    assert_type(price.getdel(0), float | int)
    assert_type(price.gets()[0], float | None)
    assert_type(price.peek(), float)
    assert_type(price.get_ttl(), tuple[float, float])
    assert_type(price.exists(), bool)
    price.data = 1.5
    price.set("dear")  # type: ignore[arg-type]
    anything = KeyCache("anything")
    anything.data = object()


def sets() -> None:
    names = SetCache[str]("names")
    assert_type(names.add("ann"), bool)
    assert_type(names.pop(), str)
    assert_type(names.to_set(), set[str])
    names.add(1)  # type: ignore[arg-type]
    ranked = SortedSetCache[str]("ranked")
    assert_type(ranked.pop(), tuple[str, float])
    assert_type(ranked.score("ann"), float)
    for name, score in ranked:
        assert_type((name, score), tuple[str, float])


def counters() -> None:
    words = CounterCache[str]("words")
    words["a"] += 1
    assert_type(words.most_common(2), list[tuple[str, int]])
    words["a"] = "one"  # type: ignore[assignment]


@cached
def double(n: int, *, label: str = "") -> float:
    return n * 2.0


@cached(ttl=60, tags=lambda n: (f"n:{n}",))
def named(n: int) -> str:
    return str(n)


@Price.cached(ttl=5)
def priced(n: int) -> list[int]:
    return [n]


@cached(Price, key="one")
async def later(n: int) -> str:
    return str(n)


class Shop:
    @cached
    def stock(self, item: str) -> int:
        return len(item)

    @cached(ttl=5)
    async def fetch(self, item: str) -> bytes:
        return item.encode()

    @property
    @cached
    def size(self) -> int:
        return 1

    @staticmethod
    @cached
    def tax(amount: float) -> float:
        return amount

    @cached
    @classmethod
    def opened(cls, day: str) -> bool:
        return bool(day)

    @classmethod
    @cached(ttl=5)
    def closed(cls, day: str) -> bool:
        return not day

    @cached
    @classmethod
    async def asked(cls, day: str) -> bool:
        return bool(day)

    @multi_cached("ids", key=lambda self, each: (each,))
    def prices(self, ids: list[int]) -> dict[int, str]:
        return {}

    @multi_cached("ids", Price, ignore=("self",))
    async def weights(self, ids: list[int]) -> dict[int, float]:
        return {}

    @multi_cached("ids", Price, ignore=["cls"])
    @classmethod
    def names(cls, ids: list[int]) -> dict[int, str]:
        return {}

    @staticmethod
    @multi_cached("ids", Price)
    def colours(ids: list[int]) -> dict[int, str]:
        return {}


@multi_cached("ids", Price, key=lambda each, lang: ("of", lang, each), ttl=5)
def many(ids: list[int], lang: str = "en") -> dict[int, float]:
    return {}


def of_many_ids() -> None:
    assert_type(many([1], lang="de"), dict[int, float])
    assert_type(many.peek([1]), dict[int, float])
    assert_type(many.refresh([1]), dict[int, float])
    many(["a"])  # type: ignore[list-item]
    many.invalidate([1])
    assert_type(many.cache_info().invalidations, int)
    shop = Shop()
    assert_type(shop.prices([1]), dict[int, str])
    assert_type(shop.prices.peek([1]), dict[int, str])
    shop.prices("a")  # type: ignore[arg-type]
    shop.prices.invalidate([1])
    assert_type(Shop.prices(shop, [1]), dict[int, str])
    assert_type(Shop.names([1]), dict[int, str])
    assert_type(shop.names.refresh([1]), dict[int, str])
    assert_type(Shop.colours([1]), dict[int, str])
    assert_type(shop.colours([1]), dict[int, str])


async def of_many_ids_async() -> None:
    shop = Shop()
    assert_type(await shop.weights([1]), dict[int, float])
    assert_type(await shop.weights.peek([1]), dict[int, float])
    await shop.weights.invalidate([1])
    await shop.weights("a")  # type: ignore[arg-type]
    assert_type(await Shop.weights(shop, [1]), dict[int, float])


def of_the_class() -> None:
    shop = Shop()
    assert_type(Shop.opened("monday"), bool)
    assert_type(shop.opened("monday"), bool)
    assert_type(Shop.opened.peek("monday"), bool)
    Shop.opened.invalidate("monday")
    Shop.opened(1)  # type: ignore[arg-type]
    assert_type(Shop.closed("monday"), bool)
    assert_type(shop.closed("monday"), bool)
    assert_type(shop.tax(1.5), float)


async def of_the_class_async() -> None:
    assert_type(await Shop.asked("monday"), bool)
    await Shop().asked.invalidate("monday")
    await Shop.asked(1)  # type: ignore[arg-type]


def functions() -> None:
    assert_type(double(1, label="x"), float)
    double("1")  # type: ignore[arg-type]
    assert_type(double.peek(1), float)
    assert_type(double.get_ttl(1), tuple[float, float])
    assert_type(double.key(1), Key)
    assert_type(double.refresh(1), float)
    assert_type(double.bg()(1), float)
    assert_type(double.bg().peek(1), float)
    assert_type(double.bg().get_ttl(1), tuple[float, float])
    double.bg().store(2.0)(1, label="a")
    double.bg().store("two")(1)  # type: ignore[arg-type]
    double.bg().invalidate("one")  # type: ignore[arg-type]
    assert_type(double.future()(1).result(), float)
    assert_type(double.future().get_ttl(1).result(), tuple[float, float])
    assert_type(double.future().clear().result(), int)
    assert_type(double.future().store(2.0)(1).result(), None)
    assert_type(double.cache_info().hits, int)
    double.store(1.5)(1)
    double.store("x")  # type: ignore[arg-type]
    double.store(1.5)("x")  # type: ignore[arg-type]
    double.put(1, _cache_put=1.5)
    double.put(1, _cache_put="x")  # type: ignore[arg-type]
    double.invalidate("1")  # type: ignore[call-overload]
    with double.writing(1) as w:
        w.put(2.5)
        w.put("x")  # type: ignore[arg-type]
    assert_type(named(1), str)
    assert_type(named.uncached(1), str)
    assert_type(priced(1), list[int])
    shop = Shop()
    assert_type(shop.stock("apple"), int)
    shop.stock(5)  # type: ignore[arg-type]
    shop.stock.invalidate("apple")
    shop.stock.invalidate(5)  # type: ignore[call-overload]
    assert_type(Shop.stock(shop, "apple"), int)
    assert_type(shop.size, int)
    assert_type(Shop.tax(1.5), float)
    invalidate_tags("a", "b", connection_name="x")


async def async_functions() -> None:
    assert_type(await later(1), str)
    assert_type(await later.peek(1), str)
    assert_type(await later.get_ttl(1), tuple[str, float])
    assert_type(await later.bg()(1), str)
    assert_type(await later.future()(1), str)
    await later.store("x")(1)
    await later.store(5)(1)  # type: ignore[arg-type]
    async with later.writing(1) as w:
        w.put("x")
    assert_type(await Shop().fetch("apple"), bytes)
    await Shop().fetch.invalidate("apple")
    await Shop().fetch(5)  # type: ignore[arg-type]


def in_this_process() -> None:
    with no_l1():
        assert_type(double(3), float)
    info = l1_info("")
    assert_type(info, L1Info)
    assert_type(info.state, str)
    assert_type(info.age, float | None)
    assert_type(info.hits, int)
