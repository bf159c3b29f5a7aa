"""Looking for what no collection of the server can hold, and for sets: the answers are those of dict and set."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CounterCache, DictCache, SetCache, SortedSetCache, configure, connection
from tests.trips import trips

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Frozen:
    a: int = 1


class Same:
    """Hashable, and equal to all of its kind: still no field of a server."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same)

    def __hash__(self) -> int:
        return 1


def deep(levels: int) -> Any:
    found: Any = ()
    for _ in range(levels):
        found = (found,)
    return found


NEVER = (
    object(),
    len,
    Frozen(),
    Same(),
    (1, object()),
    frozenset([Same()]),
    deep(1000),
    float("nan"),
    Decimal("1e9999"),
)
UNHASHABLE: tuple[Any, ...] = ([], {}, bytearray(b"x"), ([],), DictCache("x"))


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        return type(error), error.args


def mappings(ours: Any, field: Any) -> list[Any]:
    """What a mapping answers when it is asked for a field that is not there."""

    def delete() -> None:
        del ours[field]

    return [
        outcome(call)
        for call in (
            lambda: field in ours, lambda: field in ours.keys(),  # noqa: SIM118
            lambda: (field, 1) in ours.items(),
            lambda: ours.get(field), lambda: ours.get(field, 5), lambda: ours[field], lambda: ours.pop(field, 7),
            lambda: ours.pop(field), delete,
        )
    ]  # fmt: skip


@pytest.mark.parametrize("field", [*NEVER, *UNHASHABLE], ids=lambda field: type(field).__name__)
def test_mappings_answer_as_dicts(store: Any, field: Any) -> None:
    """An object that no field can be is not there; one that no dict can hold is a TypeError."""
    d, c = DictCache("d", data={"a": 1}), CounterCache("c", data={"a": 1})
    hashable = any(field is each for each in NEVER)
    for ours, plain in ((d, {"a": 1}), (c, Counter({"a": 1}))):
        mine, theirs = mappings(ours, field), mappings(plain, field)
        if hashable:
            assert mine == theirs
            assert ours.discard(field) is False
        else:
            assert all(issubclass(each[0], TypeError) for each in (*mine, *theirs))
        assert ours == {"a": 1}
    if hashable:
        assert c[field] == 0
        assert c.increment(field, 0) == 0
        with pytest.raises(KeyError) as raised:
            d.get_ttl(field)
        assert raised.value.args == (field,)
        assert d.get_ttl(field, 3) == (3, -1.0)
        assert d.gets(field)[0] is None
    for change in (
        lambda: d.__setitem__(field, 1),
        lambda: d.setdefault(field, 1),
        lambda: d.increment(field),
        lambda: c.__setitem__(field, 1),
        lambda: c.increment(field),
        lambda: c.update({field: 1}),
    ):
        with pytest.raises((TypeError, ValueError)):
            change()
    assert d == {"a": 1} == c


@pytest.mark.parametrize("elem", NEVER, ids=lambda elem: type(elem).__name__)
@pytest.mark.parametrize("serialize", [True, False])
def test_sets_answer_as_sets(store: Any, elem: Any, serialize: bool) -> None:
    """Not there, not removed; adding is an error."""
    if elem != elem and not serialize:
        pytest.skip("plain text may be nan")
    s: SetCache[Any] = SetCache("s", data={"a"}, serialize=serialize)
    z: SortedSetCache[Any] = SortedSetCache("z", data={"a": 1}, serialize=serialize)
    for ours in (s, z):
        assert elem not in ours
        assert ours.contains(elem) is False is ours.discard(elem)  # type: ignore[attr-defined]
        with pytest.raises(KeyError) as raised:
            ours.remove(elem)  # type: ignore[attr-defined]
        assert raised.value.args == (elem,)
        with pytest.raises((TypeError, ValueError)):
            ours.add(elem)  # type: ignore[attr-defined]
    for ask in (z.score, z.rank):
        with pytest.raises(KeyError) as raised:
            ask(elem)
        assert raised.value.args == (elem,)
    assert (z.get(elem), z.get(elem, 4)) == (None, 4)
    for wrong in UNHASHABLE:
        for call in (s.contains, s.discard, s.remove, z.contains, z.discard, z.remove, z.score, z.get, z.rank):
            with pytest.raises(TypeError):
                call(wrong)
    assert s == {"a"}
    assert z == {"a": 1.0}


