"""Several values of one ``KeyCache`` class in one round trip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...missing import MISSING
from ..draws import draw
from ..effects import Command, Script
from ..entries import VALUE, head, wrapped
from ..op import More, Op, Trips, as_plan
from ..tallies import each_value
from ..target import ATOMIC
from .reader import SOFT, tags_of, timed_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from ..effects import Arg, Plan
    from ..op import Operation
    from ..target import Target
    from .reader import Reader

__all__ = ["delete_many", "get_many", "set_many"]


def get_many(
    names: Sequence[object], reads: Sequence[Reader], default: object, with_ttl: bool
) -> Op[dict[object, object]]:
    """``{name: value}`` of the names that are there, or of all with a ``default``; with ttl, pairs with seconds."""
    op = _timed(reads) if with_ttl else _values(reads)
    other = (default, -1.0) if with_ttl else default

    def named(entries: Iterable[object]) -> dict[object, object]:
        found = {}
        for name, entry in zip(names, entries, strict=True):
            if entry is not MISSING:
                found[name] = entry
            elif default is not MISSING:
                found[name] = other
        return found

    return op.then(named)


def _values(reads: Sequence[Reader]) -> Op[list[object]]:
    ts = [read.t for read in reads]
    tags, count = tags_of(ts), len(ts)

    def decode(replies: list[bytes | None]) -> Any:
        stamps = tuple(replies[count:])
        entries = [read.value(data, stamps) for read, data in zip(reads, replies[:count], strict=True)]
        return More(_hardened(reads, entries)) if any(entry is SOFT for entry in entries) else entries

    return Op("get_many", Command(("MGET", *(t.key for t in ts), *tags)), decode, each_value)


def _hardened(reads: Sequence[Reader], entries: list[Any]) -> Plan[list[object]]:
    """The entries, after a second read of the SOFT ones, with their ttl."""
    soft = [n for n, entry in enumerate(entries) if entry is SOFT]
    timed = yield from as_plan(_timed([reads[n] for n in soft]))
    for n, entry in zip(soft, timed, strict=True):
        entries[n] = MISSING if entry is MISSING else entry[0]
    return entries


def _timed(reads: Sequence[Reader]) -> Op[list[object]]:
    end = 1 + 2 * len(reads)

    def decode(reply: list[object]) -> list[object]:
        pairs = zip(reads, reply[1:end:2], reply[2:end:2], strict=True)
        return [read.timed([data, ms, *reply[end:]]) for read, data, ms in pairs]

    return Op("get_many", timed_step([read.t for read in reads]), decode, each_value)


def set_many(ts: Sequence[Target], values: Sequence[object], ttl: float | timedelta | None) -> Operation[None]:
    """Store several values, in steps of ``ATOMIC``, each all or nothing; all are encoded before the first is sent."""
    ops = [_set_many(ts[n : n + ATOMIC], values[n : n + ATOMIC], ttl) for n in range(0, len(ts), ATOMIC)]
    return ops[0] if len(ops) == 1 else Trips("set_many", _one_by_one(ops))


def _one_by_one(ops: Sequence[Op[None]]) -> Plan[None]:
    for op in ops:
        yield from as_plan(op)


def _set_many(ts: Sequence[Target], values: Sequence[object], ttl: float | timedelta | None) -> Op[None]:
    first = ts[0]
    data = tuple(t.dumps(value) for t, value in zip(ts, values, strict=True))
    mode = "last" if ttl is not None else first.mode
    keys = tuple(t.key for t in ts)
    if first.place is None:
        beside = tuple(t.lease for t in ts if t.lease is not None)
        step = Script("key_set_many", (*keys, *beside), (len(ts), first.ms(ttl), mode, *map(wrapped, data)))
    else:
        tags = first.place.tags
        leases = tuple(t.place.lease for t in ts if t.place is not None)
        entries = (word for each in data for word in (head(VALUE, 0, len(tags), each), each))
        args: tuple[Arg, ...] = (len(ts), first.ms(ttl), first.place.tag_ms, mode, *entries, *(draw() for _ in tags))
        step = Script("entry_set_many", (*keys, *leases, *tags), args)
    return Op("set_many", step, lambda _: None)


def delete_many(ts: Sequence[Target], beside: Sequence[str]) -> Op[int]:
    """Remove the keys, and the leases beside them: a computation that runs began before."""
    keys = (*(str(t.key) for t in ts), *beside)
    return Op("delete_many", Script("key_delete_many", keys, (len(ts),)), lambda reply: int(reply[1]))
