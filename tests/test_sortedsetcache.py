"""``SortedSetCache``: elements by score, by rank, whole and paged, with the promises of the other types."""

from __future__ import annotations

import copy
import pickle
from math import inf
from typing import Any

import pytest

from rcollections import ConfigError, DictCache, EncodeError, SetCache, SortedSetCache, WrongTypeError, configure
from tests.trips import trips

PAIRS = [("b", 1.0), ("c", 2.0), ("a", 3.0)]


@pytest.fixture
def z(store: Any) -> SortedSetCache[Any]:
    return SortedSetCache("z", data={"a": 3, "b": 1, "c": 2})


def left(store: Any, cache: Any) -> int:
    return int(store.raw("PTTL", cache.key))


def staged(store: Any) -> list[bytes]:
    return list(store.raw("KEYS", "rc:s:*"))


# -- one element -----------------------------------------------------------------------------------


def test_elements_have_scores(store: Any) -> None:
    """add tells what is new, the score is 1 unless given, and a float always."""
    z = SortedSetCache("z")
    assert not z
    assert z.add("a") is True
    assert z.add("a", 2) is False
    assert z.add("b", 0.1) is True
    assert (z.score("a"), z.get("b"), z.get("q"), z.get("q", "no")) == (2.0, 0.1, None, "no")
    assert type(z.score("a")) is float
    assert z.addnx("a", 9) is False
    assert z.addnx("c") is True
    assert (z.score("a"), z.score("c")) == (2.0, 1.0)
    assert "a" in z
    assert z.contains("q") is False
    assert (len(z), z.length(), bool(z)) == (3, 3, True)
    for call in (z.score, z.rank, z.remove, z.delete):
        with pytest.raises(KeyError) as caught:
            call("nobody")
        assert caught.value.args == ("nobody",)
    z.remove("a")
    assert z.discard("b") is True
    assert z.discard("b") is False
    assert z == {"c": 1}


def test_conditions_of_add(z: SortedSetCache[Any]) -> None:
    """nx, xx, gt and lt do what the server's words mean; those that exclude each other are a ValueError."""
    assert z.add("n", 5, xx=True) is False
    assert z.add("a", 5, nx=True) is False
    assert z.add("a", 2, gt=True) is False
    assert z == {"a": 3, "b": 1, "c": 2}
    z.add("a", 4, gt=True)
    z.add("b", 0.5, lt=True, xx=True)
    assert z.add("n", 7, gt=True) is True
    assert z == {"a": 4, "b": 0.5, "c": 2, "n": 7}
    for flags in ({"nx", "xx"}, {"nx", "gt"}, {"nx", "lt"}, {"gt", "lt"}, {"xx", "gt", "lt"}):
        with pytest.raises(ValueError, match="nx alone"):
            z.add("a", 1, **dict.fromkeys(flags, True))


@pytest.mark.parametrize("score", [0.1, -1.5, 1e300, 5e-324, inf, -inf, 0, 2**53, -(2**60), 10**22])
def test_scores_are_exact(store: Any, score: float) -> None:
    """What comes back is that very number."""
    z = SortedSetCache("z", data={"a": score})
    assert z.score("a") == score
    assert list(z) == [("a", score)]
    assert z[0] == ("a", score)
    assert z.range(score, score) == [("a", score)]
    assert z.pop() == ("a", score)


def test_what_is_no_score_is_refused(z: SortedSetCache[Any]) -> None:
    """bool, text and None: TypeError; NaN and ints that no float holds: ValueError. Nothing is stored."""
    for score in (True, "1", None, 1j):
        for call in (
            lambda s: z.add("n", s),
            lambda s: z.incr("a", s),
            lambda s: z.add_many({"n": s}),
            lambda s: z.range(s),
            lambda s: SortedSetCache("z", data={"n": s}),
        ):
            with pytest.raises(TypeError, match="score"):
                call(score)
    for score in (float("nan"), 2**53 + 1, 10**400):
        for call in (
            lambda s: z.add("n", s),
            lambda s: z.incr("a", s),
            lambda s: z.count(s),
            lambda s: z.update([("n", s)]),
        ):
            with pytest.raises(ValueError, match="score"):
                call(score)
    assert list(z) == PAIRS


