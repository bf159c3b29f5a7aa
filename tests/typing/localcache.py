"""``LocalCache`` through ``mypy --strict``. Never run: ``make test`` type-checks it."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from rcollections import LocalCache


def local_caches() -> None:
    names = LocalCache[int, str](1000, bytes=10**6, ttl=timedelta(minutes=1), eviction_callback=left)
    names.put(7, "ann", ttl=5)
    names.put(7, "ann", size=100)
    assert_type(names.get(7), str)
    assert_type(names.get(7, None), str | None)
    assert_type(names.get_ttl(7), tuple[str, float])
    assert_type(names.get_ttl(7, 0), tuple[str | int, float])
    assert_type(names.keys(), list[int])
    assert_type(names.delete(7), bool)
    assert_type(names.purge(), int)
    assert_type(names.stats.hit_ratio, float)
    for number in names:
        assert_type(number, int)
    names[7] = "ann"
    assert_type(names[7], str)
    assert_type(names.add(7, "ann", ttl=5), bool)
    assert_type(names.pop(7), str)
    assert_type(names.pop(7, None), str | None)
    assert_type(names.setdefault(7, "ann"), str)
    assert_type(names.renew(7, timedelta(hours=1)), bool)
    assert_type(names.contains(7, 5), bool)
    assert_type(names.get_many([7]), dict[int, str])
    assert_type(names.get_many([7], 0), dict[int, str | int])
    names.set_many({7: "ann"}, ttl=5)
    names.update({8: "bob"})
    assert_type(names.clear(), int)
    names[7] = 7  # type: ignore[assignment]
    names.put("seven", "ann")  # type: ignore[arg-type]
    LocalCache[list[int], str]()  # type: ignore[type-var]


def left(key: int, value: str, reason: str) -> None: ...
