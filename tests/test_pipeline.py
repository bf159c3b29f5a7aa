"""``with d.pipeline() as p:`` sends what was called inside at once, in MULTI, or nothing."""

from __future__ import annotations

import gc
import weakref
from abc import ABCMeta
from collections.abc import Mapping
from typing import Any

import pytest

from rcollections import (
    CacheError,
    CounterCache,
    DictCache,
    EncodeError,
    KeyCache,
    SetCache,
    SortedSetCache,
    WrongTypeError,
    configure,
    connection,
    observe,
)
from rcollections.testing import isolated
from tests.trips import trips


class Profile(DictCache[str, Any]):
    prefix = "profile"
    ttl = 60


def test_nothing_is_sent_before_the_end(store: Any) -> None:
    """Then all of it, in order, and the results are there."""
    d = DictCache("d", data={"a": 1})
    with d.pipeline() as p:
        old = p["a"]
        p["a"] = 2
        p["b"] = 3
        new = p["a"]
        gone = p.pop("b")
        assert d.to_dict() == {"a": 1}
        assert "pending get" in repr(old)
    assert (old.value, new.value, gone.value) == (1, 2, 3)
    assert p.results == [1, False, True, 2, 3]
    assert d.to_dict() == {"a": 2}
    assert "sent get" in repr(old)


def test_it_is_one_round_trip(server: Any) -> None:
    """Whatever number of collections takes part; an empty block sends nothing."""
    d, k, c = DictCache("d"), KeyCache("k"), CounterCache("c")

    def block() -> None:
        with d.pipeline() as p:
            p["a"] = 1
            p(k).data = 2
            p(c).update("abc")
            p(c)["a"] += 1
            p.to_dict()

    def empty() -> None:
        with d.pipeline():
            pass

    assert trips(connection(), block) == 1
    assert trips(connection(), empty) == 0


def test_others_see_all_or_nothing(server: Any) -> None:
    """It is a MULTI: what it sends is one step for everybody else."""
    with server.client() as bare, bare.monitor() as monitor:
        with DictCache("d").pipeline() as p:
            p["a"] = 1
            p(KeyCache("k")).data = 2
        words = []
        for command in monitor.listen():
            words.append(command["command"].split()[0])
            if words[-1] == "EXEC":
                break
    assert words[0] == "MULTI"
    assert "SET" in words


def test_an_exception_inside_sends_nothing(store: Any) -> None:
    """And goes on."""
    d = DictCache("d")
    with pytest.raises(ZeroDivisionError), d.pipeline() as p:
        p["a"] = 1 // 0
    with pytest.raises(EncodeError), d.pipeline() as p:  # noqa: PT012
        p["a"] = 1
        p["b"] = object()
    assert not d.exists()


def test_a_pending_result_refuses_to_be_used(store: Any) -> None:
    """With an error that names ``value``; ``value`` itself before the end is a CacheError."""
    d = DictCache("d", data={"a": 1})
    uses: list[Any] = [
        bool, len, list, int, float,
        lambda x: x + 1, lambda x: 1 + x, lambda x: x - 1, lambda x: x < 1, lambda x: x[0], lambda x: 1 in x,
        lambda x: x | {}, lambda x: x & {}, lambda x: x * 2,
    ]  # fmt: skip
    with d.pipeline() as p:
        x: Any = p["a"]
        for use in uses:
            with pytest.raises(TypeError, match="pending"):
                use(x)
        with pytest.raises(TypeError, match="pending"):
            x += 1
        with pytest.raises(CacheError, match="pending"):
            x.value  # noqa: B018
        with pytest.raises(CacheError, match="when the pipeline's block has ended"):
            p.results  # noqa: B018
    assert x.value == 1


def test_what_must_answer_at_once_is_refused(store: Any) -> None:
    """With the name of what to use instead."""
    with DictCache("d", data={"a": 1}).pipeline() as p:
        for call in (lambda: len(p), lambda: "a" in p, lambda: bool(p), lambda: p == {}):
            with pytest.raises(TypeError, match="must answer at once"):
                call()
        answers = p.length(), p.contains("a"), p.exists(), p.to_dict()
    assert [each.value for each in answers] == [1, True, True, {"a": 1}]