def test_incr_gives_the_sum(z: SortedSetCache[Any]) -> None:
    """By 1 unless told; a missing element starts at 0; infinities that cancel out are refused."""
    assert z.incr("a") == 4.0
    assert z.incr("n", 0.1) == 0.1
    assert z.incr("n", 0.2) == 0.1 + 0.2
    assert z.incr("n", -inf) == -inf
    with pytest.raises(ValueError, match="inf"):
        z.incr("n", inf)
    assert z.score("n") == -inf


def test_both_ends_can_be_taken(store: Any, z: SortedSetCache[Any]) -> None:
    """pop the lowest, rpop the highest, as pairs; KeyError when there is none."""
    z.add("d", 9)
    assert z.pop() == ("b", 1.0)
    assert z.rpop() == ("d", 9.0)
    assert z.pop(last=True) == ("a", 3.0)
    assert z.pop() == ("c", 2.0)
    for call in (z.pop, z.rpop):
        with pytest.raises(KeyError, match="pop from an empty sorted set"):
            call()


def test_elements_are_what_a_set_takes(store: Any) -> None:
    """Equal ones are one, unhashable ones a TypeError, a set in look-ups means its frozenset."""
    z = SortedSetCache("z", data=[(1, 1), (1.0, 2), ((1, "x"), 3), (frozenset({1}), 4), (None, 5)])
    assert z == {True: 2, (1.0, "x"): 3, frozenset({1}): 4, None: 5}
    assert {1} in z
    assert z.score({1}) == 4
    assert z.rank({1}) == 2
    z.remove({1})
    for elem in ([], {}, ([],)):
        for call in (z.add, z.discard, z.contains, z.score, z.rank, z.incr):
            with pytest.raises(TypeError):
                call(elem)
    with pytest.raises(EncodeError):
        z.add(object())
    assert len(z) == 3


# -- by rank and score -----------------------------------------------------------------------------


def test_ranks_are_those_of_a_list(store: Any, z: SortedSetCache[Any]) -> None:
    """Every index and every slice of a list of that length, steps and negative ones too."""
    ends = (None, *range(-5, 6), 10**30, -(10**30))
    for start in ends:
        for stop in ends:
            for step in (None, 1, 2, 3, -1, -2, -5):
                assert z[start:stop:step] == PAIRS[start:stop:step], (start, stop, step)
    for rank in range(-3, 3):
        assert z[rank] == PAIRS[rank]
    for rank in (3, -4, 10**30, -(10**30)):
        with pytest.raises(IndexError):
            z[rank]
    with pytest.raises(TypeError, match=r"score\(\)"):
        z["a"]  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="zero"):
        z[::0]
    assert SortedSetCache("none")[:] == []
    assert (z.rank("b"), z.rank("a"), z.rank("a", reverse=True)) == (0, 2, 0)


def test_equal_scores_are_sorted_by_bytes(store: Any) -> None:
    """As the server has it: capitals first, then small letters, then what is not ASCII."""
    z = SortedSetCache("z", data=dict.fromkeys(["é", "b", "ab", "a", "Z"], 1))
    assert list(z.elements()) == ["Z", "a", "ab", "b", "é"]
    assert [elem for elem, _ in reversed(z)] == ["é", "b", "ab", "a", "Z"]


def test_chunks(z: SortedSetCache[Any]) -> None:
    """limit counts, from either end."""
    assert z.chunk(2) == PAIRS[:2]
    assert z.chunk(1, 1) == PAIRS[1:2]
    assert z.chunk(2, last=True) == z.rchunk(2) == PAIRS[:0:-1]
    assert z.rchunk(9, 1) == PAIRS[1::-1]
    assert z.chunk(0) == z.rchunk(0) == z.rchunk(0, 1) == z.chunk(5, 3) == []
    with pytest.raises(ValueError, match="0 or more"):
        z.chunk(-1)


