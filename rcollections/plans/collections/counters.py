"""The operations of ``CounterCache``: counts of 64 bits in the fields of one hash."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...errors import EncodeError, WrongTypeError
from ...missing import MISSING
from ...values.count import Count
from ..effects import Batch, Command, Script
from ..target import ATOMIC, Op, Target
from . import hashes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ...values.count import Place
    from ..effects import Arg, Plan

__all__ = ["add", "add_all", "add_big", "combine", "combine_big", "get", "pop", "popitem", "read_count", "write_count"]

_INT = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_AT_ONCE = 2_500
_BATCH = 4


# -- counts as bytes -----------------------------------------------------------------------------


def write_count(value: Any) -> bytes:
    """A count as the server keeps it; what is no int of 64 bits is refused before anything is sent."""
    kind = type(value)
    if kind is not int and kind is not Count:
        raise EncodeError(f"counts are int, not {kind.__name__}")
    if not _SMALLEST <= value <= _LARGEST:
        raise EncodeError("counts are 64-bit integers, and this one is larger")
    return b"%d" % value


def read_count(data: bytes) -> int:
    """A stored count; what is none was not written by a counter."""
    if _INT.fullmatch(data):
        count = int(data)
        if _SMALLEST <= count <= _LARGEST:
            return count
    raise WrongTypeError("there is a field that holds no count: give this class a prefix of its own")


# -- one field -----------------------------------------------------------------------------------


def get(t: Target, place: Place, absent: Callable[[], int]) -> Op[Any]:
    """The count as a ``Count`` of its place, so that ``+=`` on it can be an increment."""

    def decode(data: bytes | None) -> Any:
        return MISSING if data is None else Count(t.load(data), place)

    def finish() -> int:
        count = absent()
        # A ``__missing__`` that starts elsewhere than at 0: the server would not know, so it is a plain int.
        return Count(0, place) if type(count) is int and count == 0 else count

    return Op("get", Command(("HGET", t.key, place.field)), decode, reads=True, absent=finish)


def add(t: Target, field: bytes, step: int) -> Op[Any]:
    """Add to one count; gives the new one."""

    def decode(reply: list[Any]) -> int:
        _check(t, reply)
        return t.load(reply[1])  # type: ignore[no-any-return]

    script = Script("counter_incr", (t.key,), (*t.arm(), field, t.dumps(step)))
    return Op("increment", script, decode)


def pop(t: Target, field: Any, absent: Callable[[], Any]) -> Op[Any]:
    def decode(reply: list[Any]) -> Any:
        _check(t, reply)
        return t.load(reply[1]) if reply[0] == b"ok" else MISSING

    return Op("pop", Script("counter_pop", (t.key,), (t.encode(field),)), decode, reads=True, absent=absent)


def popitem(t: Target, absent: Callable[[], Any]) -> Op[Any]:
    def decode(reply: list[Any]) -> Any:
        _check(t, reply)
        return (t.read(reply[1]), t.load(reply[2])) if reply[0] == b"ok" else MISSING

    return Op("popitem", Script("counter_popitem", (t.key,), ()), decode, reads=True, absent=absent)


def _check(t: Target, reply: list[Any]) -> None:
    if reply[0] == b"text":
        raise WrongTypeError(
            f"{t.key!r} has a field that holds no count, nothing was changed: give this class a prefix of its own"
        )
    if reply[0] == b"range":
        raise EncodeError(f"a count of {t.key!r} would leave 64 bits; nothing was changed")


# -- many fields ---------------------------------------------------------------------------------


def _script(name: str, t: Target, other: Target | None, words: Iterable[Arg]) -> Script:
    keys = (t.key,) if other is None else (t.key, other.key)
    return Script(name, keys, (*t.arm(), *words))


def _decoder(t: Target) -> Callable[[list[Any]], Any]:
    def decode(reply: list[Any]) -> Any:
        _check(t, reply)
        return MISSING if reply[0] == b"big" else None

    return decode


def add_all(
    t: Target, words: list[bytes], other: Target | None, sign: str, absent: Callable[[], Any] | None = None
) -> Op[Any]:
    """Add or subtract many counts (those of ``words``, or those of ``other``), all or nothing."""
    script = _script("counter_add", t, other, (sign, ATOMIC, *words))
    return Op("update" if sign == "add" else "subtract", script, _decoder(t), absent=absent, operands=other is not None)


def add_big(t: Target, words: list[bytes], sign: str) -> Plan[None]:
    """The same for very many, step by step: what was counted stays if a later step fails."""
    scripts = (_script("counter_add", t, None, (sign, ATOMIC, *some)) for some in _chunks(words))
    yield from _in_batches(t, scripts)


def combine(t: Target, words: list[bytes], other: Target | None, op: str, absent: Callable[[], Any]) -> Op[Any]:
    """``+= -= |= &=`` (add, sub, or, and) of whole counters, in one step that keeps positive counts."""
    script = _script("counter_combine", t, other, (op, ATOMIC, "whole", *words))
    return Op(op, script, _decoder(t), absent=absent, operands=other is not None)


def combine_big(t: Target, counts: Mapping[bytes, bytes], op: str) -> Plan[None]:
    """The same for big counters, a page at a time: each step is atomic, the whole is not."""
    if op != "and":
        words = [word for pair in counts.items() for word in pair]
        yield from _in_batches(t, (_these(t, op, some) for some in _chunks(words)))
    cursor: Any = 0
    while True:
        reply = yield hashes.page(t, cursor).step
        cursor = int(reply[0])
        # What the other counter lacks is 0 there; adding 0 looks once more at what is not above 0.
        pairs = hashes.pairs(reply[1])
        if op == "and":
            mine = [word for field, _ in pairs for word in (field, counts.get(field, b"0"))]
            yield from _in_batches(t, (_these(t, "and", some) for some in _chunks(mine)))
        else:
            low = [word for field, count in pairs if read_count(count) <= 0 for word in (field, b"0")]
            yield from _in_batches(t, (_these(t, "add", some) for some in _chunks(low)))
        if cursor == 0:
            return


def _these(t: Target, op: str, words: list[bytes]) -> Script:
    return _script("counter_combine", t, None, (op, ATOMIC, "these", *words))


def _chunks(words: list[bytes]) -> Iterator[list[bytes]]:
    size = 2 * _AT_ONCE
    return (words[start : start + size] for start in range(0, len(words), size))


def _in_batches(t: Target, scripts: Iterator[Script]) -> Plan[None]:
    for batch in hashes.batches(scripts, _BATCH):
        replies = yield Batch(batch)
        for reply in replies:
            _check(t, reply)