@pytest.mark.parametrize("never", [(), (object(),), (object(), Frozen(), len)], ids=len)
@pytest.mark.parametrize("there", [(), ("a",), ("a", "b", "c")], ids=len)
def test_several_at_once(store: Any, never: tuple[Any, ...], there: tuple[Any, ...]) -> None:
    """Those that cannot be there are missing, whatever stands beside them, and none is asked for."""
    content = {"a": 1, "b": 2}
    d, c, s, z = (
        kind("k", kind.__name__, data=content) for kind in (DictCache, CounterCache, SetCache, SortedSetCache)
    )
    asked = [*never[:1], *there, *never[1:]]
    found = {each: content[each] for each in there if each in content}
    assert d.get_many(asked) == z.get_many(asked) == found
    assert list(d.get_many(asked, 7).items()) == [(each, found.get(each, 7)) for each in asked]
    assert list(z.get_many(asked, 7.0)) == asked
    assert d.getmany(*asked) == [found.get(each) for each in asked]
    assert c.getmany(*asked) == [found.get(each, 0) for each in asked]
    assert c.get_many(iter(asked)) == {each: found.get(each, 0) for each in asked}
    assert list(s.contains_many(asked).items()) == [(each, each in content) for each in asked]
    assert z.intersection(dict.fromkeys(asked, 1)).keys() == s & set(asked) == found.keys()
    assert z.difference(dict.fromkeys(asked, 1)).keys() == s - set(asked) == content.keys() - found.keys()
    for remove in (d.delete_many, c.delete_many, s.delete_many, z.delete_many):
        assert remove([*asked, *asked]) == len(found)
    for ask in (d.get_many, c.get_many, s.contains_many, z.get_many, d.delete_many, s.delete_many, z.delete_many):
        with pytest.raises(TypeError, match="unhashable"):
            ask([*asked, []])
    for kept in (d, c, s, z):
        assert len(kept) == 2 - len(found)
    z.update({"a": 1})
    z.difference_update(dict.fromkeys(never, 1))
    z.intersection_update({"a": 1, **dict.fromkeys(never, 1)})
    assert list(z.elements()) == ["a"]


def test_nothing_is_sent(server: Any) -> None:
    """Not even in a pipeline, where the answers stand among the others in order."""
    d, s, z, c = DictCache("d", data={"a": 1}), SetCache("s"), SortedSetCache("z"), CounterCache("c")
    it = object()

    def ask() -> None:
        assert (it in d, it in s, it in z, it in c, d.get(it, 1), c[it], s.discard(it)) == (*[False] * 4, 1, 0, False)

    assert trips(connection(), ask) == 0
    with d.pipeline() as p:
        first = p["a"]
        missing = p[it]
        p.contains(it)
        p(c)[it]
        p(s).contains(it)
        with pytest.raises(KeyError):
            _ = missing.value
        p["b"] = 2
    assert first.value == 1
    assert [type(each) if isinstance(each, Exception) else each for each in p.results] == [
        1,
        KeyError,
        False,
        0,
        False,
        True,
    ]
    with pytest.raises(KeyError) as raised:
        _ = missing.value
    assert raised.value.args == (it,)

    def alone() -> None:
        with d.pipeline() as p:
            p.contains(it)
        assert p.results == [False]

    assert trips(connection(), alone) == 0
    error = ValueError("a value like others")
    assert d.get(it, error) is error


def test_missing_hooks(store: Any) -> None:
    """``__missing__`` of a counter is asked, and its answer is not stored; that of a dict could not be stored."""

    class Ones(CounterCache[Any]):
        def __missing__(self, field: Any) -> int:
            return 1

    class Made(DictCache[Any, Any]):
        def __missing__(self, field: Any) -> int:
            return 1

    assert Ones("c")[object()] == 1
    with pytest.raises(TypeError, match="cannot be a field or member"):
        Made("d")[object()]


def test_a_set_of_the_server_as_an_element(store: Any) -> None:
    """It means its frozenset, as a set does."""
    inner: SetCache[str] = SetCache("inner", data="ab")
    plain = {frozenset("ab"), "x"}
    ours: SetCache[Any] = SetCache("ours", data=plain)
    ranked: SortedSetCache[Any] = SortedSetCache("ranked", data={frozenset("ab"): 2, "x": 1})
    for each in (inner, set("ab"), frozenset("ab")):
        assert each in ours
        assert ours.contains(each) is True
        assert each in ranked
        assert ranked.score(each) == ranked.get(each) == 2.0
        assert ranked.rank(each) == 1
    others: tuple[Any, ...] = (SetCache("other", data="abc"), SetCache("empty"))
    for other in others:
        assert other not in ours
        assert ours.discard(other) is False is ranked.discard(other)
        for remove in (ours.remove, ranked.remove, ranked.score, ranked.rank):
            with pytest.raises(KeyError) as raised:
                remove(other)
            assert raised.value.args[0] is other
    assert ours.discard(inner) is True is ranked.discard(inner)
    assert ours == {"x"}
    assert ranked == {"x": 1.0}
    ours.add(frozenset("ab"))
    ours.remove(inner)
    assert ours == {"x"}
    for add in (ours.add, ranked.add):
        with pytest.raises(TypeError, match="unhashable"):
            add(inner)
    big: SetCache[int] = SetCache("big", data=range(10_500))
    assert big not in ours


def test_a_set_of_another_connection_as_an_element() -> None:
    """Its content is read there."""
    configure({"default": "memory://", "other": "memory://"})
    inner: SetCache[str] = SetCache("inner", data="ab", connection_name="other")
    ours: SetCache[Any] = SetCache("ours", data={frozenset("ab")})
    assert inner in ours
    assert ours.discard(inner) is True
    with ours.pipeline() as p, pytest.raises(TypeError, match="more than one round trip"):
        p.contains(SetCache("of this one"))


def test_a_tagged_set_as_an_element(store: Any) -> None:
    """One whose tag was invalidated is the empty set."""
    from rcollections import invalidate_tags

    inner: SetCache[str] = SetCache("inner", tags=("t",), data="ab")
    ours: SetCache[Any] = SetCache("ours", data={frozenset("ab"), frozenset()}, tags=("u",))
    assert inner in ours
    assert ours.discard(inner)
    assert inner not in ours
    invalidate_tags("t")
    assert inner in ours
    invalidate_tags("u")
    assert inner not in ours