def test_ranges_of_scores(z: SortedSetCache[Any]) -> None:
    """Both ends are included; limit, offset and reverse."""
    assert z.range(1, 2) == PAIRS[:2]
    assert z.range() == PAIRS
    assert z.range(1.5) == PAIRS[1:]
    assert z.range(max=1.5) == PAIRS[:1]
    assert z.range(limit=1, offset=1) == PAIRS[1:2]
    assert z.range(2, reverse=True) == PAIRS[:0:-1]
    assert z.range(reverse=True, limit=1) == PAIRS[2:]
    assert z.range(limit=0) == z.range(5, 4) == []
    assert (z.count(), z.count(2), z.count(1, 2), z.count(5, 4)) == (3, 2, 2, 0)
    for wrong in ({"limit": -1}, {"offset": -1}):
        with pytest.raises(ValueError, match="0 or more"):
            z.range(**wrong)
    assert z.remove_range_by_score(1.5, 2.5) == 1
    assert z.remove_range_by_rank(-1, 99) == 1
    assert z.remove_range_by_rank(0, 0) == 0
    assert list(z) == PAIRS[:1]


# -- whole -----------------------------------------------------------------------------------------


def test_whole_reads(store: Any, z: SortedSetCache[Any]) -> None:
    """Pairs in order, dicts in order, and comparison with mappings and others."""
    assert list(z) == PAIRS
    assert list(reversed(z)) == PAIRS[::-1]
    assert list(z.elements()) == ["b", "c", "a"]
    assert list(z.to_dict().items()) == list(dict(z).items()) == PAIRS
    assert type(z.copy()) is dict
    assert z == {"a": 3, "b": 1, "c": 2.0}
    assert dict(PAIRS) == z
    assert z != {"a": 3, "b": 1}
    assert z != {"a": 3, "b": 1, "c": 5}
    assert z != {"a": 3, "b": 1, "c": 2, object(): 1}
    assert z != PAIRS
    assert z == SortedSetCache("y", data=z)
    assert z != SortedSetCache("y", data={"a": 3})
    assert z == z.copy_to("x")
    z.add("new")
    assert SortedSetCache("x") == dict(PAIRS)


def test_data_replaces_the_content(store: Any, z: SortedSetCache[Any]) -> None:
    """A mapping, pairs, another one of the server, a set; empty too; the last of equal elements counts."""
    assert SortedSetCache("z", data=[("a", 1), ("a", 2)]) == {"a": 2}
    assert SortedSetCache("z", data={"x": 1}.items()) == {"x": 1}
    assert SortedSetCache("z", data=SetCache("s", data={"p", "q"})) == {"p": 1, "q": 1}
    assert SortedSetCache("z", data={"r"}) == {"r": 1}
    assert SortedSetCache("z", data=SortedSetCache("z")) == {"r": 1}
    assert SortedSetCache("z", data=SortedSetCache("z", serialize=False)) == {"r": 1}
    big = {n: n / 2 for n in range(6000)}
    assert SortedSetCache("z", data=big) == big
    assert left(store, z) > 6_000_000
    assert SortedSetCache("z", data={}).exists() is False
    with pytest.raises(TypeError):
        SortedSetCache("z", data=7)
    with pytest.raises(ValueError, match="unpack"):
        SortedSetCache("z", data=["a"])
    assert not staged(store)


def test_many_at_once(store: Any, z: SortedSetCache[Any]) -> None:
    """add_many counts the new ones, get_many gives what is there, or a default."""
    assert z.add_many({"a": 4, "d": 1}) == 1
    assert z.add_many([("e", 1), ("e", 2)]) == 1
    assert z.update({"f": 6}) is None  # type: ignore[func-returns-value]
    assert z.add_many([]) == z.delete_many([]) == 0
    assert z.get_many(["a", "q", "f"]) == {"a": 4.0, "f": 6.0}
    assert z.scores(["a", "q"], None) == {"a": 4.0, "q": None}
    assert z.get_many([]) == {}
    assert z.delete_many(["a", "b", "q"]) == 2
    assert z == {"c": 2, "d": 1, "e": 2, "f": 6}
    assert z.add_many({n: n for n in range(12_000)}) == 12_000
    assert len(z) == 12_004


