"""From a prefix and parts to a key: any text is a part, and no two lists of texts of one length share a key.

A part is written as its text. Characters that have a meaning in keys are escaped: ``\\\\`` is a backslash, ``\\(`` and
``\\)`` are braces (which would choose the slot in a cluster), ``\\x28`` is an opening parenthesis (the keys of
functions have one), and control characters and lone surrogates are written as Python writes them. A dot is ``\\.`` in
every part but the last one, so that ``report.pdf`` stays readable at the end of a key.
"""

from __future__ import annotations

import re
from datetime import date
from enum import Enum
from functools import lru_cache
from operator import index
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..key import Key

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SHORT", "complete", "escaped", "join", "no_name_of_ours", "one_hash_tag", "simple", "text_of", "whole"]

_ALWAYS = r"\\{}(\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
_NEEDS_ESCAPE = re.compile(f"[{_ALWAYS}]").search
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_WRITTEN = {"\\": r"\\", "{": r"\(", "}": r"\)", "(": r"\x28", "\n": r"\n", "\r": r"\r", "\t": r"\t", ".": r"\."}
_OURS = "rc:"  # the beginning of all keys that are not the user's: leases, guards, tags, staging
SHORT = 10**18  # ints below it are written in decimal at once
_DIGITS = 10**300  # longer ints are written in hex: a program may forbid long decimal text, down to 640 digits


def escaped(text: str, marks: str = "") -> str:
    """The text with the characters escaped that have a meaning in keys, and the punctuation in ``marks``."""
    odd = _odd(marks)
    return odd.sub(_written, text) if odd.search(text) else text


@lru_cache(256)
def _odd(marks: str) -> re.Pattern[str]:
    return re.compile(f"[{_ALWAYS}{re.escape(marks)}]")


def _written(found: re.Match[str]) -> str:
    char = found[0]
    known = _WRITTEN.get(char)
    if known is not None:
        return known
    code = ord(char)
    if 32 < code < 127:
        return f"\\{char}"
    return f"\\u{code:04x}" if code > 255 else f"\\x{code:02x}"


def text_of(owner: str, part: object) -> str:
    """The text of one part; TypeError for an object by which two handles could share a key by accident."""
    if type(part) is str:
        return part
    if isinstance(part, Enum):
        return text_of(owner, part.value)
    if isinstance(part, str):
        return str.__str__(part)
    if isinstance(part, (bool, float, UUID, date)):
        return str(part)
    try:
        number = index(part)  # type: ignore[arg-type]  # an int, or what counts as one, as numpy's do
    except TypeError:
        raise TypeError(
            f"{owner}: a key part is str, int, float, bool, UUID, date or Enum, not {type(part).__name__}"
            + (": is an id missing?" if part is None else "")
        ) from None
    return str(number) if -_DIGITS < number < _DIGITS else hex(number)


def join(owner: str, prefix: str, parts: Sequence[object], *, lenient: bool = False) -> str:
    """The key without its namespace; a ``Key`` where the only part is one. ValueError if nothing is left of it.

    With ``lenient`` any single text is a key, escaped; otherwise ``plain`` refuses what no key may be.
    """
    if len(parts) == 1:
        part = parts[0]
        if not prefix and isinstance(part, Key):
            return part
        text = part if type(part) is str else text_of(owner, part)
        if prefix:
            return f"{prefix}.{escaped(text)}" if text else prefix
        if text:
            return whole(text) if lenient else plain(owner, text)
    texts = [text for text in (text_of(owner, part) for part in parts) if text]
    if not texts:
        if prefix:
            return prefix
        raise ValueError(f"{owner}() needs a prefix or at least one key part that is not empty")
    if not prefix and len(texts) == 1:
        return whole(texts[0]) if lenient else plain(owner, texts[0])
    words = [escaped(text, ".") for text in texts[:-1]]
    words.append(escaped(texts[-1]))
    if prefix:
        words.insert(0, prefix)
    else:
        words[0] = no_name_of_ours(words[0])
    return ".".join(words)


def simple(parts: Sequence[object]) -> str:
    """What ``join`` makes of texts and ints that need no escape, in one step; "" for other parts."""
    words: list[str] = []
    sure = True
    for part in parts:
        if type(part) is str:
            words.append(part)
            sure = sure and part.isidentifier()  # no such text needs an escape
        elif type(part) is int and -SHORT < part < SHORT:
            words.append(str(part))
        else:
            return ""
    text = ".".join(words)
    if sure:
        return text
    if text.count(".") != len(words) - 1 or "" in words or _NEEDS_ESCAPE(text) is not None or text.startswith(_OURS):
        return ""
    return text


def plain(owner: str, text: str) -> str:
    """The key of a class without prefix and one text, which may hold a hash tag; ValueError for what no key may be."""
    problem = None
    if text.startswith(_OURS):
        problem = "begins with 'rc:', which is kept for tags, leases and guards"
    elif ("{" in text or "}" in text) and not one_hash_tag(text):
        problem = "holds braces that are no single {hash tag}"
    elif _CONTROL.search(text):
        problem = "holds a control character"
    if problem is not None:
        raise ValueError(
            f"{owner}: the key {text!r} {problem}. Give the class a prefix, or several parts: then any text is a part. "
            f"{owner}.at() takes a key that is on the server already"
        )
    return whole(text)


def whole(text: str) -> str:
    """A text as the whole key, any text: one whole hash tag stays a hash tag, other braces are escaped."""
    if "{" in text and one_hash_tag(text):
        before, inside, after = re.split("[{}]", text)
        return no_name_of_ours(f"{escaped(before)}{{{escaped(inside)}}}{escaped(after)}")
    return no_name_of_ours(escaped(text))


def no_name_of_ours(text: str) -> str:
    """An escaped text as the beginning of a key: no name of a lease, guard or tag begins like it."""
    return rf"\x72{text[1:]}" if text.startswith(_OURS) else text


def one_hash_tag(text: str) -> bool:
    """Whether a text with braces has one pair of them, with something in it: the part that chooses the slot."""
    opened, closed = text.find("{"), text.find("}")
    return text.count("{") == text.count("}") == 1 and opened + 1 < closed


def complete(owner: str, text: Any) -> Key:
    """The ``Key`` of a text from elsewhere (a command line, a log) that is a complete key; ValueError if it is none."""
    if not isinstance(text, str):
        raise TypeError(f"{owner}.at() takes a key as a str, not {type(text).__name__}")
    if not text:
        raise ValueError(f"{owner}.at() takes a key that is not empty")
    if text.startswith(_OURS):
        raise ValueError(f"{owner}.at({text!r}): keys that begin with 'rc:' belong to tags, leases and guards")
    if "}" in text and not re.search(r"^[^{]*\{[^}]", text):
        raise ValueError(f"{owner}.at({text!r}): with these braces no lease can be in the slot of the key")
    return Key(text)
