"""Values come back as they were: equal, of the same type, with the same repr, or they are refused."""

from __future__ import annotations

import sys
import threading
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Context, Decimal, localcontext
from enum import Enum, Flag, IntEnum, IntFlag
from fractions import Fraction
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcollections import DecodeError, EncodeError
from rcollections.values import Codec, encode_exact

codec = Codec()


class Color(Enum):
    RED = 1
    ROUGE = 1  # noqa: PIE796 (an alias)
    BLUE = (1, "b")


class Access(Flag):
    READ = 1
    WRITE = 2


class Level(IntEnum):
    LOW = 1


class Bits(IntFlag):
    ONE = 1
    TWO = 2


class Word(str, Enum):  # noqa: UP042 - older code of users has these
    YES = "yes"


Point = namedtuple("Point", "x y")


class Typed(NamedTuple):
    name: str
    tags: tuple[str, ...] = ()


@dataclass
class Order:
    number: int
    lines: list[Any] = field(default_factory=list)
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.total = len(self.lines)

    @cached_property
    def double(self) -> int:
        return self.number * 2


@dataclass(frozen=True, slots=True)
class Slotted:
    a: int
    b: object


EXAMPLES: list[Any] = [
    None, True, False, 0, -1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 2**5000, 0.1, -0.0, float("inf"), 1e16,
    "", "a", "7", "é", "\ud800", "a\udfffb", b"", b"\xc1", bytearray(b"ab"), 1j, complex(-0.0, -0.0),
    complex(float("inf"), 1.5), Decimal("1.10"), Decimal("-0E+3"), Decimal("sNaN12"), Decimal("-Infinity"),
    Decimal("1E+999999"), Decimal("1." + "1" * 100), Fraction(-1, 3), Fraction(2**5000, 7),
    range(3), range(10, -5, -3), range(10**30), date(2026, 1, 2), datetime(1, 1, 1), datetime.max,
    datetime(2026, 10, 25, 2, 30, fold=1), datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Rome")),
    datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=ZoneInfo("UTC")),
    datetime(2026, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=-5, seconds=7, microseconds=8))),
    datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=1), "a|b\ud800")),
    datetime(2026, 1, 2, tzinfo=timezone(timedelta(0), "")),
    time(1, 2, 3, 4), time(1, fold=1), time(1, tzinfo=ZoneInfo("Asia/Tokyo")), time(1, tzinfo=UTC),
    timedelta(0), timedelta.max, timedelta.min, timedelta(-1, 2, 3),
    UUID("6c2fde59-9bf8-407a-a281-59b8ea855b01"), UUID("b2cbf14a-e56c-11f1-8883-02fc00000001"), UUID(int=0),
    Path("a/b"), Path(), PurePosixPath("/a/../\udcff"), PureWindowsPath("C:/A"),
    Color.RED, Color.ROUGE, Color.BLUE, Access(0), Access.READ | Access.WRITE, Level.LOW, Bits.ONE | Bits.TWO,
    Bits(0), Word.YES, [], (), set(), frozenset(), {}, [[[]]], ((),), {1, "a"}, {frozenset({(1,)})},
    {"a": 1, "b": [1, (2,)]}, {1: 2, "1": 3, (1,): 4, None: 5, b"x": 6, Color.RED: 7, "\ud800": 8}, {"\ud800": 1},
    deque(), deque([1, (2,)], 5), deque(maxlen=0), OrderedDict([("b", 1), ("a", 2)]), Counter("abca"),
    Counter({"a": -1, "b": 1.5}), defaultdict(None, {1: 2}), defaultdict(list, {"a": [1]}), Point(1, (2,)),
    Typed("a", ("b",)), Order(1, [(1,), {2}]), Slotted(1, [Slotted(2, None)]),
    [bytearray(b"x"), b"y", b"\xc4"], {"row": {"at": datetime(2026, 1, 2), "sum": Decimal(1)}}, (b"a", bytearray(b"b")),
    [list(range(190, 200)), {"deep": {"deeper": [bytearray()]}}], [2**64 - 1, 2**70, -(2**63)], ["\ud800", ["é"]],
]  # fmt: skip