def test_what_needs_several_round_trips_is_refused(store: Any) -> None:
    """A replacement of very many, iteration, another pipeline, class methods."""
    many = {n: n for n in range(5_001)}
    d = DictCache("d")
    with pytest.raises(TypeError, match="more than one round trip"), d.pipeline() as p:
        p.update(many)
    with pytest.raises(TypeError, match="pending"), d.pipeline() as p:
        for _ in p:
            pass
    with pytest.raises(TypeError, match="pipeline already"), d.pipeline() as p:
        p.pipeline()
    with pytest.raises(TypeError, match="class methods"), KeyCache("k").pipeline() as k:
        k.get_many(["a"])
    with pytest.raises(TypeError, match="class methods"), KeyCache("k").pipeline() as k:
        k.create("x", data=1)
    assert not d.exists()


def test_reads_that_turn_out_too_big_are_an_error_in_their_place(store: Any) -> None:
    """The others are there."""
    d, other = DictCache("d", data={n: n for n in range(10_001)}), DictCache("other", data={"a": 1})
    with d.pipeline() as p:
        whole, size, some = p.to_dict(), p.length(), p(other).to_dict()
        p(other).update(d)
    assert (size.value, some.value) == (10_001, {"a": 1})
    with pytest.raises(CacheError, match="outside of the pipeline"):
        whole.value  # noqa: B018
    assert isinstance(p.results[-1], TypeError)
    assert other.to_dict() == {"a": 1}


def test_one_that_fails_does_not_stop_the_others(store: Any) -> None:
    """An error of the server is raised at the end, and stands in the place of its result."""
    KeyCache("k", data="text")
    d = DictCache("d")
    with pytest.raises(WrongTypeError), d.pipeline() as p:  # noqa: PT012
        p["a"] = 1
        bad = p(DictCache("k"))["x"]
        p["b"] = 2
    assert d.to_dict() == {"a": 1, "b": 2}
    assert isinstance(p.results[1], WrongTypeError)
    with pytest.raises(WrongTypeError):
        bad.value  # noqa: B018


def test_a_miss_stands_in_its_place(store: Any) -> None:
    """KeyError with the field; defaults are defaults."""
    with DictCache("d").pipeline() as p:
        missing = p["x"]
        p.get("x", 7)
        p.discard("x")
        del p["x"]
        p.pop("x", None)
    with pytest.raises(KeyError) as caught:
        missing.value  # noqa: B018
    assert caught.value.args == ("x",)
    assert p.results[1:3] == [7, False]
    assert isinstance(p.results[3], KeyError)
    assert p.results[4] is None


def test_many_fields_inside(store: Any) -> None:
    """Their results are whole; what needs no server is there too."""
    d = DictCache("d", data={"a": 1})
    with d.pipeline() as p:
        p.set_many({"b": 2})
        p.update({})
        found = p.get_many(["a", "b", "x"]), p.getmany("x", "a"), p.get_many([]), p.delete_many([])
        p.update(DictCache("other", data={"c": 3}))
        copied = p.copy()
    assert [each.value for each in found] == [{"a": 1, "b": 2}, [None, 1], {}, 0]
    assert copied.value == {"a": 1, "b": 2, "c": 3}


def test_fields_with_a_ttl_stay_inside(store: Any) -> None:
    """They are sent with the rest, or not at all."""
    d = Profile(1)
    with pytest.raises(ZeroDivisionError), d.pipeline() as p:  # noqa: PT012
        p.set_many({"a": 1}, ttl=5)
        raise ZeroDivisionError
    assert not d.exists()


def test_all_types_take_part(store: Any) -> None:
    """One block, five kinds."""
    k, d, s, z, c = KeyCache("k"), DictCache("d"), SetCache("s"), SortedSetCache("z"), CounterCache("c")
    with k.pipeline() as p:
        p.data = 1
        p += 5
        p(d)["a"] = [1]
        p(s).add("x")
        p(z).add("m", 2.5)
        p(c)["n"] += 3
        value = p.get()
    assert value.value == 6
    assert (k.data, d["a"], "x" in s, z.score("m"), c["n"]) == (6, [1], True, 2.5, 3)