BIG = {f"m{n}": float(n % 5) for n in range(12_000)}


def test_a_large_one_is_read_page_by_page(store: Any) -> None:
    """12,000 elements in order, both ways, and whole."""
    z = SortedSetCache("z", data=BIG)
    want = sorted(BIG.items(), key=lambda item: (item[1], item[0]))
    assert list(z) == want
    assert list(reversed(z)) == want[::-1]
    assert z == BIG
    assert z[::-1] == want[::-1]


@pytest.mark.parametrize("way", [iter, reversed])
def test_what_stays_is_seen_exactly_once(store: Any, way: Any) -> None:
    """Others remove and add elements everywhere, also the one that the next page starts from."""
    z = SortedSetCache("z", data=BIG)
    gone, seen = set(), []
    for count, (elem, _) in enumerate(way(z)):
        seen.append(elem)
        if count % 1000 == 999:
            out = {elem, *(f"m{n}" for n in range(count, count + 40))}
            z.delete_many(out)
            gone |= out
            z.add_many({f"{count}new{n}": n % 5 for n in range(40)})
    stayed = set(BIG) - gone
    ours = [elem for elem in seen if elem in stayed]
    assert len(ours) == len(stayed) == len(set(ours))


# -- algebra ---------------------------------------------------------------------------------------

MINE = {"a": 1.0, "b": 2.0, "c": 30.0}
THEIRS = {"b": 10.0, "c": 3.0, "d": 4.0}


def operand(kind: str) -> Any:
    if kind == "server":
        return SortedSetCache("other", data=THEIRS)
    if kind == "raw":
        return SortedSetCache("other", data=THEIRS, serialize=False)
    return {"dict": THEIRS, "pairs": list(THEIRS.items()), "items": THEIRS.items()}[kind]


CASES: list[tuple[str, dict[str, str], dict[str, float]]] = [
    ("union", {}, {"a": 1, "d": 4, "b": 12, "c": 33}),
    ("union", {"aggregate": "min"}, {"a": 1, "b": 2, "c": 3, "d": 4}),
    ("union", {"aggregate": "max"}, {"a": 1, "d": 4, "b": 10, "c": 30}),
    ("intersection", {}, {"b": 12, "c": 33}),
    ("intersection", {"aggregate": "min"}, {"b": 2, "c": 3}),
    ("intersection", {"aggregate": "max"}, {"b": 10, "c": 30}),
    ("difference", {}, {"a": 1}),
]


@pytest.mark.parametrize(("name", "how", "want"), CASES)
@pytest.mark.parametrize("kind", ["server", "raw", "dict", "pairs", "items"])
def test_algebra(store: Any, name: str, how: dict[str, str], want: dict[str, float], kind: str) -> None:
    """Plain dicts, lowest score first; the _update forms store the same."""
    z = SortedSetCache("z", data=MINE)
    found = getattr(z, name)(operand(kind), **how)
    assert list(found.items()) == list(want.items())
    assert z == MINE
    assert getattr(z, f"{name}_update")(operand(kind), **how) is None
    assert z == want
    assert not staged(store)


def test_algebra_with_several(store: Any) -> None:
    """Mixed operands; a set's elements have the score 1; none at all changes nothing."""
    y, s = SortedSetCache("y", data=THEIRS), SetCache("s", data={"a", "b"})
    for method in ("union", "intersection", "difference"):
        for others, want in (
            ((y, s), {"union": {"c": 33, "b": 13, "a": 2, "d": 4}, "intersection": {"b": 13}, "difference": {}}),
            (
                (y, {"b": 1}),
                {"union": {"c": 33, "b": 13, "a": 1, "d": 4}, "intersection": {"b": 13}, "difference": {"a": 1}},
            ),
            (({"b"}, {"b": 1}), {"union": {**MINE, "b": 4}, "intersection": {"b": 4}, "difference": {"a": 1, "c": 30}}),
            ((), dict.fromkeys(("union", "intersection", "difference"), MINE)),
            (({},), {"union": MINE, "intersection": {}, "difference": MINE}),
        ):
            z = SortedSetCache("z", data=MINE)
            assert getattr(z, method)(*others) == want[method]
            getattr(z, f"{method}_update")(*others)
            assert z == want[method]


