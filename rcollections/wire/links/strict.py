"""``strict_slots``: what a cluster would refuse, an in-process server refuses too: keys of several slots in one call.

One command, one script and one MULTI have keys of one slot. The table here has what ``raw()`` may send and
``plans/commands.py`` does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import hiredis

from ...errors import CacheError
from ...plans.commands import COMMANDS
from ...plans.slots import slot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["refuse_slots"]

SHOWN = 4  # keys in a message

Words = list[bytes]


def refuse_slots(data: bytes) -> None:
    """CacheError if a cluster would refuse one of these commands; then nothing of them may be sent."""
    for keys in _together(data):
        _check(keys)


def _together(data: bytes) -> Iterator[list[bytes]]:
    """The keys of each command, and those of each MULTI together."""
    reader = hiredis.Reader()
    reader.feed(data)
    collected: list[bytes] | None = None
    words: Any
    while (words := reader.gets()) is not False:
        name = words[0].upper()
        if name == b"MULTI":
            collected = []
        elif name == b"EXEC":
            yield collected or []
            collected = None
        elif collected is None:
            yield _keys(name.decode("latin-1"), words)
        else:
            collected += _keys(name.decode("latin-1"), words)


def _keys(name: str, words: Words) -> list[bytes]:
    more = _MORE.get(name)
    try:
        if more is not None:
            return more(words)
        facts = COMMANDS.get(name)
        return [] if facts is None else list(facts.keys(tuple(words)))
    except (IndexError, ValueError):  # the server refuses it
        return []


def _check(keys: list[bytes]) -> None:
    slots = {key: slot_of(key) for key in keys}
    if len(set(slots.values())) < 2:
        return
    texts = {key: key.decode("utf-8", "backslashreplace") for key in slots}
    shown = ", ".join(f"{texts[key]!r} (slot {slots[key]})" for key in list(slots)[:SHOWN])
    more = f" and {len(slots) - SHOWN} more" if len(slots) > SHOWN else ""
    count = len(set(slots.values()))
    error = CacheError(
        f"keys of {count} slots in one call, which a cluster refuses (strict_slots=on): {shown}{more}; "
        f"give keys that are used together one hash tag, a part in braces that is the same in all of them: "
        f"{_advice(list(texts.values()))}"
    )
    error._about = "call"
    raise error


def _advice(keys: list[str]) -> str:
    first, second = keys[0], next(key for key in keys if key != keys[0])
    bare = [key.replace("{", "").replace("}", "") for key in (first, second)]
    alike = next((at for at, (one, other) in enumerate(zip(*bare, strict=False)) if one != other), 0)
    shared = bare[0][:alike].rpartition(".")[0]
    if shared:
        return " and ".join(repr(f"{{{shared}}}{key.removeprefix(shared)}") for key in bare)
    return " and ".join(repr(f"{{tag}}.{key}") for key in bare)


# -- where keys stand ----------------------------------------------------------------------------------


def _counted(at: int, *first: int) -> Callable[[Words], list[bytes]]:
    """As many keys as the word at ``at`` says, behind it; and the words at ``first``."""
    return lambda words: [*(words[each] for each in first), *words[at + 1 : at + 1 + int(words[at])]]


def _between(start: int, end: int | None, step: int = 1) -> Callable[[Words], list[bytes]]:
    return lambda words: words[start:end:step]


def _streams(words: Words) -> list[bytes]:
    """XREAD: behind STREAMS stand the keys, and as many ids."""
    start = [word.upper() for word in words].index(b"STREAMS") + 1
    return words[start : start + (len(words) - start) // 2]


def _stored(words: Words) -> list[bytes]:
    """SORT and GEORADIUS: the key, and the one behind STORE."""
    return [words[1], *(words[at + 1] for at, word in enumerate(words[2:-1], 2) if word.upper().startswith(b"STORE"))]


_TWO, _ALL, _COUNTED = _between(1, 3), _between(1, None), _counted(1)
_MORE: Final[dict[str, Callable[[Words], list[bytes]]]] = {
    **dict.fromkeys(("EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"), _counted(2)),
    **dict.fromkeys(
        ("COPY", "RENAME", "RENAMENX", "SMOVE", "LMOVE", "RPOPLPUSH", "ZRANGESTORE", "GEOSEARCHSTORE"), _TWO
    ),
    **dict.fromkeys(("SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE", "PFCOUNT", "PFMERGE", "TOUCH"), _ALL),
    **dict.fromkeys(("ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"), _counted(2, 1)),
    **dict.fromkeys(("SINTERCARD", "ZINTERCARD", "LMPOP", "ZMPOP"), _COUNTED),
    **dict.fromkeys(("MSET", "MSETNX"), _between(1, None, 2)),
    **dict.fromkeys(("XREAD", "XREADGROUP"), _streams),
    **dict.fromkeys(("SORT", "GEORADIUS", "GEORADIUSBYMEMBER"), _stored),
    "BITOP": _between(2, None),
}
