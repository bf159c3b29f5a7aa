"""Finds the scripts of ``lua/`` and puts their text together. The header of a script says how to call it.

The guarded form of a script is the script behind a check of the guards of its keys (see ``lua/lib/guard.lua``). The
staged form of either looks first whether the copies that it gets are whole (see ``lua/lib/staged.lua``).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..errors import CacheError
from .effects import Script
from .headers import Header, read_header

__all__ = ["GUARDED", "STAGED", "Source", "lua_dir", "names", "original", "parse", "source"]

GUARDED = "guarded:"  # the name of a guarded form is this, and the name of its script
STAGED = "staged:"  # the same for the form that gets copies of wide keys of other slots


class Source(NamedTuple):
    """One script: its text with includes resolved, its sha1, and what its header says.

    A guarded form has the header of its script, and takes more keys and arguments than that header says.
    """

    name: str
    text: str
    sha: str
    header: Header
    keys: int
    more_keys: bool
    args: int
    more_args: bool
    words: tuple[str, ...]
    guarded: bool

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
    if name.startswith(STAGED):
        return _staged(name, source(name.removeprefix(STAGED)))
    if name.startswith(GUARDED):
        return _guarded(name, source(name.removeprefix(GUARDED)))
    path = lua_dir() / f"{name}.lua"
    if not path.is_file():
        raise CacheError(f"there is no script {name!r} in rcollections")
    return parse(name, path.read_text(encoding="utf-8"))


def _guarded(name: str, plain: Source) -> Source:
    library = (lua_dir() / "lib" / "guard.lua").read_text(encoding="utf-8").splitlines()
    text = "\n".join([*_resolve(library), "local function op()", plain.text + "end", "return guarded(op)", ""])
    words = (*plain.words, "unloaded", "refused")
    return Source(name, text, _sha(text), plain.header, plain.keys + 1, True, plain.args + 5, True, words, True)


def _staged(name: str, plain: Source) -> Source:
    library = (lua_dir() / "lib" / "staged.lua").read_text(encoding="utf-8").splitlines()
    text = "\n".join(["local function op()", plain.text + "end", *_resolve(library), "return staged(op)", ""])
    return plain._replace(name=name, text=text, sha=_sha(text), args=plain.args + 1, words=(*plain.words, "lost"))


def original(step: Script) -> Script:
    """The script whose guarded form this step is, with the keys and arguments of the script itself."""
    if step.name.startswith(STAGED):
        step = Script(step.name.removeprefix(STAGED), step.keys, step.args[:-1])
    keys, tags = map(int, str(step.args[-1]).split()[:2])
    end = len(step.args) - 5 - tags
    return Script(step.name.removeprefix(GUARDED), step.keys[: len(step.keys) - keys - tags], step.args[:end])


def _sha(text: str) -> str:
    import hashlib  # only where a script is read

    return hashlib.sha1(text.encode("ascii"), usedforsecurity=False).hexdigest()


def parse(name: str, text: str) -> Source:
    """The script of this text; CacheError for a header that does not follow the grammar."""
    lines = text.splitlines()
    end = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    h = read_header(name, lines[:end])
    sent = "\n".join(_resolve(lines)) + "\n"
    return Source(name, sent, _sha(sent), h, h.keys, h.more_keys, h.args, h.more_args, h.words, False)


def _resolve(lines: list[str]) -> list[str]:
    """Put the library files in place; comments stay out, since the text travels to the server."""
    out: list[str] = []
    for line in lines:
        if line.startswith("-- @include "):
            part = lua_dir() / f"{line.removeprefix('-- @include ').strip()}.lua"
            out += _resolve(part.read_text(encoding="utf-8").splitlines())
        elif line.strip() and not line.lstrip().startswith("--"):
            out.append(line)
    return out
