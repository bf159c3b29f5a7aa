"""Finds the scripts of ``lua/``, reads their headers, and knows what each may be called with.

A script starts with comment lines that are its contract; they are parsed, so that they cannot drift:

    -- set_add: add members, arm the ttl if one was new     name (the file's) and summary
    -- KEYS[1] the set                                      one line a key; KEYS[2..] for the rest
    -- ARGV[1] ttl in ms, 0 none                            one line an argument; ARGV[3..] for the rest
    -- returns {'ok', added} | {'full'}                     the first words that a reply can have
    -- retry safe                                           only where running it twice harms nothing
    -- @include lib/arm                                     text of lua/lib/arm.lua is put in here
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..errors import CacheError
from ..plans.guards import GUARDED

__all__ = ["Source", "lua_dir", "names", "source"]

_ENTRY = re.compile(r"-- (KEYS|ARGV)\[(\d+)(\.\.)?\] \S")
_WORD = re.compile(r"\{'(\w+)'")


class Source(NamedTuple):
    """One script: its text with includes resolved, its sha1, and the contract of its header."""

    name: str
    summary: str
    text: str
    sha: str
    keys: int
    more_keys: bool
    args: int
    more_args: bool
    words: tuple[str, ...]
    retry_safe: bool

    def check(self, keys: int, args: int) -> None:
        """Refuse a call that the header does not describe, before it reaches the server."""
        fits = (keys >= self.keys if self.more_keys else keys == self.keys) and (
            args >= self.args if self.more_args else args == self.args
        )
        if not fits:
            raise CacheError(f"script {self.name} was called with {keys} keys and {args} arguments: see its header")


def lua_dir() -> Path:
    """Where the scripts are: inside the installed package, else ``lua/`` at the top of the checkout."""
    here = Path(__file__).resolve().parents[1]
    for place in (here / "lua", here.parent / "lua"):
        if (place / "lib").is_dir():
            return place
    raise CacheError("the Lua scripts of rcollections are not installed: install the package again")


def names() -> list[str]:
    """All script names, sorted."""
    return sorted(path.stem for path in lua_dir().glob("*.lua"))


@cache
def source(name: str) -> Source:
    """The script of that name, read once per process; ``guarded:name`` is its guarded form."""
    if name.startswith(GUARDED):
        return _guarded(name, source(name.removeprefix(GUARDED)))
    path = lua_dir() / f"{name}.lua"
    if not path.is_file():
        raise CacheError(f"there is no script {name!r} in rcollections")
    return parse(name, path.read_text(encoding="ascii"))


def _guarded(name: str, plain: Source) -> Source:
    """The script behind a look at the guards of its keys: see ``lua/lib/guard.lua`` for what it takes more."""
    library = (lua_dir() / "lib" / "guard.lua").read_text(encoding="ascii").splitlines()
    text = "\n".join([*_resolve(library), "local function op()", plain.text + "end", "return guarded(op)", ""])
    words = (*plain.words, "unloaded", "refused")
    keys, args = plain.keys + 1, plain.args + 5
    return Source(name, plain.summary, text, _sha(text), keys, True, args, True, words, plain.retry_safe)


def _sha(text: str) -> str:
    return hashlib.sha1(text.encode("ascii"), usedforsecurity=False).hexdigest()


def parse(name: str, written: str) -> Source:
    """Read a script's header; a header that does not follow the grammar is a CacheError."""
    lines = written.splitlines()
    header = [line for line in lines[: _header_length(lines)] if line.startswith("--")]
    if not header or not header[0].startswith(f"-- {name}: "):
        raise CacheError(f"script {name}: the first line must be '-- {name}: what it does'")
    found: dict[str, list[tuple[int, bool]]] = {"KEYS": [], "ARGV": []}
    returns, safe = "", False
    for line in header[1:]:
        entry = _ENTRY.match(line)
        if entry:
            found[entry[1]].append((int(entry[2]), bool(entry[3])))
        elif line.startswith("-- returns "):
            returns = line
        elif line == "-- retry safe":
            safe = True
    counts = {kind: _count(name, kind, entries) for kind, entries in found.items()}
    words = tuple(_WORD.findall(returns))
    if not words:
        raise CacheError(f"script {name}: the header lacks '-- returns {{'word', …}}'")
    text = "\n".join(_resolve(lines)) + "\n"
    return Source(name, header[0].split(": ", 1)[1], text, _sha(text), *counts["KEYS"], *counts["ARGV"], words, safe)


def _header_length(lines: list[str]) -> int:
    return next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))


def _count(name: str, kind: str, entries: list[tuple[int, bool]]) -> tuple[int, bool]:
    if [number for number, _ in entries] != list(range(1, len(entries) + 1)):
        raise CacheError(f"script {name}: the header must list {kind} in order, from 1, without gaps")
    if any(more for _, more in entries[:-1]):
        raise CacheError(f"script {name}: only the last {kind} may be open ('..')")
    if entries and entries[-1][1]:
        return len(entries) - 1, True
    return len(entries), False


def _resolve(lines: list[str]) -> list[str]:
    """Put the library files in place; comments stay out, since the text travels to the server."""
    out: list[str] = []
    for line in lines:
        if line.startswith("-- @include "):
            part = lua_dir() / f"{line.removeprefix('-- @include ').strip()}.lua"
            out += _resolve(part.read_text(encoding="ascii").splitlines())
        elif line.strip() and not line.lstrip().startswith("--"):
            out.append(line)
    return out