def test_algebra_with_itself(store: Any) -> None:
    """A sum doubles."""
    z = SortedSetCache("z", data=MINE)
    assert z.union(z) == z.intersection(z) == {elem: 2 * score for elem, score in MINE.items()}
    z.union_update(SortedSetCache("z"))
    assert z == {elem: 2 * score for elem, score in MINE.items()}
    z.difference_update(z)
    assert not z


def test_infinities_that_cancel_out_sum_to_0(store: Any) -> None:
    """As the server has it, wherever the sum is made."""
    z, y = SortedSetCache("z", data={"a": inf}), SortedSetCache("y", data={"a": -inf})
    assert z.union(y) == z.union({"a": -inf}) == z.intersection({"a": -inf}) == {"a": 0}


def test_an_unknown_aggregate_is_refused(z: SortedSetCache[Any]) -> None:
    """The message lists those that there are."""
    with pytest.raises(ValueError, match="sum, min, max"):
        z.union({}, aggregate="mean")
    with pytest.raises(ValueError, match="sum, min, max"):
        z.intersection_update({}, aggregate="mean")


def test_large_operands(store: Any) -> None:
    """Sent ahead under a staging key, of which nothing stays."""
    z = SortedSetCache("z", data=BIG)
    z.union_update(BIG)
    assert z == {elem: 2 * score for elem, score in BIG.items()}
    half = dict(list(BIG.items())[:6000])
    z.intersection_update(half, aggregate="min")
    assert z == half
    z.difference_update(dict(list(BIG.items())[100:9000]))
    assert z == dict(list(BIG.items())[:100])
    assert not staged(store)


def test_those_of_other_connections_are_plain_operands(fresh: Any) -> None:
    """They are read first."""
    configure({"default": "memory://one", "elsewhere": "memory://two"})
    z = SortedSetCache("z", data=MINE)
    other = SortedSetCache("z", data=THEIRS, connection_name="elsewhere")
    assert z.union(other) == {"a": 1, "d": 4, "b": 12, "c": 33}
    z.intersection_update(other)
    assert z == {"b": 12, "c": 33}
    assert SortedSetCache("z", data=other) == THEIRS


# -- a handle --------------------------------------------------------------------------------------


def test_it_is_a_handle(store: Any, z: SortedSetCache[Any]) -> None:
    """Pickled and copied as one, unhashable, repr without content."""
    assert pickle.loads(pickle.dumps(z)) == dict(PAIRS)
    assert copy.copy(z) == dict(PAIRS)
    assert repr(z) == "SortedSetCache('z')"
    with pytest.raises(TypeError):
        hash(z)
    with pytest.raises(TypeError):
        copy.deepcopy(z)

    class Odd(SortedSetCache[Any]):
        serializer = "json"

    with pytest.raises(ConfigError, match="serialize=False"):
        Odd("z").add(1)


def test_another_kind_of_key_is_a_wrong_type_error(store: Any, z: SortedSetCache[Any]) -> None:
    """Reading, writing and algebra; no staging key stays."""
    DictCache("k", data={"a": 1})
    k: SortedSetCache[Any] = SortedSetCache("k")
    for call in (
        lambda: k.add(1), lambda: 1 in k, lambda: len(k), lambda: list(k), lambda: k.pop(), lambda: k[0],
        lambda: k.incr("a"), lambda: z.union(k), lambda: z.union_update(k), lambda: z.union_update(k, {"a": 1}),
        lambda: k.union_update(z, {"a": 1}), lambda: k.union_update({"a": 1}), lambda: k.intersection_update({"a": 1}),
    ):  # fmt: skip
        with pytest.raises(WrongTypeError):
            call()
    assert z == dict(PAIRS)
    assert not staged(store)


