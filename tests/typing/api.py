"""What users see through ``mypy --strict``. Never run: ``make test`` type-checks it."""

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

from rcollections import CounterCache, DictCache, KeyCache, SetCache, SortedSetCache


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
        assert_type(p, Profile)
        p["a"] = 1
        p(Price("x")).set(1.5)
    assert_type(p.results, list[Any])


def values() -> None:
    price = Price("apple")
    assert_type(price.data, float)
    assert_type(price.get("none"), float | str)
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
