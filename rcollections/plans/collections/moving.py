"""Copying values that may be signed: they are good at one place only (G1), so a copy is signed for its own key.

Such a copy goes through this process: read, signed anew, stored. No pickle is opened for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...missing import MISSING
from ..effects import Batch, Command
from ..entries import unpack
from ..op import Trips, as_plan
from . import hashes, keys, strings
from .reader import Reader, timed_step

if TYPE_CHECKING:
    from ..effects import Arg, Plan
    from ..op import Operation
    from ..target import Target

__all__ = ["copy_hash", "copy_value"]


def copy_value(t: Target, to: str, lease: str) -> Operation[bool]:
    """Copy a value that counts, under the same tags, with the class's ttl; without one leave nothing at ``to``."""
    return Trips("copy_to", _value(t, to, lease)) if t.may_sign else strings.copy(t, to, lease)


def _value(t: Target, to: str, lease: str) -> Plan[bool]:
    reply: Any = yield timed_step((t,))
    counts = Reader(t, lambda _: None).timed(reply[1:]) is not MISSING
    entry = unpack(reply[1]) if counts else None
    if entry is None:
        yield Command(("UNLINK", to, lease))
        return False
    data = reply[1][: len(reply[1]) - len(entry.value)] + _moved(t, entry.value, to, None)
    ms = t.ms()
    life: tuple[Arg, ...] = ("PX", ms + entry.grace) if ms else ()
    yield Batch((Command(("UNLINK", lease)), Command(("SET", to, data, *life))), atomic=True)  # P4
    return True


def copy_hash(t: Target, new: Target) -> Operation[Any]:
    """Make one hash a copy of another. Signed values are signed anew, and then fields lose ttls of their own."""
    return Trips("copy_to", _hash(t, new)) if t.may_sign else keys.copy(t, new.key)


def _hash(t: Target, new: Target) -> Plan[None]:
    found = yield from as_plan(hashes.stored(t))
    flat = [word for field, value in found.items() for word in (field, _moved(t, value, new.key, field))]
    yield from as_plan(hashes.replaced(new, flat))


def _moved(t: Target, data: bytes, to: str, field: bytes | None) -> bytes:
    return data if t.signing is None else t.signing.moved(data, str(t.key), to, field)
