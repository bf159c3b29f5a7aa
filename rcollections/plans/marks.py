"""Marks: what FREE leaves in the key of a lease, for those that waited for a computation that has no result.

``F | 0 | kind, count, cool, life, took, length of token, of stamps, as text | token | stamps | content``. A mark is no
lease: whoever finds one takes its place. ``cool`` is how many ms it holds up who comes new, ``life`` how many ms it
lasts, ``took`` how many ms the computation took. The Lua side of this layout is ``lua/lib/mark.lua``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..errors import CacheError, DecodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ALONE", "LONGEST", "NAMED", "THROWN", "Mark", "Sharing", "counting", "failed_mark", "pause", "raised_by",
    "read_mark",
]  # fmt: skip

THROWN, NAMED, ALONE = b"e", b"n", b"u"  # an exception, the name of its type alone, a result that is not to be stored
LONGEST = 4096  # bytes of a mark; the exception of a longer one stays out
LONGEST_SPREAD = 1.0  # seconds
SHORTEST_LIFE = 1000  # ms in which those that waited may look

_HEAD = re.compile(rb"F\0([a-z]) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) ")


class Mark(NamedTuple):
    """A mark: who left it, under which stamps, and why there is no result."""

    kind: bytes
    token: bytes
    stamps: bytes
    content: bytes = b""  # THROWN: the exception as bytes; NAMED: the name of its type
    failures: int = 0  # how many computations have failed in a row
    cool: int = 0
    took: int = 0

    @property
    def life(self) -> int:
        """W5: the mark lasts twice as long as it holds up newcomers, so that the count lives on."""
        return max(SHORTEST_LIFE, self.cool if self.kind == ALONE else 2 * self.cool)

    def pack(self) -> bytes:
        """The bytes that are left in the key of the lease."""
        numbers = (self.failures, self.cool, self.life, self.took, len(self.token), len(self.stamps))
        head = b"F\0%b %d %d %d %d %d %d " % (self.kind, *numbers)
        return head + self.token + self.stamps + self.content

    @property
    def type_name(self) -> str:
        """The name of the exception's type, for messages."""
        content = self.content
        if self.kind == THROWN:  # the exception begins with the path of its type: see ``values.exceptions``
            content = content[2 : 2 + int.from_bytes(content[:2], "big")]
        return content.decode("utf-8", "replace").replace(":", ".")


def read_mark(value: bytes | None) -> Mark | None:
    """The mark in these bytes; None for a token, and where there is nothing."""
    head = None if value is None else _HEAD.match(value)
    if value is None or head is None:
        return None
    failures, cool, _, took, token, stamps = (int(word) for word in head.groups()[1:])
    end = head.end()
    parts = value[end : end + token], value[end + token : end + token + stamps], value[end + token + stamps :]
    return Mark(head[1], *parts, failures, cool, took)


class Sharing(Protocol):
    """Writes and reads the exceptions that processes share. ``key`` and ``token`` are those of the computation."""

    def dump(self, error: BaseException, key: str, token: bytes, /) -> bytes | None:
        """The bytes; None of an exception whose type is not declared, or that would not come back as it is."""

    def load(self, data: bytes, key: str, token: bytes, /) -> BaseException | None:
        """The exception; None, and nothing of it was run, if this process does not declare its type."""


def failed_mark(
    error: BaseException, sharing: Sharing | None, key: str, token: bytes, stamps: bytes, numbers: tuple[int, int, int]
) -> Mark:
    """W4: with the exception where its type is declared and its arguments are plain; else with the type's name.

    ``numbers``: how many have failed in a row, ``cool``, ``took``.
    """
    content = None if sharing is None else sharing.dump(error, key, token)
    if content is not None:
        mark = Mark(THROWN, token, stamps, content, *numbers)
        if len(mark.pack()) <= LONGEST:
            return mark
    kind = type(error)
    named = f"{kind.__module__}.{kind.__qualname__}".encode("utf-8", "replace")[: LONGEST // 4]
    return Mark(NAMED, token, stamps, named, *numbers)


def counting(mark: Mark | None, waited: bytes, stamps: Sequence[bytes | None]) -> Mark | None:
    """The mark, if it is that of the computation that was waited for, and no tag was invalidated since (W3')."""
    if mark is None or mark.token != waited or None in stamps:
        return None
    return mark if mark.kind == ALONE or mark.stamps == b"".join(each or b"" for each in stamps) else None


def raised_by(mark: Mark, sharing: Sharing | None, key: str, name: str) -> BaseException | None:
    """The exception that a mark holds, made anew for each caller; None if it holds none that counts here.

    ``name`` is that of the function, for the message where this process does not declare the type.
    """
    if mark.kind != THROWN or sharing is None:
        return None
    try:
        error = sharing.load(mark.content, key, mark.token)
    except DecodeError:  # nobody who may sign has written that
        return None
    return error or CacheError(
        f"computing {key!r} failed in another process with {mark.type_name}, which this one does not declare: name "
        f"the type in cache_errors= of {name}, or decorate it with @rcollections.register"
    )


def pause(mark: Mark, jitter: float) -> float:
    """W4: seconds after which this process computes for itself: within the time that the computation took.

    ``jitter`` is a random number from 0.75 to 1.25.
    """
    return min(mark.took / 1000, LONGEST_SPREAD) * 2 * (jitter - 0.75)
