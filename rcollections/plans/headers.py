"""Headers of scripts: the comment lines on top of each file in ``lua/`` are its contract, and are parsed.

    -- set_add: add members, arm the ttl if one was new     name (the file's) and summary
    -- KEYS[1] the set                                      one line a key; KEYS[2..] for the rest
    -- ARGV[1] ttl in ms, 0 none                            one line an argument; ARGV[3..] for the rest
    -- returns {'ok', added} | {'full'}                     the first words that a reply can have
    -- reads                                                the script changes nothing, so it may be sent again
    -- writes KEYS[1]                                       or the keys that it may change; see ``Written``
    -- retry safe                                           of a script that writes: running it twice harms nothing
    -- decides                                              its caller acts on the reply: none may be made up for it
    -- decides when ARGV[3] has nx                          only then
    -- replaces all                                         nothing stays of the first key that '-- writes' names
    -- replaces all when ARGV[3] is copy or move            only then
    -- held                                                 the reply changes with the keys only: L1 may hold it
    -- held until hash_soonest                              the same, until the moment that this other script tells
    -- empty {'ok', distinct ARGV[3..]}                     the reply of an empty server; see ``emptiness``
    -- @include lib/arm                                     text of lua/lib/arm.lua is put in here

A line of another form is an error. The header ends with the first line that is no comment.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..errors import CacheError
from .emptiness import condition, reply_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .effects import Script
    from .emptiness import Reply

__all__ = ["Header", "Written", "read_header"]

R = TypeVar("R")
S = TypeVar("S")

LEASES_ONLY = "leases only"

_PARAMETER = re.compile(r"(KEYS|ARGV)\[(\d+)(\.\.)?\] \S")
_WORD = re.compile(r"\{'(\w+)'")
_WRITES = re.compile(r"KEYS\[(\d+)(?:(\.\.)(?:ARGV\[(\d+)\])?)?\]")
_USED = re.compile(r"(KEYS|ARGV)\[(\d+)")


class Header(NamedTuple):
    """The contract of one script."""

    summary: str
    keys: int
    more_keys: bool
    args: int
    more_args: bool
    words: tuple[str, ...]
    writes: Written | None  # None: the script changes nothing
    repeat: bool
    decides: Callable[[Script], bool]  # whether its caller acts on the reply
    whole: Callable[[Script], bool]  # whether nothing stays of the key that it writes first
    held: bool
    until: str  # the script that tells how long the reply holds, '' none
    empty: Reply


class Written:
    """The keys that a script may change, as ``-- writes KEYS[2], KEYS[1]`` says. The script is for the first one.

    ``KEYS[2..]`` are all keys from there on, ``KEYS[1..ARGV[1]]`` as many keys as that argument says. Leases do not
    count, nor tags that a script makes only because they were missing: no held value depends on either.
    """

    __slots__ = ("_all", "_counted_by", "_slices", "first")

    def __init__(self, text: str) -> None:
        parts = [] if text == LEASES_ONLY else text.split(", ")
        found = [_WRITES.fullmatch(part) for part in parts]
        if None in found:
            raise ValueError(text)
        matches = [match for match in found if match is not None]
        self.first = int(matches[0][1]) - 1 if matches else -1  # which of the keys, from 0
        self._slices = tuple(slice(int(m[1]) - 1, None if m[2] else int(m[1])) for m in matches)
        self._counted_by = int(matches[0][3]) - 1 if matches and matches[0][3] else None
        self._all = self._slices[0] if len(matches) == 1 and self._counted_by is None else None

    def keys(self, step: Script) -> tuple[str, ...]:
        """The keys that this step may change."""
        if self._all is not None:
            return step.keys[self._all]
        if self._counted_by is not None:
            return step.keys[: int(step.args[self._counted_by])]
        return tuple(key for each in self._slices for key in step.keys[each])


def read_header(name: str, lines: list[str]) -> Header:
    """The contract that these comment lines say; CacheError, with the name of the script, where they say none."""
    return _Reading(name).header(lines)


class _Reading:
    """The lines of one header, as they are read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: dict[str, list[tuple[int, bool]]] = {"KEYS": [], "ARGV": []}
        self.said: dict[str, str] = {}  # what a header may say once
        self.empty: list[str] = []

    def wrong(self, what: str) -> CacheError:
        return CacheError(f"script {self.name}: {what}")

    def header(self, lines: list[str]) -> Header:
        first = f"-- {self.name}: "
        if not lines or not lines[0].startswith(first):
            raise self.wrong(f"the first line must be '{first}what it does'")
        for line in lines[1:]:
            self._line(line)
        counts = {kind: self._count(kind) for kind in self.found}
        for line in (*self.said.values(), *self.empty):
            self._exist(line, counts)
        words = tuple(_WORD.findall(self.said.get("returns", "")))
        if not words:
            raise self.wrong("the header lacks '-- returns {'word', …}'")
        repeat, writes = self._does()
        held, until = self._held(writes)
        return Header(
            lines[0].removeprefix(first), *counts["KEYS"], *counts["ARGV"], words, writes, repeat,
            self._decides(writes), self._whole(writes), held, until, self._empty(words),
        )  # fmt: skip

    def _line(self, line: str) -> None:
        text = line.removeprefix("-- ")
        if parameter := _PARAMETER.match(text):
            self.found[parameter[1]].append((int(parameter[2]), bool(parameter[3])))
        elif text.startswith("empty "):
            self.empty.append(text.removeprefix("empty "))
        elif not text.startswith("@include "):
            for kind in ("returns", "reads", "writes", "retry safe", "decides", "replaces all", "held"):
                if text == kind or text.startswith(f"{kind} "):
                    break
            else:
                raise self.wrong(f"the header has a line that means nothing: {line!r}")
            if kind in self.said:
                raise self.wrong(f"the header says '-- {kind}' twice")
            self.said[kind] = text.removeprefix(kind).strip()

    def _count(self, kind: str) -> tuple[int, bool]:
        entries = self.found[kind]
        if [number for number, _ in entries] != list(range(1, len(entries) + 1)):
            raise self.wrong(f"the header must list {kind} in order, from 1, without gaps")
        if any(more for _, more in entries[:-1]):
            raise self.wrong(f"only the last {kind} may be open ('..')")
        if entries and entries[-1][1]:
            return len(entries) - 1, True
        return len(entries), False

    def _exist(self, line: str, counts: dict[str, tuple[int, bool]]) -> None:
        for kind, number in _USED.findall(line):
            count, more = counts[kind]
            if int(number) > count and not more:
                raise self.wrong(f"{line!r} speaks of {kind}[{number}], which the header does not list")

    def _does(self) -> tuple[bool, Written | None]:
        said = self.said
        if ("reads" in said) == ("writes" in said) or said.get("reads"):
            raise self.wrong("the header must say either '-- reads' or '-- writes KEYS[n]'")
        if "reads" in said:
            if "retry safe" in said:
                raise self.wrong("'-- reads' says already that it may be repeated: '-- retry safe' is for what writes")
            return True, None
        if said.get("retry safe"):
            raise self.wrong("'-- retry safe' stands alone on its line")
        try:
            return "retry safe" in said, Written(said["writes"])
        except ValueError:
            raise self.wrong(f"'-- writes {said['writes']}' means nothing: KEYS[1], KEYS[2..], {LEASES_ONLY}") from None

    def _held(self, writes: Written | None) -> tuple[bool, str]:
        said = self.said.get("held")
        if said is None:
            return False, ""
        if writes is not None or (said and not re.fullmatch(r"until \w+", said)):
            raise self.wrong("'-- held' or '-- held until a_script' is for what reads")
        return True, said.removeprefix("until ")

    def _decides(self, writes: Written | None) -> Callable[[Script], bool]:
        said = self.said.get("decides")
        if said is None:
            return lambda _: False
        if writes is None:
            raise self.wrong("'-- decides' is for what writes: a read may always find nothing")
        return self._understood(condition, said) if said else lambda _: True

    def _whole(self, writes: Written | None) -> Callable[[Script], bool]:
        said = self.said.get("replaces all")
        if said is None:
            return lambda _: False
        if writes is None or writes.first < 0:
            raise self.wrong("'-- replaces all' is for what writes")
        if not said:
            return lambda _: True
        return self._understood(condition, said)

    def _empty(self, words: tuple[str, ...]) -> Reply:
        if not self.empty:
            raise self.wrong("the header lacks '-- empty {'word', …}': the reply of an empty server")
        for line in self.empty:
            word = _WORD.match(line)
            if word is None or word[1] not in words:
                raise self.wrong(f"'-- empty {line}' must begin with a word of its '-- returns'")
        return self._understood(reply_of, self.empty)

    def _understood(self, read: Callable[[S], R], said: S) -> R:
        try:
            return read(said)
        except ValueError as error:
            raise self.wrong(f"the header says what means nothing: {error}") from None
