"""Waiting until no process can serve an old value any more, where the change went to primaries of a cluster (rule Z1).

Each primary that has carried out a part of the change is asked as one server is, all at the same time: the ears that
hear it have entered themselves there, and each answers there after it has applied what was announced before. Who hears
which node is what the map says, so that counts only while the map has been the same for long; otherwise, and after any
failure, the change is waited out: as long as the largest ``staleness`` that any ear has told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import CacheError
from ..effects import Batch, Command, Now, Plan, Script
from ..settling import DEAF, FORGOTTEN, LONGEST, answered, fields_of, is_own, slept, staleness_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..settling import Listeners

__all__ = ["Stone", "settle"]

FIRST = 0.0001


class Stone(NamedTuple):
    """The hash of the ears of one primary, in one of its slots, and the channel that asks them."""

    key: str
    channel: str


def settle(
    where: Listeners,
    acked: float,
    keys: Sequence[str] | None,
    stones: Callable[[Sequence[str] | None], Sequence[Stone] | None],
    everywhere: Callable[[], Sequence[str]],
) -> Plan[None]:
    """Wait until nobody can serve what was under these keys (None: under any) before ``acked``.

    ``stones`` gives who is asked; None where the map is not sure. ``everywhere``: the hashes of all primaries.
    """
    while (asked := stones(keys)) is not None:
        replies = yield from _asked(where, asked)
        if stones(keys) != asked:  # a slot has moved meanwhile
            break
        if replies is not None and (yield from _told(where, acked, asked, replies)):
            return
        now: float = yield Now()
        if now >= acked + where.staleness:
            break
        yield from slept(where, min(LONGEST, max(0.0, acked + where.staleness - now)))
    yield from _wait_out(where, everywhere(), acked)


def _asked(where: Listeners, stones: Sequence[Stone]) -> Plan[list[Any] | None]:
    """What the primaries say of their ears, each behind what it has announced; None: one of them gave no answer."""
    now: float = yield Now()
    where.late(now)
    gone = [
        word
        for each, (value, since) in list(where.silent.items())
        if now - since > FORGOTTEN * staleness_of(each, value)
        for word in (each, value)
    ]
    try:
        # A node that is busy with a script lets replies out before invalidations: not past this one, which it refuses.
        yield Batch([Command(("PERSIST", each.key)) for each in stones])
        replies: list[Any] = yield Batch([Script("settle_ask", (key,), (channel, *gone)) for key, channel in stones])
    except CacheError:
        return None
    for each in gone[::2]:
        where.silent.pop(each, None)
    return replies


def _told(where: Listeners, acked: float, stones: Sequence[Stone], replies: Sequence[Any]) -> Plan[bool]:
    """Wait for the answers of all, at most for the largest staleness that these ears told.

    False: somebody hears who has not entered yet.
    """
    own = where.own()
    longest, unknown = 0.0, False
    fields: dict[bytes, bytes] = {}
    open_: dict[Stone, tuple[int, set[bytes]]] = {}
    for stone, reply in zip(stones, replies, strict=True):
        found = fields_of(reply[3:])
        unknown = unknown or int(reply[2]) > sum(not each.startswith(DEAF) for each in found)
        longest = max([longest, *(staleness_of(*each) for each in found.items())])
        open_[stone] = int(reply[1]), {each for each in found if not is_own(each, own)}
        fields.update(found)
    if unknown:
        return False
    known, rest = dict(fields), FIRST
    began: float = yield Now()
    while True:
        for number, ids in open_.values():
            ids -= {each for each in ids if each not in known or answered(each, known[each], number)}
        now: float = yield Now()
        waiting = [stone for stone, (_, ids) in open_.items() if ids]
        if not waiting or now >= acked + longest:
            break
        where.late(now)
        yield from slept(where, min(rest, max(0.0, acked + longest - now)))
        rest = min(LONGEST, 1.5 * rest)
        try:
            tables = yield Batch([Command(("HGETALL", stone.key)) for stone in waiting])
        except CacheError:
            continue
        known = {}
        for table in tables:
            known.update(fields_of(table))
    silent = {each for _, ids in open_.values() for each in ids}
    for each in list(where.silent):
        if each in fields and each not in silent:
            where.silent.pop(each, None)
    for each in silent:
        value = known.get(each, fields[each])
        if where.silent.get(each, (b"", 0.0))[0] != value:
            where.silent[each] = value, began
    return True


def _wait_out(where: Listeners, keys: Sequence[str], acked: float) -> Plan[None]:
    """As long as the largest staleness that any ear told."""
    longest = where.staleness
    for key in keys:
        try:
            found = yield Command(("HGETALL", key))
        except CacheError:
            continue
        longest = max([longest, *(staleness_of(*each) for each in fields_of(found).items())])
    now: float = yield Now()
    yield from slept(where, max(0.0, acked + longest - now))
