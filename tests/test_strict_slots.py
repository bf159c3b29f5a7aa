"""``memory://?strict_slots=on`` refuses what a cluster refuses, and nothing else: the same calls run on both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    AsyncKeyCache,
    CacheError,
    ConfigError,
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    cached,
    configure,
    connection,
    invalidate_tags,
    unsafe_clear,
)
from rcollections.plans.slots import slot_of
from rcollections.testing import isolated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rcollections.testing import Cluster

STRICT = "memory://?strict_slots=on"
A, B = "a", "b"
assert slot_of(A) != slot_of(B)


@pytest.fixture
def strict() -> Iterator[Any]:
    with isolated(STRICT) as found:
        yield found


# -- the same outcome as on a cluster -------------------------------------------------------------------


class Tagged(SetCache[int]):
    prefix = "tagged"
    tags = ("red", "blue")


class TaggedKey(KeyCache[int]):
    prefix = "tagged"
    tags = ("red", "blue")


def in_a_pipeline(*calls: Callable[[Any], Any]) -> list[Any]:
    """The results of these calls in one pipeline, begun on the set under A."""
    with SetCache(A).pipeline() as p:
        found = [call(p) for call in calls]
    return [None if each is None else each.value for each in found]


def in_place(one: Any, operator: str, other: Any) -> Any:
    return getattr(one, operator)(other) and one


def function_calls() -> Any:
    @cached(ttl=60, tags=("red", "blue"))
    def f(n: int) -> int:
        return n

    found = [f(1), f(2), f(1)]
    invalidate_tags("red", "blue")
    f.put(1, _cache_put=7)
    f.invalidate(2)
    return found, f(1), f(2), f.clear() is None


def awaited(call: Callable[[], Any]) -> Any:
    async def main() -> Any:
        return await call()

    return asyncio.run(main())


# Each call has keys in two slots. Sets are {1, 2} under A and {2, 3} under B, and so on for the other types.
CALLS: dict[str, Callable[[], Any]] = {
    "get_many": lambda: KeyCache.get_many((A, B)),
    "set_many": lambda: KeyCache.set_many({A: 1, B: 2}),
    "delete_many": lambda: KeyCache.delete_many((A, B)),
    "copy of a value": lambda: (KeyCache("ka").copy_to("kb"), KeyCache("kb").get()),
    "tagged values": lambda: (TaggedKey(1).set(1), TaggedKey(1).get(), TaggedKey.set_many({1: 2, 2: 3}),
                              TaggedKey.get_many((1, 2)), TaggedKey.delete_many((1, 2))),
    "union": lambda: SetCache(A) | SetCache(B),
    "intersection": lambda: SetCache(A) & SetCache(B),
    "difference": lambda: SetCache(A) - SetCache(B),
    "symmetric difference": lambda: SetCache(A) ^ SetCache(B),
    "comparing": lambda: (SetCache(A) <= SetCache(B), SetCache(A) == SetCache(B), SetCache(A).isdisjoint(SetCache(B))),
    "|=": lambda: set(in_place(SetCache(A), "__ior__", SetCache(B))),
    "&=": lambda: set(in_place(SetCache(A), "__iand__", SetCache(B))),
    "-=": lambda: set(in_place(SetCache(A), "__isub__", SetCache(B))),
    "^=": lambda: set(in_place(SetCache(A), "__ixor__", SetCache(B))),
    "copy of a set": lambda: (SetCache(A).copy_to("c"), set(SetCache("c"))),
    "tagged sets": lambda: (Tagged(1).update({1}), Tagged(2).update({2}), Tagged(1) | Tagged(2),
                            set(in_place(Tagged(1), "__ior__", Tagged(2))), invalidate_tags("red"), set(Tagged(1))),
    "union of sorted sets": lambda: SortedSetCache("za").union(SortedSetCache("zb")),
    "update of sorted sets": lambda: (SortedSetCache("za").union_update(SortedSetCache("zb")),
                                      dict(SortedSetCache("za"))),
    "intersection of sorted sets": lambda: (SortedSetCache("za").intersection_update(SortedSetCache("zb")),
                                            dict(SortedSetCache("za"))),
    "difference of sorted sets": lambda: SortedSetCache("za").difference(SortedSetCache("zb")),
    "counters": lambda: (in_place(CounterCache("ca"), "__iadd__", CounterCache("cb")).to_dict(),
                         CounterCache("ca").update(CounterCache("cb")), CounterCache("ca").to_dict()),
    "dicts": lambda: (DictCache("da").update(DictCache("db")), DictCache("da").to_dict(),
                      DictCache("da").copy_to("dc"), DictCache("dc").to_dict()),
    "a pipeline": lambda: in_a_pipeline(lambda p: p.add(7), lambda p: p(SetCache(B)).add(8), lambda p: p.length()),
    "a pipeline with an operand": lambda: in_a_pipeline(lambda p: p.update(SetCache(B)), lambda p: p.length()),
    "a pipeline that changes its operand":
        lambda: in_a_pipeline(lambda p: p(SetCache(B)).add(8), lambda p: p.update(SetCache(B))),
    "a pipeline with an operand that is changed later":
        lambda: in_a_pipeline(lambda p: p.update(SetCache(B)), lambda p: p(SetCache(B)).add(8)),
    "a function": function_calls,
    "invalidate_tags": lambda: invalidate_tags("red", "blue", "green"),
    "clean": lambda: (Tagged(1).add(1), Tagged(2).add(1), Tagged.clean()),
    "unsafe_clear": lambda: unsafe_clear("*a"),
    "awaited": lambda: awaited(lambda: SetCache(A).aio.union(SetCache(B))),
    "awaited update": lambda: (awaited(lambda: SetCache(A).aio.update(SetCache(B))), set(SetCache(A))),
    "awaited get_many": lambda: awaited(lambda: AsyncKeyCache.get_many((A, B))),
    "another type": lambda: SetCache(A) | SetCache("za"),
    **{
        f"raw {' '.join(words)}": lambda words=words: connection().raw(*words)  # type: ignore[misc]
        for words in [
            ("MGET", "ka", "kb"), ("EXISTS", "ka", "kb"), ("DEL", "ka", "kb"), ("UNLINK", "ka", "kb"),
            ("MSET", "ka", "1", "kb", "2"), ("RENAME", "ka", "kb"), ("SUNION", A, B), ("SUNIONSTORE", "x", A, B),
            ("SMOVE", A, B, "1"), ("ZUNION", "2", "za", "zb"), ("ZUNIONSTORE", "x", "1", "za"),
            ("SINTERCARD", "2", A, B), ("BITOP", "AND", "x", "ka", "kb"), ("SORT", A, "BY", "nosort", "STORE", "x"),
            ("EVAL", "return #KEYS", "2", A, B), ("EVAL", "return #KEYS", "1", A, B), ("EVAL", "return 5", "0"),
            ("XREAD", "COUNT", "1", "STREAMS", "x", "y", "0", "0"), ("MSET", "{x}a", "b", "{x}c", "d"),
            ("MGET", "{x}a", "{x}b"), ("PFCOUNT", "x", "y"), ("TOUCH", "ka", "kb"), ("LCS", "ka", "kb"),
            ("KEYS", "*q*"), ("PING",), ("SHUTDOWN",),
        ]
    },
}  # fmt: skip


def outcome(call: Callable[[], Any]) -> str:
    """What a call gives, on data that is always the same; of an error the class."""
    connection().raw("FLUSHALL")
    for key, elems in ((A, {1, 2}), (B, {2, 3})):
        SetCache(key).update(elems)
        KeyCache(f"k{key}").set(key)
        SortedSetCache(f"z{key}").update({f"m{n}": float(n) for n in elems})
        CounterCache(f"c{key}").update({f"m{n}": n for n in elems})
        DictCache(f"d{key}").update({f"m{n}": n for n in elems})
    try:
        found = call()
    except CacheError as error:
        return type(error).__name__
    return repr(sorted(found, key=repr) if isinstance(found, (set, list)) else found)


@pytest.fixture(scope="module")
def on_memory() -> dict[str, str]:
    with isolated(STRICT):
        return {name: outcome(call) for name, call in CALLS.items()}


def test_all_calls_end_as_on_a_cluster(cluster: Cluster, on_memory: dict[str, str]) -> None:
    """The same result, or an error of the same class."""
    with isolated(cluster.dsn + "?timeout=5&connect_timeout=5"):
        assert {name: outcome(call) for name, call in CALLS.items()} == on_memory


def test_what_is_refused(on_memory: dict[str, str]) -> None:
    """Some calls of raw(), and a pipeline that would need an order between slots."""
    refused = {name for name, found in on_memory.items() if found.endswith("Error")}
    assert {name for name in refused if not name.startswith("raw")} == {
        "a pipeline that changes its operand", "a pipeline with an operand that is changed later", "another type",
    }  # fmt: skip
    assert on_memory["a pipeline that changes its operand"] == "ConfigError"
    assert {name.split()[1] for name in refused if name.startswith("raw")} == {
        "MSET", "RENAME", "SUNIONSTORE", "SMOVE", "ZUNIONSTORE", "SINTERCARD", "BITOP", "SORT", "EVAL", "XREAD",
        "PFCOUNT", "TOUCH", "SHUTDOWN",
    }  # fmt: skip


# -- what it says --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("MSET", "a", "1", "b", "2"),
        ("RENAME", "a", "b"),
        ("SUNIONSTORE", "{x}a", "{x}b", "c"),
        ("ZUNIONSTORE", "a", "1", "b"),
        ("SINTERCARD", "2", "a", "b"),
        ("BITOP", "AND", "a", "b"),
        ("SORT", "a", "STORE", "b"),
        ("EVAL", "return 1", "2", "a", "b"),
        ("XREAD", "COUNT", "1", "STREAMS", "a", "b", "0", "0"),
    ],
    ids=lambda words: words[0],
)
def test_one_command_with_keys_of_several_slots(strict: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(CacheError, match="keys of 2 slots in one call.*hash tag"):
        strict.raw(*words)


@pytest.mark.parametrize(
    "words",
    [
        ("MGET", "{x}a", "{x}b"),
        ("MGET", "a", "b"),
        ("MSET", "{x}a", "b", "{x}c", "d"),
        ("EVAL", "return 1", "1", "a", "b"),
        ("EVAL", "return 1", "0"),
        ("XREAD", "STREAMS", "a", "0"),
        ("ZUNIONSTORE", "{x}a", "2", "{x}b", "{x}c", "WEIGHTS", "1", "2"),
    ],
    ids=lambda words: f"{words[0]}-{len(words)}",
)
def test_what_a_cluster_takes_is_taken(strict: Any, words: tuple[str, ...]) -> None:
    strict.raw(*words)


def test_what_the_server_itself_refuses_is_left_to_it(strict: Any) -> None:
    for words in ("EVAL", "return 1", "many"), ("XREAD", "COUNT", "1"):
        with pytest.raises(CacheError) as raised:
            strict.raw(*words)
        assert "hash tag" not in str(raised.value)


def test_the_message_names_slots_and_hash_tags(strict: Any) -> None:
    with pytest.raises(CacheError) as raised:
        strict.raw("MSET", "cart.7", 1, "cart.8", 1, "cart.9", 1, "cart.10", 1, "cart.11", 1)
    said = str(raised.value)
    assert "keys of 5 slots in one call" in said
    assert "'cart.7' (slot 11005)" in said
    assert "and 1 more" in said
    assert "'{cart}.7' and '{cart}.8'" in said
    with pytest.raises(CacheError, match="'{tag}.cart' and '{tag}.user'"):
        strict.raw("MSET", "cart", 1, "user", 1)


def test_nothing_was_sent_and_the_connection_goes_on(strict: Any) -> None:
    for _ in range(20):
        with pytest.raises(CacheError):
            strict.raw("MSET", "a", "1", "b", "2")
    assert strict.raw("MGET", "a") == [None]
    assert KeyCache("a").set(1) is True
    assert KeyCache("a").get() == 1


def test_a_pipeline_is_one_multi_for_each_slot(strict: Any) -> None:
    """What would need an order between them is refused, and nothing of it is done."""
    cart = DictCache("cart", data={"apples": 1})
    with cart.pipeline() as p:
        p["pears"] = 2
        p(SetCache("users")).add("ann")
    assert cart.to_dict() == {"apples": 1, "pears": 2}
    users = SetCache("users")

    def in_order() -> None:
        with SetCache("fans").pipeline() as p:
            p(users).add("bob")
            p.update(users)

    with pytest.raises(ConfigError, match="hash tag"):
        in_order()
    assert set(users) == {"ann"}


def test_in_an_event_loop(strict: Any) -> None:
    async def main() -> None:
        await AsyncKeyCache("a").set(1)
        with pytest.raises(CacheError, match="keys of 2 slots"):
            strict.raw("MSET", "a", "1", "b", "2")
        assert await AsyncKeyCache("a").get() == 1
        assert await SetCache("a1").aio.union(SetCache("b1")) == set()

    asyncio.run(main())


def test_it_is_off_by_default_and_for_memory_only() -> None:
    with isolated() as found:
        assert found.raw("MSET", "a", "1", "b", "2") == b"OK"
    with pytest.raises(ConfigError, match="strict_slots is for memory://"):
        configure("redis://localhost?strict_slots=on")
