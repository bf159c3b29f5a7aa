"""``CACHES_DISABLE=1``: types read as empty and drop writes, with the answers of an empty server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CounterCache, DictCache, KeyCache, SetCache, SortedSetCache, configure
from rcollections.testing import isolated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def disabled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The switch is on; the server that is configured does not exist."""
    monkeypatch.setenv("CACHES_DISABLE", "1")
    with isolated("redis://127.0.0.1:1"):
        yield


def outcome(act: Callable[[], Any]) -> Any:
    """What a call gave or raised, in a form that can be compared."""
    try:
        result = act()
    except Exception as error:
        return type(error), str(error)
    if isinstance(result, tuple) and len(result) == 2 and "Token" in repr(result[1]):
        return result[0]
    return list(result) if hasattr(result, "__next__") else result


def calls() -> dict[str, Callable[[], Any]]:
    """Every kind of call, each on a key of its own that nobody wrote before."""
    k, d, s = KeyCache("k"), DictCache("d"), SetCache("s")
    z, c = SortedSetCache("z"), CounterCache("c")
    return {
        "k.get": lambda: k.get(),
        "k.get default": lambda: k.get(7),
        "k.peek": lambda: k.peek(),
        "k.getdel": lambda: k.getdel(3),
        "k.exists": lambda: k.exists(),
        "k.exists ttl": lambda: k.exists(ttl=5),
        "k.get_ttl": lambda: k.get_ttl(None),
        "k.gets": lambda: k.gets(),
        "k.expire": lambda: k.expire(5),
        "k.touch": lambda: k.touch(),
        "k.renew": lambda: k.renew(5),
        "k.clear": lambda: k.clear(),
        "k.clear if_value": lambda: k.clear(if_value=1),
        "k.expires_in": lambda: k.expires_in(),
        "k.increment must_exist": lambda: k.increment(must_exist=True),
        "d.clear": lambda: d.clear(),
        "d.expires_in": lambda: d.expires_in(),
        "k.copy_to": lambda: k.copy_to("other").key,
        "k.get_many": lambda: KeyCache.get_many(["a", "b"], None),
        "k.get_many ttl": lambda: KeyCache.get_many(["a", "b"], None, with_ttl=True),
        "k.delete_many": lambda: KeyCache.delete_many(["a", "b"]),
        "d.get": lambda: d.get("a"),
        "d[]": lambda: d["a"],
        "d.len": lambda: len(d),
        "d.in": lambda: "a" in d,
        "d.bool": lambda: bool(d),
        "d.pop": lambda: d.pop("a"),
        "d.popitem": lambda: d.popitem(),
        "d.del": lambda: d.__delitem__("a"),
        "d.discard": lambda: d.discard("a"),
        "d.to_dict": lambda: d.to_dict(),
        "d.iter": lambda: iter(d),
        "d.values": lambda: list(d.values()),
        "d.get_many": lambda: d.get_many(["a", "b"], 0),
        "d.get_ttl": lambda: d.get_ttl("a", None),
        "d.or": lambda: d | {"a": 1},
        "s.in": lambda: 1 in s,
        "s.in a set": lambda: SetCache("s2") in s,
        "s.in never": lambda: object() in s,
        "s.len": lambda: len(s),
        "s.pop": lambda: s.pop(),
        "s.remove": lambda: s.remove(1),
        "s.discard": lambda: s.discard(1),
        "s.to_set": lambda: s.to_set(),
        "s.union": lambda: s.union({1}),
        "s.union server": lambda: s.union(SetCache("s2")),
        "s.le": lambda: s <= SetCache("s2"),
        "s.sample": lambda: s.random_sample(2),
        "z.score": lambda: z.score("a"),
        "z.rank": lambda: z.rank("a"),
        "z[0]": lambda: z[0],
        "z[0:2]": lambda: z[0:2],
        "z.range": lambda: z.range(0, 1),
        "z.pop": lambda: z.pop(),
        "z.rpop": lambda: z.rpop(),
        "z.iter": lambda: iter(z),
        "z.len": lambda: len(z),
        "z.remove": lambda: z.remove("a"),
        "c[]": lambda: c["a"],
        "c.total": lambda: c.total(),
        "c.most_common": lambda: c.most_common(),
        "c.getmany": lambda: c.getmany("a", "b"),
        # writes come last: on a real server each of them would stay
        "k.set": lambda: k.set(1),
        "k2.add": lambda: KeyCache("k2").add(1),
        "k3.increment": lambda: KeyCache("k3").increment(5),
        "k.set_many": lambda: KeyCache.set_many({"x": 1}),
        "d2.setdefault": lambda: DictCache("d2").setdefault("a", 5),
        "d3.set": lambda: DictCache("d3").set("a", 5),
        "d3.set ttl": lambda: DictCache("d4").set("a", 5, ttl=5),
        "d5.update": lambda: DictCache("d5").update({"a": 1}),
        "d6.increment": lambda: DictCache("d6").increment("a", 5),
        "d7.data": lambda: DictCache("d7", data={"a": 1}).key,
        "s3.add": lambda: SetCache("s3").add(1),
        "s4.add_many": lambda: SetCache("s4").add_many([1, 2]),
        "s5.data": lambda: SetCache("s5", data={1}).key,
        "s6.ior": lambda: SetCache("s6").update({1}),
        "z3.add": lambda: SortedSetCache("z3").add("a", 1),
        "z4.incr": lambda: SortedSetCache("z4").incr("a", 2),
        "z5.data": lambda: SortedSetCache("z5", data={"a": 1}).key,
        "c3.increment": lambda: CounterCache("c3").increment("a", 3),
        "c4.update": lambda: CounterCache("c4").update("aab"),
        "c5.data": lambda: CounterCache("c5", data="aab").key,
    }


@pytest.mark.parametrize("name", calls())
def test_answers_are_those_of_an_empty_server(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call gives or raises the same, though there is no server at all."""
    monkeypatch.setenv("CACHES_DISABLE", "1")
    with isolated("redis://127.0.0.1:1"):
        without = outcome(calls()[name])
    monkeypatch.delenv("CACHES_DISABLE")
    with isolated():
        assert without == outcome(calls()[name])


def test_writes_are_dropped(disabled: None) -> None:
    """What was written is not there."""
    d = DictCache[str, int]("d", data={"a": 1})
    d["b"] = 2
    d.update({str(n): n for n in range(20_000)})
    assert d.to_dict() == {}
    assert d == {}
    assert KeyCache("k", data=5).get("default") == "default"
    with d.pipeline() as p:
        p["c"] = 1
        p.get("c", 0)
    assert p.results == [True, 0]


def test_bad_input_is_still_refused(disabled: None) -> None:
    """The switch hides the server, not the mistakes."""
    with pytest.raises(TypeError):
        DictCache("d")[[]] = 1  # type: ignore[index]
    with pytest.raises(TypeError):
        KeyCache("k").set(lambda: 1)


def test_the_switch_is_read_per_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts when a connection is configured, not when the package is imported."""
    with isolated():
        KeyCache("k").set(1)
        monkeypatch.setenv("CACHES_DISABLE", "1")
        assert KeyCache("k").get() == 1
        configure("memory://other")
        assert KeyCache("k").get() is None
