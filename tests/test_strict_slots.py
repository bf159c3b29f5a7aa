"""``memory://?strict_slots=on`` refuses what a cluster would refuse, and says what to do."""

from __future__ import annotations

import asyncio

import pytest

from rcollections import AsyncKeyCache, CacheError, ConfigError, DictCache, KeyCache, SetCache, configure
from rcollections.testing import isolated


@pytest.fixture
def strict():
    with isolated("memory://?strict_slots=on") as connection:
        yield connection


@pytest.mark.parametrize(
    "words",
    [
        ("MGET", "a", "b"),
        ("EXISTS", "{x}a", "{y}a"),
        ("MSET", "a", "1", "b", "2"),
        ("RENAME", "a", "b"),
        ("SUNIONSTORE", "{x}a", "{x}b", "c"),
        ("ZUNIONSTORE", "a", "1", "b"),
        ("ZINTER", "2", "a", "b"),
        ("SINTERCARD", "2", "a", "b"),
        ("BITOP", "AND", "a", "b"),
        ("SORT", "a", "STORE", "b"),
        ("EVAL", "return 1", "2", "a", "b"),
        ("XREAD", "COUNT", "1", "STREAMS", "a", "b", "0", "0"),
    ],
    ids=lambda words: words[0],
)
def test_one_command_with_keys_of_several_slots(strict, words):
    with pytest.raises(CacheError, match="keys of 2 slots in one call.*hash tag"):
        strict.raw(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("MGET", "{x}a", "{x}b"),
        ("MGET", "a", "a"),
        ("MSET", "{x}a", "b", "{x}c", "d"),
        ("EVAL", "return 1", "1", "a", "b"),
        ("EVAL", "return 1", "0"),
        ("XREAD", "STREAMS", "a", "0"),
        ("ZUNIONSTORE", "{x}a", "2", "{x}b", "{x}c", "WEIGHTS", "1", "2"),
    ],
    ids=lambda words: f"{words[0]}-{len(words)}",
)
def test_what_a_cluster_takes_is_taken(strict, words):
    strict.raw(*words)


def test_what_the_server_itself_refuses_is_left_to_it(strict):
    for words in ("EVAL", "return 1", "many"), ("XREAD", "COUNT", "1"):
        with pytest.raises(CacheError) as raised:
            strict.raw(*words)
        assert "hash tag" not in str(raised.value)


def test_the_message_names_slots_and_hash_tags(strict):
    with pytest.raises(CacheError) as raised:
        strict.raw("MGET", "cart.7", "cart.8", "cart.9", "cart.10", "cart.11")
    said = str(raised.value)
    assert "keys of 5 slots in one call" in said
    assert "'cart.7' (slot 11005)" in said
    assert "and 1 more" in said
    assert "'{cart}.7' and '{cart}.8'" in said
    with pytest.raises(CacheError, match="'{tag}.cart' and '{tag}.user'"):
        strict.raw("MGET", "cart", "user")


def test_nothing_was_sent_and_the_connection_goes_on(strict):
    for _ in range(20):
        with pytest.raises(CacheError):
            strict.raw("MSET", "a", "1", "b", "2")
    assert strict.raw("MGET", "a") == [None]
    assert KeyCache("a").set(1) is True
    assert KeyCache("a").get() == 1


def test_a_pipeline_is_one_multi(strict):
    cart = DictCache("cart", data={"apples": 1})

    def over_two_slots():
        with cart.pipeline() as p:
            p["pears"] = 2
            p(SetCache("users")).add("ann")

    with pytest.raises(CacheError, match="keys of 2 slots"):
        over_two_slots()
    assert cart.to_dict() == {"apples": 1}
    cart = DictCache("{x}cart")
    with cart.pipeline() as p:
        p["pears"] = 2
        p(SetCache("{x}users")).add("ann")
    assert cart.to_dict() == {"pears": 2}


def test_algebra_of_sets_needs_one_slot(strict):
    with pytest.raises(CacheError, match="keys of 2 slots"):
        SetCache("a", data={1}) | SetCache("b", data={2})
    assert (SetCache("{x}a", data={1}) | SetCache("{x}b", data={2})) == {1, 2}


def test_keys_of_one_collection_are_one_slot(strict):
    things = DictCache("things", data={"a": 1, "b": 2})
    assert things.to_dict() == {"a": 1, "b": 2}
    assert KeyCache("n").increment() == 1


def test_in_an_event_loop(strict):
    async def main():
        await AsyncKeyCache("a").set(1)
        with pytest.raises(CacheError, match="keys of 2 slots"):
            await SetCache("a1").aio.union(SetCache("b1"))
        assert await AsyncKeyCache("a").get() == 1

    asyncio.run(main())


def test_it_is_off_by_default_and_for_memory_only():
    with isolated() as connection:
        assert connection.raw("MGET", "a", "b") == [None, None]
    with pytest.raises(ConfigError, match="strict_slots is for memory://"):
        configure("redis://localhost?strict_slots=on")
