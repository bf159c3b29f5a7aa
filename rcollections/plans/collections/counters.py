"""The operations of ``CounterCache``: counts of 64 bits in the fields of one hash."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import EncodeError, WrongTypeError
from ...missing import MISSING
from ...values.count import Count, Origin, PendingSum, whole
from ..effects import Batch, Command, Script
from ..op import More, Op, Ready, Trips, as_plan, several
from ..target import ATOMIC
from . import fields, hashes
from .lookups import lookup, unfound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ..effects import Arg, Plan
    from ..op import Operation
    from ..target import Target

__all__ = [
    "add", "combine", "combine_by", "count", "count_by", "get", "pop", "popitem", "read_count", "words", "write_count",
]  # fmt: skip

_INT = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_AT_ONCE = 2_500
_BATCH = 4


# -- counts as bytes -----------------------------------------------------------------------------


def write_count(value: Any, *_place: object) -> bytes:
    """A count as the server keeps it; EncodeError for any value but an int of 64 bits, before anything is sent."""
    if type(value) is not int:
        value = whole(value)
    if not _SMALLEST <= value <= _LARGEST:
        raise EncodeError("counts are 64-bit integers, and this one is larger")
    return b"%d" % value


def read_count(data: bytes, *_place: object) -> int:
    """A stored count; WrongTypeError for bytes that no counter has written."""
    if _INT.fullmatch(data):
        count = int(data)
        if _SMALLEST <= count <= _LARGEST:
            return count
    raise WrongTypeError("there is a field that holds no count: give this class a prefix of its own")


# -- one field -----------------------------------------------------------------------------------


def get(t: Target, field: object, absent: Callable[[], object]) -> Operation[int]:
    """The count as a ``Count`` of its origin, so that ``+=`` on it can be an increment."""
    load = t.load
    try:
        origin = Origin(t.connection, t.key, t.encode(field))
    except (TypeError, ValueError):
        return unfound("get", field, absent)

    def decode(data: bytes | None) -> Any:
        return MISSING if data is None else Count(load(data), origin)

    def missed() -> object:
        found = absent()
        return found.then(partial(_of_origin, origin)) if type(found) is More else _of_origin(origin, found)

    def plus(pending: object, step: int) -> PendingSum:
        return PendingSum(pending, origin, step)

    return Op("get", Command(("HGET", t.key, origin.field)), decode, True, missed, plus=plus)


def _of_origin(origin: Origin, found: object) -> object:
    # The server does not know of a ``__missing__`` that starts elsewhere than at 0, so its count stays a plain int.
    return Count(0, origin) if type(found) is int and found == 0 else found


def add(t: Target, field: bytes, step: int, instead: object = None) -> Op[int]:
    """Add to one count; gives the new one. In a pipeline it may stand in the place of the pending read ``instead``."""

    def decode(reply: list[Any]) -> Any:
        _check(t, reply)
        return t.load(reply[1])

    script = Script("counter_incr", (t.key,), (*t.arm(), field, t.dumps(step)))
    return Op("increment", script, decode, instead=instead)


@lookup(lambda field, default: fields.popped(field, default)())
def pop(t: Target, field: object, default: object) -> Op[object]:
    def decode(reply: list[Any]) -> object:
        _check(t, reply)
        return t.load(reply[1]) if reply[0] == b"ok" else MISSING

    return Op("pop", Script("counter_pop", (t.key,), (t.encode(field),)), decode, True, fields.popped(field, default))


def popitem(t: Target) -> Op[tuple[Any, int]]:
    def decode(reply: list[Any]) -> Any:
        _check(t, reply)
        return (t.read(reply[1]), t.load(reply[2])) if reply[0] == b"ok" else MISSING

    return Op("popitem", Script("counter_popitem", (t.key,), ()), decode, True, fields.empty)


def _check(t: Target, reply: list[object]) -> None:
    if reply[0] == b"text":
        raise WrongTypeError(
            f"{t.key!r} has a field that holds no count, nothing was changed: give this class a prefix of its own"
        )
    if reply[0] == b"range":
        raise EncodeError(f"a count of {t.key!r} would leave 64 bits; nothing was changed")


# -- many fields ---------------------------------------------------------------------------------


def words(t: Target, counts: Mapping[object, int], more: Mapping[object, int]) -> list[bytes]:
    """Fields and counts of both mappings, flat. A field in both gets the sum; each count is checked before."""
    flat = hashes.encoded(t, counts.items())
    if not more:
        return flat
    merged = dict(zip(flat[::2], map(int, flat[1::2]), strict=True))
    added = hashes.encoded(t, more.items())
    for field, count in zip(added[::2], map(int, added[1::2]), strict=True):
        merged[field] = merged.get(field, 0) + count
    return [word for field, count in merged.items() for word in (field, t.dumps(count))]


def _script(name: str, t: Target, other: Target | None, words: Iterable[Arg]) -> Script:
    keys = (t.key,) if other is None else (t.key, other.key)
    return Script(name, keys, (*t.arm(), *words))


def _decoder(t: Target, name: str, big: Callable[[], Plan[None]]) -> Callable[[list[object]], Any]:
    """Reads the reply of a step; ``big`` does the work in several steps, where it is too much for one."""

    def decode(reply: list[object]) -> object:
        _check(t, reply)
        return More(big(), alone=several(name)) if reply[0] == b"big" else None

    return decode


def count(t: Target, flat: list[bytes], sign: str) -> Operation[None]:
    """Add or subtract these counts: all or nothing for up to ``ATOMIC`` fields, more fields step by step."""
    name = "update" if sign == "add" else "subtract"
    if not flat:
        return Ready(None)
    if hashes.is_small(flat):
        return Op(name, _script("counter_add", t, None, (sign, ATOMIC, *flat)), lambda reply: _check(t, reply))
    return Trips(name, _add_big(t, flat, sign))


def count_by(t: Target, other: Target, sign: str) -> Op[None]:
    """Add or subtract the counts of another counter of the same server."""
    name = "update" if sign == "add" else "subtract"

    def big() -> Plan[None]:
        found = yield from as_plan(hashes.content(other))
        yield from as_plan(count(t, words(t, found, {}), sign))

    script = _script("counter_add", t, other, (sign, ATOMIC))
    return Op(name, script, _decoder(t, name, big), operands=True)


def _add_big(t: Target, flat: list[bytes], sign: str) -> Plan[None]:
    """Add or subtract step by step: counts that are changed stay changed if a later step fails."""
    scripts = (_script("counter_add", t, None, (sign, ATOMIC, *some)) for some in _chunks(flat))
    yield from _in_batches(t, scripts)


def combine(t: Target, flat: list[bytes], op: str) -> Operation[None]:
    """``+= -= |= &=`` (add, sub, or, and) with these counts, in one step that keeps positive counts.

    It goes page by page where one of the two counters is big: then each step is atomic, the whole is not.
    """

    def big() -> Plan[None]:
        at = iter(flat)
        return _combine_big(t, dict(zip(at, at, strict=True)), op)

    if not hashes.is_small(flat):
        return Trips(op, big())
    script = _script("counter_combine", t, None, (op, ATOMIC, "whole", *flat))
    return Op(op, script, _decoder(t, op, big))


def combine_by(t: Target, other: Target, op: str) -> Op[None]:
    """``combine`` with another counter of the same server."""

    def big() -> Plan[None]:
        found = yield from as_plan(hashes.content(other))
        at = iter(words(t, found, {}))
        yield from _combine_big(t, dict(zip(at, at, strict=True)), op)

    script = _script("counter_combine", t, other, (op, ATOMIC, "whole"))
    return Op(op, script, _decoder(t, op, big), operands=True)


def _combine_big(t: Target, counts: Mapping[bytes, bytes], op: str) -> Plan[None]:
    if op != "and":
        flat = [word for pair in counts.items() for word in pair]
        yield from _in_batches(t, (_these(t, op, some) for some in _chunks(flat)))
    cursor = 0
    while True:
        # A field that the other counter lacks counts 0 there. Adding 0 looks once more at counts that are not above 0.
        cursor, pairs = yield from as_plan(hashes.page(t, cursor))
        if op == "and":
            mine = [word for field, _ in pairs for word in (field, counts.get(field, b"0"))]
            yield from _in_batches(t, (_these(t, "and", some) for some in _chunks(mine)))
        else:
            low = [word for field, count in pairs if read_count(count) <= 0 for word in (field, b"0")]
            yield from _in_batches(t, (_these(t, "add", some) for some in _chunks(low)))
        if cursor == 0:
            return


def _these(t: Target, op: str, flat: list[bytes]) -> Script:
    return _script("counter_combine", t, None, (op, ATOMIC, "these", *flat))


def _chunks(flat: list[bytes]) -> Iterator[list[bytes]]:
    size = 2 * _AT_ONCE
    return (flat[start : start + size] for start in range(0, len(flat), size))


def _in_batches(t: Target, scripts: Iterator[Script]) -> Plan[None]:
    for batch in hashes.batches(scripts, _BATCH):
        replies = yield Batch(batch)
        for reply in replies:
            _check(t, reply)
