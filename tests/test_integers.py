"""Ints of any size, and what counts as an int (``__index__``): numpy's integers are integers wherever one is wanted."""

from __future__ import annotations

import signal
import subprocess
import sys
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import (
    CounterCache,
    DictCache,
    EncodeError,
    KeyCache,
    SetCache,
    SortedSetCache,
    WrongTypeError,
    cached,
    connection,
)
from rcollections.values import Codec, decode_field, encode_field
from rcollections.values.count import Count
from rcollections.wire.packing import pack

if TYPE_CHECKING:
    from collections.abc import Callable

HUGE = 10**5000  # more digits than Python turns into text


class Number:
    """Like numpy's integers: no int, but one wherever Python wants an int."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value

    def __int__(self) -> int:
        return self.value

    def __eq__(self, other: object) -> bool:
        return self.value == other

    def __hash__(self) -> int:
        return hash(self.value)

    def __lt__(self, other: Any) -> bool:
        return self.value < other

    def __neg__(self) -> Any:
        raise AssertionError("unsigned numbers wrap around here")

    __add__ = __radd__ = __sub__ = __rsub__ = __neg__


class Place(Number):
    """A position, not a number: it equals no int."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class Size(IntEnum):
    BIG = 7


ONE, TWO = Number(1), Number(2)


# -- objects that count as ints ------------------------------------------------------------------------


def test_fields_and_members() -> None:
    assert encode_field(ONE) == encode_field(1) == b"1"
    assert encode_field((ONE, "a")) == encode_field((1, "a"))
    assert decode_field(encode_field(Number(HUGE))) == HUGE
    with pytest.raises(EncodeError, match="Place"):
        encode_field(Place(1))


def test_fields_and_members_on_the_server(store: Any) -> None:
    d, s = DictCache("d", data={1: "x"}), SetCache("s", data={ONE, 5})
    assert d[ONE] == d.get(ONE) == "x"
    assert ONE in d
    assert s == {1, 5}
    assert ONE in s
    assert s.remove(ONE) is None
    assert SortedSetCache("z", data={ONE: TWO}).to_dict() == {1: 2.0}
    assert KeyCache("k", ONE).key == KeyCache("k", 1).key


def test_counts(store: Any) -> None:
    c = CounterCache("c")
    c.update({"a": ONE})
    c["a"] += TWO
    assert c["a"] == 3
    c["a"] -= ONE
    assert c.increment("a", TWO) == 4
    c["b"] = TWO
    assert c.setdefault("c", ONE) == 1
    assert c.most_common(1) == [("a", 4)]
    c += {"a": ONE}
    with c.pipeline() as p:
        p["a"] += ONE
    assert c.to_dict() == {"a": 6, "b": 2, "c": 1}
    for wrong in (True, 1.0, "1", None):
        with pytest.raises(EncodeError, match="counts are int"):
            c["a"] = wrong  # type: ignore[assignment]


def test_a_sum_with_such_a_number_is_still_an_increment(store: Any) -> None:
    """Or what others count meanwhile would be lost."""
    c = CounterCache("c", data={"a": 1})
    seen = c["a"]
    c.increment("a", 10)
    seen += ONE
    assert type(seen) is Count
    c["a"] = seen
    assert c["a"] == 12


