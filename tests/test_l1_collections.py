"""Reads of the five types that are held in the process, by classes that say ``l1 = True``."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CounterCache,
    DictCache,
    KeyCache,
    SetCache,
    SortedSetCache,
    connection,
    invalidate_tags,
    l1_info,
    no_l1,
    observe,
)
from rcollections.errors import CacheError, WrongTypeError
from rcollections.observe.names import name_of
from rcollections.testing import wait_until
from tests.near import quick, settle
from tests.trips import sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from rcollections.testing import Server


class D(DictCache[Any, Any]):
    prefix = "near.d"
    l1 = True


class S(SetCache[Any]):
    prefix = "near.s"
    l1 = True


class Z(SortedSetCache[Any]):
    prefix = "near.z"
    l1 = True


class C(CounterCache[Any]):
    prefix = "near.c"
    l1 = True


class K(KeyCache[Any]):
    prefix = "near.k"
    l1 = True


class TaggedD(DictCache[Any, Any]):
    prefix = "near.td"
    l1 = True
    tags = ("near",)


class TaggedK(KeyCache[Any]):
    prefix = "near.tk"
    l1 = True
    tags = ("near",)


def fill() -> None:
    D(1, data={"a": 1, "b": [2], 5: "x"})
    S(1, data={"ann", "bob"})
    Z(1, data={"ann": 1, "bob": 2})
    C(1, data={"a": 3})
    K(1, data=5)
    TaggedD(1, data={"a": 1})
    TaggedK(1, data=(1, 2))


READS: dict[str, Callable[[], Any]] = {
    "field": lambda: D(1)["a"],
    "a mutable field": lambda: D(1)["b"],
    "a field named by a number": lambda: D(1)[5],
    "a missing field": lambda: D(1).get("z", "none"),
    "in dict": lambda: "a" in D(1),
    "len of dict": lambda: len(D(1)),
    "whole dict": lambda: D(1).to_dict(),
    "fields": lambda: set(D(1)),
    "some fields": lambda: D(1).get_many(["a", "z"]),
    "exists": lambda: D(1).exists(),
    "in set": lambda: "ann" in S(1),
    "whole set": lambda: set(S(1)),
    "len of set": lambda: len(S(1)),
    "score": lambda: Z(1).score("ann"),
    "rank": lambda: Z(1).rank("bob"),
    "at": lambda: Z(1)[0],
    "window": lambda: Z(1)[0:10],
    "whole sorted set": lambda: list(Z(1)),
    "in sorted set": lambda: "ann" in Z(1),
    "count": lambda: C(1)["a"],
    "whole counter": lambda: dict(C(1)),
    "value": lambda: K(1).get(),
    "data": lambda: K(1).data,
    "tagged field": lambda: TaggedD(1)["a"],
    "tagged dict": lambda: TaggedD(1).to_dict(),
    "tagged value": lambda: TaggedK(1).get(),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_is_held(store: Any, name: str) -> None:
    """The second time it asks nobody, and gives the same; past it with no_l1()."""
    fill()
    call = READS[name]
    with no_l1():
        wanted = call()

    def held() -> bool:
        settle(call)
        assert call() == wanted
        with no_l1():
            assert not quick(call)
        return quick(call)

    wait_until(held)  # a late echo of fill() may drop it once, and so may a listener that gets no time for a second


WRITES: dict[str, tuple[str, Callable[[], Any], Any]] = {
    "d[f] = v": ("field", lambda: D(1).__setitem__("a", 9), 9),
    "del d[f]": ("a missing field", lambda: D(1).update({"z": 3}), 3),
    "clear": ("len of dict", lambda: D(1).clear(), 0),
    "data=": ("whole dict", lambda: D(1, data={"q": 1}), {"q": 1}),
    "pipeline": ("field", lambda: _in_pipeline(), 8),
    "add": ("len of set", lambda: S(1).add("eve"), 3),
    "update of another": ("whole set", lambda: S(1).update({"x"}), {"ann", "bob", "x"}),
    "incr": ("score", lambda: Z(1).incr("ann", 4), 5.0),
    "count += 1": ("count", lambda: C(1).increment("a"), 4),
    "+=": ("value", lambda: K(1).increment(2), 7),
    "raw": ("value", lambda: connection().raw("SET", "near.k.1", "12"), 12),
    "raw of several": ("value", lambda: connection().raw("MSET", "near.k.1", "13"), 13),
    "tag": ("tagged dict", lambda: invalidate_tags("near"), {}),
    "tagged write": ("tagged field", lambda: TaggedD(1).__setitem__("a", 2), 2),
    "tag of a value": ("tagged value", lambda: invalidate_tags("near"), None),
}


def _in_pipeline() -> None:
    with D(1).pipeline() as p:
        p["a"] = 8


@pytest.mark.parametrize("name", WRITES)
def test_own_writes_are_read_at_once(store: Any, name: str) -> None:
    """However they are made."""
    fill()
    read, write, wanted = WRITES[name]
    settle(READS[read])
    write()
    assert READS[read]() == wanted


BARE: dict[str, tuple[str, tuple[Any, ...], Any]] = {
    "HSET": ("field", ("HSET", "near.d.1", "a", "9"), 9),
    "HDEL": ("whole dict", ("HDEL", "near.d.1", "a", "b"), {5: "x"}),
    "DEL": ("len of dict", ("DEL", "near.d.1"), 0),
    "RENAME": ("len of set", ("RENAME", "near.s.1", "elsewhere"), 0),
    "FLUSHDB": ("whole sorted set", ("FLUSHDB",), []),
    "ZADD": ("score", ("ZADD", "near.z.1", "7", "ann"), 7.0),
    "SREM": ("in set", ("SREM", "near.s.1", "ann"), False),
    "HINCRBY": ("count", ("HINCRBY", "near.c.1", "a", "2"), 5),
    "SET": ("value", ("SET", "near.k.1", "6"), 6),
    "PEXPIRE": ("value", ("PEXPIRE", "near.k.1", "1"), None),
    "the guard": ("tagged dict", ("DEL", "rc:g:{near.td.1}"), {}),
    "the tag": ("tagged value", ("DEL", "rc:t:near"), None),
}


@pytest.mark.parametrize("name", BARE)
def test_what_others_write_is_seen(server: Server, name: str) -> None:
    """By a client that knows nothing of us."""
    fill()
    read, command, wanted = BARE[name]
    settle(READS[read])
    with server.client() as bare:
        bare.execute_command(*command)
    wait_until(lambda: READS[read]() == wanted, what="the change")


def test_values_that_can_be_changed_are_not_shared(store: Any) -> None:
    """Each read gives one of its own; with ``share = True`` it is one for all."""
    fill()
    settle(READS["a mutable field"])
    READS["a mutable field"]().append(3)
    assert READS["a mutable field"]() == [2]

    class Shared(D):
        share = True

    settle(lambda: Shared(1)["b"])
    assert Shared(1)["b"] is Shared(1)["b"]


def test_two_classes_that_read_in_two_ways(store: Any) -> None:
    """One key read by a class with a serializer, or a normalize hook, of its own."""
    fill()

    class Doubled(D):
        def normalize(self, value: Any) -> Any:
            return value * 2

    settle(lambda: D(1)["a"], lambda: Doubled(1)["a"])
    assert (D(1)["a"], Doubled(1)["a"], D(1, serialize=False)["a"]) == (1, 2, 1)


def test_fields_of_one_name_and_three_types(store: Any) -> None:
    """True, 1 and 1.0 are one field; "1" is another."""
    D(2, data={1: "number", "1": "text"})
    for field, wanted in ((1, "number"), (True, "number"), (1.0, "number"), ("1", "text")):
        settle(lambda field=field: D(2)[field])
        assert D(2)[field] == wanted


def test_no_round_trip_later_than_the_ttl(store: Any) -> None:
    """A value that expires is not served for longer, and a field with a ttl of its own neither."""
    K(3).set("soon", ttl=0.3)
    settle(lambda: K(3).get())
    wait_until(lambda: K(3).get() is None, 2)
    try:
        D(3).set("f", 1, ttl=0.3)
    except CacheError:
        return  # this server has no ttl for fields
    D(3)["g"] = 2
    settle(lambda: D(3).get("f"), lambda: D(3).to_dict())
    wait_until(lambda: D(3).get("f") is None, 2)
    # The server goes by the wall clock, what is held by the coarse ones, which stand still while a virtual CPU does.
    wait_until(lambda: D(3).to_dict() == {"g": 2}, 0.25, what="the end of the whole that is held")


def test_cas_and_edit_ask_the_server(store: Any) -> None:
    """What is compared later must not be an older one."""
    fill()
    settle(READS["field"], READS["a mutable field"])
    with sent() as seen:
        value, token = D(1).gets("a")
    assert seen
    assert D(1).cas("a", value + 1, token)
    with D(1).edit("b") as changed:
        changed.append(7)
    assert D(1)["b"] == [2, 7]


def test_pipelines_ask_the_server(store: Any) -> None:
    """What is read there is pending until it is sent."""
    fill()
    d = D(1)
    settle(lambda: d["a"])
    with d.pipeline() as p:
        pending = p["a"]
        p["a"] = 4
    assert pending.value == 1
    assert d["a"] == 4


def test_handles_stay_what_they_are(store: Any) -> None:
    """A handle that has looked can be copied, pickled, given other options."""
    fill()
    d = D(1)
    settle(lambda: d["a"])
    assert copy.copy(d)["a"] == pickle.loads(pickle.dumps(d))["a"] == 1
    assert "_near" not in d.__reduce_ex__(4)[1][1]
    d.l1 = False
    assert not quick(lambda: d["a"])


def test_errors_are_not_held(store: Any) -> None:
    """Another structure under the key: an error each time, and a value as soon as it is right."""
    connection().raw("SET", "near.d.9", "text")
    for _ in range(3):
        with pytest.raises(WrongTypeError):
            D(9)["a"]
    connection().raw("DEL", "near.d.9")
    assert D(9).get("a") is None


def test_missing_hooks_and_loads(store: Any) -> None:
    """``__missing__`` and ``load`` run as they do without it."""
    ran = []

    class Filled(D):
        prefix = "near.filled"

        def load(self) -> dict[str, int]:
            ran.append("load")
            return {"a": 1}

        def __missing__(self, field: str) -> str:
            ran.append(field)
            return field * 2

    settle(lambda: Filled(1)["a"])
    assert Filled(1)["bc"] == Filled(1)["bc"] == "bcbc"
    assert ran == ["load", "bc"]


def test_off_unless_asked_for(store: Any) -> None:
    """Reads of the types ask the server where the class says nothing."""

    class Plain(DictCache[str, int]):
        prefix = "near.plain"

    Plain(1)["a"] = 1
    for _ in range(12):
        assert not quick(lambda: Plain(1)["a"])


def test_observers_hear_of_reads_that_ask_nobody(store: Any) -> None:
    """With somebody listening a held read is an event like others."""
    fill()
    settle(READS["field"])

    class Heard(observe.Observer):
        def __init__(self) -> None:
            self.events: list[Any] = []

        def after(self, event: Any) -> None:
            self.events.append((event.name, event.operation, event.hit))

    with observe.observing(Heard()) as heard:
        wait_until(lambda: quick(READS["field"]))
    assert heard.events[-1] == (name_of(D), "get", True)


def test_info_counts(store: Any) -> None:
    """Hits, fills, entries and bytes."""
    fill()

    def growth() -> tuple[int, int]:
        settle(READS["field"])
        before = l1_info()
        for _ in range(10):
            READS["field"]()
        after = l1_info()
        return after.hits - before.hits, after.fills - before.fills

    wait_until(lambda: growth() == (10, 0))  # if nothing drops it meanwhile, as above
    after = l1_info()
    assert after.entries > 0
    assert after.bytes > 0
