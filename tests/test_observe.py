"""Observers see every operation, stats count them, and without either nothing is paid."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from rcollections import CounterCache, DictCache, KeyCache, SetCache, SortedSetCache, cached, connection, observe
from rcollections.errors import WrongTypeError
from rcollections.observe import events
from rcollections.observe.names import name_of


class Seen(observe.Observer):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.began: list[tuple[str, str, str]] = []
        self.ended: list[observe.Event] = []

    def before(self, event: observe.Event) -> None:
        self.began.append((event.name, event.operation, event.key))

    def after(self, event: observe.Event) -> None:
        self.ended.append(event)


@pytest.fixture
def seen(fresh: Any) -> Any:
    with observe.observing(Seen()) as observer:
        yield observer


def test_before_and_after(seen: Seen) -> None:
    """Name of the class, operation, key; afterwards the time taken, hit or miss."""
    KeyCache("k").get()
    KeyCache("k").set(1)
    KeyCache("k").get()
    assert seen.began == [("rcollections.KeyCache", each, "k") for each in ("get", "set", "get")]
    assert [event.hit for event in seen.ended] == [False, None, True]
    assert all(event.took > 0 for event in seen.ended)
    assert "k" in repr(seen.ended[0])


def test_errors_are_seen_and_still_raised(seen: Seen) -> None:
    """An operation that fails ends as well."""
    KeyCache("k").set("text")
    with pytest.raises(WrongTypeError):
        DictCache("k").get("field")
    assert isinstance(seen.ended[-1].error, WrongTypeError)
    with pytest.raises(KeyError):
        DictCache("d")["missing"]
    assert isinstance(seen.ended[-1].error, KeyError)
    assert seen.ended[-1].hit is False


def test_an_observer_that_fails_breaks_nothing(fresh: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Its error is logged; the operation goes on."""

    class Broken:
        def before(self, event: observe.Event) -> None:
            raise RuntimeError("observer is broken")

    with observe.observing(Broken()):
        KeyCache("k").set(1)
    assert KeyCache("k").get() == 1
    assert "observer Broken failed in before" in caplog.text


def test_what_is_no_observer_is_refused() -> None:
    """It needs at least one of the two methods."""
    with pytest.raises(TypeError, match="neither"):
        observe.add(object())


def test_unreadable_bytes_are_an_event(seen: Seen) -> None:
    """They read as a miss, and somebody is told."""
    connection().raw("SET", "k", b"\xc1\xff\xff")
    assert KeyCache("k").get("miss") == "miss"
    event = next(event for event in seen.ended if event.operation == "unreadable")
    assert event.unreadable
    assert event.key == "k"


def test_stats_by_class_and_operation(fresh: Any) -> None:
    """Hits, misses, ratio and times since collect()."""

    class Profile(DictCache[str, int]):
        prefix = "profile"

    observe.collect()
    profile = Profile(1)
    profile["a"] = 1
    profile.get("a")
    profile.get("b")
    profile.get("c")
    stats = Profile.stats()
    assert (stats.calls, stats.hits, stats.misses, stats.errors) == (4, 1, 2, 0)
    assert stats.ratio == pytest.approx(1 / 3)
    assert 0 < stats.min <= stats.avg <= stats.max <= stats.total
    assert observe.stats(Profile, "get").calls == 3
    assert set(observe.stats()) == {name_of(Profile)}
    assert observe.stats()[f"{__name__}.{Profile.__qualname__}"].hits == 1
    assert observe.stats("Nobody").calls == 0
    assert "ratio=0.333" in repr(stats)
    observe.collect()
    assert Profile.stats().calls == 0
    observe.collect(False)
    profile.get("a")
    assert Profile.stats().calls == 0
    assert events.observers == ()


def samples() -> list[Any]:
    return [
        KeyCache("k", data=1),
        DictCache("d", data={"a": 1}),
        SetCache("s", data={"a"}),
        SortedSetCache("z", data={"a": 1.0}),
        CounterCache("c", data={"a": 1}),
    ]


# What asks the server nothing (without arguments), or is a context of its own.
QUIET = {
    "iterkeys",
    "itervalues",
    "writing",
    "lock",
    "update",
    "subtract",
    "pipeline",
    "edit",
    "stats",
    "keys",
    "values",
    "items",
    "iteritems",
    "key",
    "create",
    "elements",
}


@pytest.mark.parametrize("number", range(5), ids=["key", "dict", "set", "sortedset", "counter"])
def test_every_operation_is_seen(seen: Seen, number: int) -> None:
    """Each public method without required arguments tells the observers of itself."""
    for name, method in inspect.getmembers(type(samples()[number]), callable):
        if name.startswith("_") or name in QUIET or inspect.ismethod(method):
            continue
        required = [
            parameter
            for parameter in list(inspect.signature(method).parameters.values())[1:]
            if parameter.default is parameter.empty and parameter.kind in (0, 1)
        ]
        if required or any(p.kind == p.VAR_POSITIONAL for p in inspect.signature(method).parameters.values()):
            continue
        cache = samples()[number]
        seen.began.clear()
        result = getattr(cache, name)()
        if inspect.isgenerator(result) or hasattr(result, "__next__"):
            list(result)
        assert seen.began, f"{type(cache).__name__}.{name}() told nobody"


def test_pipelines_are_seen(seen: Seen) -> None:
    """A pipeline is one event, and each of its operations one as well."""
    with DictCache("d").pipeline() as p:
        p["a"] = 1
        p.get("a")
    assert ("rcollections.Pipeline", "send", "d") in seen.began
    assert [(e.operation, e.hit) for e in seen.ended if e.name == "rcollections.DictCache"] == [
        ("set", None),
        ("get", True),
    ]


def test_operations_can_be_logged(fresh: Any, caplog: pytest.LogCaptureFixture) -> None:
    """One line each, with the key and without the value."""
    caplog.set_level("DEBUG", "rcollections")
    with observe.observing(observe.Logged()):
        KeyCache("k").set("secret")
        KeyCache("k").get()
        with pytest.raises(KeyError):
            DictCache("d")["x"]
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("rcollections.KeyCache.set 'k' ")
    assert lines[1].endswith(" hit")
    assert lines[2].endswith(" miss KeyError")
    assert "secret" not in caplog.text


def test_what_an_observer_does_is_not_observed(store: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Else it would hear of itself for ever; what others do meanwhile is."""

    class Hits(CounterCache[str]):
        prefix = "hits"

    @cached(ttl=60)
    def label(operation: str) -> str:
        return f"op:{operation}"

    class Count(observe.Observer):
        def before(self, event: observe.Event) -> None:
            KeyCache("last").set(event.operation)

        def after(self, event: observe.Event) -> None:
            Hits()[label(event.operation)] += 1

    observe.collect()
    with observe.observing(Count()):
        KeyCache("a").set(1)
        KeyCache("a").get()
        with DictCache("d").pipeline() as p:
            p["x"] = 1
    assert Hits().to_dict() == {"op:set": 2, "op:get": 1, "op:send": 1}
    assert KeyCache("last").get() == "set"
    assert Hits.stats("increment").calls == 0
    assert "failed" not in caplog.text
    observe.collect(False)
