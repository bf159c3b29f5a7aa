"""Fields and members: equal keys give equal bytes, different keys different ones."""

# ruff: noqa: E501 (tables of cases, many to a line)

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from fractions import Fraction
from itertools import combinations_with_replacement
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rcollections import DecodeError, EncodeError
from rcollections.values import Codec, decode_field, encode_field


class Color(Enum):
    RED = 1
    BLUE = 2


class Access(Flag):
    READ = 1
    WRITE = 2


class Level(IntEnum):
    ONE = 1


class Word(str, Enum):  # noqa: UP042 - older code of users has these
    A = "a"


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Real(float):
    pass


class Data(bytes):
    pass


class Pair(tuple):  # type: ignore[type-arg]
    pass


class Money(Decimal):
    pass


class Moment(datetime):
    pass


@dataclass(frozen=True)
class Frozen:
    a: int


Point = namedtuple("Point", "x y")
ROME, NEW_YORK = ZoneInfo("Europe/Rome"), ZoneInfo("America/New_York")
FOLD, GAP = datetime(2026, 10, 25, 2, 30), datetime(2026, 3, 29, 2, 30)


def at(hours: float) -> timezone:
    return timezone(timedelta(hours=hours))


KEYS: list[Any] = [
    None, 0, 1, True, False, 1.0, -0.0, 0.0, 0j, 1 + 0j, complex(1, -0.0), 1j, complex(-0.0, 1), 2 + 1j, Decimal(1),
    Decimal("1.0"), Decimal("-0"), Decimal("1.10"), Fraction(11, 10), 1.1, Decimal("0.5"), Fraction(1, 2), 0.5,
    Fraction(1, 3), Decimal("0.3333333333333333"), 1 / 3, 2**53, float(2**53), 2**53 + 1, 2**63, float(2**63),
    Decimal(2**63), 10**22, 1e22, Decimal("1e22"), 10**23, 1e23, 10**400, Fraction(10**400), float("inf"),
    Decimal("Infinity"), complex("inf"), float("-inf"), Decimal("1e-400"), Fraction(1, 10**400), 5e-324, Level.ONE,
    Number(1), Real(1), Real(0.5), Money("0.5"), "", "1", "1.0", "a", Text("a"), Word.A, "\ud800", "inf", "nan", b"", b"1",
    b"a", Data(b"a"), Color.RED, Color.BLUE, Access.READ, Access.READ | Access.WRITE, (), (1,), (True,), (1.0,), ("1",),
    Pair([1]), Point(1, 2), (1, 2), ((1,), 2), ((True,), Decimal(2)), (None,), ((),), frozenset(), frozenset([1]),
    frozenset([True]), frozenset(["b", "a", 3]), frozenset([3.0, "a", "b"]), frozenset([frozenset()]),
    date(2026, 1, 1), datetime(2026, 1, 1), Moment(2026, 1, 1), datetime(2026, 1, 1, fold=1),
    datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=at(1)), datetime(2026, 1, 1, 1, tzinfo=ROME),
    datetime(2025, 12, 31, 19, tzinfo=NEW_YORK), datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1), "CET")),
    datetime.min.replace(tzinfo=at(1)), datetime.min.replace(tzinfo=at(1.5), minute=30), datetime.min.replace(tzinfo=at(-1)),
    datetime.min.replace(tzinfo=UTC, hour=1), datetime.max.replace(tzinfo=at(-1)), datetime.max.replace(tzinfo=at(1)),
    datetime.max.replace(tzinfo=at(-2), hour=22), FOLD.replace(tzinfo=ROME), FOLD.replace(tzinfo=ROME, fold=1),
    FOLD.replace(hour=0, tzinfo=UTC), FOLD.replace(hour=1, tzinfo=UTC), FOLD, FOLD.replace(fold=1),
    FOLD.replace(tzinfo=ZoneInfo("Europe/Berlin")), GAP.replace(tzinfo=ROME), GAP.replace(tzinfo=ROME, fold=1),
    GAP.replace(hour=1, tzinfo=UTC), GAP.replace(hour=0, tzinfo=UTC),
    time(1), time(1, fold=1), time(1, tzinfo=ROME), time(1, tzinfo=UTC), time(2, tzinfo=at(1)), time(0, 30, tzinfo=at(1)),
    time(23, 30, tzinfo=UTC), time(0, tzinfo=at(0.5)), time(23, 30, tzinfo=at(-1)), time(23, tzinfo=at(-1.5)),
    time(0, 30, tzinfo=UTC), timedelta(0), timedelta(hours=24), timedelta(days=1), UUID(int=1), range(0), range(2, 1),
    range(0, 3, 2), range(0, 4, 2), range(5, 6), range(5, 4, -1), range(10**30), range(10**30 + 1), Path("a"), PurePosixPath("a"),
    PurePosixPath("a/./"), PureWindowsPath("A"), PureWindowsPath("a"), PureWindowsPath("C:/X"), PurePosixPath("A"),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=lambda each: type(each).__name__)