def test_raw_elements_are_text(store: Any) -> None:
    """serialize=False: "1" and 1 are one element."""
    z = SortedSetCache("z", data={1: 2, "a": 3}, serialize=False)
    assert store.raw("ZSCORE", "z", "1") is not None
    assert z == {1: 2, "a": 3} == z.to_dict()
    assert z == {"1": 2, "a": 3}
    assert z.score("1") == 2
    assert z.intersection({"1": 1}) == {1: 3}
    with pytest.raises(EncodeError):
        z.add((1,))


def test_a_resp3_connection_gives_the_same(servers: Any, server: Any) -> None:
    """Scores are doubles there, and pairs are nested."""
    configure(server.dsn + "?protocol=3")
    z = SortedSetCache("z", data={"a": 3, "b": 1.5, "c": inf})
    y = SortedSetCache("y", data={"a": 1})
    assert (z.score("b"), z.get_many(["a"]), z[0], z[1:]) == (1.5, {"a": 3.0}, ("b", 1.5), [("a", 3.0), ("c", inf)])
    assert list(z) == [("b", 1.5), ("a", 3.0), ("c", inf)] == z.range()
    assert (z.union(y), z.intersection(y), z.difference(y)) == (
        {"b": 1.5, "a": 4, "c": inf},
        {"a": 4},
        {"b": 1.5, "c": inf},
    )
    assert (z.incr("a"), z.pop(), z.rpop(), z.rank("a")) == (4.0, ("b", 1.5), ("c", inf), 0)
    s = SetCache("s", data={1, 2})
    assert (s | SetCache("t", data={3}), s.to_set(), s & {1}, s ^ s) == ({1, 2, 3}, {1, 2}, {1}, set())


# -- ttl, round trips, pipelines ---------------------------------------------------------------------

STORES_SOMETHING = [
    lambda z: z.add("n"),
    lambda z: z.add("a", 9),
    lambda z: z.add("a", 9, gt=True),
    lambda z: z.addnx("n"),
    lambda z: z.incr("a"),
    lambda z: z.incr("n", 0),
    lambda z: z.update({"a": 3, "n": 1}),
    lambda z: z.add_many({str(n): n for n in range(6000)}),
    lambda z: z.union_update({"a": 1}),
    lambda z: z.union_update(SetCache("s")),
    lambda z: z.intersection_update(SetCache("s")),
]
STORES_NOTHING = [
    lambda z: z.add("a", 3),
    lambda z: z.add("a", 9, nx=True),
    lambda z: z.add("a", 1, gt=True),
    lambda z: z.add("n", 1, xx=True),
    lambda z: z.addnx("a"),
    lambda z: z.incr("a", 0),
    lambda z: z.update({"a": 3}),
    lambda z: z.union_update({"a": 1}, aggregate="max"),
    lambda z: z.union_update(SetCache("s"), aggregate="max"),
    lambda z: z.union_update(SortedSetCache("none")),
    lambda z: z.intersection_update(SetCache("s"), aggregate="max"),
    lambda z: z.difference_update(SetCache("s")),
    lambda z: z.difference_update({"a": 1}),
    lambda z: z.remove("a"),
    lambda z: z.discard("a"),
    lambda z: z.pop(),
    lambda z: z.rpop(),
    lambda z: z.delete_many(["a"]),
    lambda z: z.remove_range_by_rank(0, 1),
    lambda z: z.remove_range_by_score(1, 1),
    lambda z: (list(z), z.score("a"), z[0], z.range(), z == {}, len(z), z.union(z)),
]


