"""Slots of a cluster: the slot of a key, and of a step. Pure computing, no I/O."""

from __future__ import annotations

from binascii import crc_hqx
from typing import TYPE_CHECKING, Any

from .commands import COMMANDS
from .effects import Script
from .naming import beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .effects import Arg, Step

__all__ = ["SLOTS", "by_slot", "key_in", "keys_of", "several", "slot_of", "slot_of_keys"]

SLOTS = 16384
NO_KEY = -1  # any node may do it


def slot_of(key: Arg) -> int:
    """The slot of a key: CRC16 of what stands in the first braces, unless nothing does, or else of the whole key."""
    data = key.encode() if isinstance(key, str) else key if isinstance(key, bytes) else str(key).encode()
    start = data.find(b"{")
    if start >= 0:
        end = data.find(b"}", start + 1)
        if end > start + 1:
            data = data[start + 1 : end]
    return crc_hqx(data, 0) & (SLOTS - 1)


def keys_of(step: Step) -> tuple[Any, ...]:
    """The keys of a step. Of a command that is not in the table the first word is taken for one, as of nearly all
    commands it is; where it is not, the node says where the command has to go.
    """
    if isinstance(step, Script):
        return step.keys
    words = step.args
    facts = COMMANDS.get(words[0])
    return words[1:2] if facts is None else facts.keys(words)


def slot_of_keys(keys: Iterable[Arg]) -> int | None:
    """The slot of these keys, ``NO_KEY`` where there are none; None: they are in several."""
    found = {slot_of(key) for key in keys}
    if len(found) > 1:
        return None
    return found.pop() if found else NO_KEY


def by_slot(keys: Sequence[Any]) -> dict[int, list[int]]:
    """The numbers of these keys, by their slots."""
    found: dict[int, list[int]] = {}
    for n, key in enumerate(keys):
        found.setdefault(slot_of(key), []).append(n)
    return found


def key_in(slot: int, namespace: str) -> str:
    """A key of that slot that nobody uses."""
    n = 0
    while slot_of(str(n)) != slot:
        n += 1
    return f"{beside(namespace, 's')}{{{n}}}"


def several(step: Step) -> bool:
    """Whether the keys of this step are in several slots."""
    keys = keys_of(step)
    return len(keys) > 1 and slot_of_keys(keys) is None