def test_options_of_the_handle_are_kept(store: Any) -> None:
    """Prefix, ttl and what else it was made with."""
    d = Profile(1, ttl=5)
    with d.pipeline() as p:
        assert p.key == "profile.1"
        assert repr(p) == "Profile('profile.1')"
        assert isinstance(p, Profile)
        p["a"] = 1
    assert 4_000 < store.raw("PTTL", "profile.1") <= 5_000


def test_a_pipeline_serves_one_block_and_one_connection(store: Any) -> None:
    """Used again it says so."""
    d = DictCache("d")
    block = d.pipeline()
    with block as p:
        p["a"] = 1
    with pytest.raises(CacheError, match="sent already"):
        p["b"] = 1
    with pytest.raises(CacheError, match="one block"), block:
        pass
    with d.pipeline() as p, pytest.raises(TypeError, match="collections of this library, not dict"):
        p({})  # type: ignore[type-var]
    with isolated():
        configure({"default": "memory://one", "b": "memory://two"})
        with pytest.raises(CacheError, match="another one"), DictCache("d").pipeline() as p:
            p(DictCache("d", connection_name="b"))


def test_observers_see_the_block(store: Any) -> None:
    """As one operation."""
    events: list[str] = []

    class Log(observe.Observer):
        def after(self, event: observe.Event) -> None:
            events.append(f"{event.name}.{event.operation} {event.key}")

    with observe.observing(Log()), DictCache("d").pipeline() as p:
        p["a"] = 1
        p["b"] = 2
    assert [each for each in events if ".Pipeline." in each] == ["rcollections.Pipeline.send d"]


def test_conflicts_of_compare_and_set_are_results(store: Any) -> None:
    """cas inside tells in its place whether it stored."""
    d = DictCache("d", data={"a": 1})
    token = d.gets("a")[1]
    with d.pipeline() as p:
        p.cas("a", 2, token)
        p.cas("a", 3, token)
    assert p.results == [True, False]
    assert d["a"] == 2


def test_no_class_of_the_user_hears_of_the_handle_inside(store: Any) -> None:
    """Neither ``__init_subclass__`` nor a metaclass; methods of the user and ``super()`` work inside."""
    heard: list[str] = []

    class Meta(ABCMeta):
        def __new__(mcls, name: str, bases: Any, facts: Any, **options: Any) -> Any:
            heard.append(name)
            return super().__new__(mcls, name, bases, facts, **options)

        def __setattr__(cls, name: str, value: Any) -> None:
            heard.append(name)
            super().__setattr__(name, value)

    class Registry(DictCache, metaclass=Meta):  # type: ignore[type-arg]
        __slots__ = ("own",)

        def __init_subclass__(cls, *, label: str, **options: Any) -> None:
            super().__init_subclass__(**options)
            heard.append(label)

        def get(self, field: Any, default: Any = None) -> Any:
            return super().get(field, default)

        def visits(self) -> Any:
            return self.get("visits", 0)

    class Visitor(Registry, label="visitor"):
        prefix = "visitor"

    heard.clear()
    with Visitor(1).pipeline() as p:
        p["visits"] = 3
        visits = p.visits()
        assert isinstance(p, Visitor)
        assert isinstance(p, Mapping)
        with pytest.raises(TypeError, match="at once"):
            len(p)
    assert visits.value == 3
    assert heard == []
    with Visitor(2).pipeline() as again:
        assert type(again) is type(p)


def test_a_class_that_nobody_uses_any_more_goes(store: Any) -> None:
    """The pipeline keeps none alive."""

    def used() -> weakref.ref[type[Any]]:
        class Passing(DictCache):  # type: ignore[type-arg]
            prefix = "passing"

        with Passing(1).pipeline() as p:
            p["a"] = 1
        return weakref.ref(Passing)

    gone = used()
    gc.collect()
    assert gone() is None