def same(a: Any, b: Any) -> bool:
    """Equal and of the same types all the way down, NaN included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (set, frozenset)):
        return len(a) == len(b) and sorted(map(encode_exact, a)) == sorted(map(encode_exact, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items())) and getattr(a, "default_factory", 0) is getattr(
            b, "default_factory", 0
        )
    if isinstance(a, (list, tuple, deque)):
        return len(a) == len(b) and all(map(same, a, b)) and getattr(a, "maxlen", 0) == getattr(b, "maxlen", 0)
    if isinstance(a, Order):
        return same(vars(a), vars(b))
    return repr(a) == repr(b)


@pytest.mark.parametrize("value", EXAMPLES, ids=lambda each: type(each).__name__)
def test_every_type_comes_back_exactly(value: Any) -> None:
    """Value, type and repr; alone and inside of other things."""
    for outer in (value, [value], (1, value), {"key": value}, {1: [value]}):
        back = codec.loads(codec.dumps(outer))
        assert same(back, outer)
        assert repr(back) == repr(outer)


zones = st.none() | st.just(UTC) | st.sampled_from([ZoneInfo("Europe/Rome"), timezone(timedelta(hours=5))])
keys = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.text(st.characters(categories=["Cs", "Ll"]), max_size=3)
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.datetimes(timezones=zones)
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from([Color.RED, Access.READ, Level.LOW, Word.YES]),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3) | st.builds(Point, inner, inner),
    max_leaves=4,
)
values = st.recursive(
    keys | st.floats() | st.complex_numbers() | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.sets(keys, max_size=3)
        | st.lists(inner, max_size=3).map(deque)
        | st.builds(Order, st.integers(), st.lists(inner, max_size=2))
        | st.dictionaries(keys, inner, max_size=2).map(OrderedDict)
    ),
    max_leaves=8,
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values)
def test_random_values_come_back_exactly(value: Any) -> None:
    back = codec.loads(codec.dumps(value))
    assert same(back, value)


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Row(dict):  # type: ignore[type-arg]
    pass


class Items(list):  # type: ignore[type-arg]
    pass


class Zone(tzinfo):
    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(0)


@dataclass
class OnDict(dict):  # type: ignore[type-arg]
    a: int


class Plain:
    pass


class NotADataclass(Order):
    pass


class WithDict(Point):
    pass


def with_attribute(value: Any, name: str = "extra") -> Any:
    object.__setattr__(value, name, 1)
    return value


def without_field(value: Order) -> Order:
    del value.total
    return value


REFUSED: list[Any] = [
    Text("a"), Number(1), Row(a=1), Items([1]), {Text("a"): 1}, {"a": Number(1)}, {Number(1): 2}, [Items()],
    object(), Plain(), Plain, len, lambda: 1, memoryview(b"x"), [memoryview(b"x")], Ellipsis, ZeroDivisionError(),
    datetime(2026, 1, 1, tzinfo=Zone()), defaultdict(lambda: 1), defaultdict(Plain), OnDict(1),
    NotADataclass(1), without_field(Order(1)), with_attribute(Order(1)), with_attribute(OrderedDict()),
    with_attribute(Counter()), with_attribute(WithDict(1, 2)), (x for x in ()), slice(1),
]  # fmt: skip


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_what_cannot_be_exact_is_refused(value: Any) -> None:
    """Subclasses are never degraded to their base, attributes never dropped."""
    for outer in (value, [value], (value,), {"a": value}):
        with pytest.raises(EncodeError) as caught:
            codec.dumps(outer)
        assert "CACHES_SIGNING_KEY" in str(caught.value)
        with pytest.raises(EncodeError):
            encode_exact(outer)


def test_messages_show_no_value() -> None:
    with pytest.raises(EncodeError) as caught:
        codec.dumps([Text("s3cret")])
    assert "s3cret" not in str(caught.value)
    with pytest.raises(DecodeError) as unread:
        codec.loads(b"\xc1Ds3cret")
    assert "s3cret" not in str(unread.value)


def test_a_cached_property_is_not_state() -> None:
    order = Order(21)
    assert order.double == 42
    assert codec.loads(codec.dumps(order)) == order


def test_a_dataclass_comes_back_without_its_init() -> None:
    """What was written is what is read: __post_init__ would count the lines again."""
    order = Order(1, [1, 2])
    order.total = 99
    assert codec.loads(codec.dumps(order)).total == 99


def test_a_decimal_does_not_depend_on_the_context() -> None:
    with localcontext(Context(prec=2, capitals=0, traps=[])):
        stored = codec.dumps(Decimal("1.2345E+99"))
        assert codec.loads(stored) == Decimal("1.2345E+99")
        with pytest.raises(DecodeError):
            codec.loads(b"\xc1Dnonsense")
    assert stored == b"\xc1D1.2345E+99"


def nested(depth: int, wrap: Any, value: Any = 1) -> Any:
    for _ in range(depth):
        value = wrap(value)
    return value


WRAPS = {
    "list": lambda value: [value],
    "dict": lambda value: {"a": value},
    "int key": lambda value: {1: value},
    "tuple": lambda value: (value,),
    "frozenset": lambda value: frozenset([value]),
    "mixed": lambda value: [(value,)],
    "dataclass": Order,
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_nesting_has_a_limit(wrap: Any) -> None:
    """Deep values are an EncodeError, never a RecursionError or a crash."""
    deep = nested(100, wrap)
    assert repr(codec.loads(codec.dumps(deep))) == repr(deep)
    for depth in (300, 3000):
        with pytest.raises(EncodeError):
            codec.dumps(nested(depth, wrap))
        with pytest.raises(EncodeError):
            encode_exact(nested(depth, wrap))


@pytest.mark.parametrize("depth", [253, 254, 255, 256, 257])
@pytest.mark.parametrize("wrap", list(WRAPS.values())[:4], ids=list(WRAPS)[:4])
def test_what_is_written_at_the_limit_can_be_read(wrap: Any, depth: int) -> None:
    deep = nested(depth, wrap)
    if depth <= 255:
        assert codec.loads(codec.dumps(deep)) == deep
    else:
        with pytest.raises(EncodeError):
            codec.dumps(nested(depth + 1, wrap))


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    mapping: dict[Any, Any] = {}
    mapping[1] = (mapping,)
    for value in (loop, mapping, (loop,), {"a": mapping}):
        with pytest.raises(EncodeError):
            codec.dumps(value)


def test_a_deep_stack_of_the_caller_is_an_error_of_ours() -> None:
    deep = nested(200, lambda value: (value,))
    stored = codec.dumps(deep)

    def call(frames: int) -> None:
        if frames:
            return call(frames - 1)
        with pytest.raises(EncodeError):
            codec.dumps(deep)
        with pytest.raises(DecodeError):
            codec.loads(stored)
        return None

    limit = sys.getrecursionlimit()

    def run() -> None:
        call(limit - 150)

    failed: list[BaseException] = []
    thread = threading.Thread(target=lambda: _catch(run, failed))
    thread.start()
    thread.join()
    assert not failed


def _catch(run: Any, failed: list[BaseException]) -> None:
    try:
        run()
    except BaseException as error:
        failed.append(error)


DISTINCT: list[Any] = [
    1, True, 1.0, "1", Decimal(1), Fraction(1), 1 + 0j, Level.LOW, Bits.ONE, b"1", 0, 0.0, -0.0, False, None, "",
    b"", (), [], frozenset(), set(), {}, OrderedDict(), Counter(), Decimal("1.0"), datetime(2026, 1, 1),
    datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, fold=1), date(2026, 1, 1), (1,), (True,), (1.0,),
    ("1",), [1], [True], ((1,),), ((True,),), Point(1, 2), (1, 2), {"a": 1}, {"a": True}, bytearray(b"1"),
]  # fmt: skip


def test_the_exact_form_tells_all_types_apart() -> None:
    """f(1), f(True), f(1.0) and f("1") are four calls, inside tuples too."""
    forms = [encode_exact(value) for value in DISTINCT]
    assert len(set(forms)) == len(forms)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(keys, values, max_size=5), st.sets(keys, max_size=6), st.randoms(use_true_random=False))
def test_the_exact_form_does_not_depend_on_order(mapping: dict[Any, Any], members: set[Any], random: Any) -> None:
    pairs, shuffled = list(mapping.items()), list(members)
    random.shuffle(pairs)
    random.shuffle(shuffled)
    for one, other in (
        (mapping, dict(pairs)),
        (members, set(shuffled)),
        ([(frozenset(members), mapping)], [(frozenset(shuffled), dict(pairs))]),
        (Counter(mapping), Counter(dict(pairs))),
        (defaultdict(int, mapping), defaultdict(int, pairs)),
    ):
        assert encode_exact(one) == encode_exact(other)


def test_the_exact_form_of_text_keys_does_not_depend_on_order() -> None:
    assert encode_exact({"a": 1, "b": {"c": 1, "d": 2}}) == encode_exact({"b": {"d": 2, "c": 1}, "a": 1})
    assert encode_exact(OrderedDict(a=1, b=2)) != encode_exact(OrderedDict(b=2, a=1))
