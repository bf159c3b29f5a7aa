"""Copies of wide keys: they come page by page through the caller, which holds one page at a time.

A key with few members travels whole, as one snapshot. A wide one would fill the memory of the caller and hold up two
servers, so its pages go into a copy beside the key of the step, while the next page is read. The copy has a short ttl,
which each page renews: where the caller goes away, the copy goes too. A cursor means something only to the server that
gave it: where another one answers meanwhile (the slot has moved, a replica took over), all begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ...errors import CacheError
from ..effects import Command, Script
from ..naming import staging
from ..slots import slot_of
from .forms import Copied, Round, Wide

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ..effects import Arg, Step
    from .forms import Space

__all__ = ["MOST", "MOST_BYTES", "STAY_MS", "content_of", "copied", "life_of", "look_at"]

MOST = 5000  # members that travel in one reply
MOST_BYTES = 1 << 20  # and their bytes
PAGE_BYTES = 1 << 18  # what one page shall have about
PAGE = 2000  # members of one page at most
STAY_MS = 30_000  # how long a copy stays without its caller
TRIES = 8  # copies that are begun


class Way(NamedTuple):
    """How the members of one type are read, written and counted."""

    scan: str
    add: str
    counted: str


WAYS: Final = {
    "set": Way("SSCAN", "SADD", "SCARD"),
    "zset": Way("ZSCAN", "ZADD", "ZCARD"),
    "hash": Way("HSCAN", "HSET", "HLEN"),
}


def look_at(key: str) -> Step:
    """The step that gives the content of a key, or says that it is wide."""
    return Script("operand_read", (key,), (MOST, MOST_BYTES))


def content_of(reply: Any) -> Any:
    """What ``look_at`` has found; see ``Facts``."""
    if isinstance(reply, Exception):
        return reply
    if reply[0] == b"wide":
        return Wide(reply[1].decode(), reply[2], reply[3])
    return reply[1] if reply[0] == b"ok" else None


def life_of(reply: Any) -> int:
    """How long a copy of what ``look_at`` has found lives, in ms; 0: as long as nobody removes it."""
    if isinstance(reply, Exception) or len(reply) < 3 or reply[0] != b"ok":
        return STAY_MS
    return max(0, int(reply[2]))


def copied(key: str, home: str, wide: Wide, space: Space) -> Generator[Round, list[Any], Any]:
    """Copy this key into the slot of ``home``; gives the ``Copied``, or the error that came instead."""
    for _ in range(TRIES):
        found = yield from _copied(key, staging(space.namespace, home), wide)
        if found is not None:
            return found
    return CacheError(f"{key!r} is on its way to another node all the time, so it cannot be copied: try again later")


def _copied(key: str, copy: str, wide: Wide) -> Generator[Round, list[Any], Any]:
    way = WAYS[wide.kind]
    size = max(1, wide.bytes // max(1, wide.members))
    page = max(1, min(PAGE, PAGE_BYTES // size))
    reads: Sequence[Step] = (Script("operand_page", (key,), (way.scan, 0, page)),)
    writes: Sequence[Step] = ()
    server, there, mortal = None, 0, 0
    while reads or writes:
        witness: dict[int, bytes] = {}
        replies = yield Round((*reads, *writes), witness=witness)
        wrong = next((each for each in replies if isinstance(each, Exception)), None)
        if wrong is not None:
            if there or writes:
                yield Round((Command(("UNLINK", copy)),))  # else its ttl does it
            return wrong
        if writes:
            if replies[-1][0] == b"lost":
                return None
            there = replies[-1][1]
        if not reads:
            break
        answered = witness.get(slot_of(key), b"")
        if not answered or server not in (None, answered):
            yield Round((Command(("UNLINK", copy)),))
            return None
        server = answered
        _, cursor, found, ends = replies[0]
        writes = (_stage(copy, way, max(0, there - mortal), found, ends),) if found else ()
        mortal += sum(end > 0 for end in ends)  # these fields may go at any time
        reads = () if cursor == b"0" else (Script("operand_page", (key,), (way.scan, cursor, page)),)
    return Copied(copy, way.counted, max(0, there - mortal))


def _stage(copy: str, way: Way, least: int, found: list[bytes], ends: list[int]) -> Step:
    words: list[Arg] = [*found]
    if way.add == "ZADD":
        words[::2], words[1::2] = found[1::2], found[::2]
    times: list[Arg] = []
    for field, end in zip(found[::2], ends, strict=False):
        if end > 0:
            times += [field, end]
    return Script("operand_stage", (copy,), (STAY_MS, way.add, way.counted, least, len(times) // 2, *times, *words))
