r"""Text inside keys: what would be read as something else is written as an escape.

``\\`` is a backslash, ``\(`` and ``\)`` are braces (a cluster takes a slot from what stands between braces),
``\x28`` is "(", which begins the arguments of a call. Control characters are ``\n``, ``\x01`` or ``\u2028``, and a
lone surrogate is ``\ud800``. All else stays as it is. Two texts never have one escaped form.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["escaped"]

_NAMED = {"\\": "\\\\", "{": "\\(", "}": "\\)", "(": "\\x28", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ALWAYS = r"\\{}(\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"


def escaped(text: str, marks: str = "") -> str:
    r"""The text with its escapes; the punctuation in ``marks`` (no parentheses) gets a backslash too."""
    return _special(marks).sub(_escape, text)


@lru_cache(maxsize=256)
def _special(marks: str) -> re.Pattern[str]:
    return re.compile(f"[{_ALWAYS}{re.escape(marks)}]")


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    named = _NAMED.get(char)
    if named is not None:
        return named
    code = ord(char)
    if char.isascii() and char.isprintable():
        return f"\\{char}"
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