def test_what_comes_back_is_equal_and_canonical(key: Any) -> None:
    stored = encode_field(key)
    back = decode_field(stored)
    assert back == key
    assert hash(back) == hash(key)
    assert encode_field(back) == stored
    assert decode_field(encode_field((key, frozenset([key])))) == (key, frozenset([key]))


def test_equal_bytes_for_equal_keys_and_for_no_others() -> None:
    """The property on every pair of the difficult cases, alone and inside tuples and frozensets."""
    forms = [(key, encode_field(key), encode_field((key,)), encode_field(frozenset([key]))) for key in KEYS]
    for (a, *forms_a), (b, *forms_b) in combinations_with_replacement(forms, 2):
        assert [x == y for x, y in zip(forms_a, forms_b, strict=True)] == [a == b] * 3, (a, b)


zones = st.sampled_from([None, UTC, at(1), at(-11.5), ROME, NEW_YORK, ZoneInfo("Australia/Lord_Howe")])
small = st.integers(-3, 3)
scalars = st.one_of(
    small,
    small.map(float),
    small.map(lambda n: n / 4),
    small.map(Decimal),
    st.builds(Fraction, small, st.integers(1, 4)),
    st.builds(lambda n, e: Decimal(n).scaleb(e), small, st.integers(-2, 2)),
    st.builds(complex, small, st.integers(0, 1)),
    small.map(str),
    small.map(lambda n: str(n).encode()),
    st.text(max_size=2),
    st.integers(),
    st.floats(allow_nan=False),
    st.integers(-(2**1030), 2**1030),
    st.decimals(allow_nan=False),
    st.datetimes(datetime(2026, 10, 25), datetime(2026, 10, 25, 4), timezones=zones, allow_imaginary=True).map(
        lambda moment: moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0)
    ),
    st.datetimes(timezones=zones),
    st.builds(
        time,
        st.integers(0, 23),
        st.sampled_from([0, 30]),
        tzinfo=st.sampled_from([None, UTC, at(1), at(-11.5)]),
    ),
    st.builds(range, small, small, st.sampled_from([-2, -1, 1, 2])),
    st.sampled_from([None, True, False, Color.RED, Access.READ, Level.ONE, Word.A]),
)
keys = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2).map(tuple) | st.frozensets(inner, max_size=3) | st.builds(Point, inner, inner)
    ),
    max_leaves=3,
)


@settings(max_examples=1200, deadline=None)
@given(keys, keys)
def test_random_keys_have_equal_bytes_exactly_when_they_are_equal(a: Any, b: Any) -> None:
    one, other = encode_field(a), encode_field(b)
    assert (one == other) == (a == b)
    assert decode_field(one) == a
    assert encode_field(decode_field(one)) == one


def test_a_key_reads_well_in_redis_cli() -> None:
    keys = [1, True, "name", 0.5, Decimal("2.50"), Level.ONE, Word.A]
    assert [encode_field(key) for key in keys] == [b"1", b"1", b"name", b"0.5", b"2.5", b"1", b"a"]


@pytest.mark.parametrize(
    "key",
    [[], {}, set(), bytearray(b"a"), ([],), (1, ({},)), Frozen(1), (Frozen(1),), frozenset([Frozen(1)])],
    ids=lambda each: type(each).__name__,
)
def test_what_python_cannot_hash_is_a_type_error(key: Any) -> None:
    with pytest.raises(TypeError, match="unhashable type"):
        encode_field(key)


@pytest.mark.parametrize(
    "key", [object(), len, int, memoryview(b"a"), Ellipsis, (object(),)], ids=lambda each: type(each).__name__
)
def test_what_has_no_canonical_form_is_refused(key: Any) -> None:
    with pytest.raises(EncodeError):
        encode_field(key)


@pytest.mark.parametrize(
    "key",
    [
        float("nan"), Decimal("NaN"), Decimal("sNaN"), complex("nan"), complex(1, float("nan")), (float("nan"),),
        frozenset([Decimal("NaN")]), Decimal("1e4001"), Decimal("1e-4001"), Decimal("-1e999999"),
    ],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_nan_and_astronomic_exponents_are_a_value_error(key: Any) -> None:
    with pytest.raises(ValueError, match=r"NaN|exponent"):
        encode_field(key)


def test_zero_with_any_exponent_is_zero() -> None:
    assert encode_field(Decimal("0e99999")) == encode_field(Decimal("-0e-99999")) == b"0"


def test_deep_tuples_are_refused() -> None:
    key: Any = 1
    for _ in range(3000):
        key = (key,)
    with pytest.raises(EncodeError):
        encode_field(key)


@pytest.mark.parametrize(
    "value", [[1], {"a": 1}, {1}, ([1],), bytearray(b"a"), {1: 2}], ids=lambda each: type(each).__name__
)
def test_stored_bytes_of_what_is_not_hashable_are_no_field(value: Any) -> None:
    with pytest.raises(DecodeError):
        decode_field(Codec().dumps(value))