def test_numbers(store: Any) -> None:
    k = KeyCache("k", data=1)
    assert k.increment(TWO) == 3
    k += ONE
    k -= TWO
    assert k.data == 2
    assert k.increment(Size.BIG) == 9
    assert type(k.data) is int
    assert DictCache("d").increment("f", TWO) == 2
    for wrong in (True, "1", None, 1j):
        with pytest.raises(WrongTypeError, match="by int or float"):
            k.increment(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            k -= wrong  # type: ignore[assignment]
    assert k.data == 9


def test_scores_ranks_and_sizes(store: Any) -> None:
    z = SortedSetCache("z", data={"a": ONE, "b": TWO, "c": 3.5})
    assert z.score("a") == 1.0
    assert z.incr("a", ONE) == 2.0
    assert z[Number(0)] == ("a", 2.0)
    assert z[Number(0) : TWO] == z.chunk(TWO) == z.range(ONE, TWO) == [("a", 2.0), ("b", 2.0)]
    assert z.range(limit=ONE, offset=ONE) == [("b", 2.0)]
    assert z.count(ONE, TWO) == 2
    assert z.remove_range_by_rank(Number(0), ONE) == 1
    assert z.remove_range_by_score(ONE, TWO) == 1
    assert SetCache("s", data={1}).random_sample(TWO) == [1]
    for wrong in (True, "1", None):
        with pytest.raises(TypeError, match="a score is"):
            z.add("a", wrong)  # type: ignore[arg-type]


def test_durations(store: Any) -> None:
    k = KeyCache("k", data=1)
    for arm in (lambda: k.expire(TWO), lambda: k.set(1, ttl=TWO), lambda: KeyCache("k", ttl=TWO).touch()):
        k.expire(0)
        assert arm()
        assert 1000 < store.raw("PTTL", "k") <= 2000

    @cached(ttl=TWO, stale_if_error=ONE, lease=TWO)
    def f() -> int:
        return 1

    assert f() == f() == 1
    assert 2000 < store.raw("PTTL", f.key()) <= 3000
    for wrong in (True, "1", None):
        with pytest.raises(TypeError, match="a ttl is"):
            k.expire(wrong)  # type: ignore[arg-type]


def test_as_a_value_the_type_is_the_callers_choice() -> None:
    with pytest.raises(EncodeError, match=r"store int\(value\)"):
        Codec().dumps(ONE)
    with pytest.raises(EncodeError, match=r"store int\(value\)"):
        Codec().dumps([{"a": ONE}])


def test_numpy(store: Any) -> None:
    numpy = pytest.importorskip("numpy")
    for kind in (numpy.int64, numpy.int8, numpy.uint8, numpy.uint64):
        five = kind(5)
        k, c, d = KeyCache("k", data=10), CounterCache("c", data={"a": 10}), DictCache("d", data={5: "x"})
        k += five
        k -= five
        c["a"] += five
        c["a"] -= five
        assert (k.data, c["a"], d[five]) == (10, 10, "x")
        assert SortedSetCache("z", data={"a": five})[numpy.int64(0)] == ("a", 5.0)
    for real in (numpy.float64(1.5), numpy.float64(2.0)):
        assert DictCache("d", data={float(real): 1})[real] == 1
        assert KeyCache("k", data=1).increment(real) == 1 + float(real)
        assert SortedSetCache("z", data={"a": real}).score("a") == real
    with pytest.raises(EncodeError, match=r"store float\(value\)"):
        Codec().dumps(numpy.float64(1.5))


# -- ints of any size ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [HUGE, -HUGE, 2**63, -(2**63) - 1], ids=["huge", "minus huge", "65 bits", "minus"])
def test_a_large_int_is_a_value_a_field_a_member_and_a_part(store: Any, number: int) -> None:
    assert KeyCache("k", data=number).get() == number
    assert DictCache("d", data={number: number})[number] == number
    assert SetCache("s", data={number}) == {number}
    assert SortedSetCache("z", data={number: 1})[0] == (number, 1.0)
    assert CounterCache("c", data={number: 1})[number] == 1
    assert KeyCache("k", number).set(1)
    assert KeyCache("k", number).get() == 1
    assert KeyCache("k", number + 1).get() is None


AMOUNTS: dict[str, Callable[[int], Any]] = {
    "raw": lambda n: connection().raw("ECHO", n),
    "increment": lambda n: KeyCache("a").increment(n),
    "increment a field": lambda n: DictCache("d").increment("f", n),
    "subtract": lambda n: KeyCache("a").__isub__(n),
    "count": lambda n: CounterCache("c").increment("a", n),
    "counts": lambda n: CounterCache("c").update({"a": n}),
    "score": lambda n: SortedSetCache("z").add("a", n),
    "incr": lambda n: SortedSetCache("z").incr("a", n),
    "scores": lambda n: SortedSetCache("z").range(n, n),
    "ttl": lambda n: KeyCache("a").set(1, ttl=n),
    "ttl of the class": lambda n: KeyCache("a", ttl=n),
    "expire": lambda n: KeyCache("a").expire(n),
    "ttl of a field": lambda n: DictCache("d").set("a", 1, ttl=n),
    "ttl of a function": lambda n: cached(ttl=n)(lambda: 1),
    "lease": lambda n: cached(lease=n)(lambda: 1),
    "rank": lambda n: SortedSetCache("z")[n],
}


@pytest.mark.parametrize("number", [HUGE, -HUGE], ids=["huge", "minus huge"])
@pytest.mark.parametrize("name", AMOUNTS)
def test_an_amount_that_no_server_has_is_refused(store: Any, name: str, number: int) -> None:
    """A ValueError, TypeError or IndexError as Python raises; nothing is stored."""
    with pytest.raises((ValueError, TypeError, IndexError)):
        AMOUNTS[name](number)
    assert store.raw("DBSIZE") == 0


def test_as_many_as_there_are(store: Any) -> None:
    z, s = SortedSetCache("z", data={"a": 1, "b": 2}), SetCache("s", data={1})
    assert z[0:HUGE] == z[-HUGE:HUGE] == z.chunk(HUGE) == z.range(limit=HUGE)
    assert z[HUGE:] == z.range(offset=HUGE) == []
    assert s.random_sample(HUGE) == [1]
    assert CounterCache("c", data="aab").most_common(HUGE) == [("a", 2), ("b", 1)]
    assert z.remove_range_by_rank(-HUGE, HUGE) == 2
    assert not KeyCache("a", data=1).exists(HUGE)


def test_words_are_packed_here() -> None:
    assert pack(("ECHO", 5)) == pack(("ECHO", b"5")) == b"*2\r\n$4\r\nECHO\r\n$1\r\n5\r\n"
    assert pack(("ECHO", -(10**30))) == pack(("ECHO", "-1" + "0" * 30))
    with pytest.raises(ValueError, match="digits"):
        pack(("ECHO", HUGE))
    for wrong in (None, True, [1], Size.BIG):
        with pytest.raises(TypeError):
            pack(("ECHO", wrong))


PROGRAM = """
import random, signal
from rcollections.wire.packing import pack
class Late(BaseException): pass
def handler(*_): raise Late
signal.signal(signal.SIGALRM, handler)
cut = 0
for n in range(3000):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 5e-5))
        for i in range(400):
            pack((b"PEXPIRE", "key", 12345, 12345, 12345, 12345, 12345, 12345, 12345))
    except Late:
        cut += 1
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Late:
            pass
print("cut", cut)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
def test_a_signal_while_a_command_is_packed_is_no_crash() -> None:
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > 100
