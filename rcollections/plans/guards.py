"""Guards: they make a tagged collection read as empty once one of its tags was invalidated. No I/O.

A guard is a key beside the collection, with the stamps that its tags had when the collection was begun. A read is
one round trip, guard first, then the data, then the tags: if the stamps differ, the data counts as missing. A write
is a script that looks at the guard first. The key of a guarded handle is a ``Guarded``: a str that knows its guard.
So the plans of the collections need not know of guards: ``expanded`` gives their steps the guarded form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .effects import Plan

__all__ = ["Guarded", "Refused", "Unloaded", "guard_state"]


class Guarded(str):
    """The key of a collection that has tags, loads itself, or is written with ``since``."""

    guard: str
    tags: tuple[str, ...]
    tag_ms: int
    ms: int
    loads: Callable[[], Plan[None]] | None  # fills the collection
    since: bytes

    @classmethod
    def make(
        cls, key: str, guard: str, tags: tuple[str, ...], tag_ms: int, ms: int, loads: Any = None, since: bytes = b""
    ) -> Guarded:
        new = cls(key)
        new.guard, new.tags, new.tag_ms, new.ms, new.loads, new.since = guard, tags, tag_ms, ms, loads, since
        return new


class Refused(Exception):
    """The value that was to be stored was read from the source before the last invalidation."""


class Unloaded(Exception):
    """This collection has to be loaded first."""

    def __init__(self, key: Guarded) -> None:
        self.key = key


def guard_state(key: Guarded, guard: bytes | None, stamps: Sequence[bytes | None], exists: Any) -> tuple[bool, bool]:
    """Whether the data counts, and whether it was loaded. The Lua side is ``lua/lib/generation.lua``."""
    size = 8 * len(key.tags)
    if guard is None:
        return size == 0, False
    live = None not in stamps and guard[:size] == b"".join(stamps) and len(guard) in (size + 8, size + 9)  # type: ignore[arg-type]
    flag = guard[size + 8 :]
    return live, live and (flag == b"E" or (flag == b"L" and bool(exists)))