@pytest.mark.parametrize("number", range(len(STORES_SOMETHING)))
def test_what_stores_arms_the_ttl(store: Any, number: int) -> None:
    """A new element or another score; with 'first' only where the key is made."""
    SetCache("s", data={"a"})
    for mode in ("last", "first"):
        z = SortedSetCache("z", data=dict(PAIRS), ttl_from=mode)
        store.raw("PEXPIRE", "z", 5000)
        STORES_SOMETHING[number](z)
        assert (left(store, z) > 5000) is (mode == "last")
        assert left(store, z) > 0


@pytest.mark.parametrize("number", range(len(STORES_NOTHING)))
def test_what_stores_nothing_leaves_the_ttl_alone(store: Any, number: int) -> None:
    """The same scores, refused conditions, removing and reading: neither armed nor lost."""
    SetCache("s", data={"a"})
    z = SortedSetCache("z", data=dict(PAIRS))
    store.raw("PEXPIRE", "z", 5000)
    STORES_NOTHING[number](z)
    assert 0 < left(store, z) <= 5000
    z = SortedSetCache("z", data=dict(PAIRS), ttl=0)
    STORES_NOTHING[number](z)
    assert left(store, z) == -1


def test_operations_take_one_round_trip(store: Any, z: SortedSetCache[Any]) -> None:
    """The first call may send a script's text, the second is one trip."""
    y = SortedSetCache("y", data=THEIRS)
    for number, call in enumerate(
        (
            lambda: z.add("a", 1),
            lambda: z.incr("a"),
            lambda: z.score("a"),
            lambda: z.rank("a"),
            lambda: z.discard("q"),
            lambda: "a" in z,
            lambda: len(z),
            lambda: z[0],
            lambda: z[1:],
            lambda: z.range(1),
            lambda: z.count(1),
            lambda: dict(z),
            lambda: z.to_dict(),
            lambda: z == {},
            lambda: z.add_many(BIG_ENOUGH),
            lambda: z.get_many("abc"),
            lambda: z.union(y),
            lambda: z.intersection(y, {"b": 1}),
            lambda: z.difference({"b": 1}),
            lambda: z.union_update(y),
            lambda: z.union_update(BIG_ENOUGH),
            lambda: z.intersection_update(y, BIG_ENOUGH),
            lambda: z.difference_update(y),
            lambda: SortedSetCache("z", data=y),
            lambda: SortedSetCache("z", data=BIG_ENOUGH),
            lambda: z.pop(),
            lambda: z.rpop(),
        )
    ):
        assert trips(store, call) == 1, number


BIG_ENOUGH = {f"m{n}": n for n in range(5000)}


def test_pipelines_keep_calls(store: Any, z: SortedSetCache[Any]) -> None:
    """One MULTI; what needs an answer at once is a TypeError."""
    with z.pipeline() as p:
        new: Any = p.add("n", 0)
        p.incr("n", 5)
        first: Any = p[0]
        last: Any = p[-1]
        whole: Any = p.to_dict()
        union: Any = p.union({"b": 1})
        none: Any = p.score("nobody")
        p.remove("a")
    assert (new.value, first.value, last.value) == (True, ("b", 1.0), ("n", 5.0))
    assert whole.value == {**dict(PAIRS), "n": 5.0}
    assert union.value["b"] == 2
    with pytest.raises(KeyError):
        none.value  # noqa: B018
    assert "a" not in z
    with z.pipeline() as p:
        for call in (lambda: len(p), lambda: "a" in p, lambda: p == {}, lambda: bool(p), lambda: p.add_many(BIG)):
            with pytest.raises(TypeError):
                call()


def test_a_failure_leaves_no_staging_key(store: Any, z: SortedSetCache[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The second batch fails: the content is what it was, and what was sent ahead is gone."""
    many, calls = store.many, []

    def failing(*batch: Any) -> Any:
        calls.append(batch)
        if len(calls) == 2:
            raise ZeroDivisionError
        return many(*batch)

    monkeypatch.setattr(store, "many", failing)
    for change in (z._replace, z.union_update, z.intersection_update):
        calls.clear()
        with pytest.raises(ZeroDivisionError):
            change(BIG)
        assert z == dict(PAIRS)
        assert not staged(store)
