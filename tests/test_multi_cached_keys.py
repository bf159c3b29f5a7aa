"""Whose answer ``multi_cached`` gives: the key of an id, and the arguments of the call that are part of it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from rcollections import ConfigError, KeyCache, configure, connection, invalidate_tags, multi_cached
from rcollections.servers.loops import aclose


class Text(KeyCache[Any]):
    prefix = "text"


def by_lang(each: Any, lang: str) -> tuple[Any, ...]:
    return lang, each


def test_the_other_arguments(store: Any) -> None:
    """Nobody gets the answer for another language, however it is given; all methods make the same keys."""
    calls: list[Any] = []

    @multi_cached("ids", Text, key=by_lang)
    def texts(ids: Any, lang: str = "en") -> dict[Any, str]:
        calls.append((ids, lang))
        return {each: f"{lang}-{each}" for each in ids}

    assert texts([1], lang="de") == {1: "de-1"}
    assert texts([1, 2], "fr") == {1: "fr-1", 2: "fr-2"}
    assert texts([1]) == texts(ids=[1], lang="en") == {1: "en-1"}
    assert len(calls) == 3
    assert texts.key(1) == texts.key(1, "en") == texts.key(1, lang="en") == texts.key(ids=1) == "text.en.1"
    assert texts.peek([1, 2], lang="fr") == {1: "fr-1", 2: "fr-2"}
    assert texts.peek([1, 2], lang="de") == {1: "de-1"}
    texts.invalidate([1], lang="fr")
    texts.invalidate([2])
    assert texts.peek([1, 2], "fr") == {2: "fr-2"}
    assert texts.peek([1]) == {1: "en-1"}
    assert texts.refresh([1], "fr") == {1: "fr-1"} == texts.peek([1], "fr")
    assert Text("fr", 1).get() == "fr-1"
    for wrong in (texts, texts.invalidate, texts.peek, texts.refresh, texts.key):
        with pytest.raises(TypeError, match="unexpected keyword argument 'land'"):
            wrong([1], land="de")


def test_instances(store: Any) -> None:
    """Nor that of another instance: the key function gets it."""

    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        @multi_cached("ids", Text, key=lambda self, each: (self.name, each))
        def stock(self, ids: list[int]) -> dict[int, str]:
            return {each: f"{self.name}-{each}" for each in ids}

    bonn, ulm = Shop("bonn"), Shop("ulm")
    assert bonn.stock([2]) == {2: "bonn-2"}
    assert ulm.stock([2]) == {2: "ulm-2"} == Shop.stock(ulm, [2])
    assert bonn.stock.key(2) == Shop.stock.key(bonn, 2) == "text.bonn.2"
    bonn.stock.invalidate([2])
    assert bonn.stock.peek([2]) == {}
    assert ulm.stock.peek([2]) == {2: "ulm-2"}

    class Plain:
        def __init__(self, name: str) -> None:
            self.name = name

        def load(self, ids: list[int]) -> dict[int, str]:
            return {each: f"{self.name}-{each}" for each in ids}

    with pytest.raises(ConfigError, match="depend on 'self'"):
        multi_cached("ids", Text)(Plain("x").load)
    loads = [multi_cached("ids", Text, key=lambda self, each: ("of", self.name, each))(Plain(n).load) for n in "ab"]
    assert [load([1]) for load in loads] == [{1: "a-1"}, {1: "b-1"}]


def test_class_methods(store: Any) -> None:
    """A subclass is another class."""

    class Base:
        @multi_cached("ids", Text, key=lambda cls, each: (cls.__name__, each))
        @classmethod
        def names(cls, ids: list[int]) -> dict[int, str]:
            return dict.fromkeys(ids, cls.__name__)

        @multi_cached("ids", Text, key=by_lang)
        @staticmethod
        def still(ids: list[int], lang: str) -> dict[int, str]:
            return dict.fromkeys(ids, lang)

    class Sub(Base):
        pass

    assert (Base.names([1]), Sub.names([1]), Sub().names([1])) == ({1: "Base"}, {1: "Sub"}, {1: "Sub"})
    Sub.names.invalidate([1])
    assert Base.names.peek([1]) == {1: "Base"}
    assert Sub.names.key(1) == "text.Sub.1"
    assert (Base.still([1], "de"), Base().still([1], lang="fr")) == ({1: "de"}, {1: "fr"})


def test_any_signature(store: Any) -> None:
    """The key function is called like the function, with the id for the ids: by place, by name, any number of both."""
    seen: list[Any] = []

    def told(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
        seen.append((args, kwargs))
        return ("x",)

    def second(lang: str, ids: Any, /, size: int = 3, *rest: int, word: str, **more: Any) -> dict[Any, Any]:
        return dict.fromkeys(ids, 1)

    multi_cached("ids", Text, key=told)(second).key("de", 7, 8, 9, word="w", other=1)
    multi_cached("ids", Text, key=told)(second).key("de", 7, word="w")
    ignoring = multi_cached(
        "ids", Text, key=lambda each, size, *rest, **more: (each, size, *rest, *more), ignore=("lang", "word", "z")
    )
    assert ignoring(second).key("de", 7, 8, 9, word="w", other=1, z=2) == "text.7.8.9.other"  # fmt: skip

    def spread(lang: str, *ids: int) -> dict[int, str]:
        return {each: f"{lang}{each}" for each in ids}

    many = multi_cached("ids", Text, key=told)(spread)
    many.key("de", 5)
    multi_cached("only", Text, key=told)(lambda *, only: only).key(only=4)
    assert seen == [
        (("de", 7, 8, 9), {"word": "w", "other": 1}), (("de", 7, 3), {"word": "w"}), (("de", 5), {}), ((4,), {}),
    ]  # fmt: skip
    spreading = multi_cached("ids", Text, key=lambda lang, each: (lang, each))(spread)
    assert spreading("a", 1, 2, 1) == {1: "a1", 2: "a2"}
    assert spreading("b", 1) == {1: "b1"}
    spreading.invalidate("a", 2, 1)
    assert (spreading.peek("a", 1, 2), spreading.peek("b", 1)) == ({}, {1: "b1"})
    for wrong in ((), ("a",), ("a", 1, 2)):
        with pytest.raises(TypeError, match="argument|takes one id"):
            spreading.key(*wrong)
    with pytest.raises(TypeError, match="takes one id"):
        multi_cached("ids", Text)(lambda ids=(): dict(ids)).key()


def test_a_key_function_of_the_id_alone(store: Any) -> None:
    """For a function of ids alone, or one whose other parameters do not matter; C functions and partials too."""
    of_ids = [
        multi_cached("ids", Text, key=key)(lambda ids: dict.fromkeys(ids, 1))
        for key in (str, repr, "of-{}".format, partial(by_lang, lang="de"), lambda each, p="p": (p, each))
    ]
    assert [each.key(7) for each in of_ids] == ["text.7", "text.7", "text.of-7", "text.de.7", "text.p.7"]
    ignoring = multi_cached("ids", Text, key=lambda each: ("i", each), ignore=("db",))(
        lambda db, ids: dict.fromkeys(ids, db)
    )
    assert ignoring("first", [1]) == ignoring("second", [1]) == {1: "first"}
    assert multi_cached("ids", Text, ignore=("db",))(lambda db, ids: {}).key(None, (1, "x")) == "text.1.x"
    assert ignoring.cache_parameters()["ignore"] == ("db",)
    assert ignoring.cache_parameters()["arg"] == "ids"


def test_mistakes_are_told_when_it_is_decorated() -> None:
    """With the parameters, and what to write."""
    refused: tuple[tuple[Any, dict[str, Any], str], ...] = (
        (lambda ids, lang: {}, {}, r"do the values depend on 'lang'\? .* key=lambda id, lang: .* it in ignore="),
        (lambda self, ids, a=1, *, b: {}, {}, r"on 'self', 'a' and 'b'\? .* takes them.*lambda self, id, a, b: "),
        (lambda ids, *rest, **more: {}, {}, r"on 'rest' and 'more'\? .*lambda id, \*rest, \*\*more: "),
        (
            lambda ids, lang: {},
            {"key": lambda each: each},
            r"its key= takes the id alone; do the values depend on 'lang'",
        ),
        (lambda ids, lang: {}, {"key": str}, "depend on 'lang'"),
        (lambda ids, lang: {}, {"key": lambda: 1}, r"called like the function, with one id for the ids: \(id, lang\)"),
        (lambda ids, *rest: {}, {"key": lambda each, one: each}, "called like the function"),
        (lambda ids, **more: {}, {"key": lambda each, more: each}, "called like the function"),
        (lambda ids, lang: {}, {"ignore": ("land",)}, "ignore names 'land', and the function has no such parameter"),
        (lambda ids, lang: {}, {"ignore": ("ids", "lang")}, "'ids' takes the ids"),
        (lambda ids, lang: {}, {"ignore": "lang"}, "ignore is a tuple of names"),
        (lambda ids, lang: {}, {"ignore": (1,)}, "ignore is a tuple of names"),
        (lambda **ids: {}, {}, "no parameter 'ids' that could take the ids"),
    )
    for function, options, text in refused:
        with pytest.raises(ConfigError, match=f"^@multi_cached of .*lambda.*: .*{text}"):
            multi_cached("ids", Text, **options)(function)
    for cls in (KeyCache, type("Bare", (KeyCache,), {"ttl": 5})):
        with pytest.raises(ConfigError, match=f"{cls.__name__} has no prefix"):
            multi_cached("ids", cls)(lambda ids: {})


def test_ids(store: Any) -> None:
    """Any iterable, once each, in order; what cannot be one is named."""
    seen: list[Any] = []

    @multi_cached("ids", Text, tags=lambda ids: tuple(f"t{each}" for each in ids))
    def texts(ids: Any) -> dict[Any, str]:
        seen.append(ids)
        return {each: f"x{each}" for each in ids}

    assert list(texts(iter([3, 1, 3, 2, 1]))) == [3, 1, 2]
    assert texts(each for each in (3, 1, 2)) == {3: "x3", 1: "x1", 2: "x2"}
    assert seen == [[3, 1, 2]]
    invalidate_tags("t2")
    assert texts.peek([3, 1, 2]) == {}
    with pytest.raises(TypeError, match=r"texts: an id is .* hashable value: unhashable type: 'list'"):
        texts([1, [2]])
    with pytest.raises(TypeError, match=r"texts: ids takes an iterable of ids, not int"):
        texts.invalidate(5)
    with pytest.raises(ZeroDivisionError):  # an error of the iterable is its own
        texts(1 // each for each in (1, 0))


def test_async(store: Any) -> None:
    """The same, awaited."""

    class Shop:
        name = "bonn"

        @multi_cached("ids", Text, key=lambda self, each, lang: (self.name, lang, each))
        async def texts(self, ids: list[int], lang: str = "en") -> dict[int, str]:
            return {each: f"{self.name}-{lang}-{each}" for each in ids}

    bonn, ulm = Shop(), Shop()
    ulm.name = "ulm"

    async def main() -> None:
        assert await bonn.texts([1]) == {1: "bonn-en-1"}
        assert await bonn.texts([1], "de") == {1: "bonn-de-1"}
        assert await ulm.texts([1], lang="de") == {1: "ulm-de-1"}
        assert bonn.texts.key(1, "de") == "text.bonn.de.1"
        await bonn.texts.invalidate([1], lang="de")
        assert await bonn.texts.peek([1], lang="de") == {}
        assert await ulm.texts.refresh([1], lang="de") == {1: "ulm-de-1"} == await ulm.texts.peek([1], "de")
        await aclose(connection())

    asyncio.run(main())


def test_a_namespace(store: Any) -> None:
    """It stands before the keys, as everywhere."""
    configure("memory://?namespace=ns")
    assert multi_cached("ids", Text, key=by_lang)(lambda ids, lang: {}).key(1, "de") == "ns.text.de.1"
